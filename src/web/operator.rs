//! The operator's page: every delivery with its decision and reason, behind a sign-in with the operator's token.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::App;
use super::api::Paging;
use super::pages::{Moment, page};
use super::problem::Problem;
use super::viewer::{Viewer, sign_in, sign_out};
use crate::report::plain_text;
use crate::store::{DeliverySummary, PushRecord};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    /// Is there a token to sign in with?
    is_possible: bool,
    was_wrong: bool,
}

#[derive(Template)]
#[template(path = "deliveries.html")]
struct Deliveries {
    deliveries: Vec<Line>,
    /// Where the next page begins.
    next: Option<String>,
}

struct Line {
    sender: String,
    event: String,
    decision: String,
    reason: String,
    at: Moment,
    pushes: Vec<PushLine>,
}

struct PushLine {
    image: String,
    stage: &'static str,
    reason: String,
    run: Option<String>,
}

impl From<&PushRecord> for PushLine {
    fn from(push: &PushRecord) -> Self {
        Self {
            image: format!("{}:{}", push.image.short(), push.tag),
            stage: push.stage.as_str(),
            reason: push.reason.as_deref().map(plain_text).unwrap_or_default(),
            run: push.run().map(|run| run.to_string()),
        }
    }
}

impl Line {
    async fn read(app: &App, delivery: &DeliverySummary) -> Result<Self, Problem> {
        let pushes = app.store.pushes_of(delivery.id).await?;
        Ok(Self {
            sender: delivery.sender.clone(),
            event: plain_text(&delivery.event),
            decision: delivery.decision.clone(),
            reason: plain_text(&delivery.reason),
            at: Moment::of(delivery.received_at),
            pushes: pushes.iter().map(PushLine::from).collect(),
        })
    }
}

/// `GET /deliveries`: for the operator; to all others the way to sign in.
pub(super) async fn deliveries(
    State(app): State<App>,
    viewer: Viewer,
    paging: Paging,
) -> Result<Response, Problem> {
    if !viewer.operator {
        return form(&app, StatusCode::OK, false);
    }
    let listed = app.store.deliveries(paging.before()?, paging.limit()).await?;
    let mut lines = Vec::with_capacity(listed.len());
    for delivery in &listed {
        lines.push(Line::read(&app, delivery).await?);
    }
    let is_full = i64::try_from(listed.len()).is_ok_and(|count| count >= paging.limit());
    let next = listed.last().filter(|_| is_full).map(|last| last.id.to_string());
    page(&Deliveries {
        deliveries: lines,
        next,
    })
}

/// What the form of the sign-in holds.
#[derive(Deserialize)]
pub(super) struct Credentials {
    token: String,
}

/// `POST /deliveries`: signs in.
pub(super) async fn enter(
    State(app): State<App>,
    Form(credentials): Form<Credentials>,
) -> Result<Response, Problem> {
    match sign_in(&app, credentials.token.trim()) {
        Some(cookie) => Ok(([(SET_COOKIE, cookie)], Redirect::to("/deliveries")).into_response()),
        None => form(&app, StatusCode::FORBIDDEN, true),
    }
}

/// `POST /deliveries/sign-out`
pub(super) async fn leave(State(app): State<App>) -> Response {
    ([(SET_COOKIE, sign_out(&app))], Redirect::to("/deliveries")).into_response()
}

fn form(app: &App, status: StatusCode, was_wrong: bool) -> Result<Response, Problem> {
    let shown = page(&SignIn {
        is_possible: app.admin_token.is_some(),
        was_wrong,
    })?;
    Ok((status, shown).into_response())
}
