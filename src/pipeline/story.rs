//! A run as its check and its status tell it: everything that the texts are made from.

use super::Pipeline;
use super::worker::JobError;
use crate::access::log_is_shown;
use crate::model::{CheckState, CommitSha, Expected, Repo, RunId, StatusState, Tag, Verdict};
use crate::report::{
    Log, Previous, Sibling, Standing, Story, check_state, expected_check, expected_status, mend, status_state,
};
use crate::store::{Run, Stage};

/// What a check and a status are about.
pub(super) enum Told {
    /// A run.
    Run(Box<Tale>),
    /// The wait for an image, before there is a run.
    Expected(Box<Expected>),
}

/// A run, with what stands beside it in other tables.
pub(super) struct Tale {
    run: Run,
    tags: Vec<Tag>,
    log_tail: Tail,
    siblings: Vec<Other>,
    previous: Option<Before>,
}

/// The run of the digest that the tag meant before.
struct Before {
    run: Run,
    page_url: String,
}

/// The run of another digest of the image on the commit.
struct Other {
    run: Run,
    page_url: String,
    tags: Vec<Tag>,
}

/// The end of what the steps printed, as far as it may be shown.
enum Tail {
    None,
    Shown(String),
    Withheld,
}

impl Told {
    /// Where it is told.
    pub(super) fn repo(&self) -> &Repo {
        match self {
            Self::Run(tale) => &tale.run.source.repo,
            Self::Expected(expected) => &expected.repo,
        }
    }

    /// What it is told of.
    pub(super) fn commit(&self) -> &CommitSha {
        match self {
            Self::Run(tale) => &tale.run.source.commit,
            Self::Expected(expected) => &expected.commit,
        }
    }
}

impl Pipeline {
    /// Reads what there is to tell of a run, or of the wait for it.
    pub(super) async fn read_story(&self, id: RunId) -> Result<Told, JobError> {
        if let Some(run) = self.store().run(id).await? {
            return Ok(Told::Run(Box::new(self.read_tale(run).await?)));
        }
        let expected = self.store().expected(id).await?;
        // Between the two looks the wait may have come true.
        match (expected, self.store().run(id).await?) {
            (_, Some(run)) => Ok(Told::Run(Box::new(self.read_tale(run).await?))),
            (Some(expected), None) => Ok(Told::Expected(Box::new(expected))),
            (None, None) => Err(JobError::Nonsense(format!("there is no run {id}"))),
        }
    }

    async fn read_tale(&self, run: Run) -> Result<Tale, JobError> {
        let id = run.id;
        let tags = self.tags_of(id).await?;
        let mut siblings = Vec::new();
        for other in self.store().siblings_of(&run).await? {
            siblings.push(Other {
                page_url: self.parts.links.sibling(&run, other.id),
                tags: self.tags_of(other.id).await?,
                run: other,
            });
        }
        let log_tail = match run.stage {
            Stage::Queued | Stage::Testing => Tail::None,
            Stage::Finished if !log_is_shown(&run) => Tail::Withheld,
            Stage::Finished => {
                let tail = self.store().log_tail(id).await?;
                if tail.is_empty() {
                    Tail::None
                } else {
                    Tail::Shown(String::from_utf8_lossy(&tail).into_owned())
                }
            }
        };
        let is_judged = |verdict: &Verdict| verdict.outcome.is_judgement();
        let previous = if run.verdict.as_ref().is_some_and(is_judged) {
            self.store().previous_of(&run).await?
        } else {
            None
        };
        let previous = previous.map(|before| Before {
            page_url: self.parts.links.sibling(&run, before.id),
            run: before,
        });
        Ok(Tale {
            run,
            tags,
            log_tail,
            siblings,
            previous,
        })
    }

    async fn tags_of(&self, run: RunId) -> Result<Vec<Tag>, JobError> {
        let tags = self.store().tags_of(run).await?;
        Ok(tags.into_iter().map(|tag| tag.tag).collect())
    }

    /// What the check run should show.
    pub(super) fn check_of(&self, told: &Told) -> CheckState {
        match told {
            Told::Run(tale) => self.tell(tale, check_state),
            Told::Expected(expected) => expected_check(expected, &self.parts.links.expected(expected)),
        }
    }

    /// What the status should show; `None` where the run's successor tells its own.
    pub(super) fn status_of(&self, told: &Told) -> Option<StatusState> {
        match told {
            Told::Run(tale) => self.tell(tale, status_state),
            Told::Expected(expected) => {
                let page_url = self.parts.links.expected(expected);
                Some(expected_status(expected, &page_url))
            }
        }
    }

    fn tell<T>(&self, told: &Tale, state: impl FnOnce(&Story<'_>) -> T) -> T {
        let run = &told.run;
        let links = &self.parts.links;
        let successor_url = run.superseded_by.map(|other| links.sibling(run, other));
        let standing = match (&run.verdict, &run.trouble) {
            (Some(verdict), _) => Standing::Judged {
                verdict,
                completed_at_ms: run.finished_at.unwrap_or(run.created_at),
                successor_url: successor_url.as_deref(),
            },
            (None, Some(what)) if run.tests.is_some() => Standing::Awaiting { what },
            (None, Some(trouble)) => Standing::Retrying { trouble },
            // A run that waits for its slot is shown as running: one write less.
            (None, None) => Standing::Running,
        };
        let siblings: Vec<Sibling<'_>> = told
            .siblings
            .iter()
            .map(|other| Sibling {
                page_url: &other.page_url,
                digest: &other.run.digest,
                tags: &other.tags,
                verdict: other.run.verdict.as_ref(),
            })
            .collect();
        // What a private image holds is not told where everybody reads it.
        let facts = run.facts.as_ref().filter(|_| log_is_shown(run));
        let previous = told.previous.as_ref().and_then(|before| {
            Some(Previous {
                page_url: &before.page_url,
                digest: &before.run.digest,
                verdict: before.run.verdict.as_ref()?,
                image: before.run.facts.as_ref().filter(|_| log_is_shown(&before.run)),
            })
        });
        let mend = mend(&run.image, run.source.evidence, &run.policy);
        state(&Story {
            run: run.id,
            page_url: &links.run(run),
            image: &run.image,
            variant: run.policy.suffix.as_deref(),
            digest: run.known_digest(),
            tags: &told.tags,
            platform: &run.platform,
            source: &run.source,
            claims: &run.claims,
            notes: &run.policy.notes,
            mend: mend.as_ref(),
            plan: Some(&run.plan),
            standing,
            siblings: &siblings,
            facts,
            previous,
            log: match &told.log_tail {
                Tail::None => Log::Empty,
                Tail::Shown(tail) => Log::Tail(tail),
                Tail::Withheld => Log::Withheld,
            },
            started_at_ms: run.started_at.unwrap_or(run.created_at),
            attempt: u32::try_from(run.attempt).unwrap_or(u32::MAX),
            is_unread: run.policy.is_unread,
        })
    }
}
