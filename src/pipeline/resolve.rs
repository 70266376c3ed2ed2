//! From a push to a run: tag → digest, once; image → claims → commit; run found or made.

use std::sync::Arc;
use std::time::Duration;

use super::Pipeline;
use super::retry::{pause_after, settling};
use super::trace::{Lost, Seen};
use super::worker::JobError;
use crate::clock::{UnixMillis, millis};
use crate::model::Digest;
use crate::resolve::{Bound, Patience, Setback};
use crate::runner::EngineError;
use crate::store::{Admission, Lease, NewRun, OpenPushes, PushEnd, PushStage, PushWait};
use crate::tally;

impl From<EngineError> for Setback {
    fn from(error: EngineError) -> Self {
        Self::Passing {
            why: error.to_string(),
            after: None,
            patience: Patience::GiveUp,
        }
    }
}

impl Pipeline {
    pub(super) async fn resolve(self: &Arc<Self>, lease: &Lease) -> Result<(), JobError> {
        let Some(mut pushes) = self.store().open_pushes(lease).await? else {
            return Ok(self.store().complete(lease).await?);
        };
        let (runs, requests) = tally::counted(Box::pin(self.runs_of(&mut pushes))).await;
        self.parts.metrics.resolved(requests);
        tracing::debug!(push.id = %pushes.first(), ?requests, "looked at the pushes of a tag");
        let runs = match runs {
            Ok(runs) => runs,
            Err(Lost::Setback(setback)) => return self.set_back(lease, &pushes, setback).await,
            Err(Lost::Job(error)) => return Err(error),
        };
        let (image, tag) = (&pushes.image, &pushes.tag);
        for admission in self.store().admit(lease, &pushes, &runs).await? {
            tracing::info!(push.id = %pushes.first(), %image, %tag, ?admission, "a push led to a commit");
            if let Admission::Made { superseded, .. } | Admission::Joined { superseded, .. } = admission {
                for run in superseded {
                    self.stop_executing(run);
                }
            }
        }
        Ok(())
    }

    async fn runs_of(self: &Arc<Self>, pushes: &mut OpenPushes) -> Result<Vec<NewRun>, Lost> {
        let bound = self.bound(&pushes.image).await?;
        let meaning = self.meaning(pushes, &bound).await;
        let (digest, at) = match &meaning {
            Ok(meaning) => meaning.clone(),
            Err(_) => stand_in(pushes, self.store().clock().now()),
        };
        let seen = Seen {
            image: &pushes.image,
            tag: &pushes.tag,
            digest: &digest,
            at,
            waited: self.waited(pushes.waits_since()),
            bound: &bound,
        };
        match meaning {
            Ok(_) => self.trace(&seen).await,
            Err(Setback::Final(why)) => match self.trace_unread(&seen, &why).await {
                Ok(run) => Ok(vec![run]),
                // What is wrong with the image matters, not that its tag alone leads nowhere.
                Err(Lost::Setback(Setback::Final(_))) => Err(Setback::Final(why).into()),
                Err(other) => Err(other),
            },
            Err(passing) => Err(passing.into()),
        }
    }

    pub(super) async fn give_up_pushes(&self, lease: &Lease, why: &str) -> Result<(), JobError> {
        if let Some(pushes) = self.store().open_pushes(lease).await? {
            self.store()
                .end_pushes(lease, &pushes, PushEnd::Failed(why))
                .await?;
        }
        Ok(())
    }

    /// What the tag meant when the registry was asked, which it is once for these pushes.
    async fn meaning(&self, pushes: &mut OpenPushes, bound: &Bound) -> Result<(Digest, UnixMillis), Setback> {
        if let Some(meaning) = pushes.meaning() {
            return Ok(meaning.clone());
        }
        let access = self.resolver.bindings().access(&pushes.image, bound);
        let asked_at = self.store().clock().now();
        let digest = self.resolver.digest(&pushes.image, &pushes.tag, access).await?;
        pushes.mean(digest.clone(), asked_at);
        Ok((digest, asked_at))
    }

    async fn set_back(&self, lease: &Lease, pushes: &OpenPushes, setback: Setback) -> Result<(), JobError> {
        let now = self.store().clock().now();
        let waited = self.waited(pushes.waits_since());
        let (push, image, tag) = (pushes.first(), &pushes.image, &pushes.tag);
        match setback {
            Setback::Passing { why, after, patience } => {
                let why = self.parts.runner.hidden().text(&why);
                let wait = match patience {
                    Patience::TagSettles => settling(waited),
                    Patience::GiveUp
                    | Patience::LimitEnds
                    | Patience::CommitArrives
                    | Patience::SignatureArrives => pause_after(waited),
                };
                let wait = after.unwrap_or(wait).max(Duration::from_millis(100));
                tracing::info!(push.id = %push, %image, %tag, %why, ?wait, "a push waits");
                let wait = PushWait {
                    why: &why,
                    until: now + millis(wait),
                    given_up_since: now - millis(patience.lasts(self.parts.docker.give_up)),
                    given_up_as: match patience {
                        Patience::GiveUp | Patience::LimitEnds => PushStage::Failed,
                        Patience::TagSettles | Patience::CommitArrives | Patience::SignatureArrives => {
                            PushStage::Unmapped
                        }
                    },
                };
                Ok(self.store().pushes_wait(lease, pushes, wait).await?)
            }
            Setback::Final(why) => {
                let why = self.parts.runner.hidden().text(&why);
                tracing::info!(push.id = %push, %image, %tag, %why, "a push leads to no commit");
                Ok(self
                    .store()
                    .end_pushes(lease, pushes, PushEnd::Unmapped(&why))
                    .await?)
            }
        }
    }
}

/// What stands for the digest of an image that nobody could read: the tag has one run for it.
fn stand_in(pushes: &OpenPushes, now: UnixMillis) -> (Digest, UnixMillis) {
    let name = format!("{}:{}", pushes.image, pushes.tag);
    (Digest::of(name.as_bytes()), now)
}
