//! Failing on demand: what goes wrong, at which requests, and how often.

use std::time::Duration;

use http::{Method, StatusCode};

use super::refusal::{Refusal, Reply};
use super::world::World;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The answer comes late.
    Latency(Duration),
    /// An error of GitHub's own; nothing was done.
    ErrorBefore(StatusCode),
    /// An error of GitHub's own, after the work was done.
    ErrorAfter(StatusCode),
    /// The connection breaks; nothing was done.
    DropBefore,
    /// The connection breaks after the work was done.
    DropAfter,
    /// The installation token is refused as if its hour were over.
    ExpiredToken,
    /// The secondary rate limit.
    SecondaryLimit {
        /// 403 or 429.
        status: StatusCode,
        /// In seconds; GitHub often leaves it out.
        retry_after: Option<u64>,
    },
    /// The primary rate limit: nothing remains of the hour's budget.
    PrimaryLimit {
        /// Until the budget is renewed.
        resets_in: Duration,
    },
    /// Any other refusal: status and message.
    Refusal(StatusCode, String),
}

/// A trouble, the requests that it meets, and how many of them.
#[derive(Clone, Debug)]
pub struct Fault {
    method: Option<Method>,
    path: String,
    remaining: u32,
    pub(super) trouble: Trouble,
}

impl Fault {
    /// Meets the next request of this method whose path contains `path`.
    pub fn on(method: Method, path: impl Into<String>, trouble: Trouble) -> Self {
        Self {
            method: Some(method),
            ..Self::on_any(path, trouble)
        }
    }

    /// Meets the next request whose path contains `path`.
    pub fn on_any(path: impl Into<String>, trouble: Trouble) -> Self {
        Self {
            method: None,
            path: path.into(),
            remaining: 1,
            trouble,
        }
    }

    /// Meets that many requests.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self {
            remaining: times,
            ..self
        }
    }

    /// How many requests it still awaits.
    pub(super) fn remaining(&self) -> u32 {
        self.remaining
    }

    fn meets(&self, method: &Method, path: &str) -> bool {
        self.remaining > 0
            && self.method.as_ref().is_none_or(|own| own == method)
            && path.contains(&self.path)
    }
}

impl World {
    /// The trouble that awaits a request, used up by it.
    pub(super) fn trouble_for(&mut self, method: &Method, path: &str) -> Option<Trouble> {
        if self.outage {
            return Some(Trouble::ErrorBefore(StatusCode::SERVICE_UNAVAILABLE));
        }
        let fault = self.faults.iter_mut().find(|fault| fault.meets(method, path))?;
        fault.remaining -= 1;
        Some(fault.trouble.clone())
    }

    /// What is answered in the place of doing the work. `None`: the work is done.
    pub(super) fn refusal_by(&self, trouble: &Trouble) -> Option<Reply> {
        let refusal = match trouble {
            Trouble::Latency(_) | Trouble::ErrorAfter(_) | Trouble::DropBefore | Trouble::DropAfter => {
                return None;
            }
            Trouble::ErrorBefore(status) => Refusal::new(*status, "Server Error"),
            Trouble::ExpiredToken => Refusal::new(StatusCode::UNAUTHORIZED, "Bad credentials"),
            Trouble::SecondaryLimit { status, retry_after } => {
                let refusal = Refusal::new(*status, "You have exceeded a secondary rate limit.");
                match retry_after {
                    Some(seconds) => refusal.with_header("retry-after", seconds),
                    None => refusal,
                }
            }
            Trouble::PrimaryLimit { resets_in } => {
                let reset = self.now().as_second() + i64::try_from(resets_in.as_secs()).unwrap_or(i64::MAX);
                Refusal::new(StatusCode::FORBIDDEN, "API rate limit exceeded for installation.")
                    .with_header("x-ratelimit-remaining", 0)
                    .with_header("x-ratelimit-reset", reset)
            }
            Trouble::Refusal(status, message) => Refusal::new(*status, message.as_str()),
        };
        Some(refusal.into())
    }
}
