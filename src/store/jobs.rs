//! The queue: leases, fencing, and a bound on tries.
//!
//! Claiming a job raises `attempts`, its fencing token, and moves `run_at` to the end of its lease:
//! a job whose worker died is claimed again once that has passed. Every later write names the token,
//! so a worker that lost its lease can change nothing. Work that must not overlap is one job: waking
//! it while somebody is at it makes it be done once more afterwards.

use std::time::Duration;

use super::bulk::Bulk;
use super::db::{Tx, args};
use super::{Store, StoreError};
use crate::clock::{UnixMillis, millis};

#[cfg(test)]
mod tests;

/// What a job does; its subject says to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobKind {
    /// From the pushes of a tag to their runs. Subject: image and tag.
    Resolve,
    /// A run's tests. Subject: the run.
    Test,
    /// Brings GitHub to what it should show. Subject: the installation.
    Report,
    /// Acts on an event of GitHub's. Subject: the delivery.
    GithubEvent,
    /// Reads which repositories declare which images. Subject: an installation, or all of them.
    Index,
    /// Compares the tags of an image with its registry. Subject: the image.
    Reconcile,
    /// Ends the wait for an image that does not come. Subject: the run that it would be.
    Expect,
}

impl JobKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Resolve,
        Self::Test,
        Self::Report,
        Self::GithubEvent,
        Self::Index,
        Self::Reconcile,
        Self::Expect,
    ];

    /// The word in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Test => "test",
            Self::Report => "report",
            Self::GithubEvent => "github_event",
            Self::Index => "index",
            Self::Reconcile => "reconcile",
            Self::Expect => "expect",
        }
    }
}

/// A job to be woken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NewJob {
    pub(super) kind: JobKind,
    pub(super) subject: String,
}

/// The right to do a job, until the lease ends or somebody takes it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub id: String,
    /// What it does.
    pub kind: JobKind,
    /// To what.
    pub subject: String,
    /// The fencing token.
    pub attempts: i64,
    /// Claims since the job last got anywhere, this one included.
    pub tries: i64,
    /// Retries that the job asked for itself.
    pub retries: i64,
}

/// How many jobs of a kind wait, run or were given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// To be done, now or later.
    pub open: i64,
    /// Given up after too many tries: a person must look.
    pub parked: i64,
}

/// A job that must wait keeps its time; one that is merely postponed is brought forward.
static WAKE: Bulk = Bulk::new(
    "INSERT INTO jobs (id, kind, subject, run_at)",
    4,
    "ON CONFLICT (kind, subject) DO UPDATE SET
        again = jobs.owner IS NOT NULL AND jobs.done_at IS NULL,
        run_at = CASE WHEN jobs.done_at IS NULL AND (jobs.owner IS NOT NULL OR jobs.tries + jobs.retries > 0
            OR jobs.run_at < excluded.run_at) THEN jobs.run_at ELSE excluded.run_at END,
        tries = CASE WHEN jobs.done_at IS NULL THEN jobs.tries ELSE 0 END,
        retries = CASE WHEN jobs.done_at IS NULL THEN jobs.retries ELSE 0 END,
        parked = FALSE,
        done_at = NULL",
);

