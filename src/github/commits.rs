//! Commits: by name, by time, and where they stand. <https://docs.github.com/rest/commits/commits>

use jiff::Timestamp;

use super::error::{GithubError, Refused};
use super::transport::{Answer, Request};
use super::{Commit, GitHub, encoded, path, wire};
use crate::model::{CommitSha, Repo};

/// Branches and tags on one page.
const PER_PAGE: usize = 100;

/// Branches that are compared with a commit that none of the usual places holds.
const MOST_BRANCHES: usize = 10;

/// Who answers for a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Those who may write to the repository: it is on one of its branches, is one of its tags, or is in a pull
    /// request from one of its branches.
    Repository,
    /// Somebody else: it came by a pull request from a fork.
    Fork,
    /// Nobody: no branch, no tag and no pull request holds it. GitHub shows commits of every fork under the
    /// repository's name.
    Nobody,
    /// It is not known: there are more branches than are looked through.
    Unknown,
}

impl GitHub {
    /// A commit by its full SHA. `None`: the repository has no such commit.
    pub async fn commit(&self, repo: &Repo, sha: &CommitSha) -> Result<Option<Commit>, GithubError> {
        match self.inner.memory.commit(repo.id, sha) {
            Some(known) => Ok(Some(known)),
            None => self.look_up(repo, sha.as_str()).await,
        }
    }

    /// The commit that a branch or a tag means now. `name`: with `heads/` or `tags/` before it, or without.
    pub async fn commit_of(&self, repo: &Repo, name: &str) -> Result<Option<Commit>, GithubError> {
        self.look_up(repo, name).await
    }

    /// The last commit of a pull request.
    pub async fn pull_head(&self, repo: &Repo, number: u64) -> Result<Option<CommitSha>, GithubError> {
        let request = Request::get(path(&repo.name, &format!("/pulls/{number}")));
        let pull = self.ask_about::<wire::Pull>(repo, &request).await?;
        Ok(pull.map(wire::Pull::into_head))
    }

    /// The only commit whose SHA begins so. `digits`: hexadecimal.
    pub async fn commit_by_prefix(&self, repo: &Repo, digits: &str) -> Result<Option<Commit>, GithubError> {
        let commit = self.look_up(repo, digits).await?;
        // A branch may be called like a number.
        Ok(commit.filter(|commit| commit.sha.as_str().starts_with(&digits.to_ascii_lowercase())))
    }

    /// The newest commit that `head` leads to and that is not younger than `until`.
    pub async fn newest_until(
        &self,
        repo: &Repo,
        head: &CommitSha,
        until: Timestamp,
    ) -> Result<Option<Commit>, GithubError> {
        let until = until.strftime("%Y-%m-%dT%H:%M:%SZ");
        let request = Request::get(path(
            &repo.name,
            &format!("/commits?sha={head}&until={until}&per_page=1"),
        ));
        let answer = match self.send_for(repo, &request).await {
            Err(error) if is_missing(&error) => return Ok(None),
            answered => answered?,
        };
        let commits: Vec<wire::Commit> = wire::read(&request, &answer)?;
        Ok(commits.into_iter().next().map(Commit::from))
    }

    /// Who answers for a commit. What GitHub does not let us see, or does not know, shows nothing.
    pub async fn standing(&self, repo: &Repo, sha: &CommitSha) -> Result<Standing, GithubError> {
        if self.inner.memory.is_own(repo.id, sha) {
            return Ok(Standing::Repository);
        }
        let standing = self.look_for(repo, sha).await?;
        if standing == Standing::Repository {
            self.inner.memory.keep_own(repo.id, sha);
        }
        Ok(standing)
    }

