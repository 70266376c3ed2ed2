//! hubcheck: a registry says "an image was pushed"; this finds the commit that the image was built
//! from, runs the image's own tests in it, and puts the verdict on that commit.
//!
//! Data goes one way:
//!
//! ```text
//! registry ──▶ hooks ──Push──▶ resolve ──Source──▶ plan ──Plan──▶ runner ──Verdict──▶ report ──▶ GitHub
//! ```
//!
//! [`pipeline`] knows the stages in their order; [`store`] keeps what must survive between them;
//! [`service`] puts the parts together. `ARCHITECTURE.md` tells the way of a push file by file.

pub mod access;
pub mod app_manifest;
pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod demo;
pub mod doctor;
pub mod github;
pub mod hooks;
pub mod metrics;
pub mod model;
pub mod net;
pub mod pipeline;
pub mod plan;
pub mod redact;
pub mod registry;
pub mod report;
pub mod resolve;
pub mod results;
pub mod runner;
pub mod service;
pub mod setup;
pub mod signature;
pub mod store;
pub mod structure;
pub mod tally;
pub mod web;
