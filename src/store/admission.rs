//! From a push to its run: found, made, or overtaken by a newer digest of the same tag.

use sqlx::FromRow;

use super::db::{Tx, args};
use super::jobs::{JobKind, Lease, NewJob};
use super::pushes::{OpenPushes, PushEnd};
use super::record::json;
use super::stages::run_id;
use super::{Store, StoreError};
use crate::clock::UnixMillis;
use crate::model::{
    Digest, ImageFacts, ImageName, JudgedClaim, Outcome, Plan, Platform, Policy, PushId, RunId, Source, Tag,
    Verdict, Visibility,
};

/// What is known once a push has led to a commit.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Repository, commit, evidence and binding.
    pub source: Source,
    /// The image.
    pub image: ImageName,
    /// Who may pull it.
    pub image_visibility: Visibility,
    /// The manifest of the platform under test.
    pub digest: Digest,
    /// What the tag means: the index, where there is one.
    pub pushed: Digest,
    /// What it is tested on.
    pub platform: Platform,
    /// Every claim found, with its fate.
    pub claims: Vec<JudgedClaim>,
    /// What is to be tested.
    pub plan: Plan,
    /// How it is judged and told.
    pub policy: Policy,
    /// Its status' context at GitHub.
    pub context: String,
    /// What the next digest of the tag is compared with.
    pub facts: Option<ImageFacts>,
    /// The tag that was pushed.
    pub tag: Tag,
    /// When the registry was asked what the tag means.
    pub seen_at: UnixMillis,
    /// The verdict, where none of the tests need run to know it.
    pub settled: Option<Verdict>,
}

impl NewRun {
    /// A name for exactly what is tested and how it is judged: part of a run's key. A digest under the tags of two
    /// variants has a run for each, as each has a check of its own.
    pub(super) fn fingerprint(&self) -> String {
        let judged = self.policy.fingerprint();
        format!("{}{judged}", self.plan.fingerprint())
    }
}

/// What became of a push that led to a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// A run was made, and those took a back seat whose last tag it took.
    Made {
        /// The new run.
        run: RunId,
        /// Runs that nobody needs any more.
        superseded: Vec<RunId>,
    },
    /// The digest has its run already: the tag joined it.
    Joined {
        /// The run that tests, or tested, the digest.
        run: RunId,
        /// Runs that nobody needs any more.
        superseded: Vec<RunId>,
    },
    /// The tag means a newer digest by now, and this run tests it.
    Overtaken(RunId),
}

/// The newest attempt of a key.
#[derive(FromRow)]
struct Known {
    id: String,
    stage: String,
    outcome: Option<String>,
    superseded_by: Option<String>,
    attempt: i64,
}

impl Known {
    /// Need the digest not be tested again? One that has a verdict of its own keeps it; one that trouble or
    /// a missing piece kept from a verdict gets another chance.
    fn serves(&self) -> bool {
        let judged = [Outcome::Passed, Outcome::Failed, Outcome::TimedOut]
            .iter()
            .any(|outcome| self.outcome.as_deref() == Some(outcome.as_str()));
        self.superseded_by.is_none() && (self.stage != "finished" || judged)
    }
}

/// The columns that say which runs are about the same thing.
struct Key<'a> {
    repo: i64,
    image: String,
    platform: String,
    commit: &'a str,
}

