//! Who is looking, and what they may see.

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE, HeaderName};
use axum::http::request::Parts as RequestParts;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::App;
use super::problem::Problem;
use crate::access::{PageKeys, log_is_shown};
use crate::model::{Expected, Repo, RepoId, RunId, Visibility};
use crate::store::Run;

/// How long a browser keeps a key, in seconds: a month.
const COOKIE_SECONDS: u32 = 30 * 24 * 3600;

/// The cookie of an operator who signed in.
const OPERATOR_COOKIE: &str = "hubcheck-operator";

/// How long a browser keeps that, in seconds: a working day.
const OPERATOR_SECONDS: u32 = 12 * 3600;

/// Who is looking.
#[derive(Debug, Default)]
pub(super) struct Viewer {
    /// Holds the operator's token, or signed in with it.
    pub(super) operator: bool,
    /// Does the request come from another site's page? What it asks for by POST is not the viewer's wish then.
    is_led_here: bool,
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
        let cookies = header(COOKIE);
        let operator = app.admin_token.as_ref().is_some_and(|token| {
            same(token.expose_secret(), bearer)
                || cookie(cookies, OPERATOR_COOKIE)
                    .is_some_and(|given| same(&app.page_keys.operator(token), given))
        });
        // Browsers say so; whoever is none sends no cookie by itself.
        let site = header(HeaderName::from_static("sec-fetch-site"));
        Ok(Self {
            operator,
            is_led_here: !matches!(site, "" | "same-origin" | "none"),
            key: query_key(parts.uri.query()),
            cookies: cookies.to_owned(),
        })
    }
}

/// Equal? Takes the same time wherever they differ, and whatever their lengths.
fn same(secret: &str, given: &str) -> bool {
    !secret.is_empty() && bool::from(Sha256::digest(secret).ct_eq(&Sha256::digest(given)))
}

fn cookie<'a>(cookies: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
    pairs.find(|(cookie, _)| *cookie == name).map(|(_, value)| value)
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
    /// May what this request asks for be done? To anybody but the operator there is no such thing.
    pub(super) fn orders(&self) -> Result<(), Problem> {
        match (self.operator, self.is_led_here) {
            (false, _) => Err(Problem::not_found()),
            (true, true) => Err(Problem::forbidden("another site's page asked for this")),
            (true, false) => Ok(()),
        }
    }

    /// Everybody sees public repositories; a private one its key's holder and the operator.
    fn may_see(&self, repo: &Repo, keys: &PageKeys) -> bool {
        repo.visibility == Visibility::Public || self.operator || self.holds_key(repo.id, keys)
    }

    /// The log, to those who may see the run; of a private image on a public repository to the operator.
    pub(super) fn may_see_log(&self, run: &Run) -> bool {
        self.operator || log_is_shown(run)
    }

    fn holds_key(&self, repo: RepoId, keys: &PageKeys) -> bool {
        let kept = cookie(&self.cookies, &cookie_name(repo));
        self.key_opens(repo, keys) || kept.is_some_and(|key| keys.opens(repo, key))
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

/// The cookie of whoever gives the operator's token; `None`: it is not that.
pub(super) fn sign_in(app: &App, token: &str) -> Option<String> {
    let known = app
        .admin_token
        .as_ref()
        .filter(|known| same(known.expose_secret(), token))?;
    Some(operator_cookie(
        app,
        &app.page_keys.operator(known),
        OPERATOR_SECONDS,
    ))
}

/// The cookie that ends that.
pub(super) fn sign_out(app: &App) -> String {
    operator_cookie(app, "", 0)
}

/// Of no use to a page of another site.
fn operator_cookie(app: &App, value: &str, seconds: u32) -> String {
    let secure = if app.https { "; Secure" } else { "" };
    format!("{OPERATOR_COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
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

/// What an id stands for.
pub(super) enum Seen {
    Run(Box<Run>),
    /// There is no run yet, or never will be.
    Expected(Box<Expected>),
}

impl Seen {
    pub(super) fn id(&self) -> RunId {
        match self {
            Self::Run(run) => run.id,
            Self::Expected(expected) => expected.id,
        }
    }

    pub(super) fn repo(&self) -> &Repo {
        match self {
            Self::Run(run) => &run.source.repo,
            Self::Expected(expected) => &expected.repo,
        }
    }
}

/// What an id stands for, if this viewer may see it; else what says nothing about whether it stands for anything.
pub(super) async fn visible(app: &App, viewer: &Viewer, id: &str) -> Result<Seen, Problem> {
    let id: RunId = id.parse().map_err(|_| Problem::not_found())?;
    let seen = match app.store.run(id).await? {
        Some(run) => Some(Seen::Run(Box::new(run))),
        None => app
            .store
            .expected(id)
            .await?
            .map(|expected| Seen::Expected(Box::new(expected))),
    };
    seen.filter(|seen| viewer.may_see(seen.repo(), &app.page_keys))
        .ok_or_else(Problem::not_found)
}
