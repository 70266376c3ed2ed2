//! From a push to a run: tag → digest, once; image → claims → commit; run found or made.

use std::sync::Arc;
use std::time::Duration;

use super::Pipeline;
use super::retry::{pause_after, settling};
use super::worker::JobError;
use crate::clock::{UnixMillis, millis};
use crate::model::{Claim, Digest, Evidence, Fate, ImageName, JudgedClaim, Outcome, Tag, Verdict};
use crate::plan;
use crate::registry::ImageDetails;
use crate::report::status_context;
use crate::resolve::{Patience, Setback};
use crate::runner::EngineError;
use crate::store::{Admission, Lease, NewRun, OpenPushes, PushEnd, PushStage, PushWait};

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
        let (digest, seen_at) = match self.meaning(&mut pushes).await {
            Ok(meaning) => meaning,
            Err(setback) => return self.set_back(lease, &pushes, setback).await,
        };
        let (image, tag) = (&pushes.image, &pushes.tag);
        let new = match self.trace(image, tag, &digest, seen_at).await {
            Ok(new) => new,
            Err(setback) => return self.set_back(lease, &pushes, setback).await,
        };
        let admission = self.store().admit(lease, &pushes, &new).await?;
        tracing::info!(push.id = %pushes.first(), %image, %tag, ?admission, "a push led to a commit");
        if let Admission::Made { superseded, .. } | Admission::Joined { superseded, .. } = admission {
            for run in superseded {
                self.stop_executing(run);
            }
        }
        Ok(())
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
    async fn meaning(&self, pushes: &mut OpenPushes) -> Result<(Digest, UnixMillis), Setback> {
        if let Some(meaning) = pushes.meaning() {
            return Ok(meaning.clone());
        }
        let asked_at = self.store().clock().now();
        let digest = self.resolver.digest(&pushes.image, &pushes.tag).await?;
        pushes.mean(digest.clone(), asked_at);
        Ok((digest, asked_at))
    }

    async fn trace(
        self: &Arc<Self>,
        image: &ImageName,
        tag: &Tag,
        index: &Digest,
        seen_at: UnixMillis,
    ) -> Result<NewRun, Setback> {
        let engine = self.parts.runner.platform().await?;
        let details = self.resolver.inspect(image, index, &engine).await?;
        if details.unfit.is_none() {
            // The pull begins beside the look-ups for the commit; the run's own pull joins it.
            self.pull_ahead(image, &details);
        }
        let (found, visibility) = tokio::join!(
            self.resolver.source(image, &details),
            self.resolver.visibility(image, index)
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
            image: image.clone(),
            image_visibility: visibility,
            digest: details.digest,
            platform: details.platform,
            claims: claims.into_iter().map(|claim| self.shown(claim)).collect(),
            plan: plan::discovered(&self.parts.docker),
            context: status_context(image, None),
            tag: tag.clone(),
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

    fn pull_ahead(self: &Arc<Self>, image: &ImageName, details: &ImageDetails) {
        let source = self.pull_source(image, &details.digest);
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

    async fn set_back(&self, lease: &Lease, pushes: &OpenPushes, setback: Setback) -> Result<(), JobError> {
        let now = self.store().clock().now();
        let (push, image, tag) = (pushes.first(), &pushes.image, &pushes.tag);
        match setback {
            Setback::Passing { why, after, patience } => {
                let why = self.parts.runner.hidden().text(&why);
                let waited = now - pushes.waits_since().unwrap_or(now);
                let waited = Duration::from_millis(u64::try_from(waited).unwrap_or(0));
                let wait = match patience {
                    Patience::TagSettles => settling(waited),
                    Patience::GiveUp | Patience::CommitArrives => pause_after(waited),
                };
                let wait = after.unwrap_or(wait).max(Duration::from_millis(100));
                tracing::info!(push.id = %push, %image, %tag, %why, ?wait, "a push waits");
                let wait = PushWait {
                    why: &why,
                    until: now + millis(wait),
                    given_up_since: now - millis(patience.lasts(self.parts.docker.give_up)),
                    given_up_as: match patience {
                        Patience::GiveUp => PushStage::Failed,
                        Patience::TagSettles | Patience::CommitArrives => PushStage::Unmapped,
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
