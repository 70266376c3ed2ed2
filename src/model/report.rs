//! What GitHub should show for a run: desired state, which the writer brings about.

use serde::{Deserialize, Serialize};

use super::results::RemarkLevel;
use super::{CommitSha, RunId};

/// What the button *Rerun* of a completed check run is called in GitHub's event.
pub const RERUN_ACTION: &str = "rerun";

/// How a completed check run ended, in GitHub's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Green.
    Success,
    /// Red.
    Failure,
    /// Counts as passed at GitHub, so it is never used unasked.
    Neutral,
    /// There is nothing to be tested: counts as passed at GitHub.
    Skipped,
    /// Another run took its place.
    Cancelled,
    /// Too slow, or trouble that outlasted our patience.
    TimedOut,
    /// Somebody must act.
    ActionRequired,
}

/// How far a check run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status", content = "conclusion")]
pub enum Progress {
    /// Waiting.
    Queued,
    /// Under way.
    InProgress,
    /// Ended. Never left again.
    Completed(Conclusion),
}

/// A check run as GitHub should show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckState {
    /// `hubcheck / acme/app`.
    pub name: String,
    /// The commit that it stands on.
    pub head_sha: CommitSha,
    /// The run's id, by which GitHub's events lead back to it.
    pub external_id: RunId,
    /// The run's page.
    pub details_url: String,
    /// How far it is.
    #[serde(flatten)]
    pub progress: Progress,
    /// One line.
    pub title: String,
    /// Markdown, at most 65,535 bytes.
    pub summary: String,
    /// Unix milliseconds.
    pub started_at_ms: i64,
    /// Unix milliseconds; of a completed one.
    pub completed_at_ms: Option<i64>,
    /// Remarks beside lines of the source; of a completed one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
}

/// A remark beside a line of the source, in the shape of GitHub's API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// In the repository.
    pub path: String,
    /// From 1 on.
    pub start_line: u32,
    /// The same line.
    pub end_line: u32,
    /// How much it weighs.
    pub annotation_level: RemarkLevel,
    /// At most 255 characters.
    pub title: String,
    /// At most 64 KiB, and not empty.
    pub message: String,
    /// At most 64 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_details: Option<String>,
}

/// A commit status' state, in GitHub's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusValue {
    /// Neither green nor red yet.
    Pending,
    /// Green.
    Success,
    /// Red: the tests said no.
    Failure,
    /// Red: there is no verdict of the tests.
    Error,
}

/// A commit status as GitHub should show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusState {
    /// `hubcheck/acme/app`: never the text of the check run's name.
    pub context: String,
    /// Its colour.
    pub state: StatusValue,
    /// At most 140 characters.
    pub description: String,
    /// The run's page.
    pub target_url: String,
}
