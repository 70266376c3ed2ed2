//! The JSON of runs and deliveries, as `openapi.json` describes it.

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::expected::ExpectedView;
use super::problem::Problem;
use super::viewer::{Seen, Viewer, visible};
use super::{App, Path};
use crate::clock::{UnixMillis, timestamp};
use crate::model::{DeliveryId, JudgedClaim, RunId, StepResult, TestResults};
use crate::store::{DeliverySummary, PushRecord, Run, RunEvent, RunFilter, RunTag};

/// Rows of a page, unless fewer are asked for.
const PAGE: i64 = 50;

/// Rows of a page at most.
const MAX_PAGE: i64 = 200;

/// `?before=ID&limit=N`
#[derive(Debug, Deserialize, FromRequestParts)]
#[from_request(via(Query), rejection(Problem))]
pub(super) struct Paging {
    before: Option<String>,
    limit: Option<i64>,
}

impl Paging {
    pub(super) fn limit(&self) -> i64 {
        self.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE)
    }

    pub(super) fn before<T: std::str::FromStr>(&self) -> Result<Option<T>, Problem> {
        let parse = |id: &String| id.parse().map_err(|_| Problem::bad("`before` is no id"));
        self.before.as_ref().map(parse).transpose()
    }
}

#[derive(Serialize)]
struct RunView {
    id: RunId,
    url: String,
    repo: String,
    private: bool,
    commit: String,
    image: String,
    digest: Option<String>,
    platform: String,
    attempt: i64,
    stage: &'static str,
    outcome: Option<&'static str>,
    title: Option<String>,
    trouble: Option<String>,
    evidence: &'static str,
    binding: &'static str,
    superseded_by: Option<RunId>,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
}

impl RunView {
    /// The address stays without a key: whoever sees this has it already, and it must not be copied on.
    fn of(app: &App, run: &Run) -> Self {
        let at = |time: Option<UnixMillis>| time.map(timestamp);
        Self {
            id: run.id,
            url: app.links.plain(run.id),
            repo: run.source.repo.name.to_string(),
            private: run.source.repo.visibility == crate::model::Visibility::Private,
            commit: run.source.commit.to_string(),
            image: run.image.to_string(),
            digest: run.known_digest().map(ToString::to_string),
            platform: run.platform.to_string(),
            attempt: run.attempt,
            stage: run.stage.as_str(),
            outcome: run.verdict.as_ref().map(|verdict| verdict.outcome.as_str()),
            title: run.verdict.as_ref().map(|verdict| verdict.title.clone()),
            trouble: run.trouble.clone(),
            evidence: run.source.evidence.as_str(),
            binding: run.source.binding.as_str(),
            superseded_by: run.superseded_by,
            created_at: timestamp(run.created_at),
            started_at: at(run.started_at),
            finished_at: at(run.finished_at),
        }
    }
}

#[derive(Serialize)]
struct RunDetails {
    #[serde(flatten)]
    run: RunView,
    tags: Vec<TagView>,
    claims: Vec<JudgedClaim>,
    steps: Vec<StepView>,
    events: Vec<EventView>,
    check_run: Option<i64>,
    reported: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<DeliveryId>,
}

#[derive(Serialize)]
struct TagView {
    tag: String,
    moved: bool,
}

#[derive(Serialize)]
struct StepView {
    name: String,
    outcome: &'static str,
    cause: String,
    duration_ms: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    tests: Option<TestResults>,
}

impl From<&StepResult> for StepView {
    fn from(step: &StepResult) -> Self {
        Self {
            name: step.name.clone(),
            outcome: step.cause.outcome().as_str(),
            cause: step.cause.to_string(),
            duration_ms: step.duration.as_millis(),
            tests: Some(&step.tests).filter(|tests| !tests.is_empty()).cloned(),
        }
    }
}

#[derive(Serialize)]
struct EventView {
    at: String,
    what: String,
}

/// `GET /api/v1/runs`: of public repositories; all of them for the operator.
pub(super) async fn runs(
    State(app): State<App>,
    viewer: Viewer,
    paging: Paging,
) -> Result<Json<Value>, Problem> {
    let limit = paging.limit();
    let filter = RunFilter {
        before: paging.before()?,
        repo: None,
        private_too: viewer.operator,
        limit,
    };
    let runs = app.store.runs(&filter).await?;
    let next = next(&runs, limit, |run| run.id);
    let runs: Vec<RunView> = runs.iter().map(|run| RunView::of(&app, run)).collect();
    Ok(Json(json!({ "runs": runs, "next": next })))
}

