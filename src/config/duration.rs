//! Durations as people write them: `30s`, `15m`, `90d`.
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let span: jiff::Span = text.parse().map_err(D::Error::custom)?;
    span.to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .and_then(Duration::try_from)
        .map_err(D::Error::custom)
}
