//! What a run costs beside `docker run --rm --network none IMAGE test` itself, on images that are there.
//!
//! The bot is asked by GitHub's "Re-run", which pulls nothing: from the webhook to the last write.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::house::{House, Pushed};
use crate::row::{Row, Samples};

const PAIRS: usize = 40;

/// Runs to a round, and rounds.
const RUNS: u32 = 40;
const ROUNDS: usize = 3;

/// Steps at a time: the bot's default, and `xargs -P`.
const CONCURRENCY: &str = "2";

pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

pub(crate) async fn overhead(house: &House) -> Result<Vec<Row>> {
    let bot = house.serve("overhead").await?;
    let pushed = judged(house, "warm").await?;
    let mut pairs = Vec::new();
    for pair in 0..PAIRS {
        // Each goes first as often as the other.
        let (ours, theirs) = if pair % 2 == 0 {
            let ours = rerun(house, &pushed, pair + 2).await?;
            (ours, docker_run(&pushed).await?)
        } else {
            let theirs = docker_run(&pushed).await?;
            (rerun(house, &pushed, pair + 2).await?, theirs)
        };
        pairs.push((ours, theirs));
    }
    bot.stop().await?;
    let theirs: Samples = pairs.iter().map(|(_, theirs)| theirs * 1e3).collect();
    let row = |what: &str, pick: fn(&Rerun) -> f64| {
        let ours: Samples = pairs.iter().map(|(ours, _)| pick(ours) * 1e3).collect();
        let added: Samples = pairs
            .iter()
            .map(|(ours, theirs)| (pick(ours) - theirs) * 1e3)
            .collect();
        Row {
            what: format!("overhead: {what}"),
            ours: ours.spread(0, " ms"),
            against: format!("docker run {}", theirs.spread(0, " ms")),
            ratio: format!(
                "{:+.0} ms, {:.2}×",
                added.median(),
                ours.median() / theirs.median()
            ),
            goal: "≤ 0 added",
        }
    };
    Ok(vec![
        row("webhook to last write", |ours| ours.whole),
        row("the run itself, start to end", |ours| ours.run),
    ])
}

pub(crate) async fn throughput(house: &House) -> Result<Vec<Row>> {
    let bot = house.serve("throughput").await?;
    let names: Vec<String> = (0..RUNS).map(|number| format!("warm-{number}")).collect();
    let pushed = try_join_all(names.iter().map(|tag| judged(house, tag))).await?;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let begun = Instant::now();
        try_join_all(pushed.iter().map(|one| rerun(house, one, round + 2))).await?;
        let ours = f64::from(RUNS) / begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        side_by_side(&pushed).await?;
        let theirs = f64::from(RUNS) / begun.elapsed().as_secs_f64();
        rounds.push((ours, theirs));
    }
    bot.stop().await?;
    let ours: Samples = rounds.iter().map(|round| round.0).collect();
    let theirs: Samples = rounds.iter().map(|round| round.1).collect();
    let ratio: Samples = rounds.iter().map(|round| round.0 / round.1).collect();
    Ok(vec![Row {
        what: format!("throughput: runs/s, {CONCURRENCY} at a time"),
        ours: ours.spread(2, ""),
        against: format!("xargs docker run {}", theirs.spread(2, "")),
        ratio: ratio.spread(2, "×"),
        goal: "≥ 1×",
    }])
}

/// Pushes an image, and waits for its verdict.
async fn judged(house: &House, tag: &str) -> Result<Pushed> {
    let pushed = house.push(tag)?;
    house.announce(tag).await?;
    house.verdict(&pushed.commit, 1, PATIENCE).await?;
    Ok(pushed)
}

/// What a rerun took, in seconds.
struct Rerun {
    /// From the webhook to the last write.
    whole: f64,
    /// From the run's start to its verdict.
    run: f64,
}

/// Somebody presses "Re-run" on the newest check run of a commit; waits for the verdict, the `count`th there.
async fn rerun(house: &House, pushed: &Pushed, count: usize) -> Result<Rerun> {
    let newest = |house: &House| house.github.check_runs(&house.repo, &pushed.commit).pop();
    let check = newest(house).context("there is no check run")?;
    let event = house
        .github
        .rerequest_check_run(check.id)
        .context("there is no such check run")?;
    let begun = Instant::now();
    house.deliver(event).await?;
    house.verdict(&pushed.commit, count, PATIENCE).await?;
    let whole = begun.elapsed().as_secs_f64();
    let run = newest(house)
        .and_then(|check| check.external_id)
        .context("the check run names no run")?;
    let run: Value = house
        .client
        .get(house.url(&format!("/api/v1/runs/{run}")))
        .send()
        .await?
        .json()
        .await?;
    let at = |name: &str| -> Result<Timestamp> {
        Ok(run[name].as_str().context("the run has no such time")?.parse()?)
    };
    let run = at("finished_at")?.duration_since(at("started_at")?).as_secs_f64();
    Ok(Rerun { whole, run })
}

/// How long the command line takes for the same, in seconds.
async fn docker_run(pushed: &Pushed) -> Result<f64> {
    let begun = Instant::now();
    let status = Command::new("docker")
        .args(["run", "--rm", "--network", "none", &pushed.reference, "test"])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .context("cannot start docker")?;
    ensure!(status.success(), "docker run: {status}");
    Ok(begun.elapsed().as_secs_f64())
}

async fn side_by_side(pushed: &[Pushed]) -> Result<()> {
    let mut child = Command::new("xargs")
        .args([
            "-P",
            CONCURRENCY,
            "-I",
            "{}",
            "docker",
            "run",
            "--rm",
            "--network",
            "none",
            "{}",
            "test",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start xargs")?;
    let references: Vec<&str> = pushed.iter().map(|one| one.reference.as_str()).collect();
    let mut input = child.stdin.take().context("xargs has no input")?;
    input.write_all(references.join("\n").as_bytes()).await?;
    drop(input);
    let status = child.wait().await?;
    ensure!(status.success(), "xargs docker run: {status}");
    Ok(())
}
