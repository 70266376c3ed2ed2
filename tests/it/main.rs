//! Tests of the whole from outside: one binary, one file per subject.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may stop the test where it stands"
)]

mod registry;
mod runner;
mod runner_limits;
mod runner_pull;
mod runner_upkeep;
mod support;
