//! The project from outside: one binary, one file per subject.
#![expect(
    clippy::unwrap_used,
    reason = "in a test's helpers, too, a failure is to end the test"
)]

mod architecture;
mod github;
mod registry;
mod runner;
mod runner_limits;
mod runner_pull;
mod runner_upkeep;
mod server;
mod store;
mod support;
