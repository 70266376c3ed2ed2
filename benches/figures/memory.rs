//! Resident memory, of the program itself: at rest, after ten thousand webhooks, after hostile bodies.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::hostile;
use crate::house::{House, dockerhub_body};
use crate::peer::Peer;
use crate::process::Server;
use crate::row::Row;

const BURST: usize = 10_000;
const CONNECTIONS: usize = 64;

/// How long it may take until the work that the burst left is done.
const SETTLES: Duration = Duration::from_mins(2);

/// How long the memory is given to come down after a body.
const PAUSE: Duration = Duration::from_secs(2);

/// A signature of the right form that is not one.
const FORGED: &str = "x-github-event: push\r\nx-github-delivery: 1\r\n\
    x-hub-signature-256: sha256=0000000000000000000000000000000000000000000000000000000000000000\r\n";

pub(crate) async fn measure(house: &House) -> Result<Vec<Row>> {
    house.push("latest")?;
    let bot = house.serve("memory").await?;
    let peer = Peer::start().await?;
    tokio::time::sleep(PAUSE).await;
    let mut rows = vec![row("at rest", &bot, &peer.server, "≤ 10 MB")?];

    let hook = house.hook()?;
    burst(house, &hook).await?;
    burst(house, &peer.hook("hub")).await?;
    rows.push(row("after 10,000 webhooks", &bot, &peer.server, "")?);
    peer.server.settle(SETTLES).await?;
    let settled = bot.settle(SETTLES).await?;
    let what = format!("when all is done ({:.0} s later)", settled.as_secs_f64());
    rows.push(row(&what, &bot, &peer.server, "")?);

    // A peer whose memory is its own again.
    peer.server.kill().await?;
    let peer = Peer::start().await?;
    let known = hook.trim_start_matches(&house.url("")).to_owned();
    let bodies = [
        ("unsigned, to GitHub's hook", "/hooks/github", "", "/hooks/signed"),
        (
            "forged signature, to GitHub's hook",
            "/hooks/github",
            FORGED,
            "/hooks/signed",
        ),
        (
            "unknown token",
            "/hooks/dockerhub/nobody-knows-it",
            "",
            "/hooks/hub",
        ),
        ("known token", known.as_str(), "", "/hooks/hub"),
    ];
    for (what, path, headers, theirs) in bodies {
        for announced in [true, false] {
            let ours = grown(&bot, house.port, path, headers, announced).await?;
            let theirs = grown(&peer.server, peer.port, theirs, headers, announced).await?;
            let length = if announced { "" } else { ", chunked" };
            rows.push(Row {
                what: format!("100 MB, {what}{length}"),
                ours: ours.to_string(),
                against: format!("webhook {theirs}"),
                ratio: String::new(),
                goal: "+1 MB",
            });
        }
    }
    peer.server.kill().await?;
    bot.stop().await?;
    Ok(rows)
}

fn row(what: &str, bot: &Server, peer: &Server, goal: &'static str) -> Result<Row> {
    let ((ours, our_peak), (theirs, their_peak)) = (bot.memory()?, peer.memory()?);
    Ok(Row {
        what: format!("memory: {what}"),
        ours: format!("{ours:.1} MB (peak {our_peak:.1})"),
        against: format!("webhook {theirs:.1} MB (peak {their_peak:.1})"),
        ratio: format!("{:.2}×", ours / theirs),
        goal,
    })
}

/// Posts ten thousand pushes, each of which must be taken.
async fn burst(house: &House, url: &str) -> Result<()> {
    let body = dockerhub_body("latest")?;
    let posts = stream::iter((0..BURST).map(|_| house.client.post(url).body(body.clone()).send()));
    posts
        .buffer_unordered(CONNECTIONS)
        .err_into::<anyhow::Error>()
        .try_for_each(async |answer| {
            ensure!(
                answer.status().is_success(),
                "a webhook was answered with {}",
                answer.status()
            );
            // The connection is used again once the answer is read.
            answer.bytes().await?;
            Ok(())
        })
        .await
}

/// What one hostile body did to a server.
struct Grown {
    status: u16,
    peak: f64,
    after: f64,
}

impl std::fmt::Display for Grown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { status, peak, after } = self;
        write!(f, "{status}: {peak:+.1} MB, then {after:+.1}")
    }
}

async fn grown(server: &Server, port: u16, path: &str, headers: &str, announced: bool) -> Result<Grown> {
    server.forget_peak()?;
    let (before, _) = server.memory()?;
    let status = hostile::post(port, path, headers, announced).await?;
    tokio::time::sleep(PAUSE).await;
    let (after, peak) = server.memory()?;
    Ok(Grown {
        status,
        peak: peak - before,
        after: after - before,
    })
}
