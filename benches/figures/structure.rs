//! A structure file of thirty assertions, from the command line: against a `docker run` for each.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::house::{House, Pushed};
use crate::row::{Row, Samples};

const ASSERTIONS: usize = 30;
const ROUNDS: usize = 5;

pub(crate) async fn measure(house: &House) -> Result<Vec<Row>> {
    let bot = house.serve("structure").await?;
    let pushed = house.push("structure")?;
    house.announce("structure").await?;
    // The Engine holds the image then.
    house.verdict(&pushed.commit, 1, crate::engine::PATIENCE).await?;
    bot.stop().await?;
    let folder = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for (what, kind, body) in [
        ("30 commands", "commandTests", "command: sh, args: [-c, 'exit 0']"),
        ("30 files", "fileExistenceTests", "path: /bin/sh"),
    ] {
        let mut text = format!("schemaVersion: 2.0.0\n{kind}:\n");
        for number in 0..ASSERTIONS {
            writeln!(text, "  - {{ name: n{number}, {body} }}")?;
        }
        let file = folder.path().join(format!("{kind}.yaml"));
        tokio::fs::write(&file, text).await?;
        rows.extend(compare(what, &file, &pushed).await?);
    }
    Ok(rows)
}

async fn compare(what: &str, file: &Path, pushed: &Pushed) -> Result<[Row; 2]> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let ours = ours(file, &pushed.reference).await?;
        let one_by_one = docker(&pushed.reference, "1").await?;
        rounds.push((ours, one_by_one, docker(&pushed.reference, "2").await?));
    }
    let row = |against: &str, pick: fn(&(f64, f64, f64)) -> f64, goal| {
        let ours: Samples = rounds.iter().map(|round| round.0).collect();
        let theirs: Samples = rounds.iter().map(pick).collect();
        let ratio: Samples = rounds.iter().map(|round| pick(round) / round.0).collect();
        Row {
            what: format!("structure: {what}"),
            ours: ours.spread(1, " s"),
            against: format!("{against} {}", theirs.spread(1, " s")),
            ratio: format!("{} as fast", ratio.spread(1, "×")),
            goal,
        }
    };
    Ok([
        row("30 docker run", |round| round.1, "≥ 1×"),
        row("xargs -P2", |round| round.2, "≥ 1×"),
    ])
}

/// Seconds of `hubcheck test --structure`.
async fn ours(file: &Path, image: &str) -> Result<f64> {
    let begun = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_hubcheck"))
        .args(["test", "--quiet", "--structure"])
        .arg(file)
        .arg(image)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .context("cannot start hubcheck")?;
    ensure!(status.success(), "hubcheck test: {status}");
    Ok(begun.elapsed().as_secs_f64())
}

/// Seconds of as many `docker run`s, so many at a time.
async fn docker(image: &str, at_a_time: &str) -> Result<f64> {
    let begun = Instant::now();
    let mut child = Command::new("xargs")
        .args([
            "-P",
            at_a_time,
            "-n",
            "1",
            "docker",
            "run",
            "--rm",
            "--network",
            "none",
        ])
        .args(["--entrypoint", "sh", image, "-c", "exit 0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start xargs")?;
    let mut input = child.stdin.take().context("xargs has no input")?;
    input.write_all("x\n".repeat(ASSERTIONS).as_bytes()).await?;
    drop(input);
    let status = child.wait().await?;
    ensure!(status.success(), "xargs docker run: {status}");
    Ok(begun.elapsed().as_secs_f64())
}