/// `GET /api/v1/runs/{id}`
pub(super) async fn run(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let run = match visible(&app, &viewer, &id).await? {
        Seen::Run(run) => run,
        Seen::Expected(expected) => return Ok(Json(ExpectedView::of(&app, &expected).await?).into_response()),
    };
    let tags = app.store.tags_of(run.id).await?;
    let events = app.store.events_of(run.id).await?;
    let (check_run, reported) = app.store.report_state(run.id).await?.unwrap_or((None, false));
    let steps = run
        .verdict
        .iter()
        .flat_map(|verdict| &verdict.steps)
        .map(StepView::from)
        .collect();
    Ok(Json(RunDetails {
        tags: tags
            .into_iter()
            .map(|RunTag { tag, moved, .. }| TagView {
                tag: tag.into(),
                moved,
            })
            .collect(),
        claims: run.claims.clone(),
        steps,
        events: events
            .into_iter()
            .map(|RunEvent { at, what }| EventView {
                at: timestamp(at),
                what,
            })
            .collect(),
        check_run,
        reported,
        delivery: viewer.operator.then_some(run.delivery),
        run: RunView::of(&app, &run),
    })
    .into_response())
}

#[derive(Serialize)]
struct DeliveryView {
    id: DeliveryId,
    sender: String,
    event: String,
    decision: String,
    reason: String,
    received_at: String,
}

impl From<&DeliverySummary> for DeliveryView {
    fn from(delivery: &DeliverySummary) -> Self {
        Self {
            id: delivery.id,
            sender: delivery.sender.clone(),
            event: delivery.event.clone(),
            decision: delivery.decision.clone(),
            reason: delivery.reason.clone(),
            received_at: timestamp(delivery.received_at),
        }
    }
}

#[derive(Serialize)]
struct PushView {
    image: String,
    tag: String,
    digest: Option<String>,
    stage: &'static str,
    reason: Option<String>,
    run: Option<RunId>,
}

impl From<&PushRecord> for PushView {
    fn from(push: &PushRecord) -> Self {
        Self {
            image: push.image.to_string(),
            tag: push.tag.to_string(),
            digest: push.digest().map(ToString::to_string),
            stage: push.stage.as_str(),
            reason: push.reason.clone(),
            run: push.run(),
        }
    }
}

/// `GET /api/v1/deliveries`: the operator's.
pub(super) async fn deliveries(
    State(app): State<App>,
    viewer: Viewer,
    paging: Paging,
) -> Result<Json<Value>, Problem> {
    operator(&viewer)?;
    let limit = paging.limit();
    let deliveries = app.store.deliveries(paging.before()?, limit).await?;
    let next = next(&deliveries, limit, |delivery| delivery.id);
    let deliveries: Vec<DeliveryView> = deliveries.iter().map(DeliveryView::from).collect();
    Ok(Json(json!({ "deliveries": deliveries, "next": next })))
}

/// `GET /api/v1/deliveries/{id}`: what it spoke of, and which runs came of it.
pub(super) async fn delivery(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    operator(&viewer)?;
    let id: DeliveryId = id.parse().map_err(|_| Problem::not_found())?;
    let delivery = app.store.delivery(id).await?.ok_or_else(Problem::not_found)?;
    let pushes: Vec<PushView> = app
        .store
        .pushes_of(id)
        .await?
        .iter()
        .map(PushView::from)
        .collect();
    let runs = app.store.runs_of_delivery(id).await?;
    let mut view = json!(DeliveryView::from(&delivery.summary));
    view["images"] = json!(pushes);
    view["runs"] = json!(runs);
    Ok(Json(view))
}

/// `GET /api/openapi.json`
pub(super) async fn description() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], include_str!("openapi.json"))
}

/// To anybody else there are no deliveries.
fn operator(viewer: &Viewer) -> Result<(), Problem> {
    if viewer.operator {
        Ok(())
    } else {
        Err(Problem::not_found())
    }
}

/// Where the next page begins, if this one is full.
fn next<T, Id>(rows: &[T], limit: i64, id: impl Fn(&T) -> Id) -> Option<Id> {
    let full = i64::try_from(rows.len()).is_ok_and(|rows| rows >= limit);
    rows.last().filter(|_| full).map(id)
}
