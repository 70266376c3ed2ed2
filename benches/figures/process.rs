//! Processes that are measured, and when they answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::sleep;

/// How long a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often it is asked whether somebody answers.
const POLL: Duration = Duration::from_micros(500);

/// A process that serves on a port; it ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    pid: u32,
    /// From its start until it was ready.
    pub(crate) started_in: Duration,
}

impl Server {
    /// Starts `command`, and waits until `path` is answered with 200 on the port.
    pub(crate) async fn start(mut command: Command, port: u16, path: &str) -> Result<Self> {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let begun = Instant::now();
        let mut child = command
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let pid = child.id().context("it ended at once")?;
        while !is_ready(port, path).await {
            if let Some(status) = child.try_wait()? {
                bail!("{name} ended before it was ready: {status}");
            }
            if begun.elapsed() > PATIENCE {
                bail!("{name} is not ready after {PATIENCE:?}");
            }
            sleep(POLL).await;
        }
        Ok(Self {
            child,
            pid,
            started_in: begun.elapsed(),
        })
    }

    /// Kills it, and waits until it is gone.
    pub(crate) async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let pid = self.pid.to_string();
        Command::new("kill").args(["-TERM", &pid]).status().await?;
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .context("it does not stop")??;
        Ok(())
    }

    /// Resident memory in MiB: now, and the most there was since [`Server::forget_peak`].
    pub(crate) fn memory(&self) -> Result<(f64, f64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
            Some(kib / 1024.0)
        };
        mib("VmRSS:")
            .zip(mib("VmHWM:"))
            .context("/proc does not tell the memory")
    }

    /// Counts the most memory from now on.
    pub(crate) fn forget_peak(&self) -> Result<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.pid), "5")?)
    }

    /// Waits until it has done nothing for a second, or for `patience`.
    pub(crate) async fn settle(&self, patience: Duration) -> Result<Duration> {
        let begun = Instant::now();
        let mut used = self.ticks()?;
        loop {
            sleep(Duration::from_secs(1)).await;
            let now = self.ticks()?;
            if now - used <= 1 || begun.elapsed() > patience {
                return Ok(begun.elapsed());
            }
            used = now;
        }
    }

    /// Time on a processor so far, in hundredths of a second.
    fn ticks(&self) -> Result<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        // The name may hold anything; what follows it does not.
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let [user, system] =
            [11, 12].map(|place| fields.get(place).and_then(|field| field.parse::<u64>().ok()));
        user.zip(system)
            .map(|(user, system)| user + system)
            .context("/proc does not tell the time")
    }
}

/// This host, at a port.
pub(crate) fn here(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A port that is free now, and nobody else's by all likelihood.
pub(crate) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(here(0))?.local_addr()?.port())
}

async fn is_ready(port: u16, path: &str) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(here(port)).await?;
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").as_bytes())
            .await?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        std::io::Result::Ok(status)
    };
    ask.await.is_ok_and(|status| &status == b"HTTP/1.1 200")
}
