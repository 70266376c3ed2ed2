//! Images that commits wait for. A check is open for each before there is a run; the run takes over its id, and with it
//! the check and the status.

use sqlx::FromRow;

use super::db::{Tx, args};
use super::jobs::{JobKind, Lease, NewJob};
use super::record::{Json, Maybe, json};
use super::stages::run_id;
use super::{Store, StoreError};
use crate::clock::UnixMillis;
use crate::model::{
    Arrival, Channels, CommitSha, Expectation, Expected, ImageName, InstallationId, Repo, RepoId, RepoName,
    RunId, Visibility, WaitEnd,
};

/// The waits that ended before they began.
const SKIPPED: &str = "{\"end\":\"skipped\"%";

/// An image that a commit may have to wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewExpected {
    /// The image.
    pub image: ImageName,
    /// What sets its check apart from others of the image.
    pub suffix: Option<String>,
    /// Its status' context at GitHub.
    pub context: String,
    /// Where the wait is told.
    pub report: Channels,
    /// What the commit gets.
    pub expectation: Expectation,
}

/// A commit, and how it came to be.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// Where it is told.
    pub repo: &'a Repo,
    /// The commit.
    pub commit: &'a CommitSha,
    /// How.
    pub arrival: &'a Arrival,
    /// When we were told.
    pub at: UnixMillis,
}

#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "String")]
    id: RunId,
    repo_id: i64,
    #[sqlx(try_from = "String")]
    repo_name: RepoName,
    repo_private: bool,
    default_branch: String,
    installation_id: i64,
    #[sqlx(try_from = "String")]
    commit_sha: CommitSha,
    #[sqlx(try_from = "String")]
    image: ImageName,
    suffix: Option<String>,
    #[sqlx(try_from = "String")]
    arrival: Json<Arrival>,
    since: i64,
    until: i64,
    #[sqlx(try_from = "Option<String>")]
    ended: Maybe<Json<WaitEnd>>,
    ended_at: Option<i64>,
}

impl From<Row> for Expected {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            repo: Repo {
                id: RepoId(row.repo_id),
                name: row.repo_name,
                visibility: if row.repo_private {
                    Visibility::Private
                } else {
                    Visibility::Public
                },
                default_branch: row.default_branch,
                installation: InstallationId(row.installation_id),
            },
            commit: row.commit_sha,
            image: row.image,
            suffix: row.suffix,
            arrival: row.arrival.0,
            since_ms: row.since,
            until_ms: row.until,
            end: row.ended.0.map(|end| end.0).zip(row.ended_at),
        }
    }
}

impl Store {
    /// A commit came to be: what it waits for is told from now on, unless it was before, or the image is there already.
    /// Ends the job that found it out.
    pub async fn expect(
        &self,
        held: &Lease,
        arrived: Arrived<'_>,
        new: &[NewExpected],
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.complete_in(&mut tx, held).await?;
        if !new.is_empty() {
            self.remember_repo(&mut tx, arrived.repo).await?;
        }
        for new in new {
            if !Self::is_told(&mut tx, arrived, new).await? {
                self.expect_in(&mut tx, arrived, new).await?;
            }
        }
        tx.commit().await?;
        self.ring([held.kind, JobKind::Expect, JobKind::Report]);
        Ok(())
    }

    /// Is there a run for the commit under this context, or a wait? That none is built of it as a merge queue's commit
    /// says nothing of the branch that the queue moves to it.
    async fn is_told(tx: &mut Tx, arrived: Arrived<'_>, new: &NewExpected) -> Result<bool, StoreError> {
        let waits = matches!(new.expectation, Expectation::Wait(_));
        let told: Option<(String,)> = tx
            .row(
                "SELECT id FROM runs WHERE repo_id = $1 AND commit_sha = $2 AND context = $3
                 UNION ALL SELECT id FROM expected WHERE repo_id = $1 AND commit_sha = $2 AND context = $3
                    AND (ended IS NULL OR ended NOT LIKE $4 OR NOT $5) LIMIT 1",
                args![
                    arrived.repo.id.0,
                    arrived.commit.as_str(),
                    new.context.as_str(),
                    SKIPPED,
                    waits
                ],
            )
            .await?;
        Ok(told.is_some())
    }

