//! Wall-clock time, injected wherever it decides something, so that tests can move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Unix time in milliseconds.
pub type UnixMillis = i64;

/// Where the time comes from. It never goes back while the process lives: when the system's clock is set
/// back it goes on counting, and when that is set forward it follows.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Arc<Source>,
    /// Added to the source's time: tests move it.
    offset_ms: Arc<AtomicI64>,
}

#[derive(Debug)]
enum Source {
    System {
        begun: Instant,
        ahead: Ahead,
    },
    #[cfg(test)]
    Standing(UnixMillis),
}

/// By how much wall time is ahead of the time since the start; never falls.
#[derive(Debug)]
struct Ahead(AtomicI64);

impl Ahead {
    fn now(&self, wall: UnixMillis, since_start_ms: i64) -> UnixMillis {
        let ahead = wall - since_start_ms;
        since_start_ms + self.0.fetch_max(ahead, Ordering::Relaxed).max(ahead)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::of(Source::System {
            begun: Instant::now(),
            ahead: Ahead(AtomicI64::new(i64::MIN)),
        })
    }
}

impl Clock {
    fn of(source: Source) -> Self {
        Self {
            source: Arc::new(source),
            offset_ms: Arc::default(),
        }
    }

    /// A clock that only [`Clock::advance`] moves.
    #[cfg(test)]
    pub(crate) fn standing() -> Self {
        Self::of(Source::Standing(1_790_000_000_000))
    }

    /// The time now.
    pub fn now(&self) -> UnixMillis {
        let now = match &*self.source {
            Source::System { begun, ahead } => {
                ahead.now(jiff::Timestamp::now().as_millisecond(), millis(begun.elapsed()))
            }
            #[cfg(test)]
            Source::Standing(at) => *at,
        };
        now + self.offset_ms.load(Ordering::Relaxed)
    }

    /// Moves this clock and its clones forward.
    pub fn advance(&self, by: Duration) {
        self.offset_ms.fetch_add(millis(by), Ordering::Relaxed);
    }
}

/// A duration in milliseconds, as the store counts time.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A time as RFC 3339 has it, in UTC and to the millisecond.
pub fn timestamp(at: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| format!("{at:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_goes_on_counting_and_one_that_is_set_forward_is_followed() {
        let ahead = Ahead(AtomicI64::new(i64::MIN));
        assert_eq!(ahead.now(1_000_000, 0), 1_000_000);
        assert_eq!(ahead.now(1_000_500, 500), 1_000_500);
        assert_eq!(ahead.now(400_600, 600), 1_000_600, "ten minutes back");
        assert_eq!(ahead.now(400_700, 700), 1_000_700, "and on");
        assert_eq!(ahead.now(5_000_000, 800), 5_000_000, "more than an hour forward");
        assert_eq!(ahead.now(1_000_900, 900), 5_000_100, "and corrected");
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(timestamp(1_790_000_000_123), "2026-09-21T14:13:20.123Z");
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
    }
}
