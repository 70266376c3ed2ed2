//! A registry's webhook: refused in the contract's order, stored, answered; worked on later.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::problem::Problem;
use super::{App, Path, read_body};
use crate::delivery;
use crate::hooks::{Parsed, Sender};
use crate::metrics::Answer;
use crate::model::{Decision, DeliveryId, Push};
use crate::store::Taken;

/// How long a registry may take to send its body.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// What a delivery is answered with.
#[derive(Debug, Serialize)]
pub(super) struct Receipt {
    pub(super) delivery: DeliveryId,
    pub(super) decision: Decision,
    pub(super) reason: String,
    pub(super) images: Vec<Push>,
}

type Reply = Result<(StatusCode, Json<Receipt>), Problem>;

/// `POST /hooks/{sender}/{token}`
pub(super) async fn receive(
    State(app): State<App>,
    Path((sender, token)): Path<(String, String)>,
    body: Body,
) -> Reply {
    let sender: Sender = sender.parse().map_err(|_| Problem::not_found())?;
    counted(&app, sender, take(&app, sender, &token, body).await)
}

/// The Jenkins plugin's paths: `POST /dockerhub-webhook/{token}` and `…/{token}/notify`.
pub(super) async fn receive_at_jenkins_path(
    State(app): State<App>,
    Path(token): Path<String>,
    body: Body,
) -> Reply {
    let sender = Sender::Dockerhub;
    counted(&app, sender, take(&app, sender, &token, body).await)
}

fn counted(app: &App, sender: Sender, reply: Result<Receipt, Problem>) -> Reply {
    let answer = match &reply {
        Ok(receipt) => match receipt.decision {
            Decision::Queued => Answer::Queued,
            Decision::Ignored => Answer::Ignored,
            Decision::Duplicate => Answer::Duplicate,
        },
        Err(problem) if problem.is_ours() => Answer::Turned,
        Err(_) => Answer::Refused,
    };
    app.metrics.delivery(sender.as_str(), answer);
    reply.map(|receipt| (StatusCode::ACCEPTED, Json(receipt)))
}

async fn take(app: &App, sender: Sender, token: &str, body: Body) -> Result<Receipt, Problem> {
    let scope = app.hook_keys.verify(sender, token).ok_or_else(|| {
        Problem::forbidden("this token is not known: `hubcheck hook-url IMAGE` prints a good URL")
    })?;
    let body = read_body(body, app.max_body, BODY_DEADLINE).await?;
    let parsed = sender
        .parse(&body)
        .map_err(|error| Problem::bad(error.to_string()))?;
    let named = match &parsed {
        Parsed::Push { push, .. } => Some(push),
        Parsed::Ignored(ignored) => ignored.push.as_ref(),
    };
    if let Some(push) = named
        && !scope.covers(&push.image)
    {
        return Err(Problem::forbidden(
            "the token is for another image than the body speaks of",
        ));
    }
    let images = named.cloned().into_iter().collect();
    // A body that was parsed is text.
    let text = String::from_utf8_lossy(&body).into_owned();
    let delivery = delivery::of_registry(&app.store, &app.bindings, sender, (&parsed, text))
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
            reason: "it is known already".into(),
            images,
        }),
        Taken::Flooded => Err(Problem::flooded()),
        Taken::Refused => Err(Problem::unavailable()),
    }
}
