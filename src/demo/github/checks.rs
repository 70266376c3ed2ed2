//! Check runs: what may be written to them, and how they read.

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::whole_seconds;
use super::output::{Action, Output, check_actions, check_url};
use super::records::CheckRun;
use super::refusal::{Refusal, Reply};
use super::world::World;
use crate::model::{CommitSha, RepoId};

const STATES: [&str; 3] = ["queued", "in_progress", "completed"];
/// Those that an App may set: `stale` is for GitHub alone.
const CONCLUSIONS: [&str; 7] = [
    "action_required",
    "cancelled",
    "failure",
    "neutral",
    "success",
    "skipped",
    "timed_out",
];

/// The body of a create and of an update.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    name: Option<String>,
    head_sha: Option<String>,
    details_url: Option<String>,
    external_id: Option<String>,
    status: Option<String>,
    started_at: Option<String>,
    conclusion: Option<String>,
    completed_at: Option<String>,
    output: Option<Output>,
    #[serde(default)]
    actions: Vec<Action>,
}

impl Body {
    fn parse(body: &Value) -> Result<Self, Refusal> {
        refuse_nulls(body)?;
        let mut body: Self = serde_json::from_value(body.clone()).map_err(Refusal::schema)?;
        body.check()?;
        if body.conclusion.is_some() {
            body.status = Some("completed".to_owned());
        }
        Ok(body)
    }

    /// The rules that are the same for a create and an update.
    fn check(&self) -> Result<(), Refusal> {
        one_of("status", self.status.as_deref(), &STATES)?;
        one_of("conclusion", self.conclusion.as_deref(), &CONCLUSIONS)?;
        if self.status.as_deref() == Some("completed") && self.conclusion.is_none() {
            return Err(Refusal::schema("\"conclusion\" wasn't supplied."));
        }
        if self.name.as_deref() == Some("") {
            return Err(Refusal::rule("CheckRun", "name", "name cannot be blank"));
        }
        for (field, time) in [
            ("started_at", &self.started_at),
            ("completed_at", &self.completed_at),
        ] {
            if time
                .as_ref()
                .is_some_and(|time| time.parse::<Timestamp>().is_err())
            {
                return Err(Refusal::schema(format!(
                    "For 'properties/{field}', not a valid date-time."
                )));
            }
        }
        if let Some(url) = &self.details_url {
            check_url("details_url", url)?;
        }
        check_actions(&self.actions)?;
        self.output.as_ref().map_or(Ok(()), Output::check)
    }
}

impl World {
    /// `POST /repos/{owner}/{repo}/check-runs`
    pub(super) fn create_check_run(&mut self, repo: RepoId, body: &Value) -> Result<Reply, Refusal> {
        let body = Body::parse(body)?;
        let missing = |field: &str| Refusal::schema(format!("\"{field}\" wasn't supplied."));
        let name = body.name.clone().ok_or_else(|| missing("name"))?;
        let head_sha = body.head_sha.as_deref().ok_or_else(|| missing("head_sha"))?;
        if body.output.as_ref().is_some_and(|output| output.title.is_none()) {
            return Err(missing("title"));
        }
        let head_sha = self.known_commit(repo, head_sha)?;
        let app_id = self.app.id;
        let run = CheckRun {
            id: self.next_id(),
            app_id,
            suite: self.suite(repo, app_id, &head_sha),
            name,
            head_sha,
            status: "queued".to_owned(),
            conclusion: None,
            external_id: None,
            details_url: None,
            title: None,
            summary: None,
            text: None,
            annotations: Vec::new(),
            started_at: whole_seconds(self.now()),
            completed_at: None,
        };
        let run = self.apply(run, body);
        let answer = self.check_run_json(&run);
        self.repo_by_id_mut(repo)
            .ok_or_else(Refusal::not_found)?
            .check_runs
            .push(run);
        Ok(Reply::created(answer).changed())
    }

