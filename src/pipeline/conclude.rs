//! From the tests to the verdict: how well the commit is known by then decides what they come to.
//!
//! Signatures are made once an image was pushed. Where they are required, a verdict waits for them.

use std::time::Duration;

use super::Pipeline;
use super::trace::Lost;
use super::worker::JobError;
use crate::clock::{millis, timestamp};
use crate::model::{Evidence, Verdict};
use crate::resolve::{Patience, SIGNATURES_ARRIVE, Setback};
use crate::store::{Lease, Run};

/// How often signatures are looked for meanwhile: for so long it is believed that there are none.
const LOOK: Duration = Duration::from_mins(1);

/// What is known of a commit once the tests are done.
enum ByNow {
    /// So much.
    Known(Evidence),
    /// GitHub wants to hear nothing for so long.
    Later(Duration),
}

impl Pipeline {
    /// Ends a run whose tests are done, or has it wait for better evidence.
    pub(super) async fn conclude(
        &self,
        lease: &Lease,
        run: &Run,
        tests: &Verdict,
        log: &[u8],
    ) -> Result<(), JobError> {
        let now = self.store().clock().now();
        let evidence = match self.evidence_by_now(lease, run, tests).await? {
            ByNow::Known(evidence) => evidence,
            ByNow::Later(wait) => {
                let at = now + millis(wait);
                let why = "the tests are done, and the commit is looked at again once GitHub can be asked";
                let store = self.store();
                return Ok(store
                    .evidence_awaited(lease, run.id, (tests, log), (why, at))
                    .await?);
            }
        };
        let until = run.created_at + millis(SIGNATURES_ARRIVE);
        if now < until && run.policy.awaits_signature(evidence, tests) {
            let hour = timestamp(until);
            let why = format!(
                "the tests are done, and the commit must be `verified`: signatures are looked for until {} UTC",
                hour.get(11..16).unwrap_or(&hour)
            );
            let at = until.min(now + millis(LOOK));
            let store = self.store();
            return Ok(store
                .evidence_awaited(lease, run.id, (tests, log), (&why, at))
                .await?);
        }
        let verdict = run.policy.conclude(evidence, tests.clone());
        self.finish(lease, run, &verdict, log).await
    }

    /// How well the commit is known now. Looked at again where that can change the verdict.
    async fn evidence_by_now(&self, lease: &Lease, run: &Run, tests: &Verdict) -> Result<ByNow, JobError> {
        let before = run.source.evidence;
        if before == Evidence::Conflict || run.policy.conclude(before, tests.clone()) == *tests {
            return Ok(ByNow::Known(before));
        }
        let found = match self.known_by_now(run).await {
            Ok(found) => found,
            // A limit is no evidence: it ends.
            Err(Lost::Setback(Setback::Passing {
                after: Some(after),
                patience: patience @ Patience::LimitEnds,
                ..
            })) if self.waited(Some(run.created_at)) < patience.lasts(self.parts.docker.give_up) => {
                return Ok(ByNow::Later(after));
            }
            Err(Lost::Setback(setback)) => {
                tracing::info!(run.id = %run.id, ?setback, "the claims of a run could not be read again");
                return Ok(ByNow::Known(before));
            }
            Err(Lost::Job(error)) => return Err(error),
        };
        // A run is about one commit: what names another one now stands against it.
        let evidence = if found.commit == run.source.commit {
            found.evidence
        } else {
            Evidence::Conflict
        };
        if evidence != before {
            self.store()
                .evidence_found(lease, run.id, evidence, &found.claims)
                .await?;
        }
        Ok(ByNow::Known(evidence))
    }
}
