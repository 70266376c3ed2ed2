//! From an image to the commit that it was built from: claims, ranking, binding, commit.
//!
//! Two answers are kept apart: why the image may speak for the repository (its binding), and how the
//! commit is known (the evidence).

mod binding;
pub mod claims;
mod commit;
mod judge;
mod revision;
mod setback;
mod signed;
mod source_url;

use jiff::Timestamp;

pub use binding::{Bindings, Bound};
pub use commit::{Found, Image, Merge};
pub use judge::{Judgement, Settled, Taken};
pub use revision::{Named, Revision};
pub use setback::{Patience, SIGNATURES_ARRIVE, Setback};
pub use signed::Subject;
pub use source_url::SourceUrl;

use crate::clock::Clock;
use crate::github::{GitHub, GithubError};
use crate::model::{Claim, Digest, ImageName, Platform, Repo, RepoName, Tag, Visibility};
use crate::registry::{Access, ImageDetails, RegistryClient, RegistryError};
use crate::signature::Verifier;

/// Other names for a repository that are looked up at GitHub, to see whether they are former names of it.
const MOST_LOOKUPS: usize = 3;

/// Times before this are no times: builds that are to be the same each time write the start of some epoch.
const FIRST_HONEST_TIME: i64 = 1_000_000_000;

/// Finds the commit that an image was built from.
#[derive(Clone)]
pub struct Resolver {
    registry: RegistryClient,
    github: GitHub,
    bindings: Bindings,
    /// Of GitHub's pages: what source URLs name.
    github_host: String,
    verifier: Verifier,
    signatures: signed::Memory,
}

impl Resolver {
    /// A resolver that asks these. `github_host`: the host of GitHub's pages, with its port where it has one.
    pub fn new(
        registry: RegistryClient,
        github: GitHub,
        bindings: Bindings,
        github_host: String,
        verifier: Verifier,
    ) -> Self {
        Self {
            registry,
            github,
            bindings,
            github_host,
            verifier,
            signatures: signed::Memory::default(),
        }
    }

    /// With this clock for what is believed for some time alone.
    #[must_use]
    pub fn on(mut self, clock: Clock) -> Self {
        self.signatures = signed::Memory::on(clock);
        self
    }

    /// The operator's word on images and repositories.
    pub fn bindings(&self) -> &Bindings {
        &self.bindings
    }

    /// What the tag means now. A HEAD: it costs nothing of a pull limit.
    pub async fn digest(&self, image: &ImageName, tag: &Tag, access: Access) -> Result<Digest, Setback> {
        let resolved = self.registry.resolve(image, tag, access).await;
        resolved.map_err(|error| unread(image, access, error))
    }

    /// What is known of the image on this platform before any layer is pulled.
    pub async fn inspect(
        &self,
        image: &ImageName,
        digest: &Digest,
        platform: &Platform,
        access: Access,
    ) -> Result<ImageDetails, Setback> {
        let inspected = self.registry.inspect(image, digest, platform, access).await;
        inspected.map_err(|error| unread(image, access, error))
    }

    /// Who may pull an image that was read with the right of the account for its registry, where there is one.
    pub async fn visibility(&self, image: &ImageName, digest: &Digest) -> Visibility {
        if self.registry.credentials(image).await.is_none() {
            return Visibility::Public;
        }
        self.registry.visibility(image, digest).await
    }

