//! What the writer to GitHub reads, and what it notes: which rows are due, and what became of each. A row that
//! GitHub does not take waits, or is given up, by itself.

use sqlx::FromRow;

use super::db::args;
use super::jobs::Lease;
use super::{Store, StoreError};
use crate::clock::UnixMillis;
use crate::model::{InstallationId, RunId};

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
    /// How often it was not taken, since it last was.
    pub failures: i64,
    /// Does it say how the run, or the wait, ended?
    pub is_end: bool,
}

/// A check run as GitHub shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCheck {
    /// Its number.
    pub github_id: i64,
    /// A fingerprint of what was sent.
    pub fingerprint: String,
    /// Was that the end? It is never reopened.
    pub completed: bool,
}

/// A commit status that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct DueStatus {
    /// The run that it shows.
    #[sqlx(try_from = "String")]
    pub run: RunId,
    repo_id: i64,
    commit_sha: String,
    context: String,
    /// The version that is wanted.
    pub wanted: i64,
    /// A write was begun whose outcome is not known.
    pub begun: bool,
    /// A fingerprint of what was sent last.
    pub shown: Option<String>,
    /// How often it was not taken, since it last was.
    pub failures: i64,
    /// Does it say how the run, or the wait, ended?
    pub is_end: bool,
}

/// Which of what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    All,
    /// What says how a run, or a wait, ended.
    Ends,
}

