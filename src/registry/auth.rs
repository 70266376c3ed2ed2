//! Answers to a registry's challenge, kept per repository and right until they expire.
//!
//! Requests that are refused at the same moment share one new token: the first fetches it and the
//! others wait for that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderValue, Method};
use serde::Deserialize;
use url::Url;

use super::Access;
use super::challenge::Challenge;
use super::credentials::Credentials;
use super::place::Place;
use super::transport::{Answer, Failure, Request, Transport};

/// For the body of a token service's answer.
const TOKEN_CAP_BYTES: usize = 64 << 10;
/// How long a token lasts that does not say, and how long one can last.
const DEFAULT_LIFE: Duration = Duration::from_mins(1);
const LONGEST_LIFE: Duration = Duration::from_hours(1);
/// A token is given up this long before it expires, for the time that a request takes.
const MARGIN: Duration = Duration::from_secs(10);
/// Repositories whose tokens are kept. Beyond that all are forgotten, which costs a request each.
const MAX_SLOTS: usize = 1024;

/// What a token is good for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// As the image's name has it: accounts, and who may use them, go by that.
    pub(super) registry: String,
    /// As it is called where it is read.
    pub(super) repository: String,
    pub(super) access: Access,
}

/// The `Authorization` that a request was sent with.
pub(super) struct Known {
    generation: u64,
    pub(super) header: Option<HeaderValue>,
}

/// Why there is no answer to a challenge.
pub(super) enum Obstacle {
    /// An account is needed.
    NoAccount,
    /// The account was refused.
    Refused,
    /// We do not answer such a challenge.
    Challenge(String),
    /// The token service answered with neither a token nor a refusal.
    Answer(Answer),
    /// It did not answer.
    Failure(Failure),
}

#[derive(Default)]
struct Slot {
    /// Raised with each new answer.
    generation: u64,
    header: Option<HeaderValue>,
    expires: Option<Instant>,
}

impl Slot {
    fn valid(&self) -> Option<HeaderValue> {
        let expired = self.expires.is_some_and(|expires| expires <= Instant::now());
        self.header.clone().filter(|_| !expired)
    }
}

/// All answers.
#[derive(Default)]
pub(super) struct Authenticator {
    slots: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<Slot>>>>,
}

/// Who asks, for what, where.
pub(super) struct Applicant {
    pub(super) key: Key,
    pub(super) place: Place,
    /// `None`: asks as anybody could.
    pub(super) credentials: Option<Credentials>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Authenticator {
    /// What the repository was content with last time.
    pub(super) async fn known(&self, key: &Key) -> Known {
        let slot = self.slot(key);
        let slot = slot.lock().await;
        Known {
            generation: slot.generation,
            header: slot.valid(),
        }
    }

    /// Answers a challenge to a request that was sent with `used`.
    pub(super) async fn renew(
        &self,
        transport: &Transport,
        applicant: &Applicant,
        used: &Known,
        challenge: &Challenge,
    ) -> Result<HeaderValue, Obstacle> {
        let slot = self.slot(&applicant.key);
        let mut slot = slot.lock().await;
        if slot.generation != used.generation
            && let Some(header) = slot.valid()
        {
            return Ok(header);
        }
        let (header, life) = match challenge {
            Challenge::Basic => {
                let credentials = applicant.credentials.as_ref().ok_or(Obstacle::NoAccount)?;
                (credentials.basic().ok_or(Obstacle::Refused)?, None)
            }
            Challenge::Bearer { realm, service } => {
                let realm = applicant.place.realm(realm).map_err(Obstacle::Challenge)?;
                let (header, life) = fetch_token(transport, applicant, realm, service.as_deref()).await?;
                (header, Some(life))
            }
        };
        if used.header.as_ref() == Some(&header) {
            return Err(Obstacle::Refused);
        }
        slot.generation += 1;
        slot.header = Some(header.clone());
        slot.expires = life.map(|life| Instant::now() + life.saturating_sub(MARGIN));
        Ok(header)
    }

    fn slot(&self, key: &Key) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_SLOTS && !slots.contains_key(key) {
            slots.clear();
        }
        Arc::clone(slots.entry(key.clone()).or_default())
    }
}

async fn fetch_token(
    transport: &Transport,
    applicant: &Applicant,
    mut realm: Url,
    service: Option<&str>,
) -> Result<(HeaderValue, Duration), Obstacle> {
    {
        let mut query = realm.query_pairs_mut();
        if let Some(service) = service {
            query.append_pair("service", service);
        }
        query.append_pair("scope", &format!("repository:{}:pull", applicant.key.repository));
    }
    let request = Request {
        method: Method::GET,
        url: realm,
        accept: "application/json",
        authorization: applicant.credentials.as_ref().and_then(Credentials::basic),
        cap_bytes: TOKEN_CAP_BYTES,
    };
    let answer = transport
        .send(&applicant.place, request)
        .await
        .map_err(Obstacle::Failure)?;
    match answer.status.as_u16() {
        200 => token_of(&answer.body).ok_or_else(|| {
            Obstacle::Challenge("its token service answered with something that is no token".to_owned())
        }),
        400 | 401 | 403 if applicant.credentials.is_some() => Err(Obstacle::Refused),
        401 | 403 => Err(Obstacle::NoAccount),
        _ => Err(Obstacle::Answer(answer)),
    }
}

pub(super) fn token_of(body: &[u8]) -> Option<(HeaderValue, Duration)> {
    let answer: TokenAnswer = serde_json::from_slice(body).ok()?;
    let token = answer
        .token
        .or(answer.access_token)
        .filter(|token| !token.is_empty())?;
    let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    let life = answer.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs);
    Some((header, life.min(LONGEST_LIFE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_under_two_names_and_expire() {
        for (body, token, seconds) in [
            (r#"{"token": "a", "expires_in": 300}"#, "Bearer a", 300),
            (r#"{"access_token": "b"}"#, "Bearer b", 60),
            (
                r#"{"token": "c", "access_token": "d", "expires_in": 99999}"#,
                "Bearer c",
                3600,
            ),
        ] {
            let (header, life) = token_of(body.as_bytes()).unwrap();
            assert_eq!((header.to_str().unwrap(), life.as_secs()), (token, seconds));
            assert!(!format!("{header:?}").contains(token), "a token is never printed");
        }
        for wrong in ["", "{}", r#"{"token": ""}"#, r#"{"token": "a\nb"}"#, "[]"] {
            assert!(token_of(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
