//! GitHub, as the App sees it. The only part that imports octocrab, which carries the requests; what
//! is asked, signed, read, waited for and refused is ours.
//!
//! Nothing is retried here but a request whose token GitHub did not take: retries live in the
//! queue. Every request ends within 10 seconds, or a few times that if it is redirected or needs a
//! token first.

mod app;
mod app_key;
mod archive;
mod attestations;
mod checks;
mod checkup;
mod commits;
mod contents;
mod deliveries;
mod error;
#[doc(hidden)]
pub mod foreign;
mod installations;
mod limits;
mod memory;
mod quota;
mod registration;
mod rehearsal;
mod repos;
mod statuses;
mod tokens;
mod transport;
mod trees;
mod wire;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use octocrab::service::middleware::retry::RetryConfig;
use octocrab::{Octocrab, OctocrabBuilder};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

pub use app_key::KeyError;
pub use archive::ArchivedFile;
pub use checkup::{Budget, Grant};
pub use commits::Standing;
pub use contents::Content;
pub use deliveries::Attempt;
pub use error::{GithubError, Refused, SetupError};
pub use quota::{Noting, Pace, Taking, Urgency};
pub use registration::{RegistrationError, register};
pub use rehearsal::RehearsedWrite;

use crate::clock::Clock;
use crate::config;
use crate::model::{CommitSha, InstallationId, Repo, RepoId, RepoName};
use crate::net::Trust;
use app::App;
use memory::Memory;
use quota::Quota;
use rehearsal::Rehearsal;
use tokens::Tokens;
use transport::{Answer, Api, Request};

/// How long GitHub may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Keeps the library's own lines out of the log: what GitHub refuses is told by whoever acts on it.
pub const LOG_DIRECTIVE: &str = "octocrab=off";

/// GitHub's number of a check run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CheckRunId(pub i64);

/// A check run that was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundCheck {
    /// Its number.
    pub id: CheckRunId,
    /// Has it ended? Then it is never changed again.
    pub completed: bool,
}

/// The App as GitHub knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppInfo {
    /// Its number.
    pub id: u64,
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Its page at GitHub: it is installed from there.
    pub page: String,
    /// What it asks for: `checks` → `write`.
    pub permissions: BTreeMap<String, String>,
    /// The events that it is told of.
    pub events: Vec<String>,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its full name.
    pub sha: CommitSha,
    /// Those before it, first parent first; two or more for a merge.
    pub parents: Vec<CommitSha>,
    /// Whatever its author wrote: a stranger's text.
    pub message: String,
    /// When it was committed, as the committer's machine said.
    pub committed_at: Option<Timestamp>,
}

/// GitHub's API as the App. Cheap to clone; clones share tokens.
#[derive(Clone)]
pub struct GitHub {
    inner: Arc<Inner>,
    rehearsal: Option<Rehearsal>,
    pace: Option<Arc<dyn Pace>>,
}

struct Inner {
    api: Api,
    /// For files that the API says lie elsewhere: without any token.
    files: reqwest::Client,
    app: App,
    tokens: Tokens,
    installations: Mutex<HashMap<RepoName, InstallationId>>,
    memory: Memory,
    quota: Quota,
    /// Names under which a write was led elsewhere.
    moved: Mutex<HashSet<RepoName>>,
}

impl GitHub {
    /// Reads the App's key and makes the client; asks GitHub nothing yet. Must be called within a
    /// Tokio runtime.
    pub fn new(config: &config::Github, trust: &Trust) -> Result<Self, SetupError> {
        Self::with_clock(config, trust, Clock::default())
    }

    /// The same by another clock.
    pub fn with_clock(config: &config::Github, trust: &Trust, clock: Clock) -> Result<Self, SetupError> {
        Self::build(config, trust.client_builder(), TIMEOUT, clock)
    }

    /// The same over connections of the caller's making (certificates, proxies), and with another
    /// patience than 10 seconds for each answer.
    pub fn with_http(
        config: &config::Github,
        http: reqwest::ClientBuilder,
        timeout: Duration,
    ) -> Result<Self, SetupError> {
        Self::build(config, http, timeout, Clock::default())
    }

