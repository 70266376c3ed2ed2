//! What a plan needs of the repository beside `.github/hubcheck.yml`, and what it is offered.

use std::collections::BTreeMap;

use super::compose::Files;
use crate::model::{CommitSha, ImageName, Tag};

/// Variables by their names.
pub type Variables = BTreeMap<String, String>;

/// What is known of the repository, and of the push.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The names of the files at its root, sorted; `None`: not read yet.
    pub root: Option<Vec<String>>,
    /// Files by their paths, as far as they were read.
    pub files: Files,
    /// What Docker Hub offers to tests.
    pub variables: Variables,
}

impl Default for &Sources {
    /// Nothing is known, and nothing offered.
    fn default() -> Self {
        static NOTHING: Sources = Sources {
            root: None,
            files: Files::new(),
            variables: Variables::new(),
        };
        &NOTHING
    }
}

/// What must be read before a plan can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// A file's path; `None`: the names of the files at the root.
    pub file: Option<String>,
    /// At the commit under test; else on the default branch.
    pub at_commit: bool,
}

impl Needed {
    pub(super) fn root(at_commit: bool) -> Self {
        Self {
            file: None,
            at_commit,
        }
    }

    pub(super) fn file(path: String, at_commit: bool) -> Self {
        Self {
            file: Some(path),
            at_commit,
        }
    }
}

/// The variables that Docker Hub offers to tests, and to Compose files.
/// <https://docs.docker.com/docker-hub/builds/advanced/#environment-variables-for-building-and-testing>
pub fn variables(image: &ImageName, tag: &Tag, commit: &CommitSha, branch: &str, message: &str) -> Variables {
    let mut variables = image_variables(image, tag);
    let of_commit = [
        ("SOURCE_BRANCH", branch),
        ("SOURCE_COMMIT", commit.as_str()),
        ("COMMIT_MSG", message),
    ];
    variables.extend(of_commit.map(|(name, value)| (name.to_owned(), value.to_owned())));
    variables
}

/// Those of them that the image alone tells.
pub fn image_variables(image: &ImageName, tag: &Tag) -> Variables {
    // Docker Hub names its own registry so.
    let repo = image.to_string().replacen("docker.io/", "index.docker.io/", 1);
    [
        ("DOCKERFILE_PATH", "Dockerfile".to_owned()),
        ("DOCKER_TAG", tag.to_string()),
        ("IMAGE_NAME", format!("{repo}:{tag}")),
        ("DOCKER_REPO", repo),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
