//! Moving a run on. Each move is one transaction: the stage's result, what GitHub should show now, and
//! the next job, under the lease of the job that found it out.

use super::db::{Tx, args};
use super::jobs::{JobKind, Lease};
use super::record::json;
use super::{Store, StoreError};
use crate::clock::UnixMillis;
use crate::model::{Evidence, JudgedClaim, Outcome, RunId, Verdict, WaitEnd};

impl Store {
    /// A run's tests begin. Returns whether they had begun before: then what is left of them must go.
    pub async fn begin_tests(&self, held: &Lease, run: RunId) -> Result<bool, StoreError> {
        let mut tx = self.begin_held(held).await?;
        let stage: Option<(String,)> = tx
            .row("SELECT stage FROM runs WHERE id = $1", args![run.to_string()])
            .await?;
        let again = stage.is_some_and(|(stage,)| stage == "testing");
        tx.execute(
            "UPDATE runs SET stage = 'testing', started_at = COALESCE(started_at, $2), trouble = NULL
             WHERE id = $1 AND stage <> 'finished'",
            args![run.to_string(), self.clock.now()],
        )
        .await?;
        if again {
            tx.execute("DELETE FROM logs WHERE run_id = $1", args![run.to_string()])
                .await?;
            self.note_in(&mut tx, run, "The tests were interrupted and start again")
                .await?;
        }
        tx.commit().await?;
        Ok(again)
    }

    /// A run waits for something that is not the image's fault, and its check says so.
    pub async fn run_waits(
        &self,
        held: &Lease,
        run: RunId,
        why: &str,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        Self::retry_in(&mut tx, held, at, why).await?;
        let told: Option<(Option<String>,)> = tx
            .row("SELECT trouble FROM runs WHERE id = $1", args![run.to_string()])
            .await?;
        let changed = tx
            .execute(
                "UPDATE runs SET trouble = $2, trouble_since = COALESCE(trouble_since, $3), stage = 'queued'
                 WHERE id = $1 AND stage <> 'finished'",
                args![run.to_string(), why, self.clock.now()],
            )
            .await?;
        let news = told.is_some_and(|(told,)| told.as_deref() != Some(why));
        if changed > 0 && news {
            self.note_in(&mut tx, run, why).await?;
            self.want_reports(&mut tx, run).await?;
        }
        tx.commit().await?;
        self.ring([JobKind::Test, JobKind::Report]);
        Ok(())
    }

    /// A run's tests are done, and its verdict waits for better evidence of its commit.
    /// `tests`: what they came to, and printed where they just ended. `why`: what is waited for, a sentence for the
    /// check; its job comes back `at` this time.
    pub async fn evidence_awaited(
        &self,
        held: &Lease,
        run: RunId,
        (tests, log): (&Verdict, &[u8]),
        (why, at): (&str, UnixMillis),
    ) -> Result<(), StoreError> {
        let chunks = super::logs::compress(log)?;
        let mut tx = self.db.begin().await?;
        Self::retry_in(&mut tx, held, at, why).await?;
        let begins = tx
            .execute(
                "UPDATE runs SET tests = $2, trouble = $3
                 WHERE id = $1 AND stage <> 'finished' AND (trouble IS NULL OR trouble <> $3)",
                args![run.to_string(), json(tests), why],
            )
            .await?;
        if begins > 0 {
            Self::put_log(&mut tx, run, chunks).await?;
            self.note_in(&mut tx, run, why).await?;
            self.want_reports(&mut tx, run).await?;
        }
        tx.commit().await?;
        self.ring([JobKind::Test, JobKind::Report]);
        Ok(())
    }

