//! Who is looking, and what they may see.

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts as RequestParts;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::App;
use super::problem::Problem;
use crate::access::{PageKeys, log_is_shown};
use crate::model::{RepoId, RunId, Visibility};
use crate::store::Run;

/// How long a browser keeps a key, in seconds: a month.
const COOKIE_SECONDS: u32 = 30 * 24 * 3600;

/// Who is looking.
#[derive(Debug, Default)]
pub(super) struct Viewer {
    /// Holds the operator's token.
    pub(super) operator: bool,
    /// The key in the address.
    key: Option<String>,
    /// The request's cookies.
    cookies: String,
}

impl FromRequestParts<App> for Viewer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut RequestParts, app: &App) -> Result<Self, Self::Rejection> {
        let header = |name| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let bearer = header(AUTHORIZATION).strip_prefix("Bearer ").unwrap_or_default();
        let operator = app
            .admin_token
            .as_ref()
            .is_some_and(|token| same(token.expose_secret(), bearer));
        Ok(Self {
            operator,
            key: query_key(parts.uri.query()),
            cookies: header(COOKIE).to_owned(),
        })
    }
}

/// Equal? Takes the same time wherever they differ, and whatever their lengths.
fn same(secret: &str, given: &str) -> bool {
    !secret.is_empty() && bool::from(Sha256::digest(secret).ct_eq(&Sha256::digest(given)))
}

fn query_key(query: Option<&str>) -> Option<String> {
    let pairs = url::form_urlencoded::parse(query?.as_bytes());
    pairs
        .into_iter()
        .find(|(name, _)| name == "key")
        .map(|(_, key)| key.into_owned())
}

fn cookie_name(repo: RepoId) -> String {
    format!("hubcheck-repo-{}", repo.0)
}

impl Viewer {
    /// Everybody sees public repositories; a private one its key's holder and the operator.
    pub(super) fn may_see(&self, run: &Run, keys: &PageKeys) -> bool {
        let repo = &run.source.repo;
        repo.visibility == Visibility::Public || self.operator || self.holds_key(repo.id, keys)
    }

    /// The log, to those who may see the run; of a private image on a public repository to the operator.
    pub(super) fn may_see_log(&self, run: &Run) -> bool {
        self.operator || log_is_shown(run)
    }

    fn holds_key(&self, repo: RepoId, keys: &PageKeys) -> bool {
        let name = cookie_name(repo);
        let in_cookie = self.cookies.split("; ").filter_map(|pair| pair.split_once('='));
        self.key_opens(repo, keys)
            || in_cookie
                .into_iter()
                .any(|(cookie, key)| cookie == name && keys.opens(repo, key))
    }

    /// Is there a key in the address, and does it open the repository?
    pub(super) fn key_opens(&self, repo: RepoId, keys: &PageKeys) -> bool {
        self.key.as_deref().is_some_and(|key| keys.opens(repo, key))
    }

    /// Does the address carry a key at all?
    pub(super) fn came_with_key(&self) -> bool {
        self.key.is_some()
    }
}

/// The cookie that keeps a key, so that it leaves the address.
pub(super) fn key_cookie(app: &App, repo: RepoId) -> String {
    let secure = if app.https { "; Secure" } else { "" };
    format!(
        "{}={}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax{secure}",
        cookie_name(repo),
        app.page_keys.key(repo)
    )
}

/// The run, if this viewer may see it; else what says nothing about whether there is one.
pub(super) async fn visible_run(app: &App, viewer: &Viewer, id: &str) -> Result<Run, Problem> {
    let id: RunId = id.parse().map_err(|_| Problem::not_found())?;
    let run = app.store.run(id).await?.ok_or_else(Problem::not_found)?;
    if viewer.may_see(&run, &app.page_keys) {
        Ok(run)
    } else {
        Err(Problem::not_found())
    }
}
