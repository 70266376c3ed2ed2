//! When to try again.

use std::time::Duration;

/// The longest pause between two tries.
const LONGEST: Duration = Duration::from_mins(1);

/// The pause after so many retries: one second, doubled each time up to a minute.
pub(super) fn pause(retries: i64) -> Duration {
    doubled(Duration::from_secs(1), retries, LONGEST)
}

/// The same for something that has been tried for `waited` already.
pub(super) fn pause_after(waited: Duration) -> Duration {
    // Each pause is as long as all before it together: that doubles them.
    doubled(waited.max(Duration::from_secs(1)), 0, LONGEST)
}

/// `first`, doubled so many times up to `longest`, and up to a quarter more by chance, so that those who failed
/// together do not come back together.
pub(super) fn doubled(first: Duration, times: i64, longest: Duration) -> Duration {
    let factor = 1 << times.clamp(0, 16);
    let plain = first.saturating_mul(factor).min(longest);
    plain.mul_f64(1.0 + rand::random::<f64>() / 4.0)
}

/// How long a registry may be settling after a push: what it does not have by then is not there.
pub(super) const SETTLES: Duration = Duration::from_secs(30);

/// The pause before something is looked for again that was missing for `waited`: once soon, once at the end.
pub(super) fn settling(waited: Duration) -> Duration {
    const SOON: Duration = Duration::from_secs(5);
    if waited < SOON {
        SOON
    } else {
        SETTLES.saturating_sub(waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        for (retries, seconds) in [(0, 1), (1, 2), (3, 8), (40, 60), (i64::MAX, 60)] {
            let plain = Duration::from_secs(seconds);
            let pause = pause(retries);
            assert!((plain..=plain.mul_f64(1.25)).contains(&pause), "{pause:?}");
        }
    }

    #[test]
    fn the_longer_something_is_waited_for_the_longer_are_the_pauses() {
        for (waited, seconds) in [(0, 1), (1, 1), (2, 2), (40, 40), (3600, 60)] {
            let plain = Duration::from_secs(seconds);
            let pause = pause_after(Duration::from_secs(waited));
            assert!((plain..=plain.mul_f64(1.25)).contains(&pause), "{pause:?}");
        }
    }

    #[test]
    fn no_pause_is_shorter_than_was_asked_for() {
        let hour = Duration::from_hours(1);
        assert!(doubled(Duration::from_mins(1), 0, hour) >= Duration::from_mins(1));
        assert!(doubled(Duration::from_mins(1), 99, hour) >= hour);
    }
}