/// `$skip` keeps replicas that look at the same time from waiting for each other's choice.
macro_rules! claim {
    ($skip:literal) => {
        concat!(
            "UPDATE jobs SET attempts = attempts + 1, tries = tries + 1, run_at = $3, owner = $4, again = FALSE
             WHERE id = (
                SELECT id FROM jobs WHERE kind = $1 AND done_at IS NULL AND run_at <= $2
                ORDER BY run_at, id LIMIT 1",
            $skip,
            ") RETURNING id, subject, attempts, tries, retries"
        )
    };
}

/// Longer than anything makes a job wait.
const FAR_AHEAD: Duration = Duration::from_hours(24);

/// Holds the job's row until the transaction ends, so that nobody takes its lease over meanwhile.
const HOLD: &str = "
    UPDATE jobs SET owner = owner WHERE id = $1 AND attempts = $2 AND done_at IS NULL AND owner IS NOT NULL";

/// The same, and the job got somewhere: whatever ends the process after this, it is not what this job was at before.
const ADVANCE: &str = "
    UPDATE jobs SET tries = 1 WHERE id = $1 AND attempts = $2 AND done_at IS NULL AND owner IS NOT NULL";

const COMPLETE: &str = "
    UPDATE jobs SET owner = NULL, tries = 0, retries = 0, error = NULL, again = FALSE,
        done_at = CASE WHEN again THEN NULL ELSE $3 END,
        run_at = CASE WHEN again THEN $3 ELSE run_at END
    WHERE id = $1 AND attempts = $2 AND done_at IS NULL AND owner IS NOT NULL";

impl Store {
    /// Takes the next job of `kind` that is ready, for `lease` from now. Takes the writer's turn, ready or not:
    /// look with [`Store::next_ready`] first.
    pub async fn claim(&self, kind: JobKind, lease: Duration) -> Result<Option<Lease>, StoreError> {
        let now = self.clock.now();
        let claim = self.db.pick(claim!(""), claim!(" FOR UPDATE SKIP LOCKED"));
        let mut tx = self.db.begin_beside().await?;
        let row: Option<(String, String, i64, i64, i64)> = tx
            .row(
                claim,
                args![kind.as_str(), now, now + millis(lease), self.worker.to_string()],
            )
            .await?;
        tx.commit().await?;
        Ok(row.map(|(id, subject, attempts, tries, retries)| Lease {
            id,
            kind,
            subject,
            attempts,
            tries,
            retries,
        }))
    }

    /// A transaction that only the holder of the lease can begin, and during which nobody else can get it.
    pub(super) async fn begin_held(&self, held: &Lease) -> Result<Tx, StoreError> {
        let mut tx = self.db.begin().await?;
        held_still(tx.execute(HOLD, args![held.id.as_str(), held.attempts]).await?)?;
        Ok(tx)
    }

    /// [`Store::begin_held`] for one of the many steps of a job: its tries begin anew with each.
    pub(super) async fn begin_step(&self, held: &Lease) -> Result<Tx, StoreError> {
        let mut tx = self.db.begin().await?;
        held_still(
            tx.execute(ADVANCE, args![held.id.as_str(), held.attempts])
                .await?,
        )?;
        Ok(tx)
    }

    /// When the next job of `kind` becomes ready, if there is one.
    pub async fn next_ready(&self, kind: JobKind) -> Result<Option<UnixMillis>, StoreError> {
        let row: Option<(Option<i64>,)> = self
            .db
            .row(
                "SELECT MIN(run_at) FROM jobs WHERE kind = $1 AND done_at IS NULL",
                args![kind.as_str()],
            )
            .await?;
        Ok(row.and_then(|(at,)| at))
    }

    /// Keeps the lease for `lease` more from now.
    pub async fn heartbeat(&self, held: &Lease, lease: Duration) -> Result<(), StoreError> {
        let until = self.clock.now() + millis(lease);
        let rows = self
            .db
            .execute(
                "UPDATE jobs SET run_at = $3 WHERE id = $1 AND attempts = $2 AND done_at IS NULL AND owner IS NOT NULL",
                args![held.id.as_str(), held.attempts, until],
            )
            .await?;
        held_still(rows)
    }

    /// Ends the job, or makes it ready once more if it was woken in the meantime.
    pub async fn complete(&self, held: &Lease) -> Result<(), StoreError> {
        let mut tx = self.db.begin_beside().await?;
        self.complete_in(&mut tx, held).await?;
        tx.commit().await?;
        self.ring([held.kind]);
        Ok(())
    }

    /// [`Store::complete`] inside the transaction that writes what the job found out.
    pub(super) async fn complete_in(&self, tx: &mut Tx, held: &Lease) -> Result<(), StoreError> {
        let rows = tx
            .execute(COMPLETE, args![held.id.as_str(), held.attempts, self.clock.now()])
            .await?;
        held_still(rows)
    }

    /// Ends the job for now: it is done once more at `at`, or as soon as it is woken.
    pub async fn postpone(&self, held: &Lease, at: UnixMillis) -> Result<(), StoreError> {
        let mut tx = self.db.begin_beside().await?;
        self.postpone_in(&mut tx, held, at).await?;
        tx.commit().await?;
        self.ring([held.kind]);
        Ok(())
    }

    /// [`Store::postpone`] inside a transaction.
    pub(super) async fn postpone_in(
        &self,
        tx: &mut Tx,
        held: &Lease,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        let rows = tx
            .execute(
                "UPDATE jobs SET owner = NULL, tries = 0, retries = 0, error = NULL, again = FALSE,
                    run_at = CASE WHEN again THEN $3 ELSE $4 END
                 WHERE id = $1 AND attempts = $2 AND done_at IS NULL AND owner IS NOT NULL",
                args![held.id.as_str(), held.attempts, self.clock.now(), at],
            )
            .await?;
        held_still(rows)
    }

    /// Gives the job back, to be claimed again at `at`: it got somewhere, so its tries begin anew.
    pub async fn retry(&self, held: &Lease, at: UnixMillis, why: &str) -> Result<(), StoreError> {
        let mut tx = self.db.begin_beside().await?;
        Self::retry_in(&mut tx, held, at, why).await?;
        tx.commit().await?;
        self.ring([held.kind]);
        Ok(())
    }

    /// [`Store::retry`] inside a transaction.
    pub(super) async fn retry_in(
        tx: &mut Tx,
        held: &Lease,
        at: UnixMillis,
        why: &str,
    ) -> Result<(), StoreError> {
        let rows = tx
            .execute(
                "UPDATE jobs SET owner = NULL, tries = 0, retries = retries + 1, run_at = $3, error = $4
                 WHERE id = $1 AND attempts = $2 AND done_at IS NULL AND owner IS NOT NULL",
                args![held.id.as_str(), held.attempts, at, why],
            )
            .await?;
        held_still(rows)
    }

    /// [`Store::retry`] of a job that was told when to come back: that is no failure of its own, and makes no later
    /// pause longer.
    pub async fn hold_off(&self, held: &Lease, at: UnixMillis, why: &str) -> Result<(), StoreError> {
        let rows = self
            .db
            .execute(
                "UPDATE jobs SET owner = NULL, tries = 0, retries = CASE WHEN retries = 0 THEN 1 ELSE retries END,
                    run_at = $3, error = $4
                 WHERE id = $1 AND attempts = $2 AND done_at IS NULL AND owner IS NOT NULL",
                args![held.id.as_str(), held.attempts, at, why],
            )
            .await?;
        held_still(rows)?;
        self.ring([held.kind]);
        Ok(())
    }

    /// Gives the job back after a failure nobody foresaw: the try counts.
    pub async fn fail(&self, held: &Lease, at: UnixMillis, why: &str) -> Result<(), StoreError> {
        self.db
            .execute(
                "UPDATE jobs SET owner = NULL, run_at = $3, error = $4
                 WHERE id = $1 AND attempts = $2 AND done_at IS NULL AND owner IS NOT NULL",
                args![held.id.as_str(), held.attempts, at, why],
            )
            .await
            .map(drop)
    }

    /// Gives the job back untried, so that another worker takes it at once: this one is stopping.
    pub async fn hand_back(&self, held: &Lease) -> Result<(), StoreError> {
        self.db
            .execute(
                "UPDATE jobs SET owner = NULL, tries = tries - 1, run_at = $3
                 WHERE id = $1 AND attempts = $2 AND done_at IS NULL AND owner IS NOT NULL",
                args![held.id.as_str(), held.attempts, self.clock.now()],
            )
            .await
            .map(drop)
    }

    /// Gives the job up: a row that a person can see, and that nobody claims.
    pub async fn park(&self, held: &Lease, why: &str) -> Result<(), StoreError> {
        self.db
            .execute(
                "UPDATE jobs SET owner = NULL, parked = TRUE, done_at = $3, error = $4, again = FALSE
                 WHERE id = $1 AND attempts = $2 AND done_at IS NULL AND owner IS NOT NULL",
                args![held.id.as_str(), held.attempts, self.clock.now(), why],
            )
            .await
            .map(drop)
    }

    /// Frees jobs whose time is further ahead than anything makes a job wait: the system's clock stood wrong when it
    /// was written.
    pub async fn free_the_far_ahead(&self) -> Result<u64, StoreError> {
        let now = self.clock.now();
        self.db
            .execute(
                "UPDATE jobs SET owner = NULL, run_at = $1 WHERE done_at IS NULL AND run_at > $2",
                args![now, now + millis(FAR_AHEAD)],
            )
            .await
    }

    /// Where the tests of each run stand: the attempt, and whether somebody holds it.
    pub async fn test_attempts(&self) -> Result<Vec<(String, i64, bool)>, StoreError> {
        self.db
            .rows(
                "SELECT subject, attempts, done_at IS NULL AND owner IS NOT NULL AND run_at > $1
                 FROM jobs WHERE kind = 'test'",
                args![self.clock.now()],
            )
            .await
    }

    /// Is this job still to be done?
    pub async fn is_job_open(&self, kind: JobKind, subject: &str) -> Result<bool, StoreError> {
        let open: Option<(String,)> = self
            .db
            .row(
                "SELECT id FROM jobs WHERE kind = $1 AND subject = $2 AND done_at IS NULL",
                args![kind.as_str(), subject],
            )
            .await?;
        Ok(open.is_some())
    }

    /// How deep the queue of `kind` is.
    pub async fn depth(&self, kind: JobKind) -> Result<QueueDepth, StoreError> {
        let open: Option<(i64,)> = self
            .db
            .row(
                "SELECT COUNT(*) FROM jobs WHERE kind = $1 AND done_at IS NULL",
                args![kind.as_str()],
            )
            .await?;
        let parked: Option<(i64,)> = self
            .db
            .row(
                "SELECT COUNT(*) FROM jobs WHERE kind = $1 AND done_at IS NOT NULL AND parked",
                args![kind.as_str()],
            )
            .await?;
        Ok(QueueDepth {
            open: open.map_or(0, |row| row.0),
            parked: parked.map_or(0, |row| row.0),
        })
    }

    /// Makes sure that the job is done once more from now on: it is made, made ready again, or, if
    /// somebody is at it, done again afterwards. A job that waits for its time goes on waiting.
    pub(super) async fn wake(&self, tx: &mut Tx, job: NewJob) -> Result<(), StoreError> {
        self.wake_all(tx, vec![job]).await
    }

    /// [`Store::wake`] for many jobs.
    pub(super) async fn wake_all(&self, tx: &mut Tx, mut jobs: Vec<NewJob>) -> Result<(), StoreError> {
        // In one order, so that no two transactions wait for each other's rows; each once, as a statement may
        // touch a row only once.
        jobs.sort();
        jobs.dedup();
        let now = self.clock.now();
        let row = |job: NewJob| {
            let id = uuid::Uuid::now_v7().to_string();
            args![id, job.kind.as_str(), job.subject, now]
        };
        for (sql, args) in WAKE.statements(jobs.into_iter().map(row).collect()) {
            tx.execute(sql, args).await?;
        }
        Ok(())
    }
}

/// A write that named its lease changed this many rows.
fn held_still(rows: u64) -> Result<(), StoreError> {
    if rows == 0 {
        Err(StoreError::LeaseLost)
    } else {
        Ok(())
    }
}
