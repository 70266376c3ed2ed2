//! Wall-clock time, injected wherever it decides something, so that tests can move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Unix time in milliseconds.
pub type UnixMillis = i64;

/// Where the time comes from.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Added to the system's time: tests move it.
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The time now.
    pub fn now(&self) -> UnixMillis {
        jiff::Timestamp::now().as_millisecond() + self.offset_ms.load(Ordering::Relaxed)
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
    fn times_are_rfc_3339() {
        assert_eq!(timestamp(1_790_000_000_123), "2026-09-21T14:13:20.123Z");
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
    }
}
