//! From claims to a commit: which is to be believed first, which agree, which differ. Pure.

use std::collections::BTreeMap;

use super::SourceUrl;
use super::revision::{Named, Revision};
use crate::model::{Claim, CommitSha, Evidence, Fate, JudgedClaim, Place};

/// How to name a commit so that it is believed.
const MEND: &str = "build with the label org.opencontainers.image.revision set to the full commit SHA";

/// Claims as they read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    reads: Vec<Read>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    claim: Claim,
    /// What it names, or why it names nothing.
    said: Result<Revision, String>,
}

/// The claim that is taken, and the commit that it led to.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Which of the claims, in the order in which they came.
    pub index: usize,
    /// The commit; of a test merge of a pull request the head, too. Never empty.
    pub same: Vec<CommitSha>,
    /// Claims that were tried in vain, and why.
    pub lost: BTreeMap<usize, String>,
}

/// What the claims come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// How well the commit is known.
    pub evidence: Evidence,
    /// Was the image built from changes that are in no commit?
    pub is_dirty: bool,
    /// Every claim with its fate, in the order in which they came.
    pub claims: Vec<JudgedClaim>,
}

impl Judgement {
    /// Reads claims, of which the most believable place comes first. `is_foreign`: is a claim about another
    /// repository, so that it says nothing of ours?
    pub fn of(claims: Vec<Claim>, is_foreign: impl Fn(&Claim) -> bool) -> Self {
        let read = |claim: Claim| {
            let said = match (&claim.problem, revision_of(&claim)) {
                (Some(problem), _) => Err(problem.clone()),
                (None, Ok(_)) if is_foreign(&claim) => Err("it is about another repository".to_owned()),
                (None, said) => said.map_err(str::to_owned),
            };
            Read { claim, said }
        };
        Self {
            reads: claims.into_iter().map(read).collect(),
        }
    }

