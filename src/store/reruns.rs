//! Runs that are asked for once more.

use sqlx::FromRow;

use super::db::{Tx, args};
use super::jobs::{JobKind, Lease, NewJob};
use super::pushes::{OpenPushes, PushEnd, resolve_job};
use super::record::Json;
use super::{Store, StoreError};
use crate::clock::UnixMillis;
use crate::model::{Digest, ImageName, Outcome, Policy, PushId, RunId, Tag, Verdict};

/// What became of the wish to run once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rerun {
    /// A new attempt.
    Made(RunId),
    /// An attempt is under way.
    UnderWay(RunId),
    /// It waited for somebody to act: its digest is looked at once more, with all that is said of it by now.
    LookedAt,
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
}

impl Newest {
    /// Did it end because somebody has to act first? Then what it was made from may be another by now.
    fn waits_for_somebody(&self) -> bool {
        let for_somebody = [Outcome::ActionRequired, Outcome::Neutral];
        for_somebody
            .iter()
            .any(|outcome| self.outcome.as_deref() == Some(outcome.as_str()))
    }
}

/// What a tag of a run meant when it was seen last.
#[derive(FromRow)]
struct Meant {
    #[sqlx(try_from = "String")]
    image: ImageName,
    #[sqlx(try_from = "String")]
    tag: Tag,
    #[sqlx(try_from = "String")]
    pushed: Digest,
    seen_at: UnixMillis,
}

