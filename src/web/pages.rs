//! Pages: plain HTML, complete without a script.

use askama::Template;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::expected::expected_page;
use super::problem::Problem;
use super::viewer::{Seen, Viewer, key_cookie, visible};
use super::{App, Path};
use crate::clock::{UnixMillis, timestamp};
use crate::model::{Elapsed, FailedTest, JudgedClaim, Outcome, Source, StepResult};
use crate::report::{
    Mend, Subject, binding_in_words, evidence_in_words, fate_in_words, mend, outcome_in_words, plain_text,
    reproduce_line,
};
use crate::store::{Run, RunEvent, RunFilter, RunTag, Stage};

/// Runs on the first page.
const LATEST: i64 = 50;

/// The end of a log that its run's page shows, in bytes; the rest is at `/log`.
const SHOWN_LOG: usize = 64 * 1024;

#[derive(Template)]
#[template(path = "latest.html")]
struct Latest {
    runs: Vec<Line>,
}

/// A run in a list.
struct Line {
    id: String,
    repo: String,
    commit: String,
    image: String,
    state: Standing,
    title: String,
    at: Moment,
}

impl Line {
    fn of(run: &Run) -> Self {
        let (state, title) = standing(run);
        Self {
            id: run.id.to_string(),
            repo: run.source.repo.name.to_string(),
            commit: run.source.commit.short().to_owned(),
            image: run.image.short(),
            state,
            title: plain_text(title),
            at: Moment::of(run.created_at),
        }
    }
}

/// How far something is, for the style sheet and for people.
struct Standing {
    class: &'static str,
    word: &'static str,
}

impl From<Outcome> for Standing {
    fn from(outcome: Outcome) -> Self {
        Self {
            class: outcome.as_str(),
            word: outcome_in_words(outcome),
        }
    }
}

/// A time, for machines and for people.
pub(super) struct Moment {
    pub(super) exact: String,
    pub(super) shown: String,
}

impl Moment {
    pub(super) fn of(at: UnixMillis) -> Self {
        let exact = timestamp(at);
        // `2026-09-21T14:13:20.123Z` without what nobody reads; the page says that it is UTC.
        let shown = exact.get(..19).unwrap_or(&exact).replace('T', " ");
        Self { exact, shown }
    }
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    line: Line,
    full_commit: String,
    image: String,
    platform: String,
    /// What the repository asked for and does not get, and why.
    notes: Vec<String>,
    mend: Option<Mend>,
    attempt: i64,
    tags: Vec<RunTag>,
    /// The word, and what it means.
    evidence: (&'static str, &'static str),
    /// The word, and what it means.
    binding: (&'static str, &'static str),
    claims: Vec<ClaimLine>,
    steps: Vec<StepLine>,
    failures: Vec<TestLine>,
    events: Vec<EventLine>,
    successor: Option<String>,
    log: Option<String>,
    log_hidden: bool,
    reproduce: Option<String>,
    finished: bool,
    /// May the viewer cancel it, or have it done again?
    operator: bool,
}

struct ClaimLine {
    place: String,
    source: String,
    revision: String,
    fate: String,
}

impl From<&JudgedClaim> for ClaimLine {
    fn from(judged: &JudgedClaim) -> Self {
        let shown = |text: &Option<String>| text.as_deref().map(plain_text).unwrap_or_default();
        Self {
            place: judged.claim.place.to_string(),
            source: shown(&judged.claim.source),
            revision: shown(&judged.claim.revision),
            fate: plain_text(&fate_in_words(&judged.fate)),
        }
    }
}

struct StepLine {
    name: String,
    state: Standing,
    cause: String,
    took: String,
}

impl From<&StepResult> for StepLine {
    fn from(step: &StepResult) -> Self {
        Self {
            name: plain_text(&step.name),
            state: step.cause.outcome().into(),
            cause: plain_text(&step.cause.to_string()),
            took: Elapsed(step.duration).to_string(),
        }
    }
}

struct TestLine {
    name: String,
    message: String,
    place: String,
}

impl From<&FailedTest> for TestLine {
    fn from(test: &FailedTest) -> Self {
        let place = test.source.as_ref().or(test.place.as_ref());
        Self {
            name: plain_text(&test.name),
            message: plain_text(&test.message),
            place: place
                .map(|place| plain_text(&format!("{}:{}", place.path, place.line)))
                .unwrap_or_default(),
        }
    }
}

struct EventLine {
    at: Moment,
    what: String,
}

/// How far a run is, and one line about it that may quote the image.
fn standing(run: &Run) -> (Standing, &str) {
    let under_way = |class, word| Standing { class, word };
    match (&run.verdict, &run.trouble, run.stage) {
        (Some(verdict), _, _) => (verdict.outcome.into(), &verdict.title),
        (None, Some(what), _) if run.tests.is_some() => (under_way("waiting", "Waiting"), what),
        (None, Some(trouble), _) => (under_way("waiting", "Trying again"), trouble),
        (None, None, Stage::Testing) => (under_way("testing", "Testing"), "The image's tests are running"),
        (None, None, Stage::Queued | Stage::Finished) => {
            (under_way("queued", "Queued"), "Waiting for its turn")
        }
    }
}

