//! Speaking as the App itself: a token is signed for each request, by GitHub's clock once that is known to
//! differ from this machine's.

use std::sync::atomic::{AtomicI64, Ordering};

use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use octocrab::Octocrab;
use secrecy::SecretString;
use serde::Serialize;

use super::app_key::KeyError;
use super::error::GithubError;
use super::limits;
use super::transport::{Answer, Api, Request, ask};
use crate::clock::Clock;

/// A token is dated back, for a clock that is a little fast, and ends before GitHub's bound of ten minutes.
const BACK_S: i64 = 60;
const AHEAD_S: i64 = 9 * 60;

/// A clock that is off by less is no reason for a refusal.
const TOLERATED_S: i64 = 30;

pub(super) struct App {
    pub(super) id: u64,
    key: EncodingKey,
    clock: Clock,
    /// Seconds that GitHub's clock is ahead of ours, as its last refusal showed.
    ahead_s: AtomicI64,
    /// Speaks as nobody; whoever speaks as somebody shares its connections.
    crab: Octocrab,
}

/// The App's number, or its client id: GitHub takes both.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
enum Issuer<'a> {
    Number(u64),
    Client(&'a str),
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: Issuer<'a>,
    iat: i64,
    exp: i64,
}

impl App {
    pub(super) fn new(id: u64, key: EncodingKey, clock: Clock, crab: Octocrab) -> Result<Self, KeyError> {
        let app = Self {
            id,
            key,
            clock,
            ahead_s: AtomicI64::default(),
            crab,
        };
        // Public keys pass for keys until something is to be signed.
        app.sign(Issuer::Number(id), 0)?;
        Ok(app)
    }

    /// A client that shows this token.
    pub(super) fn with_token(&self, token: SecretString) -> Result<Octocrab, octocrab::Error> {
        self.crab.user_access_token(token)
    }

    /// Sends a request as the App. A token that was refused for its date did nothing, so the request is sent once
    /// more with one of GitHub's own date.
    pub(super) async fn send(&self, api: &Api, request: &Request) -> Result<Answer, GithubError> {
        let believed = self.ahead_s.load(Ordering::Relaxed);
        let answer = ask(&self.signed(request, believed)?, api, request).await?;
        let is_refused = answer.status == StatusCode::UNAUTHORIZED;
        let refusal = limits::date(&answer.headers).filter(|_| is_refused);
        if let Some(ahead) = refusal.and_then(|date| self.learn(date, believed)) {
            return ask(&self.signed(request, ahead)?, api, request)
                .await?
                .good(request);
        }
        answer.good(request)
    }

    /// Sends a request as the App of this client id, by the clock that GitHub is known to have.
    pub(super) async fn send_as(
        &self,
        client_id: &str,
        api: &Api,
        request: &Request,
    ) -> Result<Answer, GithubError> {
        let ahead = self.ahead_s.load(Ordering::Relaxed);
        let signed = self.signed_as(Issuer::Client(client_id), request, ahead)?;
        ask(&signed, api, request).await?.good(request)
    }

    /// This machine's time, in Unix seconds.
    pub(super) fn now_s(&self) -> i64 {
        self.clock.now() / 1_000
    }

    fn signed(&self, request: &Request, ahead_s: i64) -> Result<Octocrab, GithubError> {
        self.signed_as(Issuer::Number(self.id), request, ahead_s)
    }

    fn signed_as(
        &self,
        issuer: Issuer<'_>,
        request: &Request,
        ahead_s: i64,
    ) -> Result<Octocrab, GithubError> {
        let cannot = || GithubError::Unauthorized(format!("{request}: the App's token cannot be signed"));
        self.with_token(self.sign(issuer, ahead_s).map_err(|_| cannot())?)
            .map_err(|_| cannot())
    }

    fn sign(&self, iss: Issuer<'_>, ahead_s: i64) -> Result<SecretString, KeyError> {
        let now = self.now_s() + ahead_s;
        let claims = Claims {
            iss,
            iat: now - BACK_S,
            exp: now + AHEAD_S,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map(SecretString::from)
            .map_err(|_| KeyError::Damaged)
    }

    /// Takes GitHub's time from the refusal of a token that was signed with `believed`: how far GitHub's clock is
    /// ahead, if what was believed is the likely cause. Another request may have learned it meanwhile.
    fn learn(&self, date: i64, believed: i64) -> Option<i64> {
        let ahead = date - self.clock.now() / 1_000;
        let is_far = |other: i64| (ahead - other).abs() > TOLERATED_S;
        if is_far(self.ahead_s.load(Ordering::Relaxed)) {
            self.ahead_s.store(ahead, Ordering::Relaxed);
            tracing::warn!(
                "this machine's clock is {}s off GitHub's: set it right; until then GitHub's is used",
                -ahead
            );
        }
        is_far(believed).then_some(ahead)
    }
}
