//! Commit statuses.

use super::error::GithubError;
use super::transport::Request;
use super::{GitHub, path, wire};
use crate::model::{CommitSha, Repo, StatusState};

const PER_PAGE: usize = 100;
/// Contexts on a commit that are looked through: nobody has more in earnest.
const MOST_PAGES: usize = 10;

impl GitHub {
    /// Writes a commit status. Safe to repeat, up to 1,000 times per context and commit.
    pub async fn create_status(
        &self,
        repo: &Repo,
        sha: &CommitSha,
        status: &StatusState,
    ) -> Result<(), GithubError> {
        let body = wire::status_body(status);
        let request = Request::post(path(&repo.name, &format!("/statuses/{sha}")), body);
        self.write_for(repo, &request).await.map(drop)
    }

    /// The newest status of a context on a commit. GitHub's combined status lists the newest of
    /// each, however many were written.
    pub async fn latest_status(
        &self,
        repo: &Repo,
        sha: &CommitSha,
        context: &str,
    ) -> Result<Option<StatusState>, GithubError> {
        for page in 1..=MOST_PAGES {
            let query = format!("/commits/{sha}/status?per_page={PER_PAGE}&page={page}");
            let request = Request::urgent(path(&repo.name, &query));
            let answer = self.send_for(repo, &request).await?;
            let listed = wire::read::<wire::CombinedStatus>(&request, &answer)?.statuses;
            let is_last = listed.len() < PER_PAGE;
            let mut listed = listed.into_iter();
            if let Some(status) = listed.find(|status| status.is_of(context)) {
                return Ok(Some(status.into()));
            }
            if is_last {
                break;
            }
        }
        Ok(None)
    }
}
