//! From an image to the commit that it was built from: claims, ranking, binding, commit.
//!
//! Two answers are kept apart: why the image may speak for the repository (its binding), and how the
//! commit is known (the evidence).

mod binding;
pub mod claims;
mod judge;
mod setback;

pub use binding::Bindings;
pub use judge::{Judgement, judge};
pub use setback::{Patience, Setback};

use crate::github::{GitHub, GithubError};
use crate::model::{Binding, Digest, ImageName, JudgedClaim, Platform, Source, Tag, Visibility};
use crate::registry::{Access, ImageDetails, RegistryClient};

/// Finds the commit that an image was built from.
#[derive(Clone)]
pub struct Resolver {
    registry: RegistryClient,
    github: GitHub,
    bindings: Bindings,
}

impl Resolver {
    /// A resolver that asks these.
    pub fn new(registry: RegistryClient, github: GitHub, bindings: Bindings) -> Self {
        Self {
            registry,
            github,
            bindings,
        }
    }

    /// What the tag means now. A HEAD: it costs nothing of a pull limit.
    pub async fn digest(&self, image: &ImageName, tag: &Tag) -> Result<Digest, Setback> {
        Ok(self.registry.resolve(image, tag, self.access(image)).await?)
    }

    /// What is known of the image on this platform before any layer is pulled.
    pub async fn inspect(
        &self,
        image: &ImageName,
        digest: &Digest,
        engine: &Platform,
    ) -> Result<ImageDetails, Setback> {
        Ok(self
            .registry
            .inspect(image, digest, engine, self.access(image))
            .await?)
    }

    /// Who may pull the image.
    pub async fn visibility(&self, image: &ImageName, digest: &Digest) -> Visibility {
        self.registry.visibility(image, digest).await
    }

    /// The commit that the image was built from, and every claim with its fate.
    pub async fn source(
        &self,
        image: &ImageName,
        details: &ImageDetails,
    ) -> Result<(Source, Vec<JudgedClaim>), Setback> {
        let bound = self
            .bindings
            .repo_of(image)
            .ok_or_else(|| Setback::Final(Bindings::why_unbound(image)))?;
        let judgement = judge(claims::collect(details));
        let Some(commit) = judgement.commit.clone() else {
            return Err(Setback::Final(judgement.why_none()));
        };
        let repo = self.github.repo(bound).await?;
        let found = match self.github.commit(&repo, &commit).await {
            // The repository was read a moment ago: what is missing is the commit.
            Err(GithubError::NotFound(_)) => None,
            other => other?,
        };
        if found.is_none() {
            return Err(Setback::Passing {
                why: format!("the commit {commit} that the image names is not in {}", repo.name),
                after: None,
                patience: Patience::CommitArrives,
            });
        }
        let source = Source {
            repo,
            commit,
            evidence: judgement.evidence,
            binding: Binding::Operator,
        };
        Ok((source, judgement.claims))
    }

    /// The operator's credentials serve the images that the operator bound, and no others.
    fn access(&self, image: &ImageName) -> Access {
        if self.bindings.repo_of(image).is_some() {
            Access::Configured
        } else {
            Access::Anonymous
        }
    }
}
