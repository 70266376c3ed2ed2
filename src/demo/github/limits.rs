//! The limits that GitHub holds an installation to, where it holds it to any.

use http::{Method, StatusCode};

use super::ledger::Caller;
use super::refusal::{Refusal, Reply};
use super::world::World;
use crate::clock::UnixMillis;
use crate::model::InstallationId;

/// Requests in an hour.
pub(super) const HOURLY_LIMIT: usize = 5_000;
/// Points in a minute: a question is one, a write five.
const POINTS: usize = 900;
const WRITE_POINTS: usize = 5;
/// Writes of content in a minute, and in an hour.
const WRITES_A_MINUTE: usize = 80;
const WRITES_AN_HOUR: usize = 500;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

/// A request that counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    at: i64,
    installation: InstallationId,
    is_write: bool,
    /// It does not count against the hour.
    is_free: bool,
}

/// A request of an installation that had been asked for a pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooEarly {
    /// Path and query.
    pub path: String,
    /// When it came. All times are Unix milliseconds.
    pub at: UnixMillis,
    /// When the pause was asked for.
    pub refused_at: UnixMillis,
    /// Until when.
    pub until: UnixMillis,
}

/// A pause that an installation was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    refused_at: UnixMillis,
    until: UnixMillis,
}

impl World {
    /// Notes a request that comes while its installation was asked to wait.
    pub(super) fn note_too_early(&mut self, caller: Caller, path: &str) {
        let Caller::Installation(installation) = caller else {
            return;
        };
        let at = self.app.clock.now();
        if let Some(Pause { refused_at, until }) = self.pauses.get(&installation).copied()
            && at < until
        {
            let path = path.to_owned();
            self.too_early.push(TooEarly {
                path,
                at,
                refused_at,
                until,
            });
        }
    }

    /// Notes the pause that an answer asks for.
    pub(super) fn note_pause(&mut self, caller: Caller, reply: &Reply) {
        let Caller::Installation(installation) = caller else {
            return;
        };
        let number = |name: &str| {
            let found = reply.headers.iter().find(|(own, _)| *own == name);
            found.and_then(|(_, value)| value.parse::<i64>().ok())
        };
        let refused_at = self.app.clock.now();
        let spent = number("x-ratelimit-remaining") == Some(0);
        let until = number("retry-after")
            .map(|seconds| refused_at + seconds * 1_000)
            .or_else(|| number("x-ratelimit-reset").filter(|_| spent).map(|at| at * 1_000));
        if let Some(until) = until {
            self.pauses.insert(installation, Pause { refused_at, until });
        }
    }

    /// Counts a request, and refuses it if it is one too many.
    pub(super) fn count(&mut self, caller: Caller, method: &Method) -> Option<Reply> {
        let Caller::Installation(installation) = caller else {
            return None;
        };
        if !self.app.is_limited {
            return None;
        }
        let at = self.app.clock.now();
        self.counted.retain(|counted| counted.at > at - HOUR_MS);
        self.counted.push(Counted {
            at,
            installation,
            is_write: *method != Method::GET,
            is_free: false,
        });
        let within = |window: i64| {
            let own = self
                .counted
                .iter()
                .filter(move |counted| counted.installation == installation);
            own.filter(move |counted| counted.at > at - window)
        };
        let writes = |window: i64| within(window).filter(|counted| counted.is_write).count();
        let points = within(MINUTE_MS).count() + (WRITE_POINTS - 1) * writes(MINUTE_MS);
        let of_the_hour = within(HOUR_MS).filter(|counted| !counted.is_free);
        let refusal = if of_the_hour.count() > HOURLY_LIMIT {
            Refusal::new(
                StatusCode::FORBIDDEN,
                format!("API rate limit exceeded for installation ID {}.", installation.0),
            )
            .with_header("x-ratelimit-remaining", 0)
        } else if writes(MINUTE_MS) > WRITES_A_MINUTE || writes(HOUR_MS) > WRITES_AN_HOUR || points > POINTS {
            Refusal::new(StatusCode::FORBIDDEN, "You have exceeded a secondary rate limit.")
                .with_header("retry-after", 60)
        } else {
            return None;
        };
        self.broken_limits += 1;
        Some(refusal.into())
    }

    /// The request that was counted last costs nothing of the hour: what it asked for had not changed.
    pub(super) fn count_last_for_nothing(&mut self) {
        if let Some(last) = self.counted.last_mut() {
            last.is_free = true;
        }
    }

    pub(super) fn use_up(&mut self, installation: InstallationId, questions: usize) {
        let asked = Counted {
            at: self.app.clock.now() - HOUR_MS / 2,
            installation,
            is_write: false,
            is_free: false,
        };
        self.counted.extend(std::iter::repeat_n(asked, questions));
    }

    /// What an installation has asked for in the last hour.
    pub(super) fn used(&self, installation: InstallationId) -> usize {
        let since = self.app.clock.now() - HOUR_MS;
        let own = self
            .counted
            .iter()
            .filter(|counted| counted.installation == installation);
        own.filter(|counted| counted.at > since && !counted.is_free)
            .count()
            .min(HOURLY_LIMIT)
    }
}
