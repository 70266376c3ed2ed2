//! Check runs.

use url::form_urlencoded::byte_serialize;

use super::error::GithubError;
use super::transport::Request;
use super::wire::{self, Write};
use super::{CheckRunId, FoundCheck, GitHub, path};
use crate::model::{CheckState, CommitSha, Repo, RunId};

/// Check runs on one page: with full texts, a page stays within the answer's cap.
const PER_PAGE: usize = 30;
/// GitHub keeps 1,000 runs of one name on a commit.
const MOST_PAGES: usize = 34;

impl GitHub {
    /// Makes a check run. After [`GithubError::OutcomeUnknown`], [`find_check`](Self::find_check)
    /// tells whether it is there.
    pub async fn create_check(&self, repo: &Repo, check: &CheckState) -> Result<CheckRunId, GithubError> {
        let body = wire::check_body(check, Write::Create);
        let request = Request::post(path(&repo.name, "/check-runs"), body);
        let answer = self.write_for(repo, &request).await?;
        let run: wire::CheckRun = wire::read(&request, &answer)?;
        Ok(CheckRunId(run.id))
    }

    /// Brings a check run up to date. Safe to repeat.
    pub async fn update_check(
        &self,
        repo: &Repo,
        id: CheckRunId,
        check: &CheckState,
    ) -> Result<(), GithubError> {
        let body = wire::check_body(check, Write::Update);
        let request = Request::patch(path(&repo.name, &format!("/check-runs/{}", id.0)), body);
        self.write_for(repo, &request).await.map(drop)
    }

    /// How many annotations a check run has. Each update adds to them, also one whose answer was lost.
    pub async fn annotations_of(&self, repo: &Repo, id: CheckRunId) -> Result<usize, GithubError> {
        let request = Request::urgent(path(&repo.name, &format!("/check-runs/{}", id.0)));
        let answer = self.send_for(repo, &request).await?;
        let check: wire::AnnotatedCheck = wire::read(&request, &answer)?;
        Ok(check.output.annotations_count)
    }

    /// The newest check run of this App on a commit that has this run's id and name.
    pub async fn find_check(
        &self,
        repo: &Repo,
        sha: &CommitSha,
        external_id: RunId,
        name: &str,
    ) -> Result<Option<FoundCheck>, GithubError> {
        let external_id = external_id.to_string();
        let name: String = byte_serialize(name.as_bytes()).collect();
        for page in 1..=MOST_PAGES {
            let query = format!(
                "/commits/{sha}/check-runs?filter=all&check_name={name}&app_id={}&per_page={PER_PAGE}&page={page}",
                self.app_id()
            );
            let request = Request::urgent(path(&repo.name, &query));
            let answer = self.send_for(repo, &request).await?;
            let runs = wire::read::<wire::CheckRuns>(&request, &answer)?.check_runs;
            let is_last = runs.len() < PER_PAGE;
            let mut ours = runs.into_iter();
            if let Some(run) = ours.find(|run| run.external_id.as_ref() == Some(&external_id)) {
                return Ok(Some(FoundCheck {
                    id: CheckRunId(run.id),
                    completed: run.status == "completed",
                }));
            }
            if is_last {
                break;
            }
        }
        Ok(None)
    }
}
