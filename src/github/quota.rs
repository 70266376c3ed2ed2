//! What is left of an installation's budget, as GitHub's own answers say; and who else asks.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;

use super::error::GithubError;
use super::limits;
use super::transport::Answer;
use crate::clock::{Clock, UnixMillis, millis};
use crate::model::InstallationId;

/// What part of the hour's budget is left to verdicts: a tenth.
const RESERVE: i64 = 10;

/// Lets requests through at a pace that all replicas share.
pub trait Pace: Send + Sync {
    /// Takes a question from an installation's budget. `Err`: there is none left for so long.
    fn question(&self, installation: InstallationId, urgency: Urgency) -> Taking<'_>;

    /// GitHub asks that the installation is not heard of for so long.
    fn closed(&self, installation: InstallationId, wait: Duration) -> Noting<'_>;
}

/// How much depends on a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A verdict waits for the answer: it is only kept back while GitHub wants to hear nothing.
    Verdict,
    /// Nothing that cannot wait.
    None,
}

/// What comes of a question's taking.
pub type Taking<'a> = Pin<Box<dyn Future<Output = Result<(), Duration>> + Send + 'a>>;

/// Something that is kept for the other replicas.
pub type Noting<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What the last answer said of the hour's budget.
#[derive(Clone, Copy, Default)]
enum Seen {
    /// Nothing yet.
    #[default]
    Unknown,
    /// Nothing: a GitHub Enterprise Server whose owner set no limits.
    Unlimited,
    /// It is down to what is left to verdicts, until then.
    Low(UnixMillis),
    Plenty,
}

#[derive(Clone, Copy, Default)]
struct Standing {
    seen: Seen,
    /// Until when GitHub wants nothing of us.
    closed_until: UnixMillis,
}

pub(super) struct Quota {
    clock: Clock,
    standings: Mutex<HashMap<InstallationId, Standing>>,
}

impl Quota {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            standings: Mutex::default(),
        }
    }

    /// Reads what was answered to this installation. For how long GitHub wants to hear nothing more, if it said so.
    pub(super) fn note(
        &self,
        installation: InstallationId,
        settled: &Result<Answer, GithubError>,
    ) -> Option<Duration> {
        let now = self.clock.now();
        let mut standings = self.standings();
        let standing = standings.entry(installation).or_default();
        match settled {
            Ok(answer) => {
                standing.seen = seen(&answer.headers, now);
                None
            }
            Err(GithubError::RateLimited {
                retry_after,
                is_stated: true,
                ..
            }) => {
                standing.closed_until = standing.closed_until.max(now + millis(*retry_after));
                Some(*retry_after)
            }
            Err(_) => None,
        }
    }

    /// Does GitHub count what this installation asks? Until it has said otherwise, yes.
    pub(super) fn is_limited(&self, installation: InstallationId) -> bool {
        let standing = self.standing(installation);
        !matches!(standing.seen, Seen::Unlimited) || self.left(standing.closed_until).is_some()
    }

    /// For how long only verdicts may ask.
    pub(super) fn is_low_for(&self, installation: InstallationId) -> Option<Duration> {
        match self.standing(installation).seen {
            Seen::Low(until) => self.left(until),
            Seen::Unknown | Seen::Unlimited | Seen::Plenty => None,
        }
    }

    /// For how long nobody may ask.
    pub(super) fn is_closed_for(&self, installation: InstallationId) -> Option<Duration> {
        self.left(self.standing(installation).closed_until)
    }

    fn left(&self, until: UnixMillis) -> Option<Duration> {
        let left = u64::try_from(until - self.clock.now()).ok()?;
        (left > 0).then(|| Duration::from_millis(left))
    }

    fn standing(&self, installation: InstallationId) -> Standing {
        self.standings().get(&installation).copied().unwrap_or_default()
    }

    fn standings(&self) -> MutexGuard<'_, HashMap<InstallationId, Standing>> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seen(headers: &HeaderMap, now: UnixMillis) -> Seen {
    match limits::left(headers) {
        None => Seen::Unlimited,
        Some((left, of)) if left * RESERVE <= of => Seen::Low(now + millis(limits::until_reset(headers))),
        Some(_) => Seen::Plenty,
    }
}