    async fn expect_in(
        &self,
        tx: &mut Tx,
        arrived: Arrived<'_>,
        new: &NewExpected,
    ) -> Result<(), StoreError> {
        let id = RunId::new().to_string();
        let now = self.clock.now();
        let (until, end) = match &new.expectation {
            Expectation::Wait(within) => (arrived.at + crate::clock::millis(*within), None),
            Expectation::Skip { why } => (now, Some(WaitEnd::Skipped { why: why.clone() })),
        };
        tx.execute(
            "INSERT INTO expected (id, repo_id, commit_sha, image, suffix, context, arrival, since, until, ended, ended_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            args![
                id.as_str(),
                arrived.repo.id.0,
                arrived.commit.as_str(),
                new.image.to_string(),
                new.suffix.clone(),
                new.context.as_str(),
                json(arrived.arrival),
                arrived.at,
                until,
                end.as_ref().map(json),
                end.as_ref().map(|_| now)
            ],
        )
        .await?;
        if new.report.check {
            tx.execute(
                "INSERT INTO checks (run_id, installation_id, wanted) VALUES ($1, $2, 1)",
                args![id.as_str(), arrived.repo.installation.0],
            )
            .await?;
        }
        if new.report.status {
            tx.execute(
                "INSERT INTO statuses (repo_id, commit_sha, context, run_id, installation_id, wanted)
                 VALUES ($1, $2, $3, $4, $5, 1)
                 ON CONFLICT (repo_id, commit_sha, context) DO UPDATE SET run_id = excluded.run_id,
                    wanted = statuses.wanted + 1, failures = 0, not_before = 0, parked = NULL",
                args![
                    arrived.repo.id.0,
                    arrived.commit.as_str(),
                    new.context.as_str(),
                    id.as_str(),
                    arrived.repo.installation.0
                ],
            )
            .await?;
        }
        let id = run_id(&id)?;
        self.wake_report(tx, id).await?;
        if end.is_none() {
            self.wake(tx, end_of_wait(id)).await?;
        }
        Ok(())
    }

    /// An image that is or was waited for.
    pub async fn expected(&self, id: RunId) -> Result<Option<Expected>, StoreError> {
        let row: Option<Row> = self
            .db
            .row(
                "SELECT e.id, e.repo_id, p.name AS repo_name, p.private AS repo_private, p.default_branch,
                    p.installation_id, e.commit_sha, e.image, e.suffix, e.arrival, e.since, e.until, e.ended,
                    e.ended_at
                 FROM expected AS e JOIN repos AS p ON p.id = e.repo_id WHERE e.id = $1",
                args![id.to_string()],
            )
            .await?;
        Ok(row.map(Expected::from))
    }

    /// The image that a job waits for.
    pub fn to_expect(held: &Lease) -> Result<RunId, StoreError> {
        run_id(&held.subject)
    }

    /// The wait is over, and no image came.
    pub async fn end_wait(&self, held: &Lease, id: RunId, end: &WaitEnd) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.complete_in(&mut tx, held).await?;
        self.end_wait_in(&mut tx, id, end).await?;
        tx.commit().await?;
        self.ring([held.kind, JobKind::Report]);
        Ok(())
    }

    /// [`Store::end_wait`] inside a transaction. `false`: there is no such wait, or it had ended before.
    pub(super) async fn end_wait_in(
        &self,
        tx: &mut Tx,
        id: RunId,
        end: &WaitEnd,
    ) -> Result<bool, StoreError> {
        let ended = tx
            .execute(
                "UPDATE expected SET ended = $2, ended_at = $3 WHERE id = $1 AND ended IS NULL",
                args![id.to_string(), json(end), self.clock.now()],
            )
            .await?;
        if ended > 0 {
            self.want_again(tx, id).await?;
        }
        Ok(ended > 0)
    }

    /// The newest run under the context of a wait that ended before it came.
    pub(super) async fn run_instead_of(tx: &mut Tx, awaited: RunId) -> Result<Option<RunId>, StoreError> {
        let row: Option<(String,)> = tx
            .row(
                "SELECT r.id FROM expected AS e JOIN runs AS r
                   ON r.repo_id = e.repo_id AND r.commit_sha = e.commit_sha AND r.context = e.context
                 WHERE e.id = $1 AND r.superseded_by IS NULL ORDER BY r.id DESC LIMIT 1",
                args![awaited.to_string()],
            )
            .await?;
        row.map(|(id,)| run_id(&id)).transpose()
    }

    /// A commit that waited in vain waits once more, with a new check; one that has nothing to wait for says so once
    /// more. `None`: there is no such wait, or it is not over, or another one began.
    pub(super) async fn expect_again(&self, tx: &mut Tx, id: RunId) -> Result<Option<RunId>, StoreError> {
        let again = RunId::new();
        let made = tx
            .execute(
                "INSERT INTO expected (id, repo_id, commit_sha, image, suffix, context, arrival, since, until, ended,
                    ended_at)
                 SELECT $1, repo_id, commit_sha, image, suffix, context, arrival, $2, $2 + (until - since),
                    CASE WHEN ended LIKE $4 THEN ended END, CASE WHEN ended LIKE $4 THEN $2 END
                 FROM expected AS e WHERE id = $3 AND ended IS NOT NULL AND NOT EXISTS (
                    SELECT 1 FROM expected AS other WHERE other.repo_id = e.repo_id
                      AND other.commit_sha = e.commit_sha AND other.context = e.context AND other.ended IS NULL)",
                args![again.to_string(), self.clock.now(), id.to_string(), SKIPPED],
            )
            .await?;
        if made == 0 {
            return Ok(None);
        }
        tx.execute(
            "INSERT INTO checks (run_id, installation_id, wanted)
             SELECT $1, installation_id, 1 FROM checks WHERE run_id = $2",
            args![again.to_string(), id.to_string()],
        )
        .await?;
        tx.execute(
            "UPDATE statuses SET run_id = $1, wanted = wanted + 1, failures = 0, not_before = 0, parked = NULL
             WHERE (repo_id, commit_sha, context) = (
                SELECT repo_id, commit_sha, context FROM expected WHERE id = $2)",
            args![again.to_string(), id.to_string()],
        )
        .await?;
        self.wake_report(tx, again).await?;
        self.wake(tx, end_of_wait(again)).await?;
        Ok(Some(again))
    }

    /// The id that a new run takes over from the wait for it, whose row goes.
    pub(super) async fn come_true(
        tx: &mut Tx,
        repo: RepoId,
        commit: &CommitSha,
        context: &str,
    ) -> Result<Option<RunId>, StoreError> {
        let row: Option<(String,)> = tx
            .row(
                "DELETE FROM expected WHERE repo_id = $1 AND commit_sha = $2 AND context = $3 AND ended IS NULL
                 RETURNING id",
                args![repo.0, commit.as_str(), context],
            )
            .await?;
        row.map(|(id,)| run_id(&id)).transpose()
    }

    /// The last of each context on a commit that waited in vain, where no run came after all: what "re-run all" means as
    /// well.
    pub async fn waits_in_vain(&self, repo: RepoId, commit: &CommitSha) -> Result<Vec<RunId>, StoreError> {
        let rows: Vec<(String,)> = self
            .db
            .rows(
                "SELECT MAX(id) FROM expected AS e
                 WHERE repo_id = $1 AND commit_sha = $2 AND ended IS NOT NULL AND NOT EXISTS (
                    SELECT 1 FROM runs WHERE repo_id = e.repo_id AND commit_sha = e.commit_sha
                      AND context = e.context)
                 GROUP BY context ORDER BY 1",
                args![repo.0, commit.as_str()],
            )
            .await?;
        rows.iter().map(|(id,)| run_id(id)).collect()
    }
}

/// The job that ends a wait, if nothing does before.
fn end_of_wait(id: RunId) -> NewJob {
    NewJob {
        kind: JobKind::Expect,
        subject: id.to_string(),
    }
}
