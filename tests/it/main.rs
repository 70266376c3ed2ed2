//! The project from outside: one binary, one file per subject.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "in a test's helpers, too, a failure is to end the test, and what it prints is for who reads it"
)]

mod advisories;
mod architecture;
mod chaos;
mod cli;
mod corpus;
mod digests;
mod faults;
mod github;
mod hostile_bodies;
mod hostile_images;
mod kill;
mod registry;
mod runner;
mod runner_limits;
mod runner_pull;
mod runner_upkeep;
mod server;
mod store;
mod support;
mod web;
mod whole;