/// A push that was looked at once more because somebody asked for its run again.
#[derive(FromRow)]
struct AskedAgain {
    #[sqlx(try_from = "String")]
    rerun_of: RunId,
    delivery: String,
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
        self.ring([
            held.kind,
            JobKind::Resolve,
            JobKind::Test,
            JobKind::Expect,
            JobKind::Report,
        ]);
        Ok(made)
    }

    async fn rerun_in(&self, tx: &mut Tx, run: RunId, delivery: &str) -> Result<Option<Rerun>, StoreError> {
        // A commit that waited in vain may have its run by now, and that is meant.
        let run = Self::run_instead_of(tx, run).await?.unwrap_or(run);
        let Some(newest) = Self::newest_attempt(tx, run).await? else {
            return Ok(self.expect_again(tx, run).await?.map(Rerun::Awaited));
        };
        if newest.stage != "finished" {
            return Ok(Some(Rerun::UnderWay(newest.id)));
        }
        if newest.waits_for_somebody() && self.look_again(tx, &newest, delivery).await? {
            return Ok(Some(Rerun::LookedAt));
        }
        let again = self.attempt_again(tx, &newest, delivery).await?;
        Ok(Some(Rerun::Made(again)))
    }

    async fn newest_attempt(tx: &mut Tx, run: RunId) -> Result<Option<Newest>, StoreError> {
        tx.row(
            "SELECT n.id, n.stage, n.outcome, n.policy FROM runs AS r JOIN runs AS n
               ON n.repo_id = r.repo_id AND n.image = r.image AND n.digest = r.digest AND n.platform = r.platform
              AND n.commit_sha = r.commit_sha AND n.plan_fingerprint = r.plan_fingerprint
             WHERE r.id = $1 ORDER BY n.attempt DESC LIMIT 1",
            args![run.to_string()],
        )
        .await
    }

    /// Who asks for a run again gets a check of it, wherever its pushes led: where they made no run of their own, another
    /// attempt of the one that they joined, or of the one that was asked for, which ends as they did.
    pub(super) async fn answer_reruns(
        &self,
        tx: &mut Tx,
        pushes: &OpenPushes,
        end: PushEnd<'_>,
    ) -> Result<(), StoreError> {
        let asked: Vec<AskedAgain> = tx
            .rows(
                self.db.pick(
                    "SELECT DISTINCT rerun_of, delivery_id AS delivery FROM pushes
                     WHERE rerun_of IS NOT NULL AND stage <> 'received' AND id IN (SELECT value FROM json_each($1))",
                    "SELECT DISTINCT rerun_of, delivery_id AS delivery FROM pushes
                     WHERE rerun_of IS NOT NULL AND stage <> 'received'
                       AND id IN (SELECT value FROM json_array_elements_text($1::json))",
                ),
                args![pushes.ids()],
            )
            .await?;
        for AskedAgain { rerun_of, delivery } in &asked {
            let (of, verdict) = match end {
                PushEnd::Run(run) => (run, None),
                other => (*rerun_of, Some(without_run(other))),
            };
            let newest = Self::newest_attempt(tx, of).await?;
            // One that is under way says by itself how it ends.
            let Some(newest) = newest.filter(|newest| newest.stage == "finished") else {
                continue;
            };
            if Self::is_answered(tx, *rerun_of, delivery).await? {
                continue;
            }
            let again = self.attempt_again(tx, &newest, delivery).await?;
            if let Some(verdict) = verdict {
                self.finish_in(tx, again, &verdict).await?;
            }
        }
        Ok(())
    }

    /// Has a delivery that asked for a run again led to another one in its place?
    async fn is_answered(tx: &mut Tx, rerun_of: RunId, delivery: &str) -> Result<bool, StoreError> {
        let answer: Option<(String,)> = tx
            .row(
                "SELECT n.id FROM runs AS r JOIN runs AS n
                   ON n.repo_id = r.repo_id AND n.commit_sha = r.commit_sha AND n.context = r.context
                 WHERE r.id = $1 AND n.delivery_id = $2 LIMIT 1",
                args![rerun_of.to_string(), delivery],
            )
            .await?;
        Ok(answer.is_some())
    }

    /// Opens a push for each tag that still means the run's digest. `false`: none does.
    async fn look_again(&self, tx: &mut Tx, newest: &Newest, delivery: &str) -> Result<bool, StoreError> {
        let tags: Vec<Meant> = tx
            .rows(
                "SELECT r.image, t.tag, r.pushed, t.seen_at FROM runs AS r JOIN run_tags AS t ON t.run_id = r.id
                 WHERE r.id = $1 AND t.superseded_by IS NULL ORDER BY t.tag",
                args![newest.id.to_string()],
            )
            .await?;
        for meant in &tags {
            // Of an image that could not be read no digest is known: the registry is asked once more.
            let known = (!newest.policy.0.is_unread).then_some(meant);
            tx.execute(
                "INSERT INTO pushes (id, delivery_id, image, tag, digest, resolved_at, stage, due_at, received_at,
                    rerun_of)
                 VALUES ($1, $2, $3, $4, $5, $6, 'received', $7, $7, $8)",
                args![
                    PushId::new().to_string(),
                    delivery,
                    meant.image.to_string(),
                    meant.tag.as_str(),
                    known.map(|known| known.pushed.to_string()),
                    known.map(|known| known.seen_at),
                    self.clock.now(),
                    newest.id.to_string()
                ],
            )
            .await?;
            self.wake(tx, resolve_job(&meant.image, &meant.tag)).await?;
        }
        Ok(!tags.is_empty())
    }

    async fn attempt_again(&self, tx: &mut Tx, newest: &Newest, delivery: &str) -> Result<RunId, StoreError> {
        let again = RunId::new();
        tx.execute(
            "INSERT INTO runs (id, repo_id, image, digest, platform, commit_sha, plan_fingerprint, attempt,
                image_private, evidence, binding, claims, plan, policy, context, pushed, image_facts, stage, delivery_id,
                created_at, superseded_by)
             SELECT $1, repo_id, image, digest, platform, commit_sha, plan_fingerprint, attempt + 1,
                image_private, evidence, binding, claims, plan, policy, context, pushed, image_facts, 'queued', $2, $3, superseded_by
             FROM runs WHERE id = $4",
            args![again.to_string(), delivery, self.clock.now(), newest.id.to_string()],
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
}

/// The verdict where a run was asked for again, and what it was made from leads to none.
fn without_run(end: PushEnd<'_>) -> Verdict {
    match end {
        PushEnd::Run(run) | PushEnd::Superseded(run) => Verdict {
            superseded_by: Some(run),
            ..Verdict::without_steps(
                Outcome::Cancelled,
                "superseded: the tag means a newer image by now",
            )
        },
        PushEnd::Unmapped(why) => Verdict::without_steps(Outcome::ActionRequired, why),
        PushEnd::Failed(why) => Verdict::without_steps(Outcome::Trouble, why),
    }
}
