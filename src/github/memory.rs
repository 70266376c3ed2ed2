//! What GitHub said that stays true, so that it is asked once.
//!
//! A commit and the files in it never change under their SHA, and a commit that the repository's own people put
//! there stays theirs. A repository's name and visibility change: those are believed for a minute, and an event that
//! tells of a change ends that at once.

use std::hash::Hash;
use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::{Commit, Content};
use crate::model::{CommitSha, InstallationId, Repo, RepoId, RepoName};

/// For commits, and for files.
const MAX_BYTES: u64 = 1 << 20;
/// Larger things are not kept.
const MAX_ENTRY_BYTES: usize = 128 << 10;
/// Of an entry beside its text.
const ENTRY_BYTES: usize = 256;
const MAX_REPOS: usize = 1024;
const MAX_OWN: usize = 4096;
const REPO_LASTS: Duration = Duration::from_mins(1);
/// Entries that room is made for at first.
const FEW: usize = 16;

/// A commit, by what never changes.
type Key = (RepoId, CommitSha);

/// What was answered lately, within a bound.
pub(super) struct Memory {
    commits: Cache<Key, Commit, Size>,
    files: Cache<(Key, String), Content, Size>,
    /// Commits that the repository's own people answer for.
    own: Cache<Key, ()>,
    repos: Cache<RepoName, (Repo, Instant)>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            commits: Cache::with_weighter(FEW, MAX_BYTES, Size),
            files: Cache::with_weighter(FEW, MAX_BYTES, Size),
            own: Cache::new(MAX_OWN),
            repos: Cache::new(MAX_REPOS),
        }
    }
}

impl Memory {
    pub(super) fn commit(&self, repo: RepoId, sha: &CommitSha) -> Option<Commit> {
        self.commits.get(&(repo, sha.clone()))
    }

    pub(super) fn keep_commit(&self, repo: RepoId, commit: &Commit) {
        if commit.message.len() <= MAX_ENTRY_BYTES {
            self.commits.insert((repo, commit.sha.clone()), commit.clone());
        }
    }

    pub(super) fn file(&self, repo: RepoId, at: &CommitSha, path: &str) -> Option<Content> {
        self.files.get(&((repo, at.clone()), path.to_owned()))
    }

    pub(super) fn keep_file(&self, repo: RepoId, at: &CommitSha, path: &str, content: &Content) {
        if text_of(content).len() <= MAX_ENTRY_BYTES {
            self.files
                .insert(((repo, at.clone()), path.to_owned()), content.clone());
        }
    }

    pub(super) fn is_own(&self, repo: RepoId, sha: &CommitSha) -> bool {
        self.own.get(&(repo, sha.clone())).is_some()
    }

    pub(super) fn keep_own(&self, repo: RepoId, sha: &CommitSha) {
        self.own.insert((repo, sha.clone()), ());
    }

    pub(super) fn repo(&self, name: &RepoName) -> Option<Repo> {
        let (repo, since) = self.repos.get(name)?;
        (since.elapsed() < REPO_LASTS).then_some(repo)
    }

    pub(super) fn keep_repo(&self, name: &RepoName, repo: &Repo) {
        self.repos.insert(name.clone(), (repo.clone(), Instant::now()));
    }

    pub(super) fn forget_repo(&self, id: RepoId) {
        self.repos.retain(|_, (repo, _)| repo.id != id);
    }

    pub(super) fn forget_name(&self, name: &RepoName) {
        self.repos
            .retain(|known, (repo, _)| known != name && repo.name != *name);
    }

    pub(super) fn forget_installation(&self, id: InstallationId) {
        self.repos.retain(|_, (repo, _)| repo.installation != id);
    }
}

/// About the bytes that an entry takes.
#[derive(Clone)]
struct Size;

impl<K: Hash + Eq> Weighter<K, Commit> for Size {
    fn weight(&self, _: &K, commit: &Commit) -> u64 {
        (commit.message.len() + ENTRY_BYTES) as u64
    }
}

impl<K: Hash + Eq> Weighter<K, Content> for Size {
    fn weight(&self, _: &K, content: &Content) -> u64 {
        (text_of(content).len() + ENTRY_BYTES) as u64
    }
}

fn text_of(content: &Content) -> &str {
    match content {
        Content::Text { text, .. } => text,
        Content::Unchanged | Content::Absent | Content::Unusable(_) => "",
    }
}
