//! The webhooks that the simulated GitHub sends: bodies shaped like GitHub's, signed with the App's
//! secret.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::contents::{pull_json, repo_json};
use super::records::RepoState;
use super::world::{Access, World};
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

    /// Somebody pressed a button of a completed check run.
    pub(super) fn press(&self, id: u64, identifier: &str) -> Option<Webhook> {
        let webhook = self.rerequest_check_run(id)?;
        let mut body: Value = serde_json::from_str(&webhook.body).ok()?;
        body["action"] = json!("requested_action");
        body["requested_action"] = json!({ "identifier": identifier });
        Some(self.webhook("check_run", &body))
    }

    /// A version of a package was published: an image with a tag, or a manifest of one platform without.
    pub(super) fn package(&self, name: &RepoName, image: &str, tag: Option<&str>) -> Option<Webhook> {
        let mut body = self.envelope(self.repo(name)?, "published");
        let digest = format!("sha256:{}", "a".repeat(64));
        body["registry_package"] = json!({
            "id": 1, "name": name.name(), "namespace": name.owner(), "ecosystem": "CONTAINER",
            "package_type": "CONTAINER", "owner": { "login": name.owner() },
            "package_version": {
                "id": 2, "version": digest, "name": digest, "target_commitish": "main",
                "package_url": format!("{image}:{}", tag.unwrap_or_default()),
                "container_metadata": { "tag": { "name": tag.unwrap_or_default(), "digest": digest } },
            },
        });
        Some(self.webhook("registry_package", &body))
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
                      "events": self.app.events },
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

    /// A pull request was opened (`opened`), or its head is another commit (`synchronize`).
    pub(super) fn pull_request(&self, name: &RepoName, number: u64, action: &str) -> Option<Webhook> {
        let repo = self.repo(name)?;
        let pull = repo.pulls.iter().find(|pull| pull.number == number)?;
        let mut body = self.envelope(repo, action);
        body["number"] = json!(number);
        body["pull_request"] = pull_json(pull);
        Some(self.webhook("pull_request", &body))
    }

    /// The merge queue put a commit together and waits for an answer on it.
    pub(super) fn merge_group(&self, name: &RepoName, sha: &CommitSha) -> Option<Webhook> {
        let repo = self.repo(name)?;
        let base = &repo.default_branch;
        let mut body = self.envelope(repo, "checks_requested");
        body["merge_group"] = json!({
            "head_sha": sha,
            "head_ref": format!("refs/heads/gh-readonly-queue/{base}/pr-1-{sha}"),
            "base_sha": repo.branches.get(base),
            "base_ref": format!("refs/heads/{base}"),
            "head_commit": { "id": sha },
        });
        Some(self.webhook("merge_group", &body))
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
                "repository_selection": "all", "events": self.app.events,
            },
            "repositories": repos.collect::<Vec<_>>(),
            "sender": { "login": "octocat", "type": "User" },
        });
        self.webhook("installation", &body)
    }

    /// Does GitHub send such an event to this App? Some come to every App, others to whom writes checks, the rest where
    /// it was asked for.
    pub(super) fn sends(&self, event: &str) -> bool {
        match event {
            "ping" | "installation" | "installation_repositories" => true,
            "check_run" | "check_suite" => self
                .app
                .permissions
                .get("checks")
                .is_some_and(|access| *access >= Access::Write),
            other => self.app.events.iter().any(|asked| asked == other),
        }
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
