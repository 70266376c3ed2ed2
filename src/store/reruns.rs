//! Runs that are asked for once more.

use sqlx::FromRow;

use super::admission::NewRun;
use super::db::{Tx, args};
use super::jobs::{JobKind, Lease, NewJob};
use super::record::{Json, json};
use super::{Store, StoreError};
use crate::model::{Outcome, Policy, RunId, Visibility};

/// What became of the wish to run once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rerun {
    /// A new attempt.
    Made(RunId),
    /// An attempt is under way.
    UnderWay(RunId),
    /// There never was an image: it is waited for once more.
    Awaited(RunId),
}

/// The newest attempt.
#[derive(FromRow)]
struct Newest {
    #[sqlx(try_from = "String")]
    id: RunId,
    stage: String,
    outcome: Option<String>,
    #[sqlx(try_from = "String")]
    policy: Json<Policy>,
    looks_again: bool,
}

impl Newest {
    /// Did it end because somebody had to act first? Then what it was made from may be another by now.
    fn waited_for_somebody(&self) -> bool {
        let for_somebody = [Outcome::ActionRequired, Outcome::Neutral];
        let mut words = for_somebody.iter().map(|outcome| outcome.as_str());
        let waited = self.looks_again || self.policy.0.blocked.is_some();
        // Of what could not be read no digest is known, and a rerun is of a digest.
        !self.policy.0.is_unread && (waited || words.any(|word| self.outcome.as_deref() == Some(word)))
    }
}

impl Store {
    /// A new attempt of a finished run, on the same digest, for the delivery that asked for it.
    pub async fn rerun(&self, held: &Lease, run: RunId, delivery: &str) -> Result<Option<Rerun>, StoreError> {
        Ok(self.rerun_all(held, &[run], delivery).await?.pop())
    }

    /// [`Store::rerun`] of several runs for one delivery.
    pub async fn rerun_all(
        &self,
        held: &Lease,
        runs: &[RunId],
        delivery: &str,
    ) -> Result<Vec<Rerun>, StoreError> {
        let mut tx = self.db.begin().await?;
        self.complete_in(&mut tx, held).await?;
        let mut made = Vec::new();
        for run in runs {
            made.extend(self.rerun_in(&mut tx, *run, delivery).await?);
        }
        tx.commit().await?;
        self.ring([held.kind, JobKind::Test, JobKind::Expect, JobKind::Report]);
        Ok(made)
    }

    async fn rerun_in(&self, tx: &mut Tx, run: RunId, delivery: &str) -> Result<Option<Rerun>, StoreError> {
        // A commit that waited in vain may have its run by now, and that is meant.
        let run = Self::run_instead_of(tx, run).await?.unwrap_or(run);
        let newest: Option<Newest> = tx
            .row(
                "SELECT n.id, n.stage, n.outcome, n.policy, n.looks_again FROM runs AS r JOIN runs AS n
                   ON n.repo_id = r.repo_id AND n.image = r.image AND n.digest = r.digest AND n.platform = r.platform
                  AND n.commit_sha = r.commit_sha AND n.plan_fingerprint = r.plan_fingerprint
                 WHERE r.id = $1 ORDER BY n.attempt DESC LIMIT 1",
                args![run.to_string()],
            )
            .await?;
        let Some(newest) = newest else {
            return Ok(self.expect_again(tx, run).await?.map(Rerun::Awaited));
        };
        if newest.stage != "finished" {
            return Ok(Some(Rerun::UnderWay(newest.id)));
        }
        let again = self.attempt_again(tx, &newest, delivery).await?;
        Ok(Some(Rerun::Made(again)))
    }

    async fn attempt_again(&self, tx: &mut Tx, newest: &Newest, delivery: &str) -> Result<RunId, StoreError> {
        let again = RunId::new();
        tx.execute(
            "INSERT INTO runs (id, repo_id, image, digest, platform, commit_sha, plan_fingerprint, attempt,
                image_private, evidence, binding, claims, plan, policy, context, pushed, image_facts, stage,
                delivery_id, created_at, superseded_by, looks_again)
             SELECT $1, repo_id, image, digest, platform, commit_sha, plan_fingerprint, (
                    SELECT MAX(o.attempt) + 1 FROM runs AS o
                    WHERE o.repo_id = n.repo_id AND o.image = n.image AND o.digest = n.digest
                      AND o.platform = n.platform AND o.commit_sha = n.commit_sha
                      AND o.plan_fingerprint = n.plan_fingerprint),
                image_private, evidence, binding, claims, plan, policy, context, pushed, image_facts, 'queued',
                $2, $3, superseded_by, $4
             FROM runs AS n WHERE id = $5",
            args![
                again.to_string(),
                delivery,
                self.clock.now(),
                newest.waited_for_somebody(),
                newest.id.to_string()
            ],
        )
        .await?;
        tx.execute(
            "INSERT INTO run_tags (run_id, tag, seen_at, superseded_by)
             SELECT $1, tag, seen_at, superseded_by FROM run_tags WHERE run_id = $2",
            args![again.to_string(), newest.id.to_string()],
        )
        .await?;
        self.note_in(
            tx,
            again,
            &format!("Run again on the same digest, after run {}", newest.id),
        )
        .await?;
        self.open_reports(tx, again, newest.policy.0.report).await?;
        self.wake(
            tx,
            NewJob {
                kind: JobKind::Test,
                subject: again.to_string(),
            },
        )
        .await?;
        Ok(again)
    }

    /// What a run is tested by, as it was read again: everything but its commit and its context.
    pub async fn planned_anew(&self, held: &Lease, run: RunId, new: &NewRun) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        let id = run.to_string();
        let taken: Option<(i64,)> = tx
            .row(
                "SELECT MAX(attempt) + 1 FROM runs
                 WHERE repo_id = $1 AND image = $2 AND platform = $3 AND commit_sha = $4 AND digest = $5
                   AND plan_fingerprint = $6 AND id <> $7 HAVING MAX(attempt) IS NOT NULL",
                args![
                    new.source.repo.id.0,
                    new.image.to_string(),
                    new.platform.to_string(),
                    new.source.commit.as_str(),
                    new.digest.as_str(),
                    new.fingerprint(),
                    id.as_str()
                ],
            )
            .await?;
        tx.execute(
            "UPDATE runs SET digest = $2, pushed = $3, platform = $4, image_private = $5, evidence = $6, binding = $7,
                claims = $8, plan = $9, policy = $10, image_facts = $11, plan_fingerprint = $12,
                attempt = CASE WHEN attempt > $13 THEN attempt ELSE $13 END, looks_again = $14
             WHERE id = $1 AND stage <> 'finished'",
            args![
                id.as_str(),
                new.digest.as_str(),
                new.pushed.as_str(),
                new.platform.to_string(),
                new.image_visibility == Visibility::Private,
                json(&new.source.evidence),
                json(&new.source.binding),
                json(&new.claims),
                json(&new.plan),
                json(&new.policy),
                new.facts.as_ref().map(json),
                new.fingerprint(),
                taken.map_or(1, |(attempt,)| attempt),
                // Whoever dies before that verdict is kept has to find it out once more.
                new.settled.is_some()
            ],
        )
        .await?;
        self.note_in(
            &mut tx,
            run,
            "What it is tested by was read again, as the run before waited for somebody",
        )
        .await?;
        tx.commit().await
    }
}