impl Store {
    /// Check runs that are not as they should be and may be sent now: those that failed least, verdicts first.
    pub async fn due_checks(
        &self,
        installation: InstallationId,
        (wanted, limit): (Wanted, i64),
    ) -> Result<Vec<DueCheck>, StoreError> {
        self.db
            .rows(
                "SELECT * FROM (
                    SELECT c.run_id AS run, c.wanted, c.github_id, c.begun_at IS NOT NULL AS begun, c.shown,
                        c.failures, COALESCE(r.stage = 'finished' OR e.ended_at IS NOT NULL, FALSE) AS is_end
                    FROM checks AS c LEFT JOIN runs AS r ON r.id = c.run_id
                        LEFT JOIN expected AS e ON e.id = c.run_id
                    WHERE c.installation_id = $1 AND c.sent < c.wanted AND c.parked IS NULL
                        AND c.not_before <= $2) AS due
                 WHERE is_end OR $3
                 ORDER BY failures, CASE WHEN is_end THEN 0 ELSE 1 END, run LIMIT $4",
                args![installation.0, self.clock.now(), wanted == Wanted::All, limit],
            )
            .await
    }

    /// Statuses that are not as they should be and may be sent now, in the same order.
    pub async fn due_statuses(
        &self,
        installation: InstallationId,
        (wanted, limit): (Wanted, i64),
    ) -> Result<Vec<DueStatus>, StoreError> {
        self.db
            .rows(
                "SELECT * FROM (
                    SELECT s.run_id AS run, s.repo_id, s.commit_sha, s.context, s.wanted,
                        s.begun_at IS NOT NULL AS begun, s.shown, s.failures,
                        COALESCE(r.stage = 'finished' OR e.ended_at IS NOT NULL, FALSE) AS is_end
                    FROM statuses AS s LEFT JOIN runs AS r ON r.id = s.run_id
                        LEFT JOIN expected AS e ON e.id = s.run_id
                    WHERE s.installation_id = $1 AND s.sent < s.wanted AND s.parked IS NULL
                        AND s.not_before <= $2) AS due
                 WHERE is_end OR $3
                 ORDER BY failures, CASE WHEN is_end THEN 0 ELSE 1 END, run LIMIT $4",
                args![installation.0, self.clock.now(), wanted == Wanted::All, limit],
            )
            .await
    }

    /// A create is about to be sent: whoever finds this later must look before creating another. `false`: it is not to
    /// be sent, as the check is another installation's by now, or somebody else is at it.
    pub async fn check_begun(&self, held: &Lease, check: &DueCheck) -> Result<bool, StoreError> {
        let mut tx = self.begin_held(held).await?;
        let begun = tx
            .execute(
                "UPDATE checks SET begun_at = $2 WHERE run_id = $1 AND CAST(installation_id AS TEXT) = $3
                    AND github_id IS NULL AND (begun_at IS NULL OR $4)",
                args![
                    check.run.to_string(),
                    self.clock.now(),
                    held.subject.as_str(),
                    check.begun
                ],
            )
            .await?;
        tx.commit().await?;
        Ok(begun > 0)
    }

    /// The create that was begun was refused: nobody needs to look for it.
    pub async fn check_undone(&self, held: &Lease, check: &DueCheck) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        tx.execute(
            "UPDATE checks SET begun_at = NULL WHERE run_id = $1 AND github_id IS NULL",
            args![check.run.to_string()],
        )
        .await?;
        tx.commit().await
    }

    /// GitHub shows the version that was wanted.
    pub async fn check_sent(
        &self,
        held: &Lease,
        check: &DueCheck,
        shown: &ShownCheck,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_step(held).await?;
        tx.execute(
            "UPDATE checks SET sent = $2, github_id = $3, shown = $4, completed = $5, failures = 0
             WHERE run_id = $1",
            args![
                check.run.to_string(),
                check.wanted,
                shown.github_id,
                shown.fingerprint.as_str(),
                shown.completed
            ],
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

    /// The check run was not taken this time; it is not sent again before `until`.
    pub async fn check_delayed(
        &self,
        held: &Lease,
        check: &DueCheck,
        until: UnixMillis,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        tx.execute(
            "UPDATE checks SET failures = failures + 1, not_before = $2 WHERE run_id = $1 AND CAST(installation_id AS TEXT) = $3",
            args![check.run.to_string(), until, held.subject.as_str()],
        )
        .await?;
        tx.commit().await
    }

    /// The check run is given up, and the run's page says why: it is not sent again until the installation changes.
    pub async fn check_parked(&self, held: &Lease, check: &DueCheck, why: &str) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        tx.execute(
            "UPDATE checks SET failures = failures + 1, parked = $2 WHERE run_id = $1 AND CAST(installation_id AS TEXT) = $3",
            args![check.run.to_string(), why, held.subject.as_str()],
        )
        .await?;
        let note = format!("GitHub does not show the check run: {why}");
        self.note_in(&mut tx, check.run, &note).await?;
        tx.commit().await
    }

    /// A status is about to be sent. `false`: it is not to be, as it is another installation's by now, or somebody else
    /// is at it.
    pub async fn status_begun(&self, held: &Lease, status: &DueStatus) -> Result<bool, StoreError> {
        let mut tx = self.begin_held(held).await?;
        let begun = tx
            .execute(
                "UPDATE statuses SET begun_at = $4 WHERE repo_id = $1 AND commit_sha = $2 AND context = $3
                    AND CAST(installation_id AS TEXT) = $5 AND sent < $6 AND (begun_at IS NULL OR $7)",
                args![
                    status.repo_id,
                    status.commit_sha.as_str(),
                    status.context.as_str(),
                    self.clock.now(),
                    held.subject.as_str(),
                    status.wanted,
                    status.begun
                ],
            )
            .await?;
        tx.commit().await?;
        Ok(begun > 0)
    }

    /// The status that was begun was refused: nobody needs to look for it.
    pub async fn status_undone(&self, held: &Lease, status: &DueStatus) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        tx.execute(
            "UPDATE statuses SET begun_at = NULL WHERE repo_id = $1 AND commit_sha = $2 AND context = $3",
            args![
                status.repo_id,
                status.commit_sha.as_str(),
                status.context.as_str()
            ],
        )
        .await?;
        tx.commit().await
    }

    /// GitHub shows the version that was wanted.
    pub async fn status_sent(&self, held: &Lease, status: &DueStatus, shown: &str) -> Result<(), StoreError> {
        let mut tx = self.begin_step(held).await?;
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

    /// The status was not taken this time; it is not sent again before `until`.
    pub async fn status_delayed(
        &self,
        held: &Lease,
        status: &DueStatus,
        until: UnixMillis,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        tx.execute(
            "UPDATE statuses SET failures = failures + 1, not_before = $4
             WHERE repo_id = $1 AND commit_sha = $2 AND context = $3
                AND CAST(installation_id AS TEXT) = $5",
            args![
                status.repo_id,
                status.commit_sha.as_str(),
                status.context.as_str(),
                until,
                held.subject.as_str()
            ],
        )
        .await?;
        tx.commit().await
    }

    /// The status is given up, and the run's page says why: it is not sent again until the installation changes.
    pub async fn status_parked(&self, held: &Lease, status: &DueStatus, why: &str) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        tx.execute(
            "UPDATE statuses SET failures = failures + 1, parked = $4
             WHERE repo_id = $1 AND commit_sha = $2 AND context = $3
                AND CAST(installation_id AS TEXT) = $5",
            args![
                status.repo_id,
                status.commit_sha.as_str(),
                status.context.as_str(),
                why,
                held.subject.as_str()
            ],
        )
        .await?;
        let note = format!("GitHub does not show the status: {why}");
        self.note_in(&mut tx, status.run, &note).await?;
        tx.commit().await
    }

    /// When the next check run or status of an installation may be sent whose own time is later than `after`.
    pub async fn next_due_report(
        &self,
        installation: InstallationId,
        after: UnixMillis,
    ) -> Result<Option<UnixMillis>, StoreError> {
        let row: Option<(Option<i64>,)> = self
            .db
            .row(
                "SELECT MIN(not_before) FROM (
                    SELECT not_before FROM checks
                    WHERE installation_id = $1 AND sent < wanted AND parked IS NULL
                    UNION ALL SELECT not_before FROM statuses
                    WHERE installation_id = $1 AND sent < wanted AND parked IS NULL) AS unsent
                 WHERE not_before > $2",
                args![installation.0, after],
            )
            .await?;
        Ok(row.and_then(|(at,)| at))
    }
}
