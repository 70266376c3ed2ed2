//! From exec to the first `/readyz` that is answered with 200.

use anyhow::Result;

use crate::house::House;
use crate::million::{RUNS, filled};
use crate::peer::Peer;
use crate::row::{Row, Samples};

const ROUNDS: usize = 15;

pub(crate) async fn measure(house: &House) -> Result<Vec<Row>> {
    filled(house, "million", RUNS).await?;
    let (mut new, mut million, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let bot = house.serve(&format!("start-{round}")).await?;
        new.push(bot.started_in);
        bot.stop().await?;
        let bot = house.serve("million").await?;
        million.push(bot.started_in);
        bot.stop().await?;
        let peer = Peer::start().await?;
        peers.push(peer.server.started_in);
        peer.server.kill().await?;
    }
    let samples = |times: &[std::time::Duration]| {
        times
            .iter()
            .map(|time| time.as_secs_f64() * 1e3)
            .collect::<Samples>()
    };
    let peers = samples(&peers);
    let row = |what: &str, ours: &Samples| Row {
        what: format!("start: exec to ready, {what}"),
        ours: ours.spread(1, " ms"),
        against: format!("webhook {}", peers.spread(1, " ms")),
        ratio: format!("{:.1}×", ours.median() / peers.median()),
        goal: "≤ 20 ms",
    };
    Ok(vec![
        row("a new store", &samples(&new)),
        row("a million runs", &samples(&million)),
    ])
}