    /// `PATCH /repos/{owner}/{repo}/check-runs/{id}`
    pub(super) fn update_check_run(
        &mut self,
        repo: RepoId,
        id: &str,
        body: &Value,
    ) -> Result<Reply, Refusal> {
        let run = self.check_run(repo, id)?;
        if run.app_id != self.app.id {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                format!(
                    "Invalid app_id `{}` - check run can only be modified by the GitHub App that created it.",
                    self.app.id
                ),
            ));
        }
        let body = Body::parse(body)?;
        if body.head_sha.is_some() {
            return Err(Refusal::schema("\"head_sha\" is not a permitted key."));
        }
        let reopened = body.status.as_deref().is_some_and(|status| status != "completed");
        let reversed = body.conclusion.is_some() && body.conclusion != run.conclusion;
        if run.status == "completed" && (reopened || reversed) {
            return Err(Refusal::rule(
                "CheckRun",
                "status",
                "a completed check run is final",
            ));
        }
        let run = self.apply(run, body);
        let answer = self.check_run_json(&run);
        let mut runs = self
            .repo_by_id_mut(repo)
            .into_iter()
            .flat_map(|repo| &mut repo.check_runs);
        if let Some(kept) = runs.find(|kept| kept.id == run.id) {
            *kept = run;
        }
        Ok(Reply::ok(answer).changed())
    }

    pub(super) fn check_run(&self, repo: RepoId, id: &str) -> Result<CheckRun, Refusal> {
        let mut runs = self
            .repo_by_id(repo)
            .into_iter()
            .flat_map(|repo| &repo.check_runs);
        runs.find(|run| run.id.to_string() == id)
            .cloned()
            .ok_or_else(Refusal::not_found)
    }

    /// A full SHA that the repository has: anything else has no commit to stand on.
    pub(super) fn known_commit(&self, repo: RepoId, sha: &str) -> Result<CommitSha, Refusal> {
        self.repo_by_id(repo)
            .and_then(|repo| repo.commit(sha))
            .map(|commit| commit.sha.clone())
            .ok_or_else(|| Refusal::no_commit(sha))
    }

    /// The run with what the body says; annotations add up.
    fn apply(&self, mut run: CheckRun, body: Body) -> CheckRun {
        run.name = body.name.unwrap_or(run.name);
        run.status = body.status.unwrap_or(run.status);
        run.conclusion = body.conclusion.or(run.conclusion);
        run.external_id = body.external_id.or(run.external_id);
        run.details_url = body.details_url.or(run.details_url);
        run.started_at = body.started_at.unwrap_or(run.started_at);
        run.completed_at = body.completed_at.or(run.completed_at);
        if run.status == "completed" && run.completed_at.is_none() {
            run.completed_at = Some(whole_seconds(self.now()));
        }
        if let Some(output) = body.output {
            run.annotations
                .extend(output.annotations.iter().map(super::output::Annotation::to_json));
            run.title = output.title.or(run.title);
            run.summary = Some(output.summary);
            run.text = output.text.or(run.text);
        }
        run
    }

    /// `GET /repos/{owner}/{repo}/commits/{ref}/check-runs`, before paging: newest first.
    pub(super) fn list_check_runs(
        &self,
        repo: RepoId,
        sha: &str,
        query: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<Value>, Refusal> {
        let sha = self.known_commit(repo, sha)?;
        one_of("filter", query("filter").as_deref(), &["latest", "all"])?;
        one_of("status", query("status").as_deref(), &STATES)?;
        let latest_only = query("filter").as_deref() != Some("all");
        let of_repo = self.repo_by_id(repo).map(|repo| repo.check_runs.clone());
        let mut listed: Vec<CheckRun> = Vec::new();
        for run in of_repo.unwrap_or_default().into_iter().rev() {
            let asked = |field: &str, value: &str| query(field).is_none_or(|wanted| wanted == value);
            let newer = |seen: &CheckRun| seen.name == run.name && seen.suite == run.suite;
            let shown = run.head_sha == sha
                && asked("check_name", &run.name)
                && asked("app_id", &run.app_id.to_string())
                && !(latest_only && listed.iter().any(newer));
            if shown && asked("status", &run.status) {
                listed.push(run);
            }
        }
        Ok(listed.iter().map(|run| self.check_run_json(run)).collect())
    }

    pub(super) fn check_run_json(&self, run: &CheckRun) -> Value {
        json!({
            "id": run.id,
            "node_id": format!("CR_{}", run.id),
            "name": run.name,
            "head_sha": run.head_sha,
            "external_id": run.external_id.as_deref().unwrap_or_default(),
            "url": format!("{}/check-runs/{}", self.api_url(), run.id),
            "html_url": format!("{}/check-runs/{}", self.base_url, run.id),
            "details_url": run.details_url.as_deref().unwrap_or(&self.base_url),
            "status": run.status,
            "conclusion": run.conclusion,
            "started_at": run.started_at,
            "completed_at": run.completed_at,
            "output": {
                "title": run.title,
                "summary": run.summary,
                "text": run.text,
                "annotations_count": run.annotations.len(),
                "annotations_url": format!("{}/check-runs/{}/annotations", self.base_url, run.id),
            },
            "check_suite": { "id": run.suite },
            "app": { "id": run.app_id, "slug": self.app.slug, "name": self.app.slug },
            "pull_requests": [],
        })
    }
}

/// GitHub's schema has no nulls in a check run's body.
fn refuse_nulls(body: &Value) -> Result<(), Refusal> {
    match body {
        Value::Null => Err(Refusal::schema("nil is not a value of this field.")),
        Value::Object(fields) => fields.values().try_for_each(refuse_nulls),
        Value::Array(items) => items.iter().try_for_each(refuse_nulls),
        _ => Ok(()),
    }
}

fn one_of(field: &str, value: Option<&str>, possible: &[&str]) -> Result<(), Refusal> {
    match value {
        Some(value) if !possible.contains(&value) => Err(Refusal::schema(format!(
            "For 'properties/{field}', \"{value}\" is not a possible value. Must be one of the following: {}.",
            possible.join(", ")
        ))),
        _ => Ok(()),
    }
}
