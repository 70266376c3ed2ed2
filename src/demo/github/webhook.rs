//! The webhooks that the simulated GitHub sends: bodies shaped like GitHub's, signed with the App's
//! secret.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::contents::repo_json;
use super::records::RepoState;
use super::world::{EVENTS, World};
use crate::model::{CommitSha, RepoName};

/// GitHub waits this long for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// One delivery, ready to be sent, and to be sent again with the same id.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// `X-GitHub-Event`.
    pub event: &'static str,
    /// `X-GitHub-Delivery`.
    pub delivery: Uuid,
    /// The bytes that are signed.
    pub body: String,
    /// `X-Hub-Signature-256`.
    pub signature: String,
}

impl Webhook {
    /// Sends it as GitHub does, and says what was answered.
    pub async fn post(&self, url: &str) -> Result<StatusCode, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(ANSWER_WITHIN)
            .no_proxy()
            .build()?;
        let answer = client
            .post(url)
            .header("User-Agent", "GitHub-Hookshot/demo")
            .header("Content-Type", "application/json")
            .header("X-GitHub-Event", self.event)
            .header("X-GitHub-Delivery", self.delivery.to_string())
            .header("X-Hub-Signature-256", &self.signature)
            .body(self.body.clone())
            .send()
            .await?;
        Ok(answer.status())
    }
}

impl World {
    fn webhook(&self, event: &'static str, body: &Value) -> Webhook {
        let body = body.to_string();
        let secret = self.app.webhook_secret.expose_secret().as_bytes();
        let signature = Hmac::<Sha256>::new_from_slice(secret)
            .map(|mac| mac.chain_update(&body).finalize().into_bytes())
            .map(hex::encode)
            .unwrap_or_default();
        Webhook {
            event,
            delivery: Uuid::new_v4(),
            body,
            signature: format!("sha256={signature}"),
        }
    }

    /// Somebody pressed "Re-run" on a check run. The run itself is not touched.
    pub(super) fn rerequest_check_run(&self, id: u64) -> Option<Webhook> {
        let (repo, run) = self.repos.iter().find_map(|repo| {
            let run = repo.check_runs.iter().find(|run| run.id == id)?;
            Some((repo, run))
        })?;
        let mut check_run = self.check_run_json(run);
        check_run["check_suite"] = self.suite_json(repo, &run.head_sha, run.suite);
        let mut body = self.envelope(repo, "rerequested");
        body["check_run"] = check_run;
        Some(self.webhook("check_run", &body))
    }

    /// A commit's suite is asked for: `requested` after a push, `rerequested` by "Re-run all".
    pub(super) fn check_suite(&self, name: &RepoName, sha: &CommitSha, action: &str) -> Option<Webhook> {
        let repo = self.repo(name)?;
        let mut runs = repo.check_runs.iter();
        let suite = runs.find(|run| run.head_sha == *sha && run.app_id == self.app.id);
        let mut body = self.envelope(repo, action);
        body["check_suite"] = self.suite_json(repo, sha, suite.map_or(1, |run| run.suite));
        Some(self.webhook("check_suite", &body))
    }

    /// The first thing that GitHub sends.
    pub(super) fn ping(&self) -> Webhook {
        let body = json!({
            "zen": "Practicality beats purity.",
            "hook_id": 1,
            "hook": { "type": "App", "id": 1, "active": true, "app_id": self.app.id,
                      "events": EVENTS },
        });
        self.webhook("ping", &body)
    }

    /// Something was done to a repository: `privatized`, `publicized`.
    pub(super) fn repository(&self, name: &RepoName, action: &str) -> Option<Webhook> {
        let body = self.envelope(self.repo(name)?, action);
        Some(self.webhook("repository", &body))
    }

    /// A branch was pushed.
    pub(super) fn push(&self, name: &RepoName, branch: &str) -> Option<Webhook> {
        let repo = self.repo(name)?;
        let mut body = self.envelope(repo, "");
        body.as_object_mut()?.remove("action");
        body["ref"] = json!(format!("refs/heads/{branch}"));
        body["after"] = json!(repo.branches.get(branch));
        Some(self.webhook("push", &body))
    }

    /// Repositories were let into an installation (`added`) or taken out of it (`removed`).
    pub(super) fn installation_repositories(&self, name: &RepoName, action: &str) -> Option<Webhook> {
        let repo = self.repo(name)?;
        let mut body = self.envelope(repo, action);
        body.as_object_mut()?.remove("repository");
        body[format!("repositories_{action}")] = json!([repo_json(repo)]);
        Some(self.webhook("installation_repositories", &body))
    }

    /// Anything at all, signed.
    pub(super) fn event(&self, event: &'static str, body: &Value) -> Webhook {
        self.webhook(event, body)
    }

    /// The App was installed for an account (`created`), taken away (`deleted`), or given the permissions that it
    /// asks for (`new_permissions_accepted`).
    pub(super) fn installation(&self, owner: &str, id: i64, action: &str) -> Webhook {
        let own = self
            .repos
            .iter()
            .filter(|repo| repo.name.owner().eq_ignore_ascii_case(owner));
        let repos = own.map(|repo| {
            json!({ "id": repo.id, "name": repo.name.name(), "full_name": repo.name,
                    "private": repo.visibility == crate::model::Visibility::Private })
        });
        let body = json!({
            "action": action,
            "installation": {
                "id": id, "app_id": self.app.id, "app_slug": self.app.slug,
                "account": { "login": owner, "type": "Organization" },
                "repository_selection": "all", "events": EVENTS,
            },
            "repositories": repos.collect::<Vec<_>>(),
            "sender": { "login": "octocat", "type": "User" },
        });
        self.webhook("installation", &body)
    }

    fn envelope(&self, repo: &RepoState, action: &str) -> Value {
        json!({
            "action": action,
            "repository": repo_json(repo),
            "sender": { "login": "octocat", "type": "User" },
            "installation": { "id": self.installation_of(repo.name.owner()).map(|one| one.id) },
        })
    }

    fn suite_json(&self, repo: &RepoState, sha: &CommitSha, id: u64) -> Value {
        json!({
            "id": id,
            "head_branch": repo.default_branch,
            "head_sha": sha,
            "status": "queued",
            "conclusion": null,
            "before": repo.commit(sha.as_str()).and_then(|commit| commit.parents.first()),
            "after": sha,
            "pull_requests": [],
            "app": { "id": self.app.id, "slug": self.app.slug },
        })
    }
}
