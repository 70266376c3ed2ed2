//! A repository and what stands in it: branches, commits with their files, check runs, statuses.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::model::{CommitSha, RepoId, RepoName, Visibility};

/// A commit.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its name.
    pub sha: CommitSha,
    /// Those before it, first parent first.
    pub parents: Vec<CommitSha>,
    /// What its author wrote.
    pub message: String,
    /// When.
    pub committed_at: Timestamp,
    /// All files at this commit: path → text.
    pub files: BTreeMap<String, String>,
}

/// A commit to be made.
#[derive(Clone, Debug, Default)]
pub struct NewCommit<'a> {
    /// What its author writes.
    pub message: &'a str,
    /// Files that it adds or changes: path → text.
    pub files: &'a [(&'a str, &'a str)],
    /// Its parents. `None`: it goes on the default branch, on top of what is there. Else it stands
    /// beside the branches, as GitHub's test merges of pull requests do.
    pub parents: Option<&'a [CommitSha]>,
}

/// A check run as it stands at the simulated GitHub.
#[derive(Clone, Debug)]
pub struct CheckRun {
    /// GitHub's number.
    pub id: u64,
    /// The App that owns it: only that one may change it.
    pub app_id: u64,
    /// Its suite: one per App and commit.
    pub suite: u64,
    /// What people see.
    pub name: String,
    /// The commit.
    pub head_sha: CommitSha,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// Of a completed one.
    pub conclusion: Option<String>,
    /// The App's own name for it.
    pub external_id: Option<String>,
    /// Where "Details" leads.
    pub details_url: Option<String>,
    /// One line.
    pub title: Option<String>,
    /// Markdown.
    pub summary: Option<String>,
    /// Markdown.
    pub text: Option<String>,
    /// All that were ever sent, in order.
    pub annotations: Vec<Value>,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    pub completed_at: Option<String>,
}

/// A commit status as it stands at the simulated GitHub. Later ones never replace earlier ones.
#[derive(Clone, Debug)]
pub struct Status {
    /// GitHub's number.
    pub id: u64,
    /// The commit.
    pub sha: CommitSha,
    /// What is judged: compares without regard to case.
    pub context: String,
    /// `error`, `failure`, `pending` or `success`.
    pub state: String,
    /// At most 140 characters.
    pub description: Option<String>,
    /// Where it leads.
    pub target_url: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
}

/// A repository with all that stands in it.
#[derive(Clone, Debug)]
pub(super) struct RepoState {
    pub(super) id: RepoId,
    pub(super) name: RepoName,
    pub(super) former_names: Vec<RepoName>,
    pub(super) visibility: Visibility,
    pub(super) default_branch: String,
    pub(super) branches: BTreeMap<String, CommitSha>,
    pub(super) commits: Vec<Commit>,
    pub(super) check_runs: Vec<CheckRun>,
    pub(super) statuses: Vec<Status>,
}

impl RepoState {
    pub(super) fn commit(&self, sha: &str) -> Option<&Commit> {
        self.commits.iter().find(|commit| commit.sha.as_str() == sha)
    }

    /// The commit that a full SHA or a branch's name stands for.
    pub(super) fn resolve(&self, reference: &str) -> Option<&Commit> {
        let head = self.branches.get(reference.trim_start_matches("heads/"));
        self.commit(head.map_or(reference, CommitSha::as_str))
    }
}
