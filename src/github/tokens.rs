//! Installation tokens: one per installation, fetched once at a time, renewed before their hour is
//! over and when GitHub refuses one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use octocrab::Octocrab;
use serde_json::json;

use super::app::App;
use super::error::GithubError;
use super::limits;
use super::transport::{Api, Request};
use super::wire;
use crate::model::InstallationId;

/// A token is renewed this long before its end.
const MARGIN: Duration = Duration::from_mins(5);

/// A client that speaks for one installation.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) crab: Octocrab,
    good_until: Instant,
}

/// The lock is held while a token is fetched: whoever else wants one waits for the same.
type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;

#[derive(Default)]
pub(super) struct Tokens {
    slots: Mutex<HashMap<InstallationId, Slot>>,
}

impl Tokens {
    /// The installation's token, fetched if there is none that is good.
    pub(super) async fn token(&self, app: &App, api: &Api, id: InstallationId) -> Result<Token, GithubError> {
        let slot = self.slot(id);
        let mut kept = slot.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.good_until > Instant::now()) {
            return Ok(token.clone());
        }
        let token = fetch(app, api, id).await?;
        *kept = Some(token.clone());
        Ok(token)
    }

    /// GitHub refuses this token: the next caller fetches another, unless somebody did already.
    pub(super) async fn discard(&self, id: InstallationId, refused: &Token) {
        let slot = self.slot(id);
        let mut kept = slot.lock().await;
        kept.take_if(|token| token.good_until == refused.good_until);
    }

    /// What the installation's token may do changed: the next caller fetches another.
    pub(super) async fn forget(&self, id: InstallationId) {
        self.slot(id).lock().await.take();
    }

    fn slot(&self, id: InstallationId) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(id).or_default())
    }
}

async fn fetch(app: &App, api: &Api, id: InstallationId) -> Result<Token, GithubError> {
    let path = format!("/app/installations/{}/access_tokens", id.0);
    let request = Request::post(path, json!({}));
    let asked_at = Instant::now();
    let answer = app.send(api, &request).await.map_err(|error| match error {
        // A token that was made and not received does no harm.
        GithubError::OutcomeUnknown(why) => GithubError::Unavailable(why),
        other => other,
    })?;
    let granted: wire::AccessToken = wire::read(&request, &answer)?;
    let now = limits::date(&answer.headers).unwrap_or_else(|| jiff::Timestamp::now().as_second());
    let life = u64::try_from(granted.expires_at.as_second() - now).unwrap_or(0);
    let crab = app
        .with_token(granted.token)
        .map_err(|_| GithubError::Unavailable(format!("{request}: the token cannot be used")))?;
    Ok(Token {
        crab,
        good_until: asked_at + Duration::from_secs(life).saturating_sub(MARGIN),
    })
}
