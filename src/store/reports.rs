//! What GitHub should show.
//!
//! The run itself is the desired state; a row here only counts the versions of it that were wanted and
//! sent. So a newer state replaces an unsent older one by itself, and nothing unchanged is written. What
//! became of a version stands in `outbox`.

use std::time::Duration;

use super::db::{Tx, args};
use super::jobs::{JobKind, Lease, NewJob};
use super::record::Maybe;
use super::{Store, StoreError};
use crate::clock::millis;
use crate::model::{Channels, InstallationId, RepoId, RunId};

/// How long a request to GitHub may be under way: after that it has happened, or never will.
const UNDER_WAY: Duration = Duration::from_secs(15);

/// How long a writer that got nowhere again and again is left alone.
const GIVEN_UP: Duration = Duration::from_hours(1);

impl Store {
    /// A new run is to be shown: a check run of its own, unless one waits for it already, and the status of its context
    /// from now on. One whose digest another one took the place of leaves the status to that.
    pub(super) async fn open_reports(
        &self,
        tx: &mut Tx,
        run: RunId,
        channels: Channels,
    ) -> Result<(), StoreError> {
        if channels.check {
            Self::open_check(tx, run).await?;
        }
        if channels.status {
            Self::open_status(tx, run).await?;
        }
        self.wake_report(tx, run).await
    }

    async fn open_check(tx: &mut Tx, run: RunId) -> Result<(), StoreError> {
        tx.execute(
            "INSERT INTO checks (run_id, installation_id, wanted)
             SELECT r.id, p.installation_id, 1 FROM runs AS r JOIN repos AS p ON p.id = r.repo_id WHERE r.id = $1
             ON CONFLICT (run_id) DO UPDATE SET wanted = checks.wanted + 1, not_before = 0, parked = NULL, failures = 0",
            args![run.to_string()],
        )
        .await
        .map(drop)
    }

    async fn open_status(tx: &mut Tx, run: RunId) -> Result<(), StoreError> {
        tx.execute(
            "INSERT INTO statuses (repo_id, commit_sha, context, run_id, installation_id, wanted)
             SELECT r.repo_id, r.commit_sha, r.context, r.id, p.installation_id, 1
             FROM runs AS r JOIN repos AS p ON p.id = r.repo_id WHERE r.id = $1 AND r.superseded_by IS NULL
             ON CONFLICT (repo_id, commit_sha, context) DO UPDATE SET run_id = excluded.run_id,
                installation_id = excluded.installation_id, wanted = statuses.wanted + 1, failures = 0, not_before = 0,
                parked = NULL",
            args![run.to_string()],
        )
        .await
        .map(drop)
    }

    /// A run's statuses are its successor's from now on, though that may be the older of the two.
    pub(super) async fn hand_over_statuses(
        &self,
        tx: &mut Tx,
        from: RunId,
        successor: RunId,
    ) -> Result<(), StoreError> {
        tx.execute(
            "UPDATE statuses SET run_id = $2, wanted = wanted + 1, failures = 0, not_before = 0, parked = NULL
             WHERE run_id = $1",
            args![from.to_string(), successor.to_string()],
        )
        .await?;
        self.wake_report(tx, successor).await
    }

    /// Something about a run changed that GitHub should show: at once, whatever an older version waits for, or was
    /// given up for. A completed check is never reopened. What it comes to may be what runs of other digests on the commit wait for, and counts in their
    /// status.
    pub(super) async fn want_reports(&self, tx: &mut Tx, run: RunId) -> Result<(), StoreError> {
        tx.execute(
            "UPDATE checks SET wanted = wanted + 1, not_before = 0, parked = NULL, failures = 0
             WHERE NOT completed AND (run_id = $1 OR run_id IN (
                SELECT other.id FROM runs AS r JOIN runs AS other
                  ON other.repo_id = r.repo_id AND other.commit_sha = r.commit_sha AND other.image = r.image
                 AND other.context = r.context
                WHERE r.id = $1 AND other.stage = 'finished'))",
            args![run.to_string()],
        )
        .await?;
        tx.execute(
            "UPDATE statuses SET wanted = wanted + 1, not_before = 0, parked = NULL, failures = 0
             WHERE (repo_id, commit_sha, context) = (
                SELECT repo_id, commit_sha, context FROM runs WHERE id = $1)",
            args![run.to_string()],
        )
        .await?;
        self.wake_report(tx, run).await
    }

    /// Something about the wait for an image changed that GitHub should show.
    pub(super) async fn want_again(&self, tx: &mut Tx, awaited: RunId) -> Result<(), StoreError> {
        for sql in [
            "UPDATE checks SET wanted = wanted + 1, not_before = 0, parked = NULL, failures = 0 WHERE run_id = $1",
            "UPDATE statuses SET wanted = wanted + 1, not_before = 0, parked = NULL, failures = 0 WHERE run_id = $1",
        ] {
            tx.execute(sql, args![awaited.to_string()]).await?;
        }
        self.wake_report(tx, awaited).await
    }

    pub(super) async fn wake_report(&self, tx: &mut Tx, run: RunId) -> Result<(), StoreError> {
        // A run may have one of the two alone.
        let installations: Vec<(i64,)> = tx
            .rows(
                "SELECT installation_id FROM checks WHERE run_id = $1
                 UNION SELECT installation_id FROM statuses WHERE run_id = $1",
                args![run.to_string()],
            )
            .await?;
        let jobs = installations.into_iter().map(|(id,)| report_job(id));
        self.wake_all(tx, jobs.collect()).await
    }

