//! What can go wrong between us and a registry, told apart where a caller acts differently.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

use super::transport::{Answer, Failure};
use crate::model::Platform;

/// The longest that a registry can make us wait by asking.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// A configuration that the reader cannot work with.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Half an account.
    #[error("[registry.\"{host}\"] has a {given} and no {missing}: give both, or neither")]
    HalfAnAccount {
        /// The registry.
        host: String,
        /// What is there.
        given: &'static str,
        /// What is not.
        missing: &'static str,
    },
    /// An endpoint that cannot be read from.
    #[error("the endpoint of [registry.\"{host}\"] {reason}: write it like `https://mirror.example.org`")]
    Endpoint {
        /// The registry.
        host: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file that cannot be read or understood.
    #[error("cannot use {path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The HTTP client cannot be made.
    #[error("cannot set up HTTPS: {0}")]
    Client(String),
}

/// Why something could not be read from a registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry does not let us: credentials are missing, wrong, or lack the right to read.
    #[error("cannot read {what}: {reason}")]
    Unauthorized {
        /// What was asked for.
        what: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// It is not there, or not for us to know.
    #[error("{what} is not there: it was deleted or moved, or the name is wrong")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The registry wants us to ask less often.
    #[error("{host} limits how often it may be read{}: {}", kind(*pull_limit), advice(*retry_after))]
    RateLimited {
        /// The registry.
        host: String,
        /// How long it asks us to wait; an hour at most.
        retry_after: Option<Duration>,
        /// Is it the account's pull limit (hours), rather than a guard against floods (minutes)?
        pull_limit: bool,
    },
    /// The registry cannot be reached or is in trouble: another try may succeed.
    #[error("{host} cannot be read: {reason}")]
    Unavailable {
        /// The registry.
        host: String,
        /// Why.
        reason: String,
        /// How long it asks us to wait; an hour at most.
        retry_after: Option<Duration>,
    },
    /// The answer cannot be trusted or understood: another try would bring the same.
    #[error("{what} cannot be used: {reason}")]
    Invalid {
        /// What was asked for.
        what: String,
        /// Why.
        reason: String,
    },
    /// It was read, and is no image that could run here.
    #[error(transparent)]
    NotRunnable(#[from] NotRunnable),
}

/// Why an image cannot run on this Engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRunnable {
    /// It was built for others.
    #[error(
        "the image has no {wanted}, only {}: build it for {wanted} as well",
        list(available)
    )]
    NoSuchPlatform {
        /// The Engine's platform.
        wanted: Platform,
        /// What the image has.
        available: Vec<Platform>,
    },
    /// It does not say what it was built for.
    #[error("the image names no platform: it holds attestations alone, or nothing")]
    NoPlatform,
    /// The format of Docker before 1.10.
    #[error("the image has the retired manifest format 1: push it again with a current Docker")]
    Schema1,
    /// Something else that registries keep: a chart, a signature, an attestation.
    #[error("not a runnable image but `{media_type}`")]
    Artifact {
        /// What it says it is.
        media_type: String,
    },
}

impl NotRunnable {
    /// May a later push under the same tag mend it? Images of several platforms are often pushed one by one.
    pub fn may_arrive(&self) -> bool {
        matches!(self, Self::NoSuchPlatform { .. })
    }
}

impl RegistryError {
    /// May another try bring an answer?
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Unavailable { .. })
    }

    /// What an answer that is no success means.
    pub(super) fn from_answer(answer: &Answer, host: &str, what: String, unauthorized: String) -> Self {
        let retry_after = retry_after(&answer.headers, jiff::Timestamp::now().as_second());
        let host = host.to_owned();
        match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let reason = unauthorized;
                Self::Unauthorized { what, reason }
            }
            StatusCode::NOT_FOUND => Self::NotFound { what },
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited {
                host,
                retry_after,
                pull_limit: speaks_of_pull_limit(&answer.body),
            },
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => {
                Self::unavailable(host, answer, retry_after)
            }
            status if status.is_server_error() => Self::unavailable(host, answer, retry_after),
            status => {
                let reason = format!("{host} answered {status}");
                Self::Invalid { what, reason }
            }
        }
    }

    /// What became of a request that had no answer.
    pub(super) fn from_failure(failure: Failure, host: &str, what: String) -> Self {
        match failure {
            Failure::Unreachable(reason) => Self::Unavailable {
                host: host.to_owned(),
                reason,
                retry_after: None,
            },
            Failure::Refused(reason) => Self::Invalid { what, reason },
        }
    }

    fn unavailable(host: String, answer: &Answer, retry_after: Option<Duration>) -> Self {
        let reason = format!("it answered {}", answer.status);
        Self::Unavailable {
            host,
            reason,
            retry_after,
        }
    }
}

/// `Retry-After` in seconds, or Docker Hub's older `X-Retry-After` as a Unix time.
pub(super) fn retry_after(headers: &HeaderMap, now_seconds: i64) -> Option<Duration> {
    let number = |name: &str| -> Option<i64> { headers.get(name)?.to_str().ok()?.trim().parse().ok() };
    let seconds = number(header::RETRY_AFTER.as_str())
        .or_else(|| Some(number("x-retry-after")?.saturating_sub(now_seconds)))?;
    let wait = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    Some(wait.min(LONGEST_WAIT))
}

/// Docker Hub's answer at the pull limit links to a page about raising it; its flood guard's does not.
fn speaks_of_pull_limit(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    text.contains("pull rate limit") || text.contains("increase-rate-limit")
}

fn kind(pull_limit: bool) -> &'static str {
    if pull_limit { " (the pull limit)" } else { "" }
}

fn advice(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(
        || "it is asked again later; an account raises the limit".to_owned(),
        |wait| format!("it asks to wait for {} s", wait.as_secs()),
    )
}

fn list(platforms: &[Platform]) -> String {
    let names: Vec<String> = platforms.iter().map(Platform::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(
            header::HeaderName::from_static(name),
            header::HeaderValue::from_static(value),
        )])
    }

    #[test]
    fn a_wait_is_read_in_seconds_or_as_a_time_and_never_exceeds_an_hour() {
        let now = 1_700_000_000;
        for (name, value, seconds) in [
            ("retry-after", "30", Some(30)),
            ("retry-after", "99999999", Some(3600)),
            ("retry-after", "-5", Some(0)),
            ("retry-after", "soon", None),
            ("x-retry-after", "1700000090", Some(90)),
            ("x-retry-after", "1600000000", Some(0)),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(
                retry_after(&headers(name, value), now),
                expected,
                "{name}: {value}"
            );
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn the_two_limits_of_docker_hub_are_told_apart() {
        let pull = br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit. https://www.docker.com/increase-rate-limit"}]}"#;
        assert!(speaks_of_pull_limit(pull));
        assert!(!speaks_of_pull_limit(b"Too Many Requests"));
    }
}
