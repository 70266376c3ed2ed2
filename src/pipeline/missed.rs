//! Webhooks of GitHub's that never got in: it sends each once, and repeats it only when asked.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Pipeline;
use super::sweep::SweepError;
use super::worker::JobError;
use crate::github::Attempt;

/// How long GitHub remembers what it sent.
/// <https://docs.github.com/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks>
const REMEMBERED: Duration = Duration::from_hours(3 * 24);

/// How often an event is asked for again that fails each time: half a day.
const MOST_ATTEMPTS: u32 = 10;

/// The pause after the first attempt; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_mins(1);

impl Pipeline {
    /// Has GitHub send again what failed and is not here. What came in by another way counts as here.
    pub(super) async fn ask_for_missed(&self) -> Result<(), SweepError> {
        let now = Timestamp::from_millisecond(self.store().clock().now()).unwrap_or_default();
        let failed = match self.parts.github.failed_deliveries(now - REMEMBERED).await {
            Ok(failed) => failed,
            Err(error) => {
                tracing::warn!(%error, "cannot ask GitHub for webhooks that failed; asked again in a few minutes");
                return Ok(());
            }
        };
        for attempt in due(&failed, now) {
            let known = self.store().event_known("github", &attempt.guid).await;
            if known.map_err(JobError::from)? {
                continue;
            }
            self.ask_for(attempt).await;
        }
        Ok(())
    }

    async fn ask_for(&self, attempt: &Attempt) {
        let Attempt { guid, event, at, .. } = attempt;
        match self.parts.github.redeliver(attempt.id).await {
            Ok(()) => {
                tracing::info!(delivery = %guid, %event, %at, "a webhook of GitHub's was missed, and is asked for again");
            }
            Err(error) => {
                tracing::warn!(%error, delivery = %guid, %event, "a webhook of GitHub's was missed and cannot be asked for");
            }
        }
    }
}

/// Of each event that is to be asked for now, the last attempt; the oldest event first, as it would have come.
fn due(failed: &[Attempt], now: Timestamp) -> Vec<&Attempt> {
    let mut last: HashMap<&str, (&Attempt, u32)> = HashMap::new();
    for attempt in failed {
        let (newest, count) = last.entry(&attempt.guid).or_insert((attempt, 0));
        if attempt.at > newest.at {
            *newest = attempt;
        }
        *count += 1;
    }
    let is_due = |attempt: &Attempt, count: u32| {
        let pause = FIRST_PAUSE * 2_u32.saturating_pow(count - 1);
        count < MOST_ATTEMPTS && (count == 1 || attempt.at + pause <= now)
    };
    let mut due: Vec<&Attempt> = last
        .into_values()
        .filter(|(attempt, count)| is_due(attempt, *count))
        .map(|(attempt, _)| attempt)
        .collect();
    due.sort_by_key(|attempt| (attempt.at, attempt.id));
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds before the test's now at which attempts of an event were made.
    fn attempts(guid: &str, before: &[i64]) -> Vec<Attempt> {
        let made = before.iter().map(|seconds| Attempt {
            id: *seconds,
            guid: guid.to_owned(),
            event: "check_run".to_owned(),
            at: now() - Duration::from_secs(u64::try_from(*seconds).unwrap()),
        });
        made.collect()
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn ids(failed: &[Attempt]) -> Vec<i64> {
        due(failed, now()).iter().map(|attempt| attempt.id).collect()
    }

    #[test]
    fn what_failed_once_is_asked_for_at_once_and_the_oldest_first() {
        let failed = [attempts("b", &[5]), attempts("a", &[900])].concat();
        assert_eq!(ids(&failed), [900, 5]);
    }

    #[test]
    fn what_fails_again_and_again_is_asked_for_ever_less_often_and_then_no_more() {
        assert_eq!(ids(&attempts("a", &[30, 300])), [] as [i64; 0]);
        assert_eq!(ids(&attempts("a", &[130, 300])), [130]);
        assert_eq!(ids(&attempts("a", &[130, 300, 900])), [] as [i64; 0]);
        assert_eq!(ids(&attempts("a", &[250, 300, 900])), [250]);
        let many: Vec<i64> = (0..10).map(|n| 100_000 + n * 10_000).collect();
        assert_eq!(ids(&attempts("a", &many)), [] as [i64; 0]);
    }
}
