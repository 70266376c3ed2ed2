//! The App's own webhook: signed, so that its body is believed. Only the fields in use are stored.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use super::problem::Problem;
use super::registry_hook::Receipt;
use super::{App, read_body};
use crate::hooks::github::{GithubEvent, Signature, parse};
use crate::metrics::Answer;
use crate::model::{Decision, DeliveryId, Visibility};
use crate::store::{NewDelivery, Taken};

/// GitHub sends nothing larger.
const MAX_BODY: usize = 25 << 20;

/// GitHub waits ten seconds for the answer.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// `POST /hooks/github`
pub(super) async fn receive(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Receipt>), Problem> {
    let reply = take(&app, &headers, body).await;
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

async fn take(app: &App, headers: &HeaderMap, body: Body) -> Result<Receipt, Problem> {
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
    let body = read_body(body, MAX_BODY, BODY_DEADLINE).await?;
    if !signature.signs(&app.github_secrets, &body) {
        return Err(unsigned());
    }
    let name =
        header("x-github-event").ok_or_else(|| Problem::bad("the header X-GitHub-Event is missing"))?;
    let guid = header("x-github-delivery")
        .filter(|guid| !guid.is_empty() && guid.len() <= 128)
        .ok_or_else(|| Problem::bad("the header X-GitHub-Delivery is missing"))?;
    let event = parse(name, &body).map_err(|error| Problem::bad(error.to_string()))?;
    let (decision, reason) = decide(&event);
    let id = DeliveryId::new();
    let delivery = NewDelivery {
        id,
        sender: "github",
        event: name.chars().take(80).collect(),
        event_id: Some(guid.to_owned()),
        body: serde_json::to_string(&event).expect("an event is plain data"),
        decision,
        reason: reason.clone(),
        pushes: Vec::new(),
        acts: decision == Decision::Queued,
    };
    match app.intake.take(delivery).await {
        Taken::Stored => Ok(Receipt {
            delivery: id,
            decision,
            reason,
            images: Vec::new(),
        }),
        Taken::Duplicate(first) => Ok(Receipt {
            delivery: first,
            decision: Decision::Duplicate,
            reason: "GitHub sent this event before".to_owned(),
            images: Vec::new(),
        }),
        Taken::Flooded => Err(Problem::flooded()),
        Taken::Refused => Err(Problem::unavailable()),
    }
}

fn decide(event: &GithubEvent) -> (Decision, String) {
    match event {
        GithubEvent::Ping => (Decision::Ignored, "the webhook works".to_owned()),
        GithubEvent::InstallationChanged { action, .. } => {
            (Decision::Queued, format!("the installation changed: {action}"))
        }
        GithubEvent::CheckRunRerequested { .. } => {
            (Decision::Queued, "the run will be done again".to_owned())
        }
        GithubEvent::CheckSuiteRerequested { .. } => (
            Decision::Queued,
            "all runs on the commit will be done again".to_owned(),
        ),
        GithubEvent::VisibilityChanged { repo, visibility } => {
            let now = match visibility {
                Visibility::Private => "private",
                Visibility::Public => "public",
            };
            (Decision::Queued, format!("{} is {now} now", repo.name))
        }
        GithubEvent::Other { event, action } => {
            let action = action
                .as_deref()
                .map(|action| format!(".{action}"))
                .unwrap_or_default();
            (
                Decision::Ignored,
                format!("{event}{action} is nothing that is acted on"),
            )
        }
    }
}
