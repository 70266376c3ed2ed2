//! What GitHub should show, and what it shows.
//!
//! The run itself is the desired state; a row here only counts the versions of it that were wanted and
//! sent. So a newer state replaces an unsent older one by itself, and nothing unchanged is written.

use sqlx::FromRow;

use super::db::{Tx, args};
use super::jobs::{JobKind, Lease, NewJob};
use super::record::Maybe;
use super::{Store, StoreError};
use crate::model::{CommitSha, InstallationId, RepoId, RunId};

/// A check run that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct DueCheck {
    /// The run that it shows.
    #[sqlx(try_from = "String")]
    pub run: RunId,
    /// The version that is wanted.
    pub wanted: i64,
    /// Its number at GitHub, once it was created.
    pub github_id: Option<i64>,
    /// A create was begun whose outcome is not known.
    pub begun: bool,
    /// A fingerprint of what was sent last.
    pub shown: Option<String>,
    /// Refusals so far.
    pub failures: i64,
}

/// A commit status that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct DueStatus {
    /// The run that it shows.
    #[sqlx(try_from = "String")]
    pub run: RunId,
    repo_id: i64,
    #[sqlx(try_from = "String")]
    commit_sha: CommitSha,
    context: String,
    /// The version that is wanted.
    pub wanted: i64,
    /// A write was begun whose outcome is not known.
    pub begun: bool,
    /// A fingerprint of what was sent last.
    pub shown: Option<String>,
    /// Refusals so far.
    pub failures: i64,
}

impl Store {
    /// A new run is to be shown: a check run of its own, and the status of its context from now on. One whose
    /// digest another one took the place of leaves the status to that.
    pub(super) async fn open_reports(&self, tx: &mut Tx, run: RunId) -> Result<(), StoreError> {
        let id = run.to_string();
        tx.execute(
            "INSERT INTO checks (run_id, installation_id, wanted)
             SELECT r.id, p.installation_id, 1 FROM runs AS r JOIN repos AS p ON p.id = r.repo_id WHERE r.id = $1",
            args![id.as_str()],
        )
        .await?;
        tx.execute(
            "INSERT INTO statuses (repo_id, commit_sha, context, run_id, installation_id, wanted)
             SELECT r.repo_id, r.commit_sha, r.context, r.id, p.installation_id, 1
             FROM runs AS r JOIN repos AS p ON p.id = r.repo_id WHERE r.id = $1 AND r.superseded_by IS NULL
             ON CONFLICT (repo_id, commit_sha, context) DO UPDATE SET run_id = excluded.run_id,
                installation_id = excluded.installation_id, wanted = statuses.wanted + 1, failures = 0, parked = NULL",
            args![id],
        )
        .await?;
        self.wake_report(tx, run).await
    }

    /// A run's statuses are its successor's from now on, though that may be the older of the two.
    pub(super) async fn hand_over_statuses(
        &self,
        tx: &mut Tx,
        from: RunId,
        successor: RunId,
    ) -> Result<(), StoreError> {
        tx.execute(
            "UPDATE statuses SET run_id = $2, wanted = wanted + 1, failures = 0, parked = NULL WHERE run_id = $1",
            args![from.to_string(), successor.to_string()],
        )
        .await?;
        self.wake_report(tx, successor).await
    }

    /// Something about a run changed that GitHub should show.
    pub(super) async fn want_reports(&self, tx: &mut Tx, run: RunId) -> Result<(), StoreError> {
        tx.execute(
            "UPDATE checks SET wanted = wanted + 1 WHERE run_id = $1",
            args![run.to_string()],
        )
        .await?;
        tx.execute(
            "UPDATE statuses SET wanted = wanted + 1 WHERE run_id = $1",
            args![run.to_string()],
        )
        .await?;
        self.wake_report(tx, run).await
    }

    async fn wake_report(&self, tx: &mut Tx, run: RunId) -> Result<(), StoreError> {
        let row: Option<(i64,)> = tx
            .row(
                "SELECT installation_id FROM checks WHERE run_id = $1",
                args![run.to_string()],
            )
            .await?;
        let Some((installation,)) = row else { return Ok(()) };
        self.wake(tx, report_job(installation)).await
    }