    fn build(
        config: &config::Github,
        http: reqwest::ClientBuilder,
        timeout: Duration,
        clock: Clock,
    ) -> Result<Self, SetupError> {
        let app_id = config.app_id.ok_or(SetupError::NoAppId)?;
        let key = config.private_key.as_ref().ok_or(SetupError::NoKey)?;
        let key = app_key::parse(key.expose_secret())?;
        let (api, files, crab) = Self::client(config, http, timeout)?;
        Ok(Self {
            inner: Arc::new(Inner {
                api,
                files,
                quota: Quota::new(clock.clone()),
                app: App::new(app_id, key, clock, crab)?,
                tokens: Tokens::default(),
                installations: Mutex::default(),
                memory: Memory::default(),
                moved: Mutex::default(),
            }),
            rehearsal: None,
            pace: None,
        })
    }

    /// What speaks to the API as nobody, and what reads files beside it.
    fn client(
        config: &config::Github,
        http: reqwest::ClientBuilder,
        timeout: Duration,
    ) -> Result<(Api, reqwest::Client, Octocrab), SetupError> {
        let url = config.api_url.clone();
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(SetupError::ApiUrl(format!(
                "`{url}` is no http(s) address like https://api.github.com"
            )));
        }
        // A redirect that the transport follows could lead anywhere: ours stays at GitHub's API.
        let http = http
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(timeout)
            .build()
            .map_err(|error| SetupError::Client(transport::causes(&error)))?;
        let crab = OctocrabBuilder::new()
            .base_uri(url.as_str().trim_end_matches('/'))
            .map_err(|error| SetupError::ApiUrl(transport::causes(&error)))?
            .add_retry_config(RetryConfig::None)
            .add_header(http::header::ACCEPT, "application/vnd.github+json".to_owned())
            .build_with_reqwest(http.clone())
            .map_err(|error| SetupError::Client(transport::causes(&error)))?;
        Ok((Api { url, timeout }, http, crab))
    }

    /// Hands writes over instead of sending them, and goes on as if they had been; reads are real. Waits where
    /// nobody takes them.
    #[must_use]
    pub fn rehearsing(self, writes: tokio::sync::mpsc::Sender<RehearsedWrite>) -> Self {
        Self {
            rehearsal: Some(Rehearsal::new(writes)),
            ..self
        }
    }

    /// Asks no faster than this lets it.
    #[must_use]
    pub fn paced(self, pace: Arc<dyn Pace>) -> Self {
        Self {
            pace: Some(pace),
            ..self
        }
    }

    /// Does GitHub count what this installation asks? Enterprise Servers do only where their owner wants it.
    pub fn is_limited(&self, installation: InstallationId) -> bool {
        self.inner.quota.is_limited(installation)
    }

    /// For how long what is left of an installation's hour is for verdicts alone. `None`: it is not.
    pub fn is_low_for(&self, installation: InstallationId) -> Option<Duration> {
        self.inner.quota.is_low_for(installation)
    }

    /// The App's number.
    pub fn app_id(&self) -> u64 {
        self.inner.app.id
    }

    /// Forgets which installation a repository belongs to: after an event about installations.
    pub fn forget_installation(&self, name: &RepoName) {
        self.known_installations().remove(name);
        self.inner.memory.forget_name(name);
    }

    /// Forgets how a repository was seen: after an event that tells of a change.
    pub fn repo_changed(&self, id: RepoId) {
        self.inner.memory.forget_repo(id);
    }

    /// What an installation may do changed: its token is fetched anew, its repositories are looked up anew.
    pub async fn installation_changed(&self, id: InstallationId) {
        self.known_installations()
            .retain(|_, installation| *installation != id);
        self.inner.memory.forget_installation(id);
        self.inner.tokens.forget(id).await;
    }

    /// Has a write to this name been led elsewhere since this was asked last? Then the repository has
    /// another name by now.
    pub fn was_moved(&self, name: &RepoName) -> bool {
        self.moved().remove(name)
    }

    fn known_installation(&self, name: &RepoName) -> Option<InstallationId> {
        self.known_installations().get(name).copied()
    }

    fn remember_installation(&self, name: &RepoName, installation: InstallationId) {
        self.known_installations().insert(name.clone(), installation);
    }

    fn known_installations(&self) -> std::sync::MutexGuard<'_, HashMap<RepoName, InstallationId>> {
        self.inner
            .installations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn moved(&self) -> std::sync::MutexGuard<'_, HashSet<RepoName>> {
        self.inner.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what people will see, unless it is only rehearsed.
    async fn write_for(&self, repo: &Repo, request: &Request) -> Result<Answer, GithubError> {
        match &self.rehearsal {
            Some(rehearsal) => Ok(rehearsal.take(request).await),
            None => self.send_for(repo, request).await,
        }
    }

    /// Sends a request with the token of the repository's installation.
    async fn send_for(&self, repo: &Repo, request: &Request) -> Result<Answer, GithubError> {
        self.send_as(repo.installation, &repo.name, request).await
    }

    async fn send_as(
        &self,
        installation: InstallationId,
        name: &RepoName,
        request: &Request,
    ) -> Result<Answer, GithubError> {
        let sent = self.send_with_token(installation, request).await;
        let is_write = request.method != http::Method::GET;
        match &sent {
            Ok(answer) if is_write && answer.is_redirected => drop(self.moved().insert(name.clone())),
            Err(GithubError::NoInstallation) => {
                self.forget_installation(name);
                return Err(GithubError::NotInstalled(name.clone()));
            }
            _ => {}
        }
        sent
    }

    /// Nothing is sent while GitHub wants to hear nothing. A question waits, too, where its installation's budget is
    /// low; what a verdict needs does not.
    async fn may_ask(&self, installation: InstallationId, request: &Request) -> Result<(), GithubError> {
        let quota = &self.inner.quota;
        let put_off = |retry_after, why| GithubError::RateLimited {
            retry_after,
            is_stated: true,
            message: format!("{request}: put off, {why}"),
        };
        if let Some(left) = quota.is_closed_for(installation) {
            return Err(put_off(left, "GitHub asks for a pause"));
        }
        if request.method != http::Method::GET || !quota.is_limited(installation) {
            return Ok(());
        }
        let urgency = request.urgency;
        let low = quota
            .is_low_for(installation)
            .filter(|_| urgency == Urgency::None);
        let wait = match (low, &self.pace) {
            (Some(left), _) => Err(left),
            (None, Some(pace)) => pace.question(installation, urgency).await,
            (None, None) => Ok(()),
        };
        wait.map_err(|left| put_off(left, "what is left of the installation's budget is for verdicts"))
    }

    /// A refused token did nothing, so the request is sent once more with a new one.
    async fn send_with_token(
        &self,
        installation: InstallationId,
        request: &Request,
    ) -> Result<Answer, GithubError> {
        let inner = &self.inner;
        self.may_ask(installation, request).await?;
        let token = self.token(installation).await?;
        let settled = match transport::send(&token.crab, &inner.api, request).await {
            Err(GithubError::Unauthorized(_)) => {
                inner.tokens.discard(installation, &token).await;
                let renewed = self.token(installation).await?;
                transport::send(&renewed.crab, &inner.api, request).await
            }
            settled => settled,
        };
        if let (Some(wait), Some(pace)) = (inner.quota.note(installation, &settled), &self.pace) {
            pace.closed(installation, wait).await;
        }
        settled
    }

    async fn token(&self, id: InstallationId) -> Result<tokens::Token, GithubError> {
        let inner = &self.inner;
        let token = inner.tokens.token(&inner.app, &inner.api, id).await;
        token.map_err(|error| match error {
            GithubError::NotFound(_) => GithubError::NoInstallation,
            other => other,
        })
    }
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub")
            .field("app_id", &self.inner.app.id)
            .field("api", &self.inner.api.url.as_str())
            .finish_non_exhaustive()
    }
}

/// A text as part of a path or a query, where slashes stand for themselves.
fn encoded(text: &str) -> String {
    let parts = text.split('/').map(|part| {
        let bytes = url::form_urlencoded::byte_serialize(part.as_bytes());
        bytes.collect::<String>().replace('+', "%20")
    });
    parts.collect::<Vec<_>>().join("/")
}

fn path(name: &RepoName, rest: &str) -> String {
    format!("/repos/{name}{rest}")
}