/// `GET /`: the latest runs of public repositories; of all for the operator.
pub(super) async fn latest(State(app): State<App>, viewer: Viewer) -> Result<Response, Problem> {
    let filter = RunFilter {
        private_too: viewer.operator,
        limit: LATEST,
        ..RunFilter::default()
    };
    let runs = app.store.runs(&filter).await?.iter().map(Line::of).collect();
    page(&Latest { runs })
}

/// `GET /runs/{id}`. A key in the address becomes a cookie, and the address clean.
pub(super) async fn run(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let seen = visible(&app, &viewer, &id).await?;
    if viewer.came_with_key() {
        return Ok(cleaned(&app, &viewer, &seen));
    }
    let run = match seen {
        Seen::Run(run) => run,
        Seen::Expected(expected) => return expected_page(&expected, viewer.operator),
    };
    let log_hidden = !viewer.may_see_log(&run);
    let log = if log_hidden {
        None
    } else {
        shown_log(&app, &run).await?
    };
    let tags = app.store.tags_of(run.id).await?;
    let events = app.store.events_of(run.id).await?;
    let steps = || run.verdict.iter().flat_map(|verdict| &verdict.steps);
    let Source {
        evidence, binding, ..
    } = run.source;
    page(&RunPage {
        line: Line::of(&run),
        full_commit: run.source.commit.to_string(),
        image: match run.known_digest() {
            Some(digest) => format!("{}@{digest}", run.image),
            None => run.image.to_string(),
        },
        platform: run.platform.to_string(),
        notes: run.policy.notes.iter().map(|note| plain_text(note)).collect(),
        mend: mend(&run.image, evidence, &run.policy),
        attempt: run.attempt,
        tags,
        evidence: (evidence.as_str(), evidence_in_words(evidence)),
        binding: (binding.as_str(), binding_in_words(binding)),
        claims: run.claims.iter().map(ClaimLine::from).collect(),
        steps: steps().map(StepLine::from).collect(),
        failures: steps()
            .flat_map(|step| &step.tests.failures)
            .map(TestLine::from)
            .collect(),
        events: events
            .into_iter()
            .map(|RunEvent { at, what }| EventLine {
                at: Moment::of(at),
                what: plain_text(&what),
            })
            .collect(),
        successor: run.superseded_by.map(|run| run.to_string()),
        log,
        log_hidden,
        reproduce: reproduce(&run),
        finished: run.verdict.is_some(),
        operator: viewer.operator,
    })
}

/// The same page without the key in its address, which a good one leaves in a cookie.
fn cleaned(app: &App, viewer: &Viewer, seen: &Seen) -> Response {
    let clean = Redirect::to(&format!("/runs/{}", seen.id()));
    let repo = seen.repo().id;
    if viewer.key_opens(repo, &app.page_keys) {
        return ([(SET_COOKIE, key_cookie(app, repo))], clean).into_response();
    }
    clean.into_response()
}

/// The command that does it again on one's own machine.
fn reproduce(run: &Run) -> Option<String> {
    let subject = Subject {
        image: &run.image,
        digest: run.known_digest()?,
        platform: &run.platform,
    };
    let line = reproduce_line(&subject, &run.plan, run.verdict.as_ref())?;
    Some(plain_text(&line))
}

async fn shown_log(app: &App, run: &Run) -> Result<Option<String>, Problem> {
    let tail = app.store.log_tail(run.id).await?;
    let from = tail.len().saturating_sub(SHOWN_LOG);
    let text = plain_text(&String::from_utf8_lossy(&tail[from..]));
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// `GET /runs/{id}/log`: as it was printed; never taken for anything but text.
pub(super) async fn log(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let Seen::Run(run) = visible(&app, &viewer, &id).await? else {
        return Err(Problem::not_found());
    };
    if !viewer.may_see_log(&run) {
        return Err(Problem::not_found());
    }
    let log = app.store.log(run.id).await?;
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "inline; filename=\"log.txt\""),
    ];
    Ok((headers, log).into_response())
}

/// `GET /assets/style.css`
pub(super) async fn style() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/css; charset=utf-8"),
        (CACHE_CONTROL, "max-age=3600"),
    ];
    (headers, include_str!("assets/style.css"))
}

pub(super) fn page(template: &impl Template) -> Result<Response, Problem> {
    let html = template.render().map_err(|error| {
        tracing::error!(%error, "cannot render a page");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "this page cannot be shown")
    })?;
    Ok(Html(html).into_response())
}
