//! A rerun of what waited for somebody to act: what it is tested by is read again, on the same commit.

use std::sync::Arc;

use super::Pipeline;
use super::test::End;
use super::trace::{Lost, Seen};
use super::worker::JobError;
use crate::model::{Outcome, Verdict};
use crate::resolve::{Patience, Setback};
use crate::store::{Lease, NewRun, Run, RunTag};

impl Pipeline {
    /// Brings a run up to what is said of its image by now, where that may be another than before. `Some`: it ends
    /// without tests, or has to wait.
    pub(super) async fn plan_again(
        self: &Arc<Self>,
        lease: &Lease,
        run: &mut Run,
    ) -> Result<Option<End>, JobError> {
        if !run.looks_again {
            return Ok(None);
        }
        let new = match Box::pin(self.as_of_now(run)).await {
            Ok(Some(new)) => new,
            // None of its tags means it any more: what was said of it then is all there is.
            Ok(None) => return Ok(None),
            Err(Lost::Setback(setback)) => return Ok(Some(self.stands_in_the_way(run, setback))),
            Err(Lost::Job(error)) => return Err(error),
        };
        self.store().planned_anew(lease, run.id, &new).await?;
        *run = self.run_of(lease).await?;
        Ok(new.settled.map(End::Verdict))
    }

    /// The same run as the push of one of its tags would make it now. `None`: its digest is not tagged any more.
    async fn as_of_now(self: &Arc<Self>, run: &Run) -> Result<Option<NewRun>, Lost> {
        let tags = self.store().tags_of(run.id).await.map_err(JobError::from)?;
        let mut refused = None;
        for tag in tags.iter().rev().filter(|tag| !tag.moved) {
            match self.as_of_tag(run, tag).await {
                Err(Lost::Setback(Setback::Final(why))) => refused = Some(Setback::Final(why)),
                other => return other.map(Some),
            }
        }
        refused.map_or(Ok(None), |why| Err(why.into()))
    }

    async fn as_of_tag(self: &Arc<Self>, run: &Run, tag: &RunTag) -> Result<NewRun, Lost> {
        let bound = self.bound(&run.image).await?;
        let seen = Seen {
            image: &run.image,
            tag: &tag.tag,
            digest: &run.pushed,
            at: tag.seen_at,
            waited: self.waited(Some(tag.seen_at)),
            bound: &bound,
        };
        let is_same = |new: &NewRun| {
            let (now, then) = (&new.source, &run.source);
            now.repo.id == then.repo.id && now.commit == then.commit && new.context == run.context
        };
        let new = self.trace(&seen).await?.into_iter().find(is_same);
        // A verdict is never moved to another commit, nor told under another name.
        let elsewhere = "by now the image leads to another check than this one: push it again";
        new.ok_or_else(|| Setback::Final(elsewhere.to_owned()).into())
    }

    fn stands_in_the_way(&self, run: &Run, setback: Setback) -> End {
        let (why, passes_after) = match setback {
            Setback::Final(why) => (why, None),
            Setback::Passing { why, after, patience } => {
                let lasts = match patience {
                    // How long trouble is borne is known where it is met.
                    Patience::GiveUp | Patience::LimitEnds => true,
                    Patience::TagSettles | Patience::CommitArrives | Patience::SignatureArrives => {
                        self.waited(Some(run.created_at)) < patience.lasts(self.parts.docker.give_up)
                    }
                };
                (why, lasts.then_some(after))
            }
        };
        let why = self.parts.runner.hidden().text(&why);
        match passes_after {
            Some(after) => End::Trouble { why, after },
            None => End::Verdict(Verdict::without_steps(Outcome::ActionRequired, why)),
        }
    }
}
