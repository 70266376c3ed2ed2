//! The peer of the intake: Debian's `webhook` (adnanh/webhook), which runs a command for each request and
//! stores nothing.

use std::process::Stdio;

use anyhow::Result;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::house::WEBHOOK_SECRET;
use crate::process::{Server, free_port};

/// A running `webhook`.
pub(crate) struct Peer {
    pub(crate) server: Server,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Peer {
    /// Starts it with two hooks that run `/bin/true`: `hub` takes anything, `signed` what GitHub signed.
    pub(crate) async fn start() -> Result<Self> {
        let folder = TempDir::new()?;
        let hooks = folder.path().join("hooks.json");
        let signed = json!({ "match": {
            "type": "payload-hmac-sha256",
            "secret": WEBHOOK_SECRET,
            "parameter": { "source": "header", "name": "X-Hub-Signature-256" },
        }});
        let definition = json!([
            { "id": "hub", "execute-command": "/bin/true" },
            { "id": "signed", "execute-command": "/bin/true", "trigger-rule": signed },
        ]);
        std::fs::write(&hooks, definition.to_string())?;
        let port = free_port()?;
        let mut command = Command::new("webhook");
        command
            .arg("-hooks")
            .arg(&hooks)
            .args(["-ip", "127.0.0.1", "-port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Self {
            server: Server::start(command, port, "/").await?,
            port,
            _folder: folder,
        })
    }

    /// The URL of one of its hooks.
    pub(crate) fn hook(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/hooks/{name}", self.port)
    }
}
