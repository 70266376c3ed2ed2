//! The App itself, repositories with their installation, and commits.

use super::error::{GithubError, Refused};
use super::transport::Request;
use super::{AppInfo, Commit, GitHub, path, wire};
use crate::model::{CommitSha, InstallationId, Repo, RepoName};

impl GitHub {
    /// The App as GitHub knows it: proves that number and key belong together.
    pub async fn app(&self) -> Result<AppInfo, GithubError> {
        let request = Request::get("/app".to_owned());
        let answer = self.inner.app.send(&self.inner.api, &request).await?;
        let app: wire::App = wire::read(&request, &answer)?;
        Ok(AppInfo {
            id: app.id,
            slug: app.slug,
            name: app.name,
            permissions: app.permissions,
            events: app.events,
        })
    }

    /// A repository as it is now, under its name of today, with the installation that may write
    /// there. [`GithubError::NotInstalled`] where there is none.
    pub async fn repo(&self, name: &RepoName) -> Result<Repo, GithubError> {
        if let Some(installation) = self.known_installation(name) {
            match self.read_repo(name, installation).await {
                // The App may have been taken away and installed anew.
                Err(GithubError::NotInstalled(_) | GithubError::NotFound(_)) => {
                    self.forget_installation(name);
                }
                settled => return settled,
            }
        }
        let installation = self.look_up_installation(name).await?;
        let repo = self.read_repo(name, installation).await?;
        self.remember_installation(name, installation);
        Ok(repo)
    }

    /// A commit by its full SHA. `None`: the repository has no such commit.
    pub async fn commit(&self, repo: &Repo, sha: &CommitSha) -> Result<Option<Commit>, GithubError> {
        // The page is that of the commit's files, of which none is wanted.
        let request = Request::get(path(&repo.name, &format!("/commits/{sha}?per_page=1")));
        let answer = match self.send_for(repo, &request).await {
            Err(GithubError::Unprocessable {
                refused: Refused::NoCommit,
                ..
            }) => return Ok(None),
            answered => answered?,
        };
        let commit: wire::Commit = wire::read(&request, &answer)?;
        let committed_at = commit.details.committer.and_then(|committer| committer.time());
        Ok(Some(Commit {
            sha: commit.sha,
            parents: commit.parents.into_iter().map(|parent| parent.sha).collect(),
            message: commit.details.message,
            committed_at,
        }))
    }

    async fn look_up_installation(&self, name: &RepoName) -> Result<InstallationId, GithubError> {
        let request = Request::get(path(name, "/installation"));
        let answer = self.inner.app.send(&self.inner.api, &request).await;
        let answer = answer.map_err(|error| match error {
            GithubError::NotFound(_) => GithubError::NotInstalled(name.clone()),
            other => other,
        })?;
        Ok(wire::read::<wire::Installation>(&request, &answer)?.id)
    }

    async fn read_repo(&self, name: &RepoName, installation: InstallationId) -> Result<Repo, GithubError> {
        let request = Request::get(path(name, ""));
        let answer = self.send_as(installation, name, &request).await?;
        let repo: wire::Repository = wire::read(&request, &answer)?;
        Ok(Repo {
            id: repo.id,
            visibility: repo.visibility(),
            name: repo.full_name,
            default_branch: repo.default_branch,
            installation,
        })
    }
}
