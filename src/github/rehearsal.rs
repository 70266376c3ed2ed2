//! Writes that are shown to somebody and not sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::transport::{Answer, Request};

/// A write that GitHub would have been sent.
#[derive(Clone, Debug, PartialEq)]
pub struct RehearsedWrite {
    /// `POST /repos/acme/app/check-runs`
    pub request: String,
    /// What would be written.
    pub body: Value,
}

/// Takes writes in GitHub's place, and answers as it would.
#[derive(Clone)]
pub(super) struct Rehearsal {
    writes: mpsc::Sender<RehearsedWrite>,
    made: Arc<AtomicI64>,
}

impl Rehearsal {
    pub(super) fn new(writes: mpsc::Sender<RehearsedWrite>) -> Self {
        Self {
            writes,
            made: Arc::default(),
        }
    }

    pub(super) async fn take(&self, request: &Request) -> Answer {
        let write = RehearsedWrite {
            request: request.to_string(),
            body: request.body.clone().unwrap_or_default(),
        };
        // Whoever listened may have gone: nothing is sent all the same.
        let _ = self.writes.send(write).await;
        // GitHub answers with what was written, and a number.
        let mut answer = request.body.clone().unwrap_or_default();
        answer["id"] = json!(self.made.fetch_add(1, Ordering::Relaxed) + 1);
        Answer {
            status: http::StatusCode::CREATED,
            headers: http::HeaderMap::new(),
            body: answer.to_string().into(),
            is_redirected: false,
        }
    }
}
