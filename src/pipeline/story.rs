//! A run as its check and its status tell it: everything that the texts are made from.

use super::Pipeline;
use super::worker::JobError;
use crate::access::log_is_shown;
use crate::model::{CheckState, RunId, StatusState, Tag};
use crate::report::{Story, check_state, status_state};
use crate::store::{Run, Stage};

/// A run, with what stands beside it in other tables.
pub(super) struct Told {
    run: Run,
    tags: Vec<Tag>,
    log_tail: Option<String>,
}

impl Told {
    /// The run itself.
    pub(super) fn run(&self) -> &Run {
        &self.run
    }
}

impl Pipeline {
    /// Reads what there is to tell of a run.
    pub(super) async fn read_story(&self, id: RunId) -> Result<Told, JobError> {
        let run = self.store().run(id).await?.ok_or_else(|| JobError::Nonsense(format!("there is no run {id}")))?;
        let tags = self.store().tags_of(id).await?.into_iter().map(|tag| tag.tag).collect();
        let log_tail = if run.stage == Stage::Finished && log_is_shown(&run) {
            Some(String::from_utf8_lossy(&self.store().log_tail(id).await?).into_owned())
        } else {
            None
        };
        Ok(Told { run, tags, log_tail })
    }

    /// What the check run should show.
    pub(super) fn check_of(&self, told: &Told) -> CheckState {
        self.tell(told, |story| check_state(&story))
    }

    /// What the status should show.
    pub(super) fn status_of(&self, told: &Told) -> StatusState {
        self.tell(told, |story| status_state(&story))
    }

    fn tell<T>(&self, told: &Told, state: impl FnOnce(Story<'_>) -> T) -> T {
        let run = &told.run;
        let links = &self.parts.links;
        state(Story {
            run: run.id,
            page_url: links.run(run),
            image: &run.image,
            digest: &run.digest,
            tags: &told.tags,
            platform: &run.platform,
            source: &run.source,
            claims: &run.claims,
            plan: &run.plan,
            verdict: run.verdict.as_ref(),
            trouble: run.trouble.as_deref(),
            log_tail: told.log_tail.as_deref(),
            image_visibility: run.image_visibility,
            started_at_ms: run.started_at.unwrap_or(run.created_at),
            completed_at_ms: run.finished_at,
            attempt: run.attempt,
            successor_url: run.superseded_by.map(|other| links.sibling(run, other)),
        })
    }
}
