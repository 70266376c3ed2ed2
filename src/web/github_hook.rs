//! The App's own webhook: signed, so that its body is believed. Only the fields in use are stored.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::problem::Problem;
use super::registry_hook::Receipt;
use super::{App, read_body};
use crate::delivery;
use crate::hooks::github::{GithubEvent, Signature, parse};
use crate::metrics::Answer;
use crate::model::Decision;
use crate::store::Taken;

/// GitHub sends nothing larger.
const MAX_BODY: usize = 25 << 20;

/// What may come without its length: GitHub always says it, but something on the way may not.
const MAX_UNANNOUNCED: usize = 1 << 20;

/// Up to here a body is always read: those that are acted on are seldom larger.
const SMALL: usize = 64 << 10;

/// Memory for all larger bodies at a time, in KiB: nobody knows whose they are until they are here.
const ROOM_KIB: usize = 50 << 10;

/// GitHub waits ten seconds for the answer.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// The App's door, with the room there is behind it.
#[derive(Clone)]
pub(super) struct Door {
    app: App,
    room: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(app: App) -> Self {
        let room = Arc::new(Semaphore::new(ROOM_KIB));
        Self { app, room }
    }

    /// Room for a body of this length: waited for as long as the sender would wait.
    async fn room(&self, length: usize) -> Result<Option<SemaphorePermit<'_>>, Problem> {
        if length <= SMALL || length > MAX_BODY {
            return Ok(None);
        }
        let kib = u32::try_from(length.div_ceil(1 << 10)).expect("it is no larger than may be");
        let room = timeout(BODY_DEADLINE, self.room.acquire_many(kib)).await;
        room.map_err(|_| Problem::flooded())
            .map(|room| Some(room.expect("it is never closed")))
    }
}

/// `POST /hooks/github`
pub(super) async fn receive(
    State(door): State<Door>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Receipt>), Problem> {
    let app = &door.app;
    let reply = take(&door, &headers, body).await;
    let answer = match &reply {
        Ok(receipt) if receipt.decision == Decision::Queued => Answer::Queued,
        Ok(receipt) if receipt.decision == Decision::Duplicate => Answer::Duplicate,
        Ok(_) => Answer::Ignored,
        Err(problem) if problem.is_ours() => Answer::Turned,
        Err(_) => Answer::Refused,
    };
    app.metrics.delivery("github", answer);
    reply.map(|receipt| (StatusCode::ACCEPTED, Json(receipt)))
}

async fn take(door: &Door, headers: &HeaderMap, body: Body) -> Result<Receipt, Problem> {
    let app = &door.app;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let unsigned = || {
        Problem::forbidden(
            "the signature in X-Hub-Signature-256 is missing or wrong: check the webhook secret",
        )
    };
    // Without a signature of the right form nothing is read.
    let signature = header("x-hub-signature-256")
        .and_then(Signature::read)
        .ok_or_else(unsigned)?;
    let announced = body.size_hint().exact().map(usize::try_from);
    let (length, max_bytes) = match announced {
        Some(length) => (length.unwrap_or(usize::MAX), MAX_BODY),
        None => (MAX_UNANNOUNCED, MAX_UNANNOUNCED),
    };
    let _room = door.room(length).await?;
    let body = read_body(body, max_bytes, BODY_DEADLINE).await?;
    if !signature.signs(&app.github_secrets, &body) {
        return Err(unsigned());
    }
    let name =
        header("x-github-event").ok_or_else(|| Problem::bad("the header X-GitHub-Event is missing"))?;
    let guid = header("x-github-delivery")
        .filter(|guid| !guid.is_empty() && guid.len() <= 128)
        .ok_or_else(|| Problem::bad("the header X-GitHub-Delivery is missing"))?;
    let event = parse(name, &body).map_err(|error| Problem::bad(error.to_string()))?;
    let images = match &event {
        GithubEvent::PackagePushed { push } => vec![push.clone()],
        _ => Vec::new(),
    };
    let delivery = delivery::of_github(&app.store, &app.bindings, &event, (name, Some(guid)))
        .await
        .map_err(|_| Problem::unavailable())?;
    let (id, decision, reason) = (delivery.id, delivery.decision, delivery.reason.clone());
    match app.intake.take(delivery).await {
        Taken::Stored => Ok(Receipt {
            delivery: id,
            decision,
            reason,
            images,
        }),
        Taken::Duplicate(first) => Ok(Receipt {
            delivery: first,
            decision: Decision::Duplicate,
            reason: "GitHub sent this event before".to_owned(),
            images,
        }),
        Taken::Flooded => Err(Problem::flooded()),
        Taken::Refused => Err(Problem::unavailable()),
    }
}