    /// The claims that name something, the best first: by how well the commit is known, then by their place.
    pub fn ranked(&self) -> Vec<(usize, &Named)> {
        let named = |(index, read): (usize, &'_ Read)| read.said.is_ok().then_some(index);
        let mut ranked: Vec<usize> = self.reads.iter().enumerate().filter_map(named).collect();
        ranked.sort_by_key(|index| std::cmp::Reverse(self.evidence(*index)));
        let said = |index: usize| self.reads[index].said.as_ref().ok();
        ranked
            .into_iter()
            .filter_map(|index| Some((index, &said(index)?.named)))
            .collect()
    }

    /// Is there nothing better to be found: a claim that makes its commit known so well, and none in the image that
    /// names another in full?
    pub fn is_enough(&self, wanted: Evidence) -> bool {
        let ranked = self.ranked();
        match ranked.first() {
            Some((best, Named::Commit(sha))) => self.evidence(*best) >= wanted && self.others(sha).is_empty(),
            _ => false,
        }
    }

    /// Where a claim stands.
    pub fn claim(&self, index: usize) -> &Claim {
        &self.reads[index].claim
    }

    /// How well a claim makes its commit known.
    pub fn evidence(&self, index: usize) -> Evidence {
        let read = &self.reads[index];
        match (&read.said, read.claim.place) {
            (Err(_), _) => Evidence::None,
            (Ok(said), place) if place.is_in_the_image() && matches!(said.named, Named::Commit(_)) => {
                match place {
                    Place::Signature => Evidence::Verified,
                    Place::BuildContext => Evidence::Built,
                    _ => Evidence::Claimed,
                }
            }
            (Ok(_), _) => Evidence::Inferred,
        }
    }

    /// Commits that claims of the image name in full and that are not `commit`, each once.
    pub fn others(&self, commit: &CommitSha) -> Vec<CommitSha> {
        let mut others = Vec::new();
        for read in &self.reads {
            if let Ok(Revision {
                named: Named::Commit(sha),
                ..
            }) = &read.said
                && read.claim.place.is_in_the_image()
                && sha != commit
                && !others.contains(sha)
            {
                others.push(sha.clone());
            }
        }
        others
    }

    /// The labels that name something and may have come with the base image.
    pub fn labels(&self) -> Vec<&Claim> {
        let labels = self.reads.iter().filter(|read| read.said.is_ok());
        labels
            .map(|read| &read.claim)
            .filter(|claim| claim.place.is_inherited())
            .collect()
    }

    /// Takes belief from labels: they came with the base image.
    pub fn disown_labels(&mut self, why: &str) {
        for read in &mut self.reads {
            if read.claim.place.is_inherited() && read.said.is_ok() {
                read.said = Err(why.to_owned());
            }
        }
    }

    /// What becomes of each claim. One in the image that names another commit in full makes a conflict; where a
    /// short SHA is taken, another short one does.
    pub fn settle(&self, taken: Option<&Taken>) -> Settled {
        let mut conflict = false;
        let mut is_dirty = false;
        let mut claims = Vec::with_capacity(self.reads.len());
        for (index, read) in self.reads.iter().enumerate() {
            let fate = match &read.said {
                Err(why) => Fate::Ignored(why.clone()),
                Ok(said) => {
                    let fate = fate(index, &said.named, taken);
                    is_dirty |= said.is_dirty && matches!(fate, Fate::Taken | Fate::Agrees);
                    conflict |= fate == Fate::Differs && self.casts_doubt(index, taken);
                    fate
                }
            };
            claims.push(JudgedClaim {
                claim: read.claim.clone(),
                fate,
            });
        }
        let evidence = match taken {
            _ if conflict => Evidence::Conflict,
            Some(taken) => self.evidence(taken.index),
            None => Evidence::None,
        };
        Settled {
            evidence,
            is_dirty,
            claims,
        }
    }

    /// What is merely inferred casts no doubt on what is claimed.
    fn casts_doubt(&self, index: usize, taken: Option<&Taken>) -> bool {
        let taken = taken.map_or(Evidence::None, |taken| self.evidence(taken.index));
        self.reads[index].claim.place.is_in_the_image()
            && self.evidence(index) >= taken.min(Evidence::Claimed)
    }

    /// Why no commit is known: a sentence that says what to do.
    pub fn why_none(&self) -> String {
        let of_the_image = |read: &&Read| read.claim.place.is_in_the_image();
        let Some(first) = self
            .reads
            .iter()
            .filter(of_the_image)
            .find(|read| read.claim.revision.is_some() || read.claim.problem.is_some())
        else {
            return format!("the image names no revision: {MEND}");
        };
        let Err(why) = &first.said else {
            return format!("no claim was taken: {MEND}");
        };
        let shown: String = first
            .claim
            .revision
            .iter()
            .flat_map(|text| text.chars())
            .take(60)
            .collect();
        format!(
            "the {} says revision `{shown}`, and {why}; {MEND}",
            first.claim.place
        )
    }
}

fn fate(index: usize, named: &Named, taken: Option<&Taken>) -> Fate {
    let Some(taken) = taken else {
        return Fate::Ignored("it was not looked up".to_owned());
    };
    if taken.index == index {
        return Fate::Taken;
    }
    if let Some(why) = taken.lost.get(&index) {
        return Fate::Ignored(why.clone());
    }
    let may_be: Option<Vec<bool>> = taken.same.iter().map(|sha| named.may_be(sha)).collect();
    match may_be {
        None => Fate::Ignored("a better one comes first".to_owned()),
        Some(may_be) if may_be.contains(&true) => Fate::Agrees,
        Some(_) => Fate::Differs,
    }
}

/// What a claim's revision names, or the ref in its source URL where it has none.
fn revision_of(claim: &Claim) -> Result<Revision, &'static str> {
    let in_source = || claim.source.as_deref().and_then(SourceUrl::reference);
    let text = claim.revision.as_deref().or_else(in_source);
    Revision::read(text.ok_or("it names no revision")?)
}

#[cfg(test)]
mod tests;
