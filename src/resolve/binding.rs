//! Which repositories an image may speak for, and who may use the operator's credentials.

use std::collections::{BTreeMap, HashMap};

use crate::config::{ImageBinding, Registry};
use crate::model::{Binding, ImageName, Repo, RepoName};
use crate::registry::Access;

/// What the operator's configuration says of images and repositories.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    repos: HashMap<ImageName, RepoName>,
    /// By the registry's host: the repositories that may use its account, `owner/name` or `owner/*`.
    allowed: HashMap<String, Vec<String>>,
}

/// The repositories that an image may speak for.
#[derive(Clone, Debug)]
pub enum Bound {
    /// The operator says which one.
    Operator(RepoName),
    /// These say so themselves, on their default branches. At least one.
    Declared(Vec<Repo>),
}

impl Bound {
    /// Why it may speak for them.
    pub fn binding(&self) -> Binding {
        match self {
            Self::Operator(_) => Binding::Operator,
            Self::Declared(_) => Binding::Declared,
        }
    }
}

impl Bindings {
    /// Those of the configuration.
    pub fn new(images: &[ImageBinding], registries: &BTreeMap<String, Registry>) -> Self {
        let repos = images
            .iter()
            .map(|image| (image.name.clone(), image.repo.clone()));
        let allowed = registries
            .iter()
            .map(|(host, registry)| (crate::registry::host_of(host), registry.allow.clone()));
        Self {
            repos: repos.collect(),
            allowed: allowed.collect(),
        }
    }

    /// The images that the operator bound.
    pub fn images(&self) -> impl Iterator<Item = &ImageName> {
        self.repos.keys()
    }

    /// The repository that the operator bound the image to.
    pub fn repo_of(&self, image: &ImageName) -> Option<&RepoName> {
        self.repos.get(image)
    }

    /// The repositories that the image may speak for: the operator's word comes before those who declare it.
    pub fn bound(&self, image: &ImageName, declarers: Vec<Repo>) -> Option<Bound> {
        match self.repo_of(image) {
            Some(repo) => Some(Bound::Operator(repo.clone())),
            None => (!declarers.is_empty()).then_some(Bound::Declared(declarers)),
        }
    }

    /// Whose rights an image is read with: the operator's, where one who may speak for it may use them.
    pub fn access(&self, image: &ImageName, bound: &Bound) -> Access {
        let is_lent = match bound {
            Bound::Operator(_) => true,
            Bound::Declared(repos) => repos.iter().any(|repo| self.allows(image, &repo.name)),
        };
        if is_lent {
            Access::Configured
        } else {
            Access::Anonymous
        }
    }

    /// The same for a repository that was chosen.
    pub fn access_of(&self, image: &ImageName, binding: Binding, repo: &RepoName) -> Access {
        if binding == Binding::Operator || self.allows(image, repo) {
            Access::Configured
        } else {
            Access::Anonymous
        }
    }

    /// May a repository use the account for the image's registry without being bound by the operator?
    pub fn allows(&self, image: &ImageName, repo: &RepoName) -> bool {
        let allowed = self.allowed.get(image.registry()).into_iter().flatten();
        allowed
            .into_iter()
            .any(|pattern| match pattern.strip_suffix("/*") {
                Some(owner) => owner.eq_ignore_ascii_case(repo.owner()),
                None => pattern.parse::<RepoName>().is_ok_and(|name| name == *repo),
            })
    }

    /// What to tell whoever pushes an image that nobody bound.
    pub fn why_unbound(image: &ImageName) -> String {
        format!(
            "no repository is bound to {image}: declare it in .github/hubcheck.yml on the repository's default branch, or add an [[image]] section with name = \"{image}\" and repo = \"owner/name\" to the configuration"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_serves_those_on_the_list() {
        let registry = Registry {
            allow: vec!["acme/*".to_owned(), "Other/App".to_owned()],
            ..Registry::default()
        };
        let bindings = Bindings::new(&[], &[("docker.io".to_owned(), registry)].into());
        let image = "acme/app".parse().unwrap();
        for (repo, allowed) in [
            ("acme/app", true),
            ("ACME/other", true),
            ("other/app", true),
            ("other/app2", false),
            ("acme2/app", false),
        ] {
            assert_eq!(bindings.allows(&image, &repo.parse().unwrap()), allowed, "{repo}");
        }
        let elsewhere = "ghcr.io/acme/app".parse().unwrap();
        assert!(!bindings.allows(&elsewhere, &"acme/app".parse().unwrap()));
    }
}
