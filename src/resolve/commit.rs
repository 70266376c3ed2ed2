//! From claims to the one commit: looked up at GitHub, set right where it is a pull request's test merge.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::claims;
use super::judge::{Judgement, Taken};
use super::revision::Named;
use super::{MOST_LOOKUPS, Patience, Resolver, Setback, SourceUrl, Subject};
use crate::github::{Commit, GithubError, Standing};
use crate::model::{
    Binding, Claim, CommitSha, Evidence, GitRef, ImageReference, JudgedClaim, Place, Platform, Repo, RepoName,
};
use crate::registry::{Access, ImageDetails};

/// Commits beside the one taken that are looked up, to see whether they are test merges of it.
const MOST_OTHERS: usize = 2;

/// What came with the base image says nothing of the image.
const INHERITED: &str = "the base image says the same of itself: it came from there";

/// The commit that an image was built from, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The commit.
    pub commit: CommitSha,
    /// How it is known.
    pub evidence: Evidence,
    /// Was the image built from changes that are in no commit?
    pub is_dirty: bool,
    /// What was built is a pull request's test merge, and `commit` is the pull request's head.
    pub merge: Option<Merge>,
    /// Every claim with its fate.
    pub claims: Vec<JudgedClaim>,
    /// What was found odd and made good: sentences for the check.
    pub notes: Vec<String>,
}

/// A commit that GitHub made to try a pull request on top of its base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// The test merge.
    pub commit: CommitSha,
    /// What the pull request was merged into.
    pub base: CommitSha,
}

/// What is known of an image when its commit is looked for.
#[derive(Clone, Debug)]
pub struct Image {
    /// The most believable first.
    pub claims: Vec<Claim>,
    /// When it was built, or pushed where it does not say.
    pub built_at: Timestamp,
    /// What it was built on, where that is known.
    pub base: Option<(ImageReference, Platform)>,
    /// What may be signed of it; `None`: no signature is looked for.
    pub subject: Option<Subject>,
    /// How well the commit must be known for a verdict.
    pub require: Evidence,
}

impl Image {
    /// An image that was read.
    pub fn read(details: &ImageDetails, built_at: Timestamp) -> Self {
        Self {
            claims: claims::collect(details),
            built_at,
            base: claims::base_of(details).map(|base| (base, details.platform.clone())),
            subject: None,
            require: Evidence::Claimed,
        }
    }

    /// With what may be signed of it, and how well the commit must be known.
    #[must_use]
    pub fn signed(self, subject: Subject, require: Evidence) -> Self {
        Self {
            subject: Some(subject),
            require,
            ..self
        }
    }

    /// With what the tag says: by the repository's own rules, and by its own name.
    #[must_use]
    pub fn tagged(mut self, tag: &crate::model::Tag, rule: Option<&GitRef>) -> Self {
        self.claims.extend(rule.map(claims::by_rule));
        self.claims.extend(claims::of_tag(tag));
        self
    }
}

impl Resolver {
    /// How the claims of an image read that speaks for `repo`.
    pub async fn judge(
        &self,
        repo: &Repo,
        binding: Binding,
        claims: Vec<Claim>,
    ) -> Result<Judgement, Setback> {
        let foreign = match binding {
            // The operator's word comes before the image's own.
            Binding::Operator => Vec::new(),
            Binding::Declared | Binding::None => self.other_repos(repo, &claims).await?,
        };
        let is_foreign = |claim: &Claim| {
            // Whose a signature is, its repository's number has shown.
            if claim.place == Place::Signature {
                return false;
            }
            let named = self.repo_named(claim);
            named.is_some_and(|name| foreign.contains(&name))
        };
        Ok(Judgement::of(claims, is_foreign))
    }

