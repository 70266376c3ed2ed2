//! The project from outside: one binary, one file per subject.
#![expect(
    clippy::unwrap_used,
    reason = "in a test's helpers, too, a failure is to end the test"
)]

//! Stories about the whole house and its larger parts.

#[cfg(test)]

mod github;
mod registry;
mod server;
mod store;
mod support;
