//! What deliveries ask for by themselves: GitHub's events (reruns, installations and repositories that change), and
//! the operator's orders.

use std::collections::BTreeMap;

use super::Pipeline;
use super::worker::JobError;
use crate::delivery::OPERATOR;
use crate::github::GithubError;
use crate::hooks::github::{GithubEvent, RepoRef};
use crate::model::{CommitSha, InstallationId, Order, RunId, Visibility};
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
        if delivery.summary.sender == OPERATOR {
            let order = serde_json::from_str(&delivery.body).map_err(|error| nonsense(&error.to_string()))?;
            return self.order(lease, order).await;
        }
        let event = serde_json::from_str(&delivery.body).map_err(|error| nonsense(&error.to_string()))?;
        match event {
            GithubEvent::InstallationChanged {
                installation,
                added,
                removed,
                ..
            } => {
                self.installation_changed(lease, installation, (&added, &removed))
                    .await
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
            GithubEvent::CommitArrived(came) => {
                self.commit_arrived(lease, &came, delivery.summary.received_at)
                    .await
            }
            GithubEvent::RepositoryChanged {
                repo,
                installation,
                action,
            } => {
                self.repository_changed(lease, &repo, (installation, &action))
                    .await
            }
            GithubEvent::CheckSuiteRerequested { .. }
            | GithubEvent::Ping
            | GithubEvent::PackagePushed { .. }
            | GithubEvent::PackageIgnored { .. }
            | GithubEvent::Other { .. } => Ok(self.store().complete(lease).await?),
        }
    }

    async fn installation_changed(
        &self,
        lease: &Lease,
        installation: InstallationId,
        (added, removed): (&[RepoRef], &[RepoRef]),
    ) -> Result<(), JobError> {
        for repo in added.iter().chain(removed) {
            self.parts.github.forget_installation(&repo.name);
        }
        self.parts.github.installation_changed(installation).await;
        for repo in added {
            self.store().installed(repo.id, installation).await?;
        }
        self.store().unpark_reports(installation).await?;
        // Which repositories it reaches now, and what they declare, GitHub says itself.
        let read = [ToIndex::Installation(installation)];
        Ok(self.store().complete_with_index(lease, &read).await?)
    }

    /// What the operator asks for is done to the run as it is by now.
    async fn order(&self, lease: &Lease, order: Order) -> Result<(), JobError> {
        match order {
            Order::Rerun { run } => {
                let rerun = self.store().rerun(lease, run, &lease.subject).await?;
                tracing::info!(run.id = %run, ?rerun, "the operator asks for a run again");
            }
            Order::Cancel { run } => {
                let cancelled = self
                    .store()
                    .cancel(lease, run, "cancelled by the operator")
                    .await?;
                if cancelled {
                    self.stop_executing(run);
                }
                tracing::info!(run.id = %run, cancelled, "the operator cancels a run");
            }
        }
        Ok(())
    }

    /// The repository has another name or owner, or may be written to again. Its number is the same.
    async fn repository_changed(
        &self,
        lease: &Lease,
        repo: &RepoRef,
        (installation, action): (Option<InstallationId>, &str),
    ) -> Result<(), JobError> {
        self.parts.github.repo_changed(repo.id);
        self.parts.github.forget_installation(&repo.name);
        if action == "deleted" {
            self.store().forget_declaration(repo.id).await?;
            return Ok(self.store().complete(lease).await?);
        }
        match self.parts.github.repo(&repo.name).await {
            Err(error) if error.is_passing() => return self.event_waits(lease, &error).await,
            Ok(now) if now.id == repo.id => {
                self.store().repo_seen(&now).await?;
                // What waits for it, or was refused there, is the business of the installation that it is in now.
                self.store().installed(now.id, now.installation).await?;
            }
            Ok(_) => {}
            Err(why) => {
                tracing::warn!(repo.name = %repo.name, %why, "cannot look up a repository that changed; its installation is read again");
            }
        }
        let again = installation.map_or(ToIndex::Everywhere, ToIndex::Installation);
        Ok(self.store().complete_with_index(lease, &[again]).await?)
    }

    /// GitHub cannot be asked about an event now, and can be later.
    async fn event_waits(&self, lease: &Lease, error: &GithubError) -> Result<(), JobError> {
        tracing::warn!(%error, delivery = %lease.subject, "an event of GitHub's waits");
        self.try_again(lease, error.retry_after(), &error.to_string())
            .await
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
                Err(error) if error.is_passing() => return self.event_waits(lease, &error).await,
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
        let ours = match id {
            Some(id) => self.is_of(id, repo).await?.then_some(id),
            None => None,
        };
        let Some(run) = ours else {
            tracing::warn!(repo.name = %repo.name, check_run, "GitHub asks for a run again that is not known here");
            return Ok(self.store().complete(lease).await?);
        };
        let rerun = self.store().rerun(lease, run, &lease.subject).await?;
        tracing::info!(run.id = %run, ?rerun, "GitHub asks for a run again");
        Ok(())
    }

    /// Is this a run of the repository's, or an image that it waits or waited for?
    async fn is_of(&self, id: RunId, repo: &RepoRef) -> Result<bool, JobError> {
        if let Some(run) = self.store().run(id).await? {
            return Ok(run.source.repo.id == repo.id);
        }
        let expected = self.store().expected(id).await?;
        Ok(expected.is_some_and(|expected| expected.repo.id == repo.id))
    }

    async fn rerun_commit(&self, lease: &Lease, repo: &RepoRef, commit: &CommitSha) -> Result<(), JobError> {
        let runs = self.store().current_runs_of_commit(repo.id, commit).await?;
        // A digest that was planned in several ways has one check of each name that counts: the newest.
        let newest: BTreeMap<_, _> = runs
            .iter()
            .map(|run| ((&run.context, &run.digest), run.id))
            .collect();
        let mut ids: Vec<RunId> = newest.into_values().collect();
        ids.extend(self.store().waits_in_vain(repo.id, commit).await?);
        let reruns = self.store().rerun_all(lease, &ids, &lease.subject).await?;
        tracing::info!(repo.name = %repo.name, %commit, ?reruns, "GitHub asks for all runs on a commit again");
        Ok(())
    }
}