    /// More is known of a run's commit than when it was made.
    pub async fn evidence_found(
        &self,
        held: &Lease,
        run: RunId,
        evidence: Evidence,
        claims: &[JudgedClaim],
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_held(held).await?;
        tx.execute(
            "UPDATE runs SET evidence = $2, claims = $3 WHERE id = $1 AND stage <> 'finished'",
            args![run.to_string(), json(&evidence), json(&claims)],
        )
        .await?;
        self.note_in(
            &mut tx,
            run,
            &format!("Its claims were read again: the evidence is `{evidence}`"),
        )
        .await?;
        tx.commit().await
    }

    /// A run ends: its verdict, its log, what GitHub should show, and its job, all at once.
    pub async fn finish_run(
        &self,
        held: &Lease,
        run: RunId,
        verdict: &Verdict,
        log: &[u8],
    ) -> Result<(), StoreError> {
        let chunks = super::logs::compress(log)?;
        let mut tx = self.db.begin().await?;
        self.complete_in(&mut tx, held).await?;
        if self.finish_in(&mut tx, run, verdict).await? {
            Self::put_log(&mut tx, run, chunks).await?;
        }
        tx.commit().await?;
        self.ring([JobKind::Test, JobKind::Report]);
        Ok(())
    }

    /// The one place where a run gets its verdict. The first verdict stands.
    pub(super) async fn finish_in(
        &self,
        tx: &mut Tx,
        run: RunId,
        verdict: &Verdict,
    ) -> Result<bool, StoreError> {
        let id = run.to_string();
        let ended = tx
            .execute(
                "UPDATE runs SET stage = 'finished', verdict = $2, outcome = $3, finished_at = $4, trouble = NULL,
                    superseded_by = COALESCE(superseded_by, $5)
                 WHERE id = $1 AND stage <> 'finished'",
                args![
                    id.as_str(),
                    json(verdict),
                    verdict.outcome.as_str(),
                    self.clock.now(),
                    verdict.superseded_by.map(|run| run.to_string())
                ],
            )
            .await?;
        if ended == 0 {
            return Ok(false);
        }
        // Whoever is at the tests finds its lease gone and stops.
        tx.execute(
            "UPDATE jobs SET done_at = $2, owner = NULL WHERE kind = 'test' AND subject = $1 AND done_at IS NULL",
            args![id.as_str(), self.clock.now()],
        )
        .await?;
        self.note_in(tx, run, &format!("Finished: {}", verdict.title))
            .await?;
        self.want_reports(tx, run).await?;
        Ok(true)
    }

    /// Ends a run, or the wait for its image, without a verdict, and the job that asked for it. `false`: it had ended
    /// before.
    pub async fn cancel(&self, held: &Lease, run: RunId, why: &str) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        self.complete_in(&mut tx, held).await?;
        let verdict = Verdict::without_steps(Outcome::Cancelled, why.to_owned());
        let wait = WaitEnd::Cancelled { why: why.to_owned() };
        let cancelled =
            self.finish_in(&mut tx, run, &verdict).await? || self.end_wait_in(&mut tx, run, &wait).await?;
        tx.commit().await?;
        self.ring([held.kind, JobKind::Test, JobKind::Report]);
        Ok(cancelled)
    }

    /// Adds a sentence to a run's timeline.
    pub async fn note(&self, run: RunId, what: &str) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.note_in(&mut tx, run, what).await?;
        tx.commit().await
    }

    /// A run that is only waited for has no timeline yet.
    pub(super) async fn note_in(&self, tx: &mut Tx, run: RunId, what: &str) -> Result<(), StoreError> {
        tx.execute(
            "INSERT INTO run_events (run_id, seq, at, what)
             SELECT id, (SELECT COALESCE(MAX(seq), 0) + 1 FROM run_events WHERE run_id = $1), $2, $3
             FROM runs WHERE id = $1",
            args![run.to_string(), self.clock.now(), what],
        )
        .await
        .map(drop)
    }
}

pub(super) fn run_id(text: &str) -> Result<RunId, StoreError> {
    text.parse()
        .map_err(|_| StoreError::Corrupt(format!("run id `{text}`")))
}