    /// The repository that the image speaks for, as it is now: of several that declare it the one that a claim of
    /// the image names. A private image speaks for none that may not use the operator's account.
    pub async fn repo(
        &self,
        image: &ImageName,
        bound: &Bound,
        claims: &[Claim],
        visibility: Visibility,
    ) -> Result<Repo, Setback> {
        let declarers = match bound {
            Bound::Operator(name) => return Ok(self.github.recent_repo(name).await?),
            Bound::Declared(repos) => repos,
        };
        let may_read =
            |repo: &&Repo| visibility == Visibility::Public || self.bindings.allows(image, &repo.name);
        let candidates: Vec<&Repo> = declarers.iter().filter(may_read).collect();
        let declarer = match candidates.as_slice() {
            [] => {
                return Err(Setback::Final(format!(
                    "{image} is private: list the repository in `allow` of [registry.\"{}\"], or bind it with an [[image]] section",
                    image.registry()
                )));
            }
            [one] => *one,
            several => self.named_among(several, claims).await?.ok_or_else(|| {
                Setback::Final(format!(
                    "{} repositories declare {image}, and no claim of the image names one of them: build it with the label org.opencontainers.image.source",
                    several.len()
                ))
            })?,
        };
        Ok(self.github.recent_repo_seen(declarer).await?)
    }

    /// The one of several repositories that a claim names, by the name it has or had.
    async fn named_among<'r>(
        &self,
        repos: &[&'r Repo],
        claims: &[Claim],
    ) -> Result<Option<&'r Repo>, Setback> {
        let named = self.repos_named(claims);
        let by_name = repos.iter().find(|repo| named.contains(&repo.name));
        if let Some(repo) = by_name {
            return Ok(Some(*repo));
        }
        for name in named.iter().take(MOST_LOOKUPS) {
            if let Some(today) = self.repo_of_today(name).await?
                && let Some(repo) = repos.iter().find(|repo| repo.id == today.id)
            {
                return Ok(Some(*repo));
            }
        }
        Ok(None)
    }

    /// The repositories that claims name, each once, the most believable first.
    fn repos_named(&self, claims: &[Claim]) -> Vec<RepoName> {
        let mut named = Vec::new();
        for name in claims.iter().filter_map(|claim| self.repo_named(claim)) {
            if !named.contains(&name) {
                named.push(name);
            }
        }
        named
    }

    /// `None`: there is no such repository, or none that we reach, which is the same to us.
    async fn repo_of_today(&self, name: &RepoName) -> Result<Option<Repo>, Setback> {
        match self.github.recent_repo(name).await {
            Err(GithubError::NotInstalled(_) | GithubError::NotFound(_) | GithubError::Forbidden(_)) => {
                Ok(None)
            }
            answered => Ok(Some(answered?)),
        }
    }
}

/// When an image was built: as it says itself, if that can be true, else when it was pushed.
pub fn built_at(created: Option<&str>, pushed_at: Timestamp) -> Timestamp {
    created
        .and_then(|text| text.parse::<Timestamp>().ok())
        .filter(|created| created.as_second() >= FIRST_HONEST_TIME && *created <= pushed_at)
        .unwrap_or(pushed_at)
}

/// Why an image could not be read, and what to do where nobody may use the account that might be there.
fn unread(image: &ImageName, access: Access, error: RegistryError) -> Setback {
    let is_refused = matches!(error, RegistryError::Unauthorized { .. });
    match Setback::from(error) {
        Setback::Final(why) if is_refused && access == Access::Anonymous => Setback::Final(format!(
            "{why}: to let a repository that declares it use the account for {host}, list it in `allow` of [registry.\"{host}\"], or bind the image with an [[image]] section",
            host = image.registry()
        )),
        setback => setback,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_cannot_be_true_is_that_of_the_push() {
        let pushed: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        for (created, built) in [
            (Some("2026-11-23T09:00:00.5Z"), "2026-11-23T09:00:00.5Z"),
            (Some("2027-01-01T00:00:00Z"), "2026-11-23T10:00:00Z"),
            (Some("1970-01-01T00:00:00Z"), "2026-11-23T10:00:00Z"),
            (Some("1980-01-01T00:00:01Z"), "2026-11-23T10:00:00Z"),
            (Some("0001-01-01T00:00:00Z"), "2026-11-23T10:00:00Z"),
            (Some("yesterday"), "2026-11-23T10:00:00Z"),
            (None, "2026-11-23T10:00:00Z"),
        ] {
            assert_eq!(built_at(created, pushed), built.parse().unwrap(), "{created:?}");
        }
    }
}
