//! GitHub's JSON, as narrow as our use of it: asking for less survives more of GitHub's changes.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{GithubError, excerpt};
use super::transport::{Answer, Request};
use crate::model::{
    Annotation, CheckState, CommitSha, Conclusion, InstallationId, Progress, RERUN_ACTION, Repo, RepoId,
    RepoName, StatusState, StatusValue, Visibility,
};

#[derive(Deserialize)]
pub(super) struct App {
    pub(super) id: u64,
    pub(super) slug: String,
    pub(super) name: String,
    pub(super) html_url: String,
    #[serde(default)]
    pub(super) permissions: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) events: Vec<String>,
}

impl From<App> for super::AppInfo {
    fn from(app: App) -> Self {
        Self {
            id: app.id,
            slug: app.slug,
            name: app.name,
            page: app.html_url,
            permissions: app.permissions,
            events: app.events,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Installation {
    pub(super) id: InstallationId,
    pub(super) suspended_at: Option<Value>,
    account: Option<Account>,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
    #[serde(default)]
    events: Vec<String>,
}

/// An organisation, a user or an enterprise.
#[derive(Deserialize)]
struct Account {
    login: Option<String>,
    slug: Option<String>,
}

impl From<Installation> for super::Grant {
    fn from(installation: Installation) -> Self {
        let account = installation
            .account
            .and_then(|account| account.login.or(account.slug));
        Self {
            installation: installation.id,
            account: account.unwrap_or_else(|| installation.id.0.to_string()),
            permissions: installation.permissions,
            events: installation.events,
            is_suspended: installation.suspended_at.is_some(),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct HookConfig {
    pub(super) url: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RateLimit {
    pub(super) resources: Resources,
}

#[derive(Deserialize)]
pub(super) struct Resources {
    pub(super) core: Rate,
}

#[derive(Deserialize)]
pub(super) struct Rate {
    pub(super) limit: u64,
    pub(super) remaining: u64,
}

#[derive(Deserialize)]
pub(super) struct Attempt {
    id: i64,
    guid: String,
    event: String,
    pub(super) delivered_at: Timestamp,
    pub(super) status_code: u16,
}

impl From<Attempt> for super::Attempt {
    fn from(attempt: Attempt) -> Self {
        Self {
            id: attempt.id,
            guid: attempt.guid,
            event: attempt.event,
            at: attempt.delivered_at,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct AccessToken {
    pub(super) token: secrecy::SecretString,
    pub(super) expires_at: Timestamp,
}

#[derive(Deserialize)]
pub(super) struct Attestations {
    pub(super) attestations: Vec<Attestation>,
}

/// The bundle itself, or where it lies: newer versions of the API only say that.
#[derive(Deserialize)]
pub(super) struct Attestation {
    pub(super) bundle: Option<Box<serde_json::value::RawValue>>,
    pub(super) bundle_url: Option<url::Url>,
}

#[derive(Deserialize)]
pub(super) struct Repository {
    id: RepoId,
    full_name: RepoName,
    private: bool,
    default_branch: String,
}

impl Repository {
    pub(super) fn in_installation(self, installation: InstallationId) -> Repo {
        Repo {
            id: self.id,
            name: self.full_name,
            visibility: if self.private {
                Visibility::Private
            } else {
                Visibility::Public
            },
            default_branch: self.default_branch,
            installation,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Repositories {
    pub(super) repositories: Vec<Repository>,
}

/// A file, or what else stands at a path.
#[derive(Deserialize)]
pub(super) struct Content {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    encoding: String,
    #[serde(rename = "content")]
    base64: Option<String>,
}

impl Content {
    /// The file's bytes in Base64. GitHub leaves those of large files out.
    pub(super) fn text(self) -> Option<String> {
        let is_whole = self.kind == "file" && self.encoding == "base64";
        self.base64.filter(|_| is_whole)
    }
}

#[derive(Deserialize)]
pub(super) struct Named {
    #[expect(dead_code, reason = "that there is one says all")]
    name: String,
}

/// A pull request, as far as it says where it comes from. The repository is `null` once a fork is deleted.
#[derive(Deserialize)]
pub(super) struct Pull {
    head: PullHead,
}

#[derive(Deserialize)]
struct PullHead {
    sha: CommitSha,
    repo: Option<PullRepo>,
}

#[derive(Deserialize)]
struct PullRepo {
    id: RepoId,
}

impl Pull {
    pub(super) fn into_head(self) -> CommitSha {
        self.head.sha
    }

    pub(super) fn comes_from(&self, repo: RepoId) -> bool {
        self.head.repo.as_ref().is_some_and(|head| head.id == repo)
    }
}

/// A branch or a tag.
#[derive(Deserialize)]
pub(super) struct NamedCommit {
    pub(super) name: String,
    pub(super) commit: Parent,
}

#[derive(Deserialize)]
pub(super) struct Comparison {
    status: String,
}

impl Comparison {
    /// Does the base hold all that the head holds?
    pub(super) fn is_ancestor(&self) -> bool {
        matches!(self.status.as_str(), "behind" | "identical")
    }
}

#[derive(Deserialize)]
pub(super) struct Commit {
    pub(super) sha: CommitSha,
    #[serde(rename = "commit")]
    pub(super) details: CommitDetails,
    pub(super) parents: Vec<Parent>,
}

#[derive(Deserialize)]
pub(super) struct CommitDetails {
    pub(super) message: String,
    pub(super) committer: Option<Signature>,
}

/// The date is the committer's own claim, and may be nonsense.
#[derive(Deserialize)]
pub(super) struct Signature {
    date: Option<String>,
}

impl Signature {
    pub(super) fn time(&self) -> Option<Timestamp> {
        self.date.as_ref()?.parse().ok()
    }
}

#[derive(Deserialize)]
pub(super) struct Parent {
    pub(super) sha: CommitSha,
}

#[derive(Deserialize)]
pub(super) struct CheckRun {
    pub(super) id: i64,
    pub(super) status: String,
    pub(super) external_id: Option<String>,
}

/// A check run as far as it says how many annotations it has.
#[derive(Deserialize)]
pub(super) struct AnnotatedCheck {
    pub(super) output: CheckOutput,
}

#[derive(Deserialize)]
pub(super) struct CheckOutput {
    pub(super) annotations_count: usize,
}

/// All that a tree holds, below it as well.
#[derive(Deserialize)]
pub(super) struct Tree {
    pub(super) tree: Vec<TreeEntry>,
}

#[derive(Deserialize)]
pub(super) struct TreeEntry {
    pub(super) path: String,
    /// `blob`, `tree`, or `commit` of a submodule.
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Deserialize)]
pub(super) struct CheckRuns {
    pub(super) check_runs: Vec<CheckRun>,
}

#[derive(Deserialize)]
pub(super) struct Status {
    context: String,
    state: StatusValue,
    description: Option<String>,
    target_url: Option<String>,
}

impl Status {
    /// Contexts compare without regard to case.
    pub(super) fn is_of(&self, context: &str) -> bool {
        self.context.to_lowercase() == context.to_lowercase()
    }
}

impl From<Status> for StatusState {
    fn from(status: Status) -> Self {
        Self {
            context: status.context,
            state: status.state,
            description: status.description.unwrap_or_default(),
            target_url: status.target_url.unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct CombinedStatus {
    pub(super) statuses: Vec<Status>,
}

/// The body that creates a check run, and without `head_sha` the one that updates it.
#[derive(Serialize)]
struct CheckBody<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    head_sha: Option<&'a CommitSha>,
    external_id: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    details_url: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conclusion: Option<Conclusion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    output: Output<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    actions: &'static [Action],
}

/// A button beside a completed check run. <https://docs.github.com/rest/checks/runs#create-a-check-run>
#[derive(Serialize)]
struct Action {
    label: &'static str,
    description: &'static str,
    identifier: &'static str,
}

const RERUN: Action = Action {
    label: "Rerun",
    description: "Test the same digest once more",
    identifier: RERUN_ACTION,
};

#[derive(Serialize)]
struct Output<'a> {
    title: &'a str,
    summary: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    annotations: &'a [Annotation],
}

/// Is the body the first one for its check run?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    Create,
    Update,
}

pub(super) fn check_body(check: &CheckState, write: Write) -> Value {
    let (status, conclusion) = match check.progress {
        Progress::Queued => ("queued", None),
        Progress::InProgress => ("in_progress", None),
        Progress::Completed(conclusion) => ("completed", Some(conclusion)),
    };
    let completed_at = check.completed_at_ms.filter(|_| conclusion.is_some());
    json(&CheckBody {
        name: &check.name,
        head_sha: (write == Write::Create).then_some(&check.head_sha),
        external_id: check.external_id.to_string(),
        details_url: &check.details_url,
        status,
        conclusion,
        started_at: rfc3339(check.started_at_ms),
        completed_at: completed_at.and_then(rfc3339),
        output: Output {
            title: &check.title,
            summary: &check.summary,
            annotations: &check.annotations,
        },
        actions: if conclusion.is_some() { &[RERUN] } else { &[] },
    })
}

pub(super) fn status_body(status: &StatusState) -> Value {
    json(status)
}

fn json(body: &impl Serialize) -> Value {
    serde_json::to_value(body).unwrap_or_default()
}

/// GitHub's times have whole seconds.
fn rfc3339(unix_millis: i64) -> Option<String> {
    Timestamp::from_second(unix_millis.div_euclid(1_000))
        .ok()
        .map(|time| time.to_string())
}

/// Reads a successful answer. One that cannot be read is as good as none.
pub(super) fn read<T: DeserializeOwned>(request: &Request, answer: &Answer) -> Result<T, GithubError> {
    let mut json = serde_json::Deserializer::from_slice(&answer.body);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // The error's own words may quote the body, and the body may be a token.
        let why = format!(
            "{request}: the answer is not what GitHub documents, at `{}`",
            excerpt(&error.path().to_string())
        );
        GithubError::no_answer(request, &why)
    })
}

/// What an error's body says: the message, and what stands in `errors`.
pub(super) fn message(body: &Bytes) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
        #[serde(default)]
        errors: Value,
    }
    let Ok(refusal) = serde_json::from_slice::<Refusal>(body) else {
        return String::from_utf8_lossy(&body[..body.len().min(1_000)]).into_owned();
    };
    let details = refusal.errors.as_array().into_iter().flatten().map(|error| {
        let text = error.as_str().or_else(|| error["message"].as_str());
        text.map_or_else(|| error.to_string(), str::to_owned)
    });
    std::iter::once(refusal.message)
        .chain(details)
        .collect::<Vec<_>>()
        .join(": ")
}
