//! GitHub, as the App sees it. The only part that imports octocrab, which carries the requests; what
//! is asked, signed, read, waited for and refused is ours.
//!
//! Nothing is retried here but a request whose token GitHub did not take: retries live in the
//! queue. Every request ends within 10 seconds, or a few times that if it is redirected or needs a
//! token first.

mod app;
mod app_key;
mod checks;
mod error;
#[doc(hidden)]
pub mod foreign;
mod limits;
mod repos;
mod statuses;
mod tokens;
mod transport;
mod wire;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use octocrab::OctocrabBuilder;
use octocrab::service::middleware::retry::RetryConfig;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

pub use app_key::KeyError;
pub use error::{GithubError, Refused, SetupError};

use crate::clock::Clock;
use crate::config;
use crate::model::{CommitSha, InstallationId, Repo, RepoName};
use crate::net::Trust;
use app::App;
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
}

struct Inner {
    api: Api,
    app: App,
    tokens: Tokens,
    installations: Mutex<HashMap<RepoName, InstallationId>>,
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
            .build_with_reqwest(http)
            .map_err(|error| SetupError::Client(transport::causes(&error)))?;
        Ok(Self {
            inner: Arc::new(Inner {
                api: Api { url, timeout },
                app: App::new(app_id, key, clock, crab)?,
                tokens: Tokens::default(),
                installations: Mutex::default(),
                moved: Mutex::default(),
            }),
        })
    }

    /// The App's number.
    pub fn app_id(&self) -> u64 {
        self.inner.app.id
    }

    /// Forgets which installation a repository belongs to: after an event about installations.
    pub fn forget_installation(&self, name: &RepoName) {
        self.installations().remove(name);
    }

    /// What an installation may do changed: its token is fetched anew, its repositories are looked up anew.
    pub async fn installation_changed(&self, id: InstallationId) {
        self.installations().retain(|_, installation| *installation != id);
        self.inner.tokens.forget(id).await;
    }

    /// Has a write to this name been led elsewhere since this was asked last? Then the repository has
    /// another name by now.
    pub fn was_moved(&self, name: &RepoName) -> bool {
        self.moved().remove(name)
    }

    fn known_installation(&self, name: &RepoName) -> Option<InstallationId> {
        self.installations().get(name).copied()
    }

    fn remember_installation(&self, name: &RepoName, installation: InstallationId) {
        self.installations().insert(name.clone(), installation);
    }

    fn installations(&self) -> std::sync::MutexGuard<'_, HashMap<RepoName, InstallationId>> {
        self.inner
            .installations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn moved(&self) -> std::sync::MutexGuard<'_, HashSet<RepoName>> {
        self.inner.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request with the token of the repository's installation.
    async fn send_for(&self, repo: &Repo, request: &Request) -> Result<Answer, GithubError> {
        self.send_as(repo.installation, &repo.name, request).await
    }

    /// A refused token did nothing, so the request is sent once more with a new one.
    async fn send_as(
        &self,
        installation: InstallationId,
        name: &RepoName,
        request: &Request,
    ) -> Result<Answer, GithubError> {
        let inner = &self.inner;
        let token = self.token(installation, name).await?;
        let sent = match transport::send(&token.crab, &inner.api, request).await {
            Err(GithubError::Unauthorized(_)) => {
                inner.tokens.discard(installation, &token).await;
                let renewed = self.token(installation, name).await?;
                transport::send(&renewed.crab, &inner.api, request).await
            }
            settled => settled,
        };
        let is_write = request.method != http::Method::GET;
        if is_write && sent.as_ref().is_ok_and(|answer| answer.is_redirected) {
            self.moved().insert(name.clone());
        }
        sent
    }

    async fn token(&self, id: InstallationId, name: &RepoName) -> Result<tokens::Token, GithubError> {
        let token = self
            .inner
            .tokens
            .token(&self.inner.app, &self.inner.api, id)
            .await;
        token.map_err(|error| match error {
            GithubError::NotFound(_) => {
                self.forget_installation(name);
                GithubError::NotInstalled(name.clone())
            }
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

fn path(name: &RepoName, rest: &str) -> String {
    format!("/repos/{name}{rest}")
}
