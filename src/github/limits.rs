//! How long GitHub asks to wait: pure rules over a response's headers.

use std::time::Duration;

use http::HeaderMap;
use jiff::fmt::rfc2822;

/// Where GitHub names no time, it asks for at least a minute.
const UNSTATED: Duration = Duration::from_mins(1);
const SHORTEST: Duration = Duration::from_secs(1);
/// Budgets are by the hour: a longer wait is nobody's intention.
const LONGEST: Duration = Duration::from_hours(1);

/// Do the headers themselves say that this is a limit, and until when?
pub(super) fn is_stated(headers: &HeaderMap) -> bool {
    number(headers, "retry-after").is_some() || is_spent(headers)
}

/// The time to wait. The reset of the hourly budget is read against the response's own date, so
/// that a wrong clock on this machine does no harm.
pub(super) fn wait(headers: &HeaderMap) -> Duration {
    let stated = number(headers, "retry-after");
    let stated = stated.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    let has_reset = is_spent(headers) && number(headers, "x-ratelimit-reset").is_some();
    stated
        .or_else(|| has_reset.then(|| until_reset(headers)))
        .unwrap_or(UNSTATED)
        .clamp(SHORTEST, LONGEST)
}

/// What is left of the hour's budget, and how large it is.
pub(super) fn left(headers: &HeaderMap) -> Option<(i64, i64)> {
    let left = number(headers, "x-ratelimit-remaining")?;
    Some((left, number(headers, "x-ratelimit-limit")?))
}

/// How long until the hour's budget is renewed.
pub(super) fn until_reset(headers: &HeaderMap) -> Duration {
    let now = date(headers).unwrap_or_else(|| jiff::Timestamp::now().as_second());
    let reset = number(headers, "x-ratelimit-reset").unwrap_or(now);
    Duration::from_secs(u64::try_from(reset.saturating_sub(now).saturating_add(1)).unwrap_or(0))
        .clamp(SHORTEST, LONGEST)
}

/// The response's own date, in Unix seconds.
pub(super) fn date(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get(http::header::DATE)?.to_str().ok()?;
    rfc2822::parse(text).ok().map(|time| time.timestamp().as_second())
}

fn is_spent(headers: &HeaderMap) -> bool {
    number(headers, "x-ratelimit-remaining") == Some(0)
}

fn number(headers: &HeaderMap, name: &str) -> Option<i64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_of(headers: &[(&'static str, &'static str)]) -> u64 {
        let pairs = headers.iter().map(|(name, value)| {
            (
                http::HeaderName::from_static(name),
                http::HeaderValue::from_static(value),
            )
        });
        wait(&pairs.collect()).as_secs()
    }

    #[test]
    fn retry_after_is_obeyed_within_reason() {
        assert_eq!(wait_of(&[("retry-after", "7")]), 7);
        assert_eq!(wait_of(&[("retry-after", "0")]), 1);
        assert_eq!(wait_of(&[("retry-after", "-5")]), 1);
        assert_eq!(wait_of(&[("retry-after", "999999999")]), 3600);
    }

    #[test]
    fn the_reset_is_read_against_the_responses_own_date() {
        let wait = wait_of(&[
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1000000120"),
            ("date", "Sun, 09 Sep 2001 01:46:40 GMT"),
        ]);
        assert_eq!(wait, 121);
    }

    #[test]
    fn a_limit_without_a_time_waits_a_minute() {
        assert_eq!(wait_of(&[]), 60);
        assert_eq!(wait_of(&[("retry-after", "soon")]), 60);
        assert_eq!(
            wait_of(&[("x-ratelimit-remaining", "4000"), ("x-ratelimit-reset", "99")]),
            60
        );
    }
}
