//! Where the App is installed, and in which repositories. <https://docs.github.com/rest/apps>

use super::error::GithubError;
use super::transport::Request;
use super::{GitHub, wire};
use crate::model::{InstallationId, Repo};

/// Items on a page, and the most that GitHub gives.
const PER_PAGE: usize = 100;

/// Pages at most: a hundred thousand of anything is a mistake.
const MOST_PAGES: usize = 1_000;

impl GitHub {
    /// All installations of the App that are not suspended.
    pub async fn installations(&self) -> Result<Vec<InstallationId>, GithubError> {
        let listed = self.list_installations().await?.into_iter();
        let active = listed.filter(|one| one.suspended_at.is_none());
        Ok(active.map(|one| one.id).collect())
    }

    pub(super) async fn list_installations(&self) -> Result<Vec<wire::Installation>, GithubError> {
        let mut found = Vec::new();
        for page in 1..=MOST_PAGES {
            let request = Request::get(format!("/app/installations?per_page={PER_PAGE}&page={page}"));
            let answer = self.inner.app.send(&self.inner.api, &request).await?;
            let installations: Vec<wire::Installation> = wire::read(&request, &answer)?;
            let is_last = installations.len() < PER_PAGE;
            found.extend(installations);
            if is_last {
                break;
            }
        }
        Ok(found)
    }

    /// All repositories that an installation reaches, as they are now. [`GithubError::NotFound`] where there is no
    /// such installation any more.
    pub async fn repos_of(&self, installation: InstallationId) -> Result<Vec<Repo>, GithubError> {
        let mut found = Vec::new();
        for page in 1..=MOST_PAGES {
            let request = Request::get(format!(
                "/installation/repositories?per_page={PER_PAGE}&page={page}"
            ));
            let answer = self.send_with_token(installation, &request).await?;
            let listed: wire::Repositories = wire::read(&request, &answer)?;
            let is_last = listed.repositories.len() < PER_PAGE;
            let repos = listed.repositories.into_iter();
            found.extend(repos.map(|repo| repo.in_installation(installation)));
            if is_last {
                break;
            }
        }
        Ok(found)
    }
}
