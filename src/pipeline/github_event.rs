//! Events of GitHub's that ask for something: reruns, and installations that come and go.

use super::Pipeline;
use super::worker::JobError;
use crate::hooks::github::{GithubEvent, RepoRef};
use crate::model::{CommitSha, InstallationId, RunId, Visibility};
use crate::store::{Lease, ToIndex};

impl Pipeline {
    pub(super) async fn github_event(&self, lease: &Lease) -> Result<(), JobError> {
        let nonsense = |what: &str| JobError::Nonsense(format!("delivery {}: {what}", lease.subject));
        let id = lease.subject.parse().map_err(|_| nonsense("no id"))?;
        let delivery = self
            .store()
            .delivery(id)
            .await?
            .ok_or_else(|| nonsense("it is gone"))?;
        let event = serde_json::from_str(&delivery.body).map_err(|error| nonsense(&error.to_string()))?;
        match event {
            GithubEvent::InstallationChanged {
                installation,
                added,
                removed,
                ..
            } => {
                for repo in added.iter().chain(&removed) {
                    self.parts.github.forget_installation(&repo.name);
                }
                self.parts.github.installation_changed(installation).await;
                for repo in &added {
                    self.store().installed(repo.id, installation).await?;
                }
                self.store().unpark_reports(installation).await?;
                // Which repositories it reaches now, and what they declare, GitHub says itself.
                let read = [ToIndex::Installation(installation)];
                Ok(self.store().complete_with_index(lease, &read).await?)
            }
            GithubEvent::CheckRunRerequested {
                repo,
                external_id,
                check_run,
                ..
            } => self.rerun_check(lease, &repo, external_id, check_run).await,
            GithubEvent::CheckSuiteRerequested {
                repo,
                head_sha,
                app_id,
                ..
            } if app_id == self.parts.app_id => self.rerun_commit(lease, &repo, &head_sha).await,
            GithubEvent::VisibilityChanged { repo, visibility } => {
                self.visibility_changed(lease, &repo, visibility).await
            }
            GithubEvent::DefaultBranchPushed { repo, installation } => {
                self.default_branch_pushed(lease, &repo, installation).await
            }
            GithubEvent::CheckSuiteRerequested { .. } | GithubEvent::Ping | GithubEvent::Other { .. } => {
                Ok(self.store().complete(lease).await?)
            }
        }
    }

    /// The file may be another one now. If it cannot be read at once, the whole installation is read again later.
    async fn default_branch_pushed(
        &self,
        lease: &Lease,
        repo: &RepoRef,
        installation: InstallationId,
    ) -> Result<(), JobError> {
        let read = match self.parts.github.repo(&repo.name).await {
            Ok(now) if now.id == repo.id => self.read_declaration(&now).await?.map(drop),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match read {
            Ok(()) => Ok(self.store().complete(lease).await?),
            Err(error) => {
                tracing::warn!(%error, repo.name = %repo.name, "cannot read what a repository declares; tried again");
                let again = [ToIndex::Installation(installation)];
                Ok(self.store().complete_with_index(lease, &again).await?)
            }
        }
    }

    /// Events may come late and out of order: that a repository is private is believed at once, that it is
    /// public only to GitHub itself.
    async fn visibility_changed(
        &self,
        lease: &Lease,
        repo: &RepoRef,
        visibility: Visibility,
    ) -> Result<(), JobError> {
        self.parts.github.repo_changed(repo.id);
        self.store().repo_closed(repo.id).await?;
        if visibility == Visibility::Public {
            match self.parts.github.repo(&repo.name).await {
                Ok(now) if now.id == repo.id => self.store().repo_seen(&now).await?,
                Ok(_) => {}
                Err(why) => {
                    tracing::warn!(repo.name = %repo.name, %why, "a repository that may be public stays closed until the next push");
                }
            }
        }
        Ok(self.store().complete(lease).await?)
    }

    /// The run is the one whose id the check carries; one that we created and lost the id of is found by
    /// GitHub's number.
    async fn rerun_check(
        &self,
        lease: &Lease,
        repo: &RepoRef,
        external_id: Option<RunId>,
        check_run: i64,
    ) -> Result<(), JobError> {
        let id = match external_id {
            Some(id) => Some(id),
            None => self.store().run_of_check(repo.id, check_run).await?,
        };
        let run = match id {
            Some(id) => self
                .store()
                .run(id)
                .await?
                .filter(|run| run.source.repo.id == repo.id),
            None => None,
        };
        let Some(run) = run else {
            tracing::warn!(repo.name = %repo.name, check_run, "GitHub asks for a run again that is not known here");
            return Ok(self.store().complete(lease).await?);
        };
        let rerun = self.store().rerun(lease, run.id, &lease.subject).await?;
        tracing::info!(run.id = %run.id, ?rerun, "GitHub asks for a run again");
        Ok(())
    }

    async fn rerun_commit(&self, lease: &Lease, repo: &RepoRef, commit: &CommitSha) -> Result<(), JobError> {
        let runs = self.store().current_runs_of_commit(repo.id, commit).await?;
        let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
        let reruns = self.store().rerun_all(lease, &ids, &lease.subject).await?;
        tracing::info!(repo.name = %repo.name, %commit, ?reruns, "GitHub asks for all runs on a commit again");
        Ok(())
    }
}
