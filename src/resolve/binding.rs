//! Which repository an image may speak for.

use std::collections::HashMap;

use crate::config::ImageBinding;
use crate::model::{ImageName, RepoName};

/// The operator's bindings.
#[derive(Clone, Debug, Default)]
pub struct Bindings(HashMap<ImageName, RepoName>);

impl Bindings {
    /// Those of the configuration.
    pub fn new(images: &[ImageBinding]) -> Self {
        Self(
            images
                .iter()
                .map(|image| (image.name.clone(), image.repo.clone()))
                .collect(),
        )
    }

    /// The repository that the operator bound the image to.
    pub fn repo_of(&self, image: &ImageName) -> Option<&RepoName> {
        self.0.get(image)
    }

    /// What to tell whoever pushes an image that nobody bound.
    pub fn why_unbound(image: &ImageName) -> String {
        format!(
            "no repository is bound to {image}: add an [[image]] section with name = \"{image}\" and repo = \"owner/name\" to the configuration"
        )
    }
}
