//! The App itself, and repositories with their installation.

use super::error::GithubError;
use super::transport::Request;
use super::{AppInfo, GitHub, path, wire};
use crate::model::{InstallationId, Repo, RepoName};

impl GitHub {
    /// The App as GitHub knows it: proves that number and key belong together.
    pub async fn app(&self) -> Result<AppInfo, GithubError> {
        let request = Request::get("/app".to_owned());
        let answer = self.inner.app.send(&self.inner.api, &request).await?;
        let app: wire::App = wire::read(&request, &answer)?;
        Ok(app.into())
    }

    /// A repository as it is now, or was within the last minute if no event told of a change since.
    pub async fn recent_repo(&self, name: &RepoName) -> Result<Repo, GithubError> {
        match self.inner.memory.repo(name) {
            Some(repo) => Ok(repo),
            None => self.repo(name).await,
        }
    }

    /// The same of a repository that was seen before: the very one, also where its name is another one's by now.
    pub async fn recent_repo_seen(&self, seen: &Repo) -> Result<Repo, GithubError> {
        if self.known_installation(&seen.name).is_none() {
            self.remember_installation(&seen.name, seen.installation);
        }
        let named = self.recent_repo(&seen.name).await?;
        if named.id == seen.id {
            return Ok(named);
        }
        self.repo_numbered(seen).await.map_err(|error| match error {
            GithubError::NotFound(_) => GithubError::NotInstalled(seen.name.clone()),
            other => other,
        })
    }

    /// By its number, where GitHub leads those who ask for a former name.
    /// <https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects>
    async fn repo_numbered(&self, seen: &Repo) -> Result<Repo, GithubError> {
        let request = Request::get(format!("/repositories/{}", seen.id.0));
        let answer = self.send_as(seen.installation, &seen.name, &request).await?;
        let repo: wire::Repository = wire::read(&request, &answer)?;
        let repo = repo.in_installation(seen.installation);
        self.inner.memory.keep_repo(&repo.name, &repo);
        Ok(repo)
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
        let repo = repo.in_installation(installation);
        self.inner.memory.keep_repo(name, &repo);
        Ok(repo)
    }
}
