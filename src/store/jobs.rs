//! The queue: leases, fencing, lanes, and a bound on tries.
//!
//! Claiming a job raises `attempts`, its fencing token, and moves `run_at` to the end of its lease:
//! a job whose worker died is claimed again once that has passed. Every later write names the token,
//! so a worker that lost its lease can change nothing.

use std::time::Duration;

use super::bulk::Bulk;
use super::db::{Tx, args};
use super::{Store, StoreError};
use crate::clock::{UnixMillis, millis};

/// What a job does; its subject says to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// From a push to a run. Subject: the push.
    Resolve,
    /// A run's tests. Subject: the run.
    Test,
    /// Brings GitHub to what it should show. Subject: the installation.
    Report,
    /// Acts on an event of GitHub's. Subject: the delivery.
    GithubEvent,
}

impl JobKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Resolve, Self::Test, Self::Report, Self::GithubEvent];

    /// The word in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Test => "test",
            Self::Report => "report",
            Self::GithubEvent => "github_event",
        }
    }
}

/// A job to be woken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewJob {
    pub(super) kind: JobKind,
    pub(super) subject: String,
    pub(super) lane: Option<String>,
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

static WAKE: Bulk = Bulk::new(
    "INSERT INTO jobs (id, kind, subject, lane, run_at)",
    5,
    "ON CONFLICT (kind, subject) DO UPDATE SET
        again = jobs.owner IS NOT NULL AND jobs.done_at IS NULL,
        run_at = CASE WHEN jobs.done_at IS NULL THEN jobs.run_at ELSE excluded.run_at END,
        tries = CASE WHEN jobs.done_at IS NULL THEN jobs.tries ELSE 0 END,
        retries = CASE WHEN jobs.done_at IS NULL THEN jobs.retries ELSE 0 END,
        parked = FALSE,
        done_at = NULL",
);

/// An expired lease still holds its lane: the job that held it is ready itself, and comes first.
const CLAIM: &str = "
    UPDATE jobs SET attempts = attempts + 1, tries = tries + 1, run_at = $3, owner = $4, again = FALSE
    WHERE id = (
        SELECT ready.id FROM jobs AS ready
        WHERE ready.kind = $1 AND ready.done_at IS NULL AND ready.run_at <= $2 AND NOT EXISTS (
            SELECT 1 FROM jobs AS other
            WHERE other.lane = ready.lane AND other.id <> ready.id
              AND other.owner IS NOT NULL AND other.done_at IS NULL)
        ORDER BY ready.run_at, ready.id LIMIT 1)
    RETURNING id, subject, attempts, tries, retries";

const COMPLETE: &str = "
    UPDATE jobs SET owner = NULL, tries = 0, retries = 0, error = NULL, again = FALSE,
        done_at = CASE WHEN again THEN NULL ELSE $3 END,
        run_at = CASE WHEN again THEN $3 ELSE run_at END
    WHERE id = $1 AND attempts = $2 AND done_at IS NULL AND owner IS NOT NULL";

impl Store {
    /// Takes the next job of `kind` that is ready, for `lease` from now.
    pub async fn claim(&self, kind: JobKind, lease: Duration) -> Result<Option<Lease>, StoreError> {
        let now = self.clock.now();
        // Looked for with a reader first: an idle worker must not take the writer's turn.
        let waiting: Option<(i64,)> = self
            .db
            .row(
                "SELECT 1 FROM jobs WHERE kind = $1 AND done_at IS NULL AND run_at <= $2 LIMIT 1",
                args![kind.as_str(), now],
            )
            .await?;
        if waiting.is_none() {
            return Ok(None);
        }
        let mut tx = self.db.begin().await?;
        let row: Option<(String, String, i64, i64, i64)> = tx
            .row(
                CLAIM,
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
        if rows == 0 {
            Err(StoreError::LeaseLost)
        } else {
            Ok(())
        }
    }

    /// Ends the job, or makes it ready once more if it was woken in the meantime.
    pub async fn complete(&self, held: &Lease) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.complete_in(&mut tx, held).await?;
        tx.commit().await?;
        self.ring();
        Ok(())
    }

    /// [`Store::complete`] inside the transaction that writes what the job found out.
    pub(super) async fn complete_in(&self, tx: &mut Tx, held: &Lease) -> Result<(), StoreError> {
        let rows = tx
            .execute(COMPLETE, args![held.id.as_str(), held.attempts, self.clock.now()])
            .await?;
        if rows == 0 {
            Err(StoreError::LeaseLost)
        } else {
            Ok(())
        }
    }

    /// Gives the job back, to be claimed again at `at`: it got somewhere, so its tries begin anew.
    pub async fn retry(&self, held: &Lease, at: UnixMillis, why: &str) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        Self::retry_in(&mut tx, held, at, why).await?;
        tx.commit().await?;
        self.ring();
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
        if rows == 0 {
            Err(StoreError::LeaseLost)
        } else {
            Ok(())
        }
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
                 WHERE id = $1 AND attempts = $2 AND done_at IS NULL",
                args![held.id.as_str(), held.attempts, self.clock.now(), why],
            )
            .await
            .map(drop)
    }

    /// Takes every lease from a process that is gone. Only for a store that one process serves.
    ///
    /// One of these jobs may be what ended it. Each that was tried before waits longer, so that the one to
    /// blame is not tried again and again at once, and the innocent are not given up with it.
    pub async fn release_leases(&self) -> Result<u64, StoreError> {
        self.db
            .execute(
                "UPDATE jobs SET owner = NULL,
                    run_at = $1 + CASE WHEN tries < 2 THEN 0 ELSE tries * tries * 1000 END
                 WHERE owner IS NOT NULL AND done_at IS NULL",
                args![self.clock.now()],
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

    /// [`Store::wake`] for many jobs, each another.
    pub(super) async fn wake_all(&self, tx: &mut Tx, jobs: Vec<NewJob>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let row = |job: NewJob| {
            let id = uuid::Uuid::now_v7().to_string();
            args![id, job.kind.as_str(), job.subject, job.lane, now]
        };
        for (sql, args) in WAKE.statements(jobs.into_iter().map(row).collect()) {
            tx.execute(sql, args).await?;
        }
        Ok(())
    }
}
