//! Several digests of one image on one commit: each has its run, and none is green while another is not.

use crate::model::{Digest, Outcome, Tag, Verdict};

/// The run of another digest of the same image on the same commit.
#[derive(Clone, Copy, Debug)]
pub struct Sibling<'a> {
    /// Its page: absolute, with the key where the repository is private.
    pub page_url: &'a str,
    /// The manifest that it tests.
    pub digest: &'a Digest,
    /// The tags under which it was pushed.
    pub tags: &'a [Tag],
    /// What came of it, once it is over.
    pub verdict: Option<&'a Verdict>,
}

impl Sibling<'_> {
    /// A name for it on one line: `v2 (sha256:0123456789ab)`.
    pub(super) fn name(&self) -> String {
        let digest = format!("sha256:{}", self.digest.short());
        match self.tags {
            [] => digest,
            [tag, ..] => format!("{tag} ({digest})"),
        }
    }
}

/// What the digests of a commit come to, seen from one that was judged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Together<'a> {
    /// Its own verdict, as none is worse.
    Own(&'a Verdict),
    /// The verdict of this one, the worst of all that count.
    Another(&'a Sibling<'a>, &'a Verdict),
    /// Nothing yet: what this one comes to is not known, and may be worse.
    Open(&'a Sibling<'a>),
}

impl<'a> Together<'a> {
    /// What a digest with this verdict and its siblings come to. `is_superseded`: another digest has its tags now.
    pub(super) fn of(own: &'a Verdict, is_superseded: bool, siblings: &'a [Sibling<'a>]) -> Self {
        // One that was stopped for another's sake says no more than that.
        if own.superseded_by.is_some() {
            return Self::Own(own);
        }
        let judged = siblings
            .iter()
            .filter_map(|sibling| Some((sibling, sibling.verdict?)));
        let worst = judged.max_by_key(|(_, verdict)| severity(verdict.outcome));
        // What another digest took the place of counts for nothing, even if it was tested after that.
        let counts = (!is_superseded || siblings.is_empty()).then_some(own);
        let so_far = counts.map_or(-1, |own| severity(own.outcome));
        let open = siblings.iter().find(|sibling| sibling.verdict.is_none());
        match (worst, open) {
            (Some((sibling, verdict)), _) if severity(verdict.outcome) > so_far.max(GREEN) => {
                Self::Another(sibling, verdict)
            }
            (_, Some(open)) if so_far <= GREEN => Self::Open(open),
            (Some((sibling, verdict)), _) if severity(verdict.outcome) > so_far => {
                Self::Another(sibling, verdict)
            }
            _ => Self::Own(own),
        }
    }

    /// The verdict that counts for the commit, once there is one.
    pub(super) fn verdict(self) -> Option<&'a Verdict> {
        match self {
            Self::Own(verdict) | Self::Another(_, verdict) => Some(verdict),
            Self::Open(_) => None,
        }
    }
}

/// No verdict up to this is worse than green.
const GREEN: i8 = 1;

/// The greater, the worse. What the tests said comes before what kept them from speaking.
fn severity(outcome: Outcome) -> i8 {
    match outcome {
        Outcome::Passed => 0,
        Outcome::Neutral => GREEN,
        Outcome::Cancelled => 2,
        Outcome::Trouble => 3,
        Outcome::ActionRequired => 4,
        Outcome::TimedOut => 5,
        Outcome::Failed => 6,
    }
}
