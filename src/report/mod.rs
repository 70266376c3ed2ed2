//! What a run looks like on GitHub: from a run's story to a check run and a commit status. Pure.
//!
//! Everything that comes from an image or its log is a stranger's text, and stands in code only.

mod annotations;
mod changes;
mod expected;
mod limited;
mod log;
mod markdown;
mod mend;
mod reproduce;
mod siblings;
mod summary;
mod text;
mod words;

pub use changes::Previous;
pub use expected::{arrival_in_words, expected_check, expected_status, expected_title};
pub use limited::{limited_bytes, limited_chars};
pub use markdown::plain as plain_text;
pub use mend::{Mend, mend};
pub use reproduce::{Subject, reproduce_line};
pub use siblings::Sibling;
pub use text::{Log, Standing, Story, check_name, check_state, shortened, status_context, status_state};
pub use words::{binding_in_words, evidence_in_words, fate_in_words, outcome_in_words};
