//! Commit statuses: what may be written, how they read, and what they add up to.

use serde::Deserialize;
use serde_json::{Value, json};

use super::access::whole_seconds;
use super::records::Status;
use super::refusal::{Refusal, Reply};
use super::world::World;
use crate::model::{CommitSha, RepoId};

/// Characters of a description.
const DESCRIPTION_LIMIT: usize = 140;
/// Characters of a context.
const CONTEXT_LIMIT: usize = 255;
/// Statuses of one context on one commit, for ever.
const STATUSES_LIMIT: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    state: State,
    target_url: Option<String>,
    description: Option<String>,
    #[serde(default = "default_context")]
    context: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Error,
    Failure,
    Pending,
    Success,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Failure => "failure",
            Self::Pending => "pending",
            Self::Success => "success",
        }
    }
}

fn default_context() -> String {
    "default".to_owned()
}

impl World {
    /// `POST /repos/{owner}/{repo}/statuses/{sha}`
    pub(super) fn create_status(&mut self, repo: RepoId, sha: &str, body: &Value) -> Result<Reply, Refusal> {
        let body: Body = serde_json::from_value(body.clone()).map_err(Refusal::schema)?;
        let refuse = |field: &str, why: String| Err(Refusal::rule("Status", field, why));
        let length = |text: &str| text.chars().count();
        if length(body.description.as_deref().unwrap_or_default()) > DESCRIPTION_LIMIT {
            return refuse(
                "description",
                format!("description is too long (maximum is {DESCRIPTION_LIMIT} characters)"),
            );
        }
        if length(&body.context) > CONTEXT_LIMIT {
            return refuse(
                "context",
                format!("context is too long (maximum is {CONTEXT_LIMIT} characters)"),
            );
        }
        if let Some(url) = &body.target_url
            && !url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        {
            return refuse("target_url", "target_url must use http(s) scheme".to_owned());
        }
        let sha = self.known_commit(repo, sha)?;
        if self
            .statuses_of(repo, &sha)
            .iter()
            .filter(|status| same_context(status, &body.context))
            .count()
            >= STATUSES_LIMIT
        {
            return refuse(
                "base",
                "This SHA and context has reached the maximum number of statuses.".to_owned(),
            );
        }
        let status = Status {
            id: self.next_id(),
            sha,
            context: body.context,
            state: body.state.as_str().to_owned(),
            description: body.description,
            target_url: body.target_url,
            created_at: self.now(),
        };
        let answer = self.status_json(&status);
        self.repo_by_id_mut(repo)
            .ok_or_else(Refusal::not_found)?
            .statuses
            .push(status);
        Ok(Reply::created(answer).changed())
    }

    /// All statuses of a commit, newest first.
    pub(super) fn statuses_of(&self, repo: RepoId, sha: &CommitSha) -> Vec<Status> {
        let all = self.repo_by_id(repo).into_iter().flat_map(|repo| &repo.statuses);
        let mut own: Vec<_> = all.filter(|status| status.sha == *sha).cloned().collect();
        own.reverse();
        own
    }

    /// `GET /repos/{owner}/{repo}/commits/{ref}/statuses`, before paging.
    pub(super) fn list_statuses(&self, repo: RepoId, sha: &str) -> Result<Vec<Value>, Refusal> {
        let sha = self.known_commit(repo, sha)?;
        let statuses = self.statuses_of(repo, &sha);
        Ok(statuses.iter().map(|status| self.status_json(status)).collect())
    }

    /// `GET /repos/{owner}/{repo}/commits/{ref}/status`, before paging: the newest of each context.
    pub(super) fn combined_status(
        &self,
        repo: RepoId,
        sha: &str,
    ) -> Result<(&'static str, Vec<Value>), Refusal> {
        let sha = self.known_commit(repo, sha)?;
        let latest = latest_of_each(self.statuses_of(repo, &sha));
        let listed = latest.iter().map(|status| self.status_json(status)).collect();
        Ok((combined(&latest), listed))
    }

    fn status_json(&self, status: &Status) -> Value {
        let time = whole_seconds(status.created_at);
        json!({
            "id": status.id,
            "url": format!("{}/statuses/{}", self.api_url(), status.sha),
            "state": status.state,
            "description": status.description,
            "target_url": status.target_url,
            "context": status.context,
            "created_at": time,
            "updated_at": time,
            "creator": { "login": format!("{}[bot]", self.app.slug), "type": "Bot" },
        })
    }
}

/// The newest of each context, out of a list that has the newest first.
pub(super) fn latest_of_each(statuses: Vec<Status>) -> Vec<Status> {
    let mut latest: Vec<Status> = Vec::new();
    for status in statuses {
        if !latest.iter().any(|newer| same_context(newer, &status.context)) {
            latest.push(status);
        }
    }
    latest
}

/// What the newest statuses add up to: nothing at all counts as pending.
pub(super) fn combined(latest: &[Status]) -> &'static str {
    let any = |states: &[&str]| {
        latest
            .iter()
            .any(|status| states.contains(&status.state.as_str()))
    };
    if any(&["error", "failure"]) {
        "failure"
    } else if latest.is_empty() || any(&["pending"]) {
        "pending"
    } else {
        "success"
    }
}

fn same_context(status: &Status, context: &str) -> bool {
    status.context.eq_ignore_ascii_case(context)
}
