//! A run's story, and the check run and the commit status that tell it: the one place where the
//! table of verdicts becomes GitHub's words.

use crate::model::{
    CheckState, Conclusion, Digest, ImageFacts, ImageName, JudgedClaim, Outcome, Plan, Platform, Progress,
    RunId, Source, StatusState, StatusValue, Tag, Verdict,
};

use super::annotations::annotations;
use super::changes::Previous;
use super::limited::{limited_bytes, limited_chars};
use super::markdown::one_line;
use super::mend::Mend;
use super::siblings::{Sibling, Together};
use super::summary;

/// GitHub's bound of a status' description, in characters.
const MAX_DESCRIPTION: usize = 140;

/// Our bound of a check's title, in bytes: GitHub names none, and shows one line.
const MAX_TITLE: usize = 250;

/// Everything about a run that its report may tell.
#[derive(Clone, Copy, Debug)]
pub struct Story<'a> {
    /// The run.
    pub run: RunId,
    /// Its page: absolute, with the key where the repository is private.
    pub page_url: &'a str,
    /// The image that was pushed.
    pub image: &'a ImageName,
    /// A variant, or a platform beside the first: `alpine`, `linux/arm64`.
    pub variant: Option<&'a str>,
    /// The manifest that was tested; `None` where nobody could read the image.
    pub digest: Option<&'a Digest>,
    /// The tags under which it was pushed.
    pub tags: &'a [Tag],
    /// What it was run on.
    pub platform: &'a Platform,
    /// The commit, and what makes us believe it.
    pub source: &'a Source,
    /// All that the image says of its source.
    pub claims: &'a [JudgedClaim],
    /// What the repository asked for and does not get, and why.
    pub notes: &'a [String],
    /// What would make the commit better known, where that is wanted.
    pub mend: Option<&'a Mend>,
    /// What is tested; `None` where no plan could be made.
    pub plan: Option<&'a Plan>,
    /// How far the run is.
    pub standing: Standing<'a>,
    /// Other digests of the image on the commit, where no other took their place.
    pub siblings: &'a [Sibling<'a>],
    /// The image that was tested, where it may be shown.
    pub facts: Option<&'a ImageFacts>,
    /// The digest that its tag meant before.
    pub previous: Option<Previous<'a>>,
    /// What the steps printed.
    pub log: Log<'a>,
    /// Unix milliseconds.
    pub started_at_ms: i64,
    /// How often the run was started: 1 for the first time.
    pub attempt: u32,
    /// Could the image not even be read? Then there is no digest to run again.
    pub is_unread: bool,
}

impl<'a> Story<'a> {
    /// What the run and its siblings come to, once it is judged.
    pub(super) fn together(&self) -> Option<Together<'a>> {
        match self.standing {
            Standing::Judged { verdict, .. } => Some(self.beside_siblings(verdict)),
            Standing::Queued | Standing::Running | Standing::Retrying { .. } | Standing::Awaiting { .. } => {
                None
            }
        }
    }

    /// What this verdict of the run and its siblings come to.
    pub(super) fn beside_siblings(&self, own: &'a Verdict) -> Together<'a> {
        Together::of(own, self.is_superseded(), self.siblings)
    }

    /// Did another digest take its place?
    fn is_superseded(&self) -> bool {
        matches!(
            self.standing,
            Standing::Judged {
                successor_url: Some(_),
                ..
            }
        )
    }

    /// The verdict that counts for the commit, once there is one.
    fn counting(&self) -> Option<&'a Verdict> {
        self.together()?.verdict()
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub enum Standing<'a> {
    /// It waits for its turn.
    Queued,
    /// It is under way.
    Running,
    /// Something that is not the image's fault stands in the way, and is tried again.
    Retrying {
        /// What stands in the way.
        trouble: &'a str,
    },
    /// Its tests are done, and its verdict waits for something.
    Awaiting {
        /// For what.
        what: &'a str,
    },
    /// It is over.
    Judged {
        /// What came of it.
        verdict: &'a Verdict,
        /// Unix milliseconds.
        completed_at_ms: i64,
        /// The page of the run that took its place.
        successor_url: Option<&'a str>,
    },
}

/// What may be shown of a log.
#[derive(Clone, Copy, Debug)]
pub enum Log<'a> {
    /// There is none.
    Empty,
    /// Its end.
    Tail(&'a str),
    /// Nothing: the image is private and the repository public.
    Withheld,
}

/// The check run's name: `hubcheck / acme/app (alpine)`.
pub fn check_name(image: &ImageName, variant: Option<&str>) -> String {
    format!("hubcheck / {}{}", image.short(), suffix(variant))
}