    /// The commit in `repo` that an image was built from.
    pub async fn commit(&self, repo: &Repo, binding: Binding, image: Image) -> Result<Found, Setback> {
        let mut claims = image.claims;
        let mut judgement = self.judge(repo, binding, claims.clone()).await?;
        // Where the builder itself recorded the commit that it fetched, and nothing stands against that, no signature
        // could say more: it names what the workflow ran for, which need not be what was fetched.
        if let Some(subject) = &image.subject
            && !judgement.is_enough(image.require.max(Evidence::Built))
        {
            let in_registry = !judgement.is_enough(image.require);
            let signed = self.signed(repo, subject, in_registry).await?;
            if !signed.is_empty() {
                claims.splice(0..0, signed);
                judgement = self.judge(repo, binding, claims).await?;
            }
        }
        if let Some((base, platform)) = &image.base
            && leans_on_labels(&judgement)
            && self.says_the_same(base, platform, &judgement).await?
        {
            judgement.disown_labels(INHERITED);
        }
        let mut lost = BTreeMap::new();
        let mut missing = None;
        for (index, named) in judgement.ranked() {
            // What the image itself names may be on its way to GitHub: nothing else stands in for it, but the pull
            // request of a test merge that is gone.
            if missing.is_some() && !matches!(named, Named::Pull(_)) {
                continue;
            }
            if let Some(commit) = self.look_up(repo, named, image.built_at).await? {
                let taken = Taken {
                    index,
                    same: Vec::new(),
                    lost,
                };
                return self.found(repo, &judgement, taken, commit).await;
            }
            let why = why_missing(repo, named);
            lost.insert(index, why.clone());
            if judgement.claim(index).place != Place::Tag {
                missing = Some(why);
            }
        }
        let missing = missing.or_else(|| lost.into_values().next());
        let nothing_named = || {
            let why = judgement.why_none();
            if image.subject.is_some() && image.require == Evidence::Verified {
                Setback::Passing {
                    why: format!("{why}; or sign it: no signature that holds is there yet"),
                    after: None,
                    patience: Patience::SignatureArrives,
                }
            } else {
                Setback::Final(why)
            }
        };
        Err(missing.map_or_else(nothing_named, not_there_yet))
    }

    /// Who answers for a commit. One that nobody does leads nowhere.
    pub async fn standing(&self, repo: &Repo, commit: &CommitSha) -> Result<Standing, Setback> {
        match self.github.standing(repo, commit).await? {
            Standing::Nobody => Err(not_there_yet(format!(
                "the commit {commit} is on no branch, no tag and no pull request of {}: GitHub shows commits of every fork under its name",
                repo.name
            ))),
            standing => Ok(standing),
        }
    }

    async fn found(
        &self,
        repo: &Repo,
        judgement: &Judgement,
        mut taken: Taken,
        commit: Commit,
    ) -> Result<Found, Setback> {
        let merge = test_merge(&commit);
        let mut notes = Vec::new();
        let sha = match &merge {
            Some((head, merge)) => {
                notes.push(format!(
                    "What was built and tested is {}, the merge of this commit with {}.",
                    merge.commit.short(),
                    merge.base.short()
                ));
                head.clone()
            }
            None => commit.sha.clone(),
        };
        taken.same = vec![sha.clone(), commit.sha];
        for other in judgement.others(&sha).into_iter().take(MOST_OTHERS) {
            if !taken.same.contains(&other) && self.is_test_merge_of(repo, &other, &sha).await? {
                taken.same.push(other);
            }
        }
        let claim = judgement.claim(taken.index);
        let is_told = claim.source.is_some() && claim.place != Place::Signature;
        if is_told && self.repo_named(claim).is_none() {
            // What it gives stands in the table of claims, where everything foreign is shown as code.
            notes.push(format!(
                "The {} gives a source that is no repository of this GitHub: only its revision is used.",
                claim.place
            ));
        }
        let settled = judgement.settle(Some(&taken));
        Ok(Found {
            commit: sha,
            evidence: settled.evidence,
            is_dirty: settled.is_dirty,
            merge: merge.map(|(_, merge)| merge),
            claims: settled.claims,
            notes,
        })
    }

    async fn is_test_merge_of(
        &self,
        repo: &Repo,
        sha: &CommitSha,
        head: &CommitSha,
    ) -> Result<bool, Setback> {
        let commit = missing_is_none(self.github.commit(repo, sha).await)?;
        Ok(commit
            .as_ref()
            .and_then(test_merge)
            .is_some_and(|(of, _)| of == *head))
    }

    /// Does the base image carry the labels that this image carries? What cannot be read says nothing.
    async fn says_the_same(
        &self,
        base: &ImageReference,
        platform: &Platform,
        judgement: &Judgement,
    ) -> Result<bool, Setback> {
        let Some(digest) = &base.digest else {
            return Ok(false);
        };
        let read = self
            .registry
            .inspect(&base.name, digest, platform, Access::Anonymous)
            .await;
        let Ok(details) = read else { return Ok(false) };
        let of_base = claims::collect(&details);
        Ok(judgement.labels().iter().any(|label| {
            of_base.iter().any(|claim| {
                claim.place == label.place && claim.revision == label.revision && label.revision.is_some()
            })
        }))
    }

