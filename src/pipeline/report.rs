//! Brings GitHub to what it should show: one writer to an installation, verdicts first.
//!
//! Retries live in the queue. A write whose outcome is not known is looked up before it is sent again; one
//! that is refused is sent once more in short, so that a verdict always lands.

use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::Pipeline;
use super::retry::pause;
use super::story::Told;
use super::worker::JobError;
use crate::clock::millis;
use crate::github::{CheckRunId, GithubError, Refused};
use crate::model::{CheckState, Digest, InstallationId, RunId};
use crate::report::shortened;
use crate::store::{DueCheck, DueStatus, Lease};

/// Rows read at a time.
const BATCH: i64 = 50;

/// Refusals without a named cause before a write is parked: 404 is what GitHub says while it settles.
const MAX_REFUSALS: i64 = 3;

/// How one write ended.
enum Sent {
    /// GitHub shows it, or a row says why not.
    Settled,
    /// This one is to be tried again later; others may go on.
    Again,
    /// Nothing can be written for so long.
    Halt(Duration, String),
}

impl Pipeline {
    pub(super) async fn report(&self, lease: &Lease, stop: &CancellationToken) -> Result<(), JobError> {
        let number = lease.subject.parse();
        let installation = InstallationId(
            number.map_err(|_| JobError::Nonsense(format!("`{}` is no installation", lease.subject)))?,
        );
        loop {
            let checks = self.store().due_checks(installation, BATCH).await?;
            let statuses = self.store().due_statuses(installation, BATCH).await?;
            if checks.is_empty() && statuses.is_empty() {
                return Ok(self.store().complete(lease).await?);
            }
            let mut again = false;
            for due in interleave(checks, statuses) {
                if stop.is_cancelled() {
                    return Err(JobError::Stopping);
                }
                let sent = match &due {
                    Due::Check(check) => self.send_check(lease, check).await?,
                    Due::Status(status) => self.send_status(lease, status).await?,
                };
                match sent {
                    Sent::Settled => {}
                    Sent::Again => again = true,
                    Sent::Halt(wait, why) => return self.report_later(lease, wait, &why).await,
                }
            }
            if again {
                return self
                    .report_later(lease, pause(lease.retries), "GitHub refused some writes")
                    .await;
            }
        }
    }

    async fn report_later(&self, lease: &Lease, wait: Duration, why: &str) -> Result<(), JobError> {
        tracing::warn!(installation = %lease.subject, ?wait, why, "writing to GitHub waits");
        let at = self.store().clock().now() + millis(wait);
        Ok(self.store().retry(lease, at, why).await?)
    }

    async fn send_check(&self, lease: &Lease, due: &DueCheck) -> Result<Sent, JobError> {
        let told = self.read_story(due.run).await?;
        let wanted = self.check_of(&told);
        let shown = fingerprint(&wanted);
        if let (Some(id), true) = (due.github_id, due.shown.as_ref() == Some(&shown)) {
            return self.check_settled(lease, due, id, &shown).await;
        }
        let mut outcome = self.put_check(lease, due, &told, &wanted).await?;
        if matches!(
            &outcome,
            Err(GithubError::Unprocessable {
                refused: Refused::TooLong | Refused::Other,
                ..
            })
        ) {
            tracing::warn!(run.id = %due.run, "GitHub refused a check run, sending it in short");
            outcome = self.put_check(lease, due, &told, &shortened(&wanted)).await?;
        }
        let error = match (outcome, due.github_id) {
            (Ok(id), _) => return self.check_settled(lease, due, id.0, &shown).await,
            // A verdict of ours stands there already: an earlier answer was lost.
            (
                Err(GithubError::Unprocessable {
                    refused: Refused::Completed,
                    ..
                }),
                Some(id),
            ) => {
                return self.check_settled(lease, due, id, &shown).await;
            }
            (Err(error), _) => error,
        };
        match judge(&error, due.failures, lease.retries) {
            Judged::Halt(wait) => Ok(Sent::Halt(wait, error.to_string())),
            Judged::Again => {
                self.look_again(&error, &told).await;
                self.store().check_refused(lease, due, None).await?;
                Ok(Sent::Again)
            }
            Judged::Park => {
                self.store()
                    .check_refused(lease, due, Some(&parked(due.run, &error)))
                    .await?;
                Ok(Sent::Settled)
            }
        }
    }

    async fn check_settled(
        &self,
        lease: &Lease,
        due: &DueCheck,
        id: i64,
        shown: &str,
    ) -> Result<Sent, JobError> {
        self.store().check_sent(lease, due, id, shown).await?;
        Ok(Sent::Settled)
    }