    /// Makes sure that every installation with something unsent has a job for it, unless that job was parked:
    /// a person must look at it first.
    pub async fn wake_due_reports(&self) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let due: Vec<(i64,)> = tx
            .rows(
                "SELECT installation_id FROM (
                    SELECT installation_id FROM checks WHERE sent < wanted AND parked IS NULL
                    UNION SELECT installation_id FROM statuses WHERE sent < wanted AND parked IS NULL) AS due
                 WHERE NOT EXISTS (
                    SELECT 1 FROM jobs WHERE kind = 'report' AND parked
                      AND subject = CAST(due.installation_id AS TEXT))",
                args![],
            )
            .await?;
        for (installation,) in due {
            self.wake(&mut tx, report_job(installation)).await?;
        }
        tx.commit().await?;
        self.ring();
        Ok(())
    }

    /// The App is installed in a repository, maybe anew under another number: what waits for the repository is
    /// that installation's from now on.
    pub async fn installed(&self, repo: RepoId, installation: InstallationId) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.execute(
            "UPDATE repos SET installation_id = $2 WHERE id = $1",
            args![repo.0, installation.0],
        )
        .await?;
        let checks = tx
            .execute(
                "UPDATE checks SET installation_id = $2, parked = NULL, failures = 0
                 WHERE sent < wanted AND run_id IN (SELECT id FROM runs WHERE repo_id = $1)",
                args![repo.0, installation.0],
            )
            .await?;
        let statuses = tx
            .execute(
                "UPDATE statuses SET installation_id = $2, parked = NULL, failures = 0
                 WHERE sent < wanted AND repo_id = $1",
                args![repo.0, installation.0],
            )
            .await?;
        if checks + statuses > 0 {
            self.wake(&mut tx, report_job(installation.0)).await?;
        }
        tx.commit().await?;
        self.ring();
        Ok(())
    }

    /// An installation changed: what GitHub refused may be welcome now.
    pub async fn unpark_reports(&self, installation: InstallationId) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let unparked = tx
            .execute(
                "UPDATE checks SET parked = NULL, failures = 0 WHERE installation_id = $1 AND parked IS NOT NULL",
                args![installation.0],
            )
            .await?
            + tx.execute(
                "UPDATE statuses SET parked = NULL, failures = 0 WHERE installation_id = $1 AND parked IS NOT NULL",
                args![installation.0],
            )
            .await?;
        if unparked > 0 {
            self.wake(&mut tx, report_job(installation.0)).await?;
        }
        tx.commit().await?;
        self.ring();
        Ok(())
    }

    /// Check runs that are not as they should be, verdicts first.
    pub async fn due_checks(
        &self,
        installation: InstallationId,
        limit: i64,
    ) -> Result<Vec<DueCheck>, StoreError> {
        self.db
            .rows(
                "SELECT c.run_id AS run, c.wanted, c.github_id, c.begun_at IS NOT NULL AS begun, c.shown, c.failures
                 FROM checks AS c JOIN runs AS r ON r.id = c.run_id
                 WHERE c.installation_id = $1 AND c.sent < c.wanted AND c.parked IS NULL
                 ORDER BY CASE WHEN r.stage = 'finished' THEN 0 ELSE 1 END, c.run_id LIMIT $2",
                args![installation.0, limit],
            )
            .await
    }

    /// Statuses that are not as they should be, verdicts first.
    pub async fn due_statuses(
        &self,
        installation: InstallationId,
        limit: i64,
    ) -> Result<Vec<DueStatus>, StoreError> {
        self.db
            .rows(
                "SELECT s.run_id AS run, s.repo_id, s.commit_sha, s.context, s.wanted, s.begun_at IS NOT NULL AS begun, s.shown,
                    s.failures
                 FROM statuses AS s JOIN runs AS r ON r.id = s.run_id
                 WHERE s.installation_id = $1 AND s.sent < s.wanted AND s.parked IS NULL
                 ORDER BY CASE WHEN r.stage = 'finished' THEN 0 ELSE 1 END, s.run_id LIMIT $2",
                args![installation.0, limit],
            )
            .await
    }

    /// A create is about to be sent: whoever finds this later must look before creating another.
    pub async fn check_begun(&self, held: &Lease, check: &DueCheck) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        tx.execute(
            "UPDATE checks SET begun_at = $2 WHERE run_id = $1",
            args![check.run.to_string(), self.clock.now()],
        )
        .await?;
        tx.commit().await
    }

    /// GitHub shows the version that was wanted, under this number.
    pub async fn check_sent(
        &self,
        held: &Lease,
        check: &DueCheck,
        github_id: i64,
        shown: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        tx.execute(
            "UPDATE checks SET sent = $2, github_id = $3, shown = $4, failures = 0 WHERE run_id = $1",
            args![check.run.to_string(), check.wanted, github_id, shown],
        )
        .await?;
        tx.commit().await
    }

    /// The check run is there, under this number; what it shows is not yet what is wanted.
    pub async fn check_found(
        &self,
        held: &Lease,
        check: &DueCheck,
        github_id: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        tx.execute(
            "UPDATE checks SET github_id = $2 WHERE run_id = $1",
            args![check.run.to_string(), github_id],
        )
        .await?;
        tx.commit().await
    }

    /// GitHub refused. With a reason to park, it is not asked again until the installation changes.
    pub async fn check_refused(
        &self,
        held: &Lease,
        check: &DueCheck,
        park: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        tx.execute(
            "UPDATE checks SET failures = failures + 1, parked = $2 WHERE run_id = $1",
            args![check.run.to_string(), park.map(str::to_owned)],
        )
        .await?;
        if let Some(why) = park {
            self.note_in(
                &mut tx,
                check.run,
                &format!("GitHub does not take the check run: {why}"),
            )
            .await?;
        }
        tx.commit().await
    }

    /// A status is about to be sent.
    pub async fn status_begun(&self, held: &Lease, status: &DueStatus) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        tx.execute(
            "UPDATE statuses SET begun_at = $4 WHERE repo_id = $1 AND commit_sha = $2 AND context = $3",
            args![
                status.repo_id,
                status.commit_sha.as_str(),
                status.context.as_str(),
                self.clock.now()
            ],
        )
        .await?;
        tx.commit().await
    }

    /// GitHub shows the version that was wanted.
    pub async fn status_sent(&self, held: &Lease, status: &DueStatus, shown: &str) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        tx.execute(
            "UPDATE statuses SET sent = $4, shown = $5, begun_at = NULL, failures = 0
             WHERE repo_id = $1 AND commit_sha = $2 AND context = $3",
            args![
                status.repo_id,
                status.commit_sha.as_str(),
                status.context.as_str(),
                status.wanted,
                shown
            ],
        )
        .await?;
        tx.commit().await
    }

    /// GitHub refused. With a reason to park, it is not asked again until the installation changes.
    pub async fn status_refused(
        &self,
        held: &Lease,
        status: &DueStatus,
        park: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        tx.execute(
            "UPDATE statuses SET failures = failures + 1, parked = $4, begun_at = NULL
             WHERE repo_id = $1 AND commit_sha = $2 AND context = $3",
            args![
                status.repo_id,
                status.commit_sha.as_str(),
                status.context.as_str(),
                park.map(str::to_owned)
            ],
        )
        .await?;
        if let Some(why) = park {
            self.note_in(
                &mut tx,
                status.run,
                &format!("GitHub does not take the status: {why}"),
            )
            .await?;
        }
        tx.commit().await
    }

    /// The number of a run's check run at GitHub, and whether it and its status show what they should.
    pub async fn report_state(&self, run: RunId) -> Result<Option<(Option<i64>, bool)>, StoreError> {
        self.db
            .row(
                "SELECT github_id, sent >= wanted FROM checks WHERE run_id = $1",
                args![run.to_string()],
            )
            .await
    }

    /// The run whose check run has this number at GitHub.
    pub async fn run_of_check(&self, repo: RepoId, github_id: i64) -> Result<Option<RunId>, StoreError> {
        let row: Option<(Option<String>,)> = self
            .db
            .row(
                "SELECT c.run_id FROM checks AS c JOIN runs AS r ON r.id = c.run_id
                 WHERE r.repo_id = $1 AND c.github_id = $2",
                args![repo.0, github_id],
            )
            .await?;
        let Some((id,)) = row else { return Ok(None) };
        Maybe::<RunId>::try_from(id)
            .map(|maybe| maybe.0)
            .map_err(|_| StoreError::Corrupt("run id".to_owned()))
    }
}

/// One writer to an installation: its jobs share a lane, and there is one of them.
fn report_job(installation: i64) -> NewJob {
    NewJob {
        kind: JobKind::Report,
        subject: installation.to_string(),
        lane: Some(format!("report {installation}")),
    }
}