    /// Those of the repositories that claims name that are not `repo`, under none of its names.
    async fn other_repos(&self, repo: &Repo, claims: &[Claim]) -> Result<Vec<RepoName>, Setback> {
        let mut others = self.repos_named(claims);
        others.retain(|name| *name != repo.name);
        let mut known = Vec::new();
        for name in others.iter().take(MOST_LOOKUPS) {
            if self
                .repo_of_today(name)
                .await?
                .is_some_and(|today| today.id == repo.id)
            {
                known.push(name.clone());
            }
        }
        others.retain(|name| !known.contains(name));
        Ok(others)
    }

    pub(super) fn repo_named(&self, claim: &Claim) -> Option<RepoName> {
        match SourceUrl::read(claim.source.as_deref()?, &self.github_host) {
            SourceUrl::Repo(name) => Some(name),
            SourceUrl::Elsewhere => None,
        }
    }

    async fn look_up(
        &self,
        repo: &Repo,
        named: &Named,
        built_at: Timestamp,
    ) -> Result<Option<Commit>, Setback> {
        match named {
            Named::Commit(sha) => missing_is_none(self.github.commit(repo, sha).await),
            Named::Prefix(digits) => missing_is_none(self.github.commit_by_prefix(repo, digits).await),
            Named::Ref(name) => self.of_ref(repo, name, built_at).await,
            Named::Pull(number) => match self.github.pull_head(repo, *number).await? {
                Some(head) => missing_is_none(self.github.commit(repo, &head).await),
                None => Ok(None),
            },
        }
    }

    /// The newest commit of a branch or a tag that is not younger than the image.
    async fn of_ref(&self, repo: &Repo, name: &str, built_at: Timestamp) -> Result<Option<Commit>, Setback> {
        let Some(head) = missing_is_none(self.github.commit_of(repo, name).await)? else {
            return Ok(None);
        };
        if head.committed_at.is_none_or(|at| at <= built_at) {
            return Ok(Some(head));
        }
        let newest = self.github.newest_until(repo, &head.sha, built_at).await?;
        newest.map(Some).ok_or_else(|| {
            Setback::Final(format!(
                "the image leads to {name} of {}, and every commit of it is younger than the image",
                repo.name
            ))
        })
    }
}

/// Is the best that there is a label, or does one stand against the best?
fn leans_on_labels(judgement: &Judgement) -> bool {
    let ranked = judgement.ranked();
    let Some((best, named)) = ranked.first() else {
        return false;
    };
    judgement.claim(*best).place.is_inherited()
        || match named {
            Named::Commit(sha) => !judgement.others(sha).is_empty(),
            _ => false,
        }
}

/// The head of the pull request that a commit tries out, if GitHub made it for that.
/// <https://docs.github.com/rest/pulls/pulls#get-a-pull-request>, `merge_commit_sha`
fn test_merge(commit: &Commit) -> Option<(CommitSha, Merge)> {
    let [base, head] = commit.parents.as_slice() else {
        return None;
    };
    (commit.message.trim() == format!("Merge {head} into {base}")).then(|| {
        let merge = Merge {
            commit: commit.sha.clone(),
            base: base.clone(),
        };
        (head.clone(), merge)
    })
}

fn why_missing(repo: &Repo, named: &Named) -> String {
    let name = &repo.name;
    match named {
        Named::Commit(sha) => format!("the commit {sha} that the image names is not in {name}"),
        Named::Prefix(digits) => format!(
            "the image names the short SHA {digits}, and {name} has no such commit, or several: build it with all 40 digits"
        ),
        Named::Ref(reference) => {
            format!("the image leads to {reference}, and {name} has no such branch or tag")
        }
        Named::Pull(number) => format!("the tag names pull request {number}, which {name} does not have"),
    }
}

/// The repository was read a moment ago: what is missing is the commit.
fn missing_is_none(found: Result<Option<Commit>, GithubError>) -> Result<Option<Commit>, Setback> {
    match found {
        Err(GithubError::NotFound(_)) => Ok(None),
        found => Ok(found?),
    }
}

fn not_there_yet(why: String) -> Setback {
    Setback::Passing {
        why,
        after: None,
        patience: Patience::CommitArrives,
    }
}