    async fn look_for(&self, repo: &Repo, sha: &CommitSha) -> Result<Standing, GithubError> {
        let of_commit = |what: &str| Request::get(path(&repo.name, &format!("/commits/{sha}/{what}")));
        let heads = self
            .ask_about::<Vec<wire::Named>>(repo, &of_commit("branches-where-head"))
            .await?;
        if heads.is_some_and(|heads| !heads.is_empty()) {
            return Ok(Standing::Repository);
        }
        let pulls = self
            .ask_about::<Vec<wire::Pull>>(repo, &of_commit("pulls"))
            .await?
            .unwrap_or_default();
        if pulls.iter().any(|pull| pull.comes_from(repo.id)) {
            return Ok(Standing::Repository);
        }
        // The second page is without the changed files, of which none is wanted.
        let compared = format!(
            "/compare/{}...{sha}?per_page=1&page=2",
            encoded(&repo.default_branch)
        );
        let compared = self
            .ask_about::<wire::Comparison>(repo, &Request::get(path(&repo.name, &compared)))
            .await?;
        if compared.is_some_and(|compared| compared.is_ancestor()) {
            Ok(Standing::Repository)
        } else if pulls.is_empty() {
            self.look_through(repo, sha).await
        } else {
            Ok(Standing::Fork)
        }
    }

    /// Is a commit a tag, or does one of the other branches hold it?
    async fn look_through(&self, repo: &Repo, sha: &CommitSha) -> Result<Standing, GithubError> {
        let list = |what: &str| Request::get(path(&repo.name, &format!("/{what}?per_page={PER_PAGE}")));
        let listed = |found: Option<Vec<wire::NamedCommit>>| found.unwrap_or_default();
        let tags = listed(self.ask_about(repo, &list("tags")).await?);
        if tags.iter().any(|tag| tag.commit.sha == *sha) {
            return Ok(Standing::Repository);
        }
        let mut branches = listed(self.ask_about(repo, &list("branches")).await?);
        branches.retain(|branch| branch.name != repo.default_branch);
        for branch in branches.iter().take(MOST_BRANCHES) {
            let compared = path(
                &repo.name,
                &format!("/compare/{}...{sha}?per_page=1&page=2", branch.commit.sha),
            );
            let compared = self
                .ask_about::<wire::Comparison>(repo, &Request::get(compared))
                .await?;
            if compared.is_some_and(|compared| compared.is_ancestor()) {
                return Ok(Standing::Repository);
            }
        }
        let is_all = branches.len() <= MOST_BRANCHES && tags.len() < PER_PAGE;
        Ok(if is_all {
            Standing::Nobody
        } else {
            Standing::Unknown
        })
    }

    pub(super) async fn ask_about<T: serde::de::DeserializeOwned>(
        &self,
        repo: &Repo,
        request: &Request,
    ) -> Result<Option<T>, GithubError> {
        match self.send_for(repo, request).await {
            Err(GithubError::Forbidden(_)) => Ok(None),
            Err(error) if is_missing(&error) => Ok(None),
            answered => wire::read(request, &answered?).map(Some),
        }
    }

    async fn look_up(&self, repo: &Repo, reference: &str) -> Result<Option<Commit>, GithubError> {
        // The page is that of the commit's files, of which none is wanted.
        let rest = format!("/commits/{}?per_page=1", encoded(reference));
        let request = Request::get(path(&repo.name, &rest));
        let answer: Answer = match self.send_for(repo, &request).await {
            Err(GithubError::Unprocessable {
                refused: Refused::NoCommit,
                ..
            }) => return Ok(None),
            answered => answered?,
        };
        let commit: Commit = wire::read::<wire::Commit>(&request, &answer)?.into();
        self.inner.memory.keep_commit(repo.id, &commit);
        Ok(Some(commit))
    }
}

fn is_missing(error: &GithubError) -> bool {
    matches!(
        error,
        GithubError::NotFound(_)
            | GithubError::Unprocessable {
                refused: Refused::NoCommit,
                ..
            }
    )
}

impl From<wire::Commit> for Commit {
    fn from(commit: wire::Commit) -> Self {
        let committed_at = commit.details.committer.and_then(|committer| committer.time());
        Self {
            sha: commit.sha,
            parents: commit.parents.into_iter().map(|parent| parent.sha).collect(),
            message: commit.details.message,
            committed_at,
        }
    }
}
