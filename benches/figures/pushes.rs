//! Pushes: how soon GitHub hears of each, and how often it is written to.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use http::{Method, StatusCode};
use hubcheck::demo::github::{Fault, GitHub, Trouble};
use hubcheck::model::CommitSha;
use serde_json::Value;

use crate::house::{House, IMAGE, Pushed};
use crate::row::{Row, Samples};

/// Pushes at ease, one at a time.
const PUSHES: u32 = 200;

/// Runs whose writes are counted.
const COUNTED: u32 = 20;

/// How long GitHub wants to be left alone.
const REFUSES: Duration = Duration::from_secs(20);

const PATIENCE: Duration = Duration::from_mins(3);

/// From the webhook until the first write was answered, besides what the registry takes to answer the same
/// questions alone.
pub(crate) async fn first_write(house: &House) -> Result<Vec<Row>> {
    let bot = house.serve("first-write").await?;
    let mut times = Vec::new();
    for number in 0..PUSHES {
        let tag = format!("at-ease-{number}");
        let pushed = house.push(&tag)?;
        let begun = Instant::now();
        let written = |github: &GitHub| is_written(house, github, &pushed.commit).then(|| begun.elapsed());
        let (announced, heard) = tokio::join!(house.announce(&tag), house.github.wait_for(PATIENCE, written));
        announced?;
        house.verdict(&pushed.commit, 1, PATIENCE).await?;
        times.push((heard?, registry_alone(house, &tag).await?));
    }
    bot.stop().await?;
    let samples = |pick: fn(&(Duration, Duration)) -> f64| times.iter().map(pick).collect::<Samples>();
    let heard = samples(|(heard, _)| heard.as_secs_f64() * 1e3);
    let alone = samples(|(_, alone)| alone.as_secs_f64() * 1e3);
    let besides = samples(|(heard, alone)| (heard.as_secs_f64() - alone.as_secs_f64()) * 1e3);
    Ok(vec![Row {
        what: format!("first write at GitHub: p50 / p99 of {PUSHES}"),
        ours: heard.tail(1, " ms"),
        against: format!("registry alone {}", alone.tail(1, " ms")),
        ratio: format!("besides {}", besides.tail(1, " ms")),
        goal: "p99 ≤ 15 ms besides",
    }])
}

/// Is there anything of ours on the commit?
fn is_written(house: &House, github: &GitHub, commit: &CommitSha) -> bool {
    !github.check_runs(&house.repo, commit).is_empty() || !github.statuses(&house.repo, commit).is_empty()
}

/// What the bot asks the registry, in the same order, and nothing else: where the tag points, the manifest,
/// the configuration.
pub(crate) async fn registry_alone(house: &House, tag: &str) -> Result<Duration> {
    let base = format!("http://{}/v2/{IMAGE}", house.registry.host());
    let begun = Instant::now();
    let head = house
        .client
        .head(format!("{base}/manifests/{tag}"))
        .send()
        .await?
        .error_for_status()?;
    let digest = head
        .headers()
        .get("docker-content-digest")
        .context("the registry names no digest")?;
    let digest = digest.to_str()?.to_owned();
    let manifest = house
        .client
        .get(format!("{base}/manifests/{digest}"))
        .send()
        .await?
        .error_for_status()?;
    let manifest: Value = manifest.json().await?;
    let config = manifest["config"]["digest"]
        .as_str()
        .context("the manifest names no configuration")?;
    let config = house
        .client
        .get(format!("{base}/blobs/{config}"))
        .send()
        .await?
        .error_for_status()?;
    config.bytes().await?;
    Ok(begun.elapsed())
}

/// Writes at GitHub to a run: one run at a time, many at once, and many while GitHub asks for a pause.
pub(crate) async fn writes(house: &House) -> Result<Vec<Row>> {
    let bot = house.serve("writes").await?;
    let mut rows = Vec::new();

    let before = house.github.writes().len();
    for number in 0..COUNTED {
        let tag = format!("at-ease-{number}");
        let pushed = house.push(&tag)?;
        house.announce(&tag).await?;
        house.verdict(&pushed.commit, 1, PATIENCE).await?;
    }
    rows.push(row(house, before, "at ease", "4"));

    let before = house.github.writes().len();
    many(house, "at-once").await?;
    rows.push(row(house, before, &format!("{COUNTED} at once"), "4"));

    let before = house.github.writes().len();
    let pause = Trouble::SecondaryLimit {
        status: StatusCode::FORBIDDEN,
        retry_after: Some(REFUSES.as_secs()),
    };
    house.github.fail(Fault::on(Method::POST, "/check-runs", pause));
    many(house, "refused").await?;
    let what = format!("{COUNTED} during a pause of {} s", REFUSES.as_secs());
    rows.push(row(house, before, &what, "2"));

    bot.stop().await?;
    Ok(rows)
}

async fn many(house: &House, name: &str) -> Result<()> {
    let mut pushed: Vec<Pushed> = Vec::new();
    for number in 0..COUNTED {
        let tag = format!("{name}-{number}");
        pushed.push(house.push(&tag)?);
        house.announce(&tag).await?;
    }
    for one in pushed {
        house.verdict(&one.commit, 1, PATIENCE).await?;
    }
    Ok(())
}

fn row(house: &House, before: usize, what: &str, goal: &'static str) -> Row {
    let writes = u32::try_from(house.github.writes().len() - before).unwrap_or(u32::MAX);
    let of_each = f64::from(writes) / f64::from(COUNTED);
    Row {
        what: format!("writes to a run: {what}"),
        ours: format!("{of_each:.2}"),
        against: "naively 6".to_owned(),
        ratio: format!("{:.2}×", of_each / 6.0),
        goal,
    }
}
