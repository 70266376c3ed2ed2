//! Load on an HTTP server: `wrk`, on one thread.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// What came of some seconds of load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) requests: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Posts the body in `file`, again and again, over so many connections. Every answer must be 2xx.
pub(crate) async fn post(
    url: &str,
    connections: u32,
    seconds: u32,
    file: &Path,
    headers: &[String],
) -> Result<Load> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/figures/load.lua");
    wrk(connections, seconds)
        .args(["-s", script, url, "--"])
        .arg(file)
        .args(headers)
        .output()
        .await
        .context("cannot start wrk")
        .and_then(|output| read(&String::from_utf8_lossy(&output.stdout)))
}

fn wrk(connections: u32, seconds: u32) -> Command {
    let mut command = Command::new("wrk");
    command.kill_on_drop(true).args([
        "-t1",
        &format!("-c{connections}"),
        &format!("-d{seconds}s"),
        "--timeout",
        "20s",
    ]);
    command
}

fn read(output: &str) -> Result<Load> {
    let line = output.lines().find_map(|line| line.strip_prefix("figures: "));
    let numbers: Vec<f64> = line
        .unwrap_or_default()
        .split(' ')
        .filter_map(|number| number.parse().ok())
        .collect();
    let [requests, micros, p50, p99, _max, errors] = numbers[..] else {
        anyhow::bail!("wrk said: {output}");
    };
    ensure!(
        errors == 0.0,
        "{errors} of {requests} requests were not answered with 2xx"
    );
    Ok(Load {
        requests,
        per_second: requests / (micros / 1e6),
        p50_ms: p50 / 1e3,
        p99_ms: p99 / 1e3,
    })
}
