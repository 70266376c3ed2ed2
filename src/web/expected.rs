//! An image that is waited for, as its run's page and API show it before there is a run.

use askama::Template;
use axum::response::Response;
use serde::Serialize;

use super::App;
use super::pages::{Moment, page};
use super::problem::Problem;
use crate::clock::timestamp;
use crate::model::{Arrival, Expected, RunId, Visibility, WaitEnd};
use crate::report::{expected_title, plain_text};

#[derive(Template)]
#[template(path = "expected.html")]
struct ExpectedPage {
    id: RunId,
    operator: bool,
    short: String,
    image: String,
    /// For the style sheet, and for people.
    state: (&'static str, &'static str),
    title: String,
    repo: String,
    commit: String,
    arrived: String,
    since: Moment,
    until: Moment,
    waits: bool,
    never_came: bool,
    instead: Vec<String>,
}

/// `operator`: may whoever looks at it end the wait, or begin it anew?
pub(super) fn expected_page(expected: &Expected, operator: bool) -> Result<Response, Problem> {
    let end = expected.end.as_ref().map(|(end, _)| end);
    page(&ExpectedPage {
        id: expected.id,
        operator,
        short: expected.image.short(),
        image: expected.image.to_string(),
        state: match end {
            None => ("waiting", "Waiting"),
            Some(WaitEnd::NeverCame { .. }) => ("timed_out", "Timed out"),
            Some(WaitEnd::Skipped { .. }) => ("neutral", "Skipped"),
            Some(WaitEnd::Cancelled { .. }) => ("cancelled", "Cancelled"),
        },
        title: plain_text(&expected_title(expected)),
        repo: expected.repo.name.to_string(),
        commit: expected.commit.to_string(),
        arrived: plain_text(&arrived(&expected.arrival)),
        since: Moment::of(expected.since_ms),
        until: Moment::of(expected.until_ms),
        waits: end.is_none(),
        never_came: matches!(end, Some(WaitEnd::NeverCame { .. })),
        instead: match end {
            Some(WaitEnd::NeverCame { instead }) => instead.iter().map(|line| plain_text(line)).collect(),
            _ => Vec::new(),
        },
    })
}

fn arrived(arrival: &Arrival) -> String {
    match arrival {
        Arrival::Branch { name } => format!("pushed to {name}"),
        Arrival::PullRequest {
            number,
            is_fork: false,
        } => format!("the head of pull request {number}"),
        Arrival::PullRequest {
            number,
            is_fork: true,
        } => {
            format!("the head of pull request {number}, from a fork")
        }
        Arrival::MergeGroup { base } => format!("put together by the merge queue of {base}"),
    }
}

/// The JSON of a run that there is not yet, or never will be.
#[derive(Serialize)]
pub(super) struct ExpectedView {
    id: RunId,
    url: String,
    repo: String,
    private: bool,
    commit: String,
    image: String,
    stage: &'static str,
    outcome: Option<&'static str>,
    title: String,
    waits_since: String,
    waits_until: String,
    finished_at: Option<String>,
    check_run: Option<i64>,
    reported: bool,
}

impl ExpectedView {
    pub(super) async fn of(app: &App, expected: &Expected) -> Result<Self, Problem> {
        let (check_run, reported) = app
            .store
            .report_state(expected.id)
            .await?
            .unwrap_or((None, false));
        let end = expected.end.as_ref();
        Ok(Self {
            id: expected.id,
            url: app.links.plain(expected.id),
            repo: expected.repo.name.to_string(),
            private: expected.repo.visibility == Visibility::Private,
            commit: expected.commit.to_string(),
            image: expected.image.to_string(),
            stage: "expected",
            outcome: end.map(|(end, _)| end.as_str()),
            title: expected_title(expected),
            waits_since: timestamp(expected.since_ms),
            waits_until: timestamp(expected.until_ms),
            finished_at: end.map(|(_, at)| timestamp(*at)),
            check_run,
            reported,
        })
    }
}
