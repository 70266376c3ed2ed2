//! The project from outside: one binary, one file per subject.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "in a test's helpers, too, a failure is to end the test, and what it prints is for who reads it"
)]

mod advisories;
mod architecture;
mod budget;
mod chaos;
mod cli;
mod cli_explain;
mod cli_replay;
mod cli_test;
mod compose;
mod corpus;
mod declared;
mod digests;
mod doctor;
mod enterprise;
mod events;
mod expected;
mod faults;
mod github;
mod hostile_bodies;
mod hostile_images;
mod kill;
mod mapping;
mod real;
mod registry;
mod reports;
mod reproduce;
mod requests;
mod runner;
mod runner_limits;
mod runner_pull;
mod runner_upkeep;
mod server;
mod signatures;
mod store;
mod structure;
mod support;
mod threats;
mod web;
mod whole;
mod wizard;