    /// Makes sure that every installation with something unsent has a job for it, unless that job was given up within
    /// the last hour: whatever ended it is not to be met again at once.
    pub async fn wake_due_reports(&self) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let due: Vec<(i64,)> = tx
            .rows(
                "SELECT installation_id FROM (
                    SELECT installation_id FROM checks WHERE sent < wanted AND parked IS NULL
                    UNION SELECT installation_id FROM statuses WHERE sent < wanted AND parked IS NULL) AS due
                 WHERE NOT EXISTS (
                    SELECT 1 FROM jobs WHERE kind = 'report' AND parked AND done_at > $1
                      AND subject = CAST(due.installation_id AS TEXT))",
                args![self.clock.now() - millis(GIVEN_UP)],
            )
            .await?;
        for (installation,) in due {
            self.wake(&mut tx, report_job(installation)).await?;
        }
        tx.commit().await?;
        self.ring([JobKind::Report]);
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
        self.hand_over_reports(&mut tx, repo, installation).await?;
        tx.commit().await?;
        self.ring([JobKind::Report]);
        Ok(())
    }

    /// What waits for a repository goes to the writer of the installation that it is in.
    pub async fn hand_over(&self, held: &Lease, repo: RepoId) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        let now: Option<(i64,)> = tx
            .row("SELECT installation_id FROM repos WHERE id = $1", args![repo.0])
            .await?;
        if let Some((installation,)) = now {
            self.hand_over_reports(&mut tx, repo, InstallationId(installation))
                .await?;
        }
        tx.commit().await?;
        self.ring([JobKind::Report]);
        Ok(())
    }

    /// What waits for a repository is this installation's from now on, and what GitHub refused may be welcome.
    pub(super) async fn hand_over_reports(
        &self,
        tx: &mut Tx,
        repo: RepoId,
        installation: InstallationId,
    ) -> Result<(), StoreError> {
        // What the other installation's writer had begun may still be under way.
        let settled = self.clock.now() + millis(UNDER_WAY);
        let checks = tx
            .execute(
                "UPDATE checks SET installation_id = $2, parked = NULL, failures = 0,
                    not_before = CASE WHEN installation_id <> $2 AND begun_at IS NOT NULL AND github_id IS NULL
                        THEN $3 ELSE 0 END
                 WHERE sent < wanted AND run_id IN (
                    SELECT id FROM runs WHERE repo_id = $1 UNION ALL SELECT id FROM expected WHERE repo_id = $1)",
                args![repo.0, installation.0, settled],
            )
            .await?;
        let statuses = tx
            .execute(
                "UPDATE statuses SET installation_id = $2, parked = NULL, failures = 0,
                    not_before = CASE WHEN installation_id <> $2 AND begun_at IS NOT NULL THEN $3 ELSE 0 END
                 WHERE sent < wanted AND repo_id = $1",
                args![repo.0, installation.0, settled],
            )
            .await?;
        if checks + statuses > 0 {
            self.wake(tx, report_job(installation.0)).await?;
        }
        Ok(())
    }

    /// An installation changed: what GitHub refused may be welcome now.
    pub async fn unpark_reports(&self, installation: InstallationId) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let unparked = tx
            .execute(
                "UPDATE checks SET parked = NULL, failures = 0, not_before = 0
                 WHERE installation_id = $1 AND parked IS NOT NULL",
                args![installation.0],
            )
            .await?
            + tx.execute(
                "UPDATE statuses SET parked = NULL, failures = 0, not_before = 0
                 WHERE installation_id = $1 AND parked IS NOT NULL",
                args![installation.0],
            )
            .await?;
        if unparked > 0 {
            self.wake(&mut tx, report_job(installation.0)).await?;
        }
        tx.commit().await?;
        self.ring([JobKind::Report]);
        Ok(())
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

    /// Does GitHub show of a run what it should, or never will?
    pub async fn is_shown(&self, run: RunId) -> Result<bool, StoreError> {
        let (unsent,): (i64,) = self
            .db
            .row(
                "SELECT (SELECT COUNT(*) FROM checks WHERE run_id = $1 AND sent < wanted AND parked IS NULL)
                      + (SELECT COUNT(*) FROM statuses WHERE run_id = $1 AND sent < wanted AND parked IS NULL)",
                args![run.to_string()],
            )
            .await?
            .unwrap_or_default();
        Ok(unsent == 0)
    }

    /// The run whose check run has this number at GitHub, or that is waited for under it.
    pub async fn run_of_check(&self, repo: RepoId, github_id: i64) -> Result<Option<RunId>, StoreError> {
        let row: Option<(Option<String>,)> = self
            .db
            .row(
                "SELECT run_id FROM checks WHERE github_id = $2 AND run_id IN (
                    SELECT id FROM runs WHERE repo_id = $1 UNION ALL SELECT id FROM expected WHERE repo_id = $1)",
                args![repo.0, github_id],
            )
            .await?;
        let Some((id,)) = row else { return Ok(None) };
        Maybe::<RunId>::try_from(id)
            .map(|maybe| maybe.0)
            .map_err(|_| StoreError::Corrupt("run id".to_owned()))
    }
}

/// One job to an installation, so that it has one writer.
fn report_job(installation: i64) -> NewJob {
    NewJob {
        kind: JobKind::Report,
        subject: installation.to_string(),
    }
}