impl Store {
    /// Ends pushes in runs, one to a platform: finds each, or makes it and its jobs. The first is the one that
    /// the pushes name.
    pub async fn admit(
        &self,
        held: &Lease,
        pushes: &OpenPushes,
        new: &[NewRun],
    ) -> Result<Vec<Admission>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut admissions = Vec::with_capacity(new.len());
        for new in new {
            self.remember_repo(&mut tx, &new.source.repo).await?;
            admissions.push(self.place(&mut tx, pushes.first(), new).await?);
        }
        let end = match admissions.first() {
            Some(Admission::Made { run, .. } | Admission::Joined { run, .. }) => PushEnd::Run(*run),
            Some(Admission::Overtaken(run)) => PushEnd::Superseded(*run),
            None => PushEnd::Unmapped("nothing is tested of this image"),
        };
        self.end_pushes_in(&mut tx, held, pushes, end).await?;
        tx.commit().await?;
        self.ring([held.kind, JobKind::Test, JobKind::Report]);
        Ok(admissions)
    }

    async fn place(&self, tx: &mut Tx, push: PushId, new: &NewRun) -> Result<Admission, StoreError> {
        let key = Key {
            repo: new.source.repo.id.0,
            image: new.image.to_string(),
            platform: new.platform.to_string(),
            commit: new.source.commit.as_str(),
        };
        if let Some(newer) = self.newer_holder(tx, &key, new).await? {
            return Ok(Admission::Overtaken(newer));
        }
        let known: Option<Known> = tx
            .row(
                "SELECT id, stage, outcome, superseded_by, attempt FROM runs
                 WHERE repo_id = $1 AND image = $2 AND platform = $3 AND commit_sha = $4 AND digest = $5
                   AND plan_fingerprint = $6 ORDER BY attempt DESC LIMIT 1",
                args![
                    key.repo,
                    key.image.as_str(),
                    key.platform.as_str(),
                    key.commit,
                    new.digest.as_str(),
                    new.fingerprint()
                ],
            )
            .await?;
        let (run, fresh) = match &known {
            Some(known) if known.serves() => (run_id(&known.id)?, false),
            other => {
                let attempt = other.as_ref().map_or(1, |known| known.attempt + 1);
                (self.insert_run(tx, push, new, attempt).await?, true)
            }
        };
        self.tag(tx, run, new).await?;
        let superseded = self.supersede(tx, &key, new, run).await?;
        Ok(if fresh {
            Admission::Made { run, superseded }
        } else {
            Admission::Joined { run, superseded }
        })
    }

    /// The run of another digest that holds the tag and saw it later than this push did.
    async fn newer_holder(
        &self,
        tx: &mut Tx,
        key: &Key<'_>,
        new: &NewRun,
    ) -> Result<Option<RunId>, StoreError> {
        let row: Option<(String,)> = tx
            .row(
                "SELECT r.id FROM run_tags AS t JOIN runs AS r ON r.id = t.run_id
                 WHERE r.repo_id = $1 AND r.commit_sha = $2 AND r.image = $3 AND r.platform = $4
                   AND t.tag = $5 AND t.superseded_by IS NULL AND r.digest <> $6 AND t.seen_at > $7
                 ORDER BY t.seen_at DESC LIMIT 1",
                args![
                    key.repo,
                    key.commit,
                    key.image.as_str(),
                    key.platform.as_str(),
                    new.tag.as_str(),
                    new.digest.as_str(),
                    new.seen_at
                ],
            )
            .await?;
        row.map(|(id,)| run_id(&id)).transpose()
    }

    async fn insert_run(
        &self,
        tx: &mut Tx,
        push: PushId,
        new: &NewRun,
        attempt: i64,
    ) -> Result<RunId, StoreError> {
        let awaited = Self::come_true(tx, new.source.repo.id, &new.source.commit, &new.context).await?;
        let run = awaited.unwrap_or_else(RunId::new);
        tx.execute(
            "INSERT INTO runs (id, repo_id, image, digest, platform, commit_sha, plan_fingerprint, attempt,
                image_private, evidence, binding, claims, plan, policy, context, pushed, image_facts, stage, delivery_id,
                created_at)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 'queued', delivery_id,
                $18
             FROM pushes WHERE id = $19",
            args![
                run.to_string(),
                new.source.repo.id.0,
                new.image.to_string(),
                new.digest.as_str(),
                new.platform.to_string(),
                new.source.commit.as_str(),
                new.fingerprint(),
                attempt,
                new.image_visibility == Visibility::Private,
                json(&new.source.evidence),
                json(&new.source.binding),
                json(&new.claims),
                json(&new.plan),
                json(&new.policy),
                new.context.as_str(),
                new.pushed.as_str(),
                new.facts.as_ref().map(json),
                self.clock.now(),
                push.to_string()
            ],
        )
        .await?;
        self.note_in(
            tx,
            run,
            &format!("Tag `{}` was resolved to {}", new.tag, new.digest),
        )
        .await?;
        self.open_reports(tx, run, new.policy.report).await?;
        if let Some(verdict) = &new.settled {
            self.finish_in(tx, run, verdict).await?;
            return Ok(run);
        }
        self.wake(
            tx,
            NewJob {
                kind: JobKind::Test,
                subject: run.to_string(),
            },
        )
        .await?;
        Ok(run)
    }

    async fn tag(&self, tx: &mut Tx, run: RunId, new: &NewRun) -> Result<(), StoreError> {
        let held: Option<(bool,)> = tx
            .row(
                "SELECT superseded_by IS NULL FROM run_tags WHERE run_id = $1 AND tag = $2",
                args![run.to_string(), new.tag.as_str()],
            )
            .await?;
        tx.execute(
            "INSERT INTO run_tags (run_id, tag, seen_at) VALUES ($1, $2, $3)
             ON CONFLICT (run_id, tag) DO UPDATE SET superseded_by = NULL, seen_at =
                CASE WHEN run_tags.seen_at > excluded.seen_at THEN run_tags.seen_at ELSE excluded.seen_at END",
            args![run.to_string(), new.tag.as_str(), new.seen_at],
        )
        .await?;
        if held != Some((true,)) {
            self.note_in(tx, run, &format!("The image is tagged `{}`", new.tag))
                .await?;
        }
        Ok(())
    }

    /// Takes the tag from the runs of other digests, and ends those that held no other.
    async fn supersede(
        &self,
        tx: &mut Tx,
        key: &Key<'_>,
        new: &NewRun,
        successor: RunId,
    ) -> Result<Vec<RunId>, StoreError> {
        let losers: Vec<(String,)> = tx
            .rows(
                "UPDATE run_tags SET superseded_by = $1 WHERE tag = $2 AND superseded_by IS NULL AND run_id IN (
                    SELECT id FROM runs WHERE repo_id = $3 AND commit_sha = $4 AND image = $5 AND platform = $6
                      AND digest <> $7)
                 RETURNING run_id",
                args![
                    successor.to_string(),
                    new.tag.as_str(),
                    key.repo,
                    key.commit,
                    key.image.as_str(),
                    key.platform.as_str(),
                    new.digest.as_str()
                ],
            )
            .await?;
        let mut superseded = Vec::new();
        for (loser,) in losers {
            let ended = tx
                .execute(
                    "UPDATE runs SET superseded_by = $2 WHERE id = $1 AND superseded_by IS NULL AND NOT EXISTS (
                        SELECT 1 FROM run_tags WHERE run_id = $1 AND superseded_by IS NULL)",
                    args![loser.as_str(), successor.to_string()],
                )
                .await?;
            if ended > 0 {
                let loser = run_id(&loser)?;
                let verdict = Verdict {
                    superseded_by: Some(successor),
                    ..Verdict::without_steps(
                        Outcome::Cancelled,
                        format!("superseded: tag `{}` now means {}", new.tag, new.digest.short()),
                    )
                };
                if !self.finish_in(tx, loser, &verdict).await? {
                    // It was judged before; its check may have waited for others, and has another to wait for.
                    self.want_reports(tx, loser).await?;
                }
                self.hand_over_statuses(tx, loser, successor).await?;
                superseded.push(loser);
            }
        }
        Ok(superseded)
    }
}
