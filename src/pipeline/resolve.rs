//! From a push to a run: tag → digest, once; image → claims → commit; run found or made.

use std::sync::Arc;
use std::time::Duration;

use super::Pipeline;
use super::retry::{pause, settling};
use super::worker::JobError;
use crate::clock::{UnixMillis, millis};
use crate::model::{Claim, Digest, Evidence, Fate, JudgedClaim, Outcome, Verdict};
use crate::plan;
use crate::registry::ImageDetails;
use crate::report::status_context;
use crate::resolve::{Patience, Setback};
use crate::runner::EngineError;
use crate::store::{Admission, Lease, NewRun, PushRecord, PushStage};

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
        let push = self.push_of(lease).await?;
        match self.new_run(&push).await? {
            Ok(new) => {
                let admission = self.store().admit(lease, push.id, &new).await?;
                tracing::info!(push.id = %push.id, image = %push.image, tag = %push.tag, ?admission, "a push led to a commit");
                if let Admission::Made { superseded, .. } | Admission::Joined { superseded, .. } = admission {
                    for run in superseded {
                        self.stop_executing(run);
                    }
                }
                Ok(())
            }
            Err(setback) => self.set_back(lease, &push, setback).await,
        }
    }

    pub(super) async fn give_up_push(&self, lease: &Lease, why: &str) -> Result<(), JobError> {
        let push = self.push_of(lease).await?;
        Ok(self
            .store()
            .end_push(lease, push.id, PushStage::Failed, why)
            .await?)
    }

    async fn push_of(&self, lease: &Lease) -> Result<PushRecord, JobError> {
        let id = lease
            .subject
            .parse()
            .map_err(|_| JobError::Nonsense(format!("`{}` is no push", lease.subject)))?;
        self.store()
            .push(id)
            .await?
            .ok_or_else(|| JobError::Nonsense(format!("there is no push {id}")))
    }

    /// The outer error is ours, the inner one the push's.
    async fn new_run(self: &Arc<Self>, push: &PushRecord) -> Result<Result<NewRun, Setback>, JobError> {
        let (digest, seen_at) = match self.digest_of(push).await? {
            Ok(resolved) => resolved,
            Err(setback) => return Ok(Err(setback)),
        };
        Ok(self.trace(push, &digest, seen_at).await)
    }

    /// What the tag meant when the registry was asked, which it is once.
    async fn digest_of(&self, push: &PushRecord) -> Result<Result<(Digest, UnixMillis), Setback>, JobError> {
        if let (Some(digest), Some(at)) = (push.digest(), push.resolved_at) {
            return Ok(Ok((digest.clone(), at)));
        }
        let asked_at = self.store().clock().now();
        match self.resolver.digest(&push.image, &push.tag).await {
            Ok(digest) => Ok(Ok(self.store().push_resolved(push.id, &digest, asked_at).await?)),
            Err(setback) => Ok(Err(setback)),
        }
    }

    async fn trace(
        self: &Arc<Self>,
        push: &PushRecord,
        index: &Digest,
        seen_at: UnixMillis,
    ) -> Result<NewRun, Setback> {
        let engine = self.parts.runner.platform().await?;
        let details = self.resolver.inspect(&push.image, index, &engine).await?;
        if details.unfit.is_none() {
            // The pull begins beside the look-ups for the commit; the run's own pull joins it.
            self.pull_ahead(push, &details);
        }
        let (found, visibility) = tokio::join!(
            self.resolver.source(&push.image, &details),
            self.resolver.visibility(&push.image, index)
        );
        let (source, claims) = found?;
        let title = if source.evidence == Evidence::Conflict {
            Some("the image's claims name different commits: build it with one revision".to_owned())
        } else {
            details.unfit.as_ref().map(ToString::to_string)
        };
        let settled = title.map(|title| Verdict::without_steps(Outcome::ActionRequired, title));
        Ok(NewRun {
            source,
            image: push.image.clone(),
            image_visibility: visibility,
            digest: details.digest,
            platform: details.platform,
            claims: claims.into_iter().map(|claim| self.shown(claim)).collect(),
            plan: plan::discovered(&self.parts.docker),
            context: status_context(&push.image, None),
            tag: push.tag.clone(),
            seen_at,
            settled,
        })
    }

    /// A claim with nothing in it to hide: people put everything into labels.
    fn shown(&self, judged: JudgedClaim) -> JudgedClaim {
        let hidden = self.parts.runner.hidden();
        let text = |text: Option<String>| text.map(|text| hidden.text(&text));
        JudgedClaim {
            claim: Claim {
                source: text(judged.claim.source),
                revision: text(judged.claim.revision),
                ..judged.claim
            },
            fate: match judged.fate {
                Fate::Ignored(why) => Fate::Ignored(hidden.text(&why)),
                fate => fate,
            },
        }
    }

    fn pull_ahead(self: &Arc<Self>, push: &PushRecord, details: &ImageDetails) {
        let source = self.pull_source(&push.image, &details.digest);
        // The others are pulled when their runs come to it.
        let Ok(slot) = self.ahead.slots.clone().try_acquire_owned() else {
            return;
        };
        let pipeline = self.clone();
        self.ahead.tasks.spawn(async move {
            let pulled = pipeline
                .ahead
                .stop
                .run_until_cancelled(Box::pin(pipeline.bring(&source)))
                .await;
            if let Some(Err(error)) = pulled {
                tracing::debug!(%error, "a pull ahead of its run failed; the run tries again");
            }
            drop(slot);
        });
    }

    async fn set_back(&self, lease: &Lease, push: &PushRecord, setback: Setback) -> Result<(), JobError> {
        let now = self.store().clock().now();
        match setback {
            Setback::Passing { why, after, patience } => {
                let why = self.parts.runner.hidden().text(&why);
                let waited = now - push.waits_since.unwrap_or(now);
                let waited = Duration::from_millis(u64::try_from(waited).unwrap_or(0));
                if waited >= patience.lasts(self.parts.docker.give_up) {
                    let stage = if patience == Patience::GiveUp {
                        PushStage::Failed
                    } else {
                        PushStage::Unmapped
                    };
                    return Ok(self.store().end_push(lease, push.id, stage, &why).await?);
                }
                let wait = match patience {
                    Patience::TagSettles => settling(waited),
                    Patience::GiveUp | Patience::CommitArrives => pause(lease.retries),
                };
                let wait = after.unwrap_or(wait).max(Duration::from_millis(100));
                tracing::info!(push.id = %push.id, image = %push.image, tag = %push.tag, %why, ?wait, "a push waits");
                Ok(self
                    .store()
                    .push_waits(lease, push.id, &why, now + millis(wait))
                    .await?)
            }
            Setback::Final(why) => {
                let why = self.parts.runner.hidden().text(&why);
                tracing::info!(push.id = %push.id, image = %push.image, tag = %push.tag, %why, "a push leads to no commit");
                Ok(self
                    .store()
                    .end_push(lease, push.id, PushStage::Unmapped, &why)
                    .await?)
            }
        }
    }
}
