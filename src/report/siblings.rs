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
    /// The verdict of this one, the worst of all.
    Worse(&'a Sibling<'a>, &'a Verdict),
    /// It has passed, and what this one comes to is not known yet.
    Open(&'a Sibling<'a>),
}

impl<'a> Together<'a> {
    /// What a digest with this verdict and its siblings come to.
    pub(super) fn of(own: &'a Verdict, siblings: &'a [Sibling<'a>]) -> Self {
        // What another digest took the place of counts for nothing, and neither do others for it.
        if own.superseded_by.is_some() {
            return Self::Own(own);
        }
        let judged = siblings
            .iter()
            .filter_map(|sibling| Some((sibling, sibling.verdict?)));
        let worst = judged.max_by_key(|(_, verdict)| severity(verdict.outcome));
        if let Some((sibling, verdict)) = worst
            && severity(verdict.outcome) > severity(own.outcome)
        {
            return Self::Worse(sibling, verdict);
        }
        let open = siblings.iter().find(|sibling| sibling.verdict.is_none());
        match open {
            Some(open) if matches!(own.outcome, Outcome::Passed | Outcome::Neutral) => Self::Open(open),
            _ => Self::Own(own),
        }
    }

    /// The verdict that counts for the commit, once there is one.
    pub(super) fn verdict(self) -> Option<&'a Verdict> {
        match self {
            Self::Own(verdict) | Self::Worse(_, verdict) => Some(verdict),
            Self::Open(_) => None,
        }
    }
}

/// The greater, the worse. What the tests said comes before what kept them from speaking.
fn severity(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Passed => 0,
        Outcome::Neutral => 1,
        Outcome::Cancelled => 2,
        Outcome::Trouble => 3,
        Outcome::ActionRequired => 4,
        Outcome::TimedOut => 5,
        Outcome::Failed => 6,
    }
}
