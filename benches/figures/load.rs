//! Load on an HTTP server: `wrk`, on one thread.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

/// What wrk does, and how it reports.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/figures/load.lua");

/// What came of some seconds of load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) requests: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Gets a page, again and again, over so many connections. Every answer must be 2xx.
pub(crate) async fn get(url: &str, connections: u32, seconds: u32) -> Result<Load> {
    wrk(url, connections, seconds, &[]).await
}

/// Posts the body in `file`, in the same way.
pub(crate) async fn post(
    url: &str,
    connections: u32,
    seconds: u32,
    file: &Path,
    headers: &[String],
) -> Result<Load> {
    let mut args = vec![file.as_os_str()];
    args.extend(headers.iter().map(OsStr::new));
    wrk(url, connections, seconds, &args).await
}

async fn wrk(url: &str, connections: u32, seconds: u32, args: &[&OsStr]) -> Result<Load> {
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s")])
        .args(["--timeout", "20s", "-s", SCRIPT, url, "--"])
        .args(args)
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot start wrk")?;
    read(&String::from_utf8_lossy(&output.stdout))
}

/// The line that the script prints.
fn read(output: &str) -> Result<Load> {
    let line = output.lines().find_map(|line| line.strip_prefix("figures: "));
    let numbers: Vec<f64> = line
        .unwrap_or_default()
        .split(' ')
        .filter_map(|number| number.parse().ok())
        .collect();
    let [requests, micros, p50, p99, errors] = numbers[..] else {
        bail!("wrk said: {output}");
    };
    ensure!(
        errors < 1.0,
        "{errors} of {requests} requests were not answered with 2xx"
    );
    Ok(Load {
        requests,
        per_second: requests / (micros / 1e6),
        p50_ms: p50 / 1e3,
        p99_ms: p99 / 1e3,
    })
}