    /// Creates or updates the check run; the outer error is ours, the inner one GitHub's.
    async fn put_check(
        &self,
        lease: &Lease,
        due: &DueCheck,
        told: &Told,
        wanted: &CheckState,
    ) -> Result<Result<CheckRunId, GithubError>, JobError> {
        let repo = &told.run().source.repo;
        let github = &self.parts.github;
        let mut known = due.github_id.map(CheckRunId);
        if known.is_none() && due.begun {
            match github
                .find_check(repo, &wanted.head_sha, due.run, &wanted.name)
                .await
            {
                // A completed one is final: its create carried the verdict, and only the answer was lost.
                Ok(Some(found)) if found.completed => return Ok(Ok(found.id)),
                Ok(Some(found)) => {
                    self.store().check_found(lease, due, found.id.0).await?;
                    known = Some(found.id);
                }
                Ok(None) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        if known.is_none() {
            self.store().check_begun(lease, due).await?;
        }
        self.parts.metrics.github_write();
        Ok(match known {
            Some(id) => github.update_check(repo, id, wanted).await.map(|()| id),
            None => github.create_check(repo, wanted).await,
        })
    }

    async fn send_status(&self, lease: &Lease, due: &DueStatus) -> Result<Sent, JobError> {
        let told = self.read_story(due.run).await?;
        let Some(wanted) = self.status_of(&told) else {
            return self.status_settled(lease, due, "").await;
        };
        let shown = fingerprint(&wanted);
        if due.shown.as_ref() == Some(&shown) {
            return self.status_settled(lease, due, &shown).await;
        }
        let source = &told.run().source;
        let github = &self.parts.github;
        if due.begun {
            match github
                .latest_status(&source.repo, &source.commit, &wanted.context)
                .await
            {
                Ok(Some(there)) if there == wanted => {
                    return self.status_settled(lease, due, &shown).await;
                }
                Ok(_) => {}
                Err(error) => return self.status_refused(lease, due, &told, &error).await,
            }
        }
        self.store().status_begun(lease, due).await?;
        self.parts.metrics.github_write();
        match github.create_status(&source.repo, &source.commit, &wanted).await {
            Ok(()) => self.status_settled(lease, due, &shown).await,
            Err(error) => self.status_refused(lease, due, &told, &error).await,
        }
    }

    async fn status_settled(&self, lease: &Lease, due: &DueStatus, shown: &str) -> Result<Sent, JobError> {
        self.store().status_sent(lease, due, shown).await?;
        Ok(Sent::Settled)
    }

    async fn status_refused(
        &self,
        lease: &Lease,
        due: &DueStatus,
        told: &Told,
        error: &GithubError,
    ) -> Result<Sent, JobError> {
        match judge(error, due.failures, lease.retries) {
            Judged::Halt(wait) => Ok(Sent::Halt(wait, error.to_string())),
            Judged::Again => {
                self.look_again(error, told).await;
                self.store().status_refused(lease, due, None).await?;
                Ok(Sent::Again)
            }
            Judged::Park => {
                self.store()
                    .status_refused(lease, due, Some(&parked(due.run, error)))
                    .await?;
                Ok(Sent::Settled)
            }
        }
    }

    /// The repository may have another name or installation by now.
    async fn look_again(&self, error: &GithubError, told: &Told) {
        if !matches!(error, GithubError::Moved(_) | GithubError::NotFound(_)) {
            return;
        }
        let repo = &told.run().source.repo;
        self.parts.github.forget_installation(&repo.name);
        let seen = match self.parts.github.repo(&repo.name).await {
            Ok(now) if now.id == repo.id => self
                .store()
                .repo_seen(&now)
                .await
                .map_err(|error| error.to_string()),
            // Nothing of ours belongs there.
            Ok(_) => Err("its name belongs to another repository now".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = seen {
            tracing::warn!(repo.name = %repo.name, why, "cannot look a repository up again");
        }
    }
}

/// Tells one state from another. What is read for a version may be newer than it: then the next version is
/// shown already, and is not written again.
fn fingerprint(state: &impl Serialize) -> String {
    Digest::of(&serde_json::to_vec(state).expect("a state is plain data"))
        .short()
        .to_owned()
}

/// Why a write is given up, told to the log on the way.
fn parked(run: RunId, error: &GithubError) -> String {
    tracing::error!(run.id = %run, %error, "GitHub does not take what a run is to show");
    error.to_string()
}

/// What a refusal means for the write.
enum Judged {
    Halt(Duration),
    Again,
    Park,
}

fn judge(error: &GithubError, failures: i64, retries: i64) -> Judged {
    match error {
        GithubError::RateLimited { retry_after, .. } => Judged::Halt(*retry_after),
        GithubError::OutcomeUnknown(_) | GithubError::Unavailable(_) | GithubError::Unauthorized(_) => {
            Judged::Halt(pause(retries))
        }
        GithubError::NotFound(_) | GithubError::Moved(_) if failures < MAX_REFUSALS => Judged::Again,
        GithubError::NotFound(_)
        | GithubError::Moved(_)
        | GithubError::Forbidden(_)
        | GithubError::NotInstalled(_)
        | GithubError::Gone(_)
        | GithubError::Unprocessable { .. } => Judged::Park,
    }
}

enum Due {
    Check(DueCheck),
    Status(DueStatus),
}

/// A run's check and status side by side: neither waits for the other's whole batch.
fn interleave(checks: Vec<DueCheck>, statuses: Vec<DueStatus>) -> Vec<Due> {
    let mut due = Vec::with_capacity(checks.len() + statuses.len());
    let mut statuses = statuses.into_iter();
    for check in checks {
        due.push(Due::Check(check));
        due.extend(statuses.next().map(Due::Status));
    }
    due.extend(statuses.map(Due::Status));
    due
}
