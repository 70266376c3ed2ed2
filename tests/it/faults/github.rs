//! What GitHub may say to a write, or leave unsaid.

mod limits;
mod lost;
mod outage;
mod refusals;
