//! A repository and what stands in it: branches, commits with their files, check runs, statuses.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::attestations::Attestation;
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
    /// Files that it takes away.
    pub removes: &'a [&'a str],
    /// Its parents. `None`: it goes on the default branch, on top of what is there. Else it stands
    /// beside the branches, as GitHub's test merges of pull requests do.
    pub parents: Option<&'a [CommitSha]>,
    /// When it was committed. `None`: now.
    pub committed_at: Option<Timestamp>,
}

/// A pull request, as far as commits know of it.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// The last commit on its branch.
    pub head: CommitSha,
    /// The repository that its branch is in. `None`: it was deleted.
    pub head_repo: Option<RepoId>,
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
    /// Nobody may write to it.
    pub(super) is_archived: bool,
    pub(super) default_branch: String,
    pub(super) branches: BTreeMap<String, CommitSha>,
    pub(super) tags: BTreeMap<String, CommitSha>,
    pub(super) pulls: Vec<PullRequest>,
    pub(super) commits: Vec<Commit>,
    pub(super) check_runs: Vec<CheckRun>,
    pub(super) statuses: Vec<Status>,
    pub(super) attestations: Vec<Attestation>,
}

impl RepoState {
    pub(super) fn commit(&self, sha: &str) -> Option<&Commit> {
        self.commits.iter().find(|commit| commit.sha.as_str() == sha)
    }

    /// The commit that a reference means: a branch, a tag, a full SHA, or the beginning of one that no other has.
    pub(super) fn resolve(&self, reference: &str) -> Option<&Commit> {
        let reference = reference.trim_start_matches("refs/");
        let named = match reference.split_once('/') {
            Some(("heads", branch)) => self.branches.get(branch),
            Some(("tags", tag)) => self.tags.get(tag),
            _ => self.branches.get(reference).or_else(|| self.tags.get(reference)),
        };
        if let Some(sha) = named {
            return self.commit(sha.as_str());
        }
        let digits = reference.to_ascii_lowercase();
        let mut begin_so = self
            .commits
            .iter()
            .filter(|commit| digits.len() >= 7 && commit.sha.as_str().starts_with(&digits));
        begin_so.next().filter(|_| begin_so.next().is_none())
    }

    /// A commit and all before it, newest first.
    pub(super) fn history(&self, head: &CommitSha) -> Vec<&Commit> {
        let mut found: Vec<&Commit> = Vec::new();
        let mut open = vec![head];
        while let Some(sha) = open.pop() {
            let known = found.iter().any(|commit| commit.sha == *sha);
            if let Some(commit) = self.commit(sha.as_str()).filter(|_| !known) {
                found.push(commit);
                open.extend(&commit.parents);
            }
        }
        found.sort_by_key(|commit| std::cmp::Reverse(commit.committed_at));
        found
    }
}