/// The status' context, never the text of the check's name: `hubcheck/acme/app (alpine)`.
pub fn status_context(image: &ImageName, variant: Option<&str>) -> String {
    format!("hubcheck/{}{}", image.short(), suffix(variant))
}

fn suffix(variant: Option<&str>) -> String {
    variant.map(|variant| format!(" ({variant})")).unwrap_or_default()
}

/// The check run that tells `story`.
pub fn check_state(story: &Story<'_>) -> CheckState {
    let (progress, completed_at_ms) = match (story.standing, story.counting()) {
        (Standing::Judged { completed_at_ms, .. }, Some(verdict)) => (
            Progress::Completed(conclusion(verdict.outcome)),
            Some(completed_at_ms),
        ),
        (Standing::Queued, _) => (Progress::Queued, None),
        _ => (Progress::InProgress, None),
    };
    CheckState {
        name: check_name(story.image, story.variant),
        head_sha: story.source.commit.clone(),
        external_id: story.run,
        details_url: story.page_url.to_owned(),
        progress,
        title: limited_bytes(&title(story), MAX_TITLE).into_owned(),
        summary: summary::write(story),
        started_at_ms: story.started_at_ms,
        completed_at_ms,
        annotations: match (story.standing, completed_at_ms) {
            (Standing::Judged { verdict, .. }, Some(_)) => annotations(verdict),
            _ => Vec::new(),
        },
    }
}

/// The same check run in one line, for a GitHub that refuses it at length: a verdict always lands.
pub fn shortened(check: &CheckState) -> CheckState {
    CheckState {
        title: limited_bytes(&check.title, MAX_DESCRIPTION).into_owned(),
        summary: "GitHub did not take the whole report: it is on the page behind *Details*.".to_owned(),
        annotations: Vec::new(),
        ..check.clone()
    }
}

/// The commit status that tells `story`; `None` where the run's successor tells its own.
pub fn status_state(story: &Story<'_>) -> Option<StatusState> {
    let counting = story.counting();
    let state = match counting {
        Some(verdict) if verdict.superseded_by.is_some() => return None,
        Some(verdict) => status_value(verdict.outcome),
        None => StatusValue::Pending,
    };
    let title = title(story);
    let with_evidence = format!("{title} (evidence: {})", story.source.evidence);
    let description = match counting {
        Some(_) if with_evidence.chars().count() <= MAX_DESCRIPTION => with_evidence,
        _ => limited_chars(&title, MAX_DESCRIPTION).into_owned(),
    };
    let target_url = match story.together() {
        Some(Together::Another(sibling, _)) => sibling.page_url,
        _ => story.page_url,
    };
    Some(StatusState {
        context: status_context(story.image, story.variant),
        state,
        description,
        target_url: target_url.to_owned(),
    })
}

/// One line: what is known of the run.
fn title(story: &Story<'_>) -> String {
    match story.standing {
        Standing::Queued => "Waiting for its turn".to_owned(),
        Standing::Running => match story.digest {
            Some(digest) => format!("Testing sha256:{}", digest.short()),
            None => "Testing".to_owned(),
        },
        Standing::Retrying { trouble } => format!("Trying again: {}", one_line(trouble)),
        Standing::Awaiting { what } => format!("Waiting: {}", one_line(what)),
        Standing::Judged { verdict, .. } => match story.beside_siblings(verdict) {
            Together::Own(own) => one_line(&own.title),
            Together::Another(sibling, worse) => format!("{}: {}", sibling.name(), one_line(&worse.title)),
            Together::Open(sibling) if story.is_superseded() => {
                format!("Superseded, waiting for {}", sibling.name())
            }
            Together::Open(sibling) => format!("Passed, waiting for {}", sibling.name()),
        },
    }
}

/// GitHub's word for an outcome, on a check run.
fn conclusion(outcome: Outcome) -> Conclusion {
    match outcome {
        Outcome::Passed => Conclusion::Success,
        Outcome::Failed => Conclusion::Failure,
        Outcome::TimedOut | Outcome::Trouble => Conclusion::TimedOut,
        Outcome::ActionRequired => Conclusion::ActionRequired,
        Outcome::Neutral => Conclusion::Neutral,
        Outcome::Cancelled => Conclusion::Cancelled,
    }
}

/// GitHub's word for an outcome, on a commit status.
fn status_value(outcome: Outcome) -> StatusValue {
    match outcome {
        Outcome::Passed | Outcome::Neutral => StatusValue::Success,
        Outcome::Failed | Outcome::TimedOut => StatusValue::Failure,
        // Cancelled with no successor: nothing will ever be said of the image, and pending would lie.
        Outcome::ActionRequired | Outcome::Trouble | Outcome::Cancelled => StatusValue::Error,
    }
}

#[cfg(test)]
mod tests;
