//! Images that are waited for: how a commit came to be, and what becomes of the wait.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CommitSha, ImageName, Repo, RunId};

/// How a commit came to be where an image may be built of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Arrival {
    /// It was pushed to a branch.
    Branch {
        /// The branch, without `refs/heads/`.
        name: String,
    },
    /// It is the new head of a pull request.
    PullRequest {
        /// Its number.
        number: u64,
        /// Does the head lie in another repository?
        is_fork: bool,
    },
    /// A merge queue put it together.
    /// <https://docs.github.com/webhooks/webhook-events-and-payloads#merge_group>
    MergeGroup {
        /// The branch that it is to be merged into, without `refs/heads/`.
        base: String,
    },
}

/// What a repository's file says of an arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// An image is waited for, so long.
    Wait(Duration),
    /// There will be none, and the commit is told so at once.
    Skip {
        /// Why: a sentence without its full stop.
        why: String,
    },
}

/// How a wait ended without an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub enum WaitEnd {
    /// None came in time.
    NeverCame {
        /// What was pushed of the image meanwhile, and what became of it: a sentence each.
        instead: Vec<String>,
    },
    /// None is built for such a commit.
    Skipped {
        /// Why.
        why: String,
    },
    /// Nobody waits for it any more.
    Cancelled {
        /// Why: a sentence without its full stop.
        why: String,
    },
}

impl WaitEnd {
    /// The word of the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NeverCame { .. } => "timed_out",
            Self::Skipped { .. } => "skipped",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

/// An image that a commit waits for, or waited for in vain. The run that comes of it has the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The id that its run will have.
    pub id: RunId,
    /// The repository, as GitHub described it last.
    pub repo: Repo,
    /// The commit that waits.
    pub commit: CommitSha,
    /// The image.
    pub image: ImageName,
    /// What sets its check apart from others of the image: a platform beside the Engine's own.
    pub suffix: Option<String>,
    /// How the commit came to be.
    pub arrival: Arrival,
    /// Since when, in Unix milliseconds.
    pub since_ms: i64,
    /// Until when, in Unix milliseconds.
    pub until_ms: i64,
    /// How the wait ended, and when, in Unix milliseconds.
    pub end: Option<(WaitEnd, i64)>,
}

impl Expected {
    /// How long the image is waited for.
    pub fn patience(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.until_ms - self.since_ms).unwrap_or(0))
    }
}
