//! A Compose file as it is run: the service `sut`, and what it depends on.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Services that are run together; `sut` decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// The file, from the repository's root on.
    pub file: String,
    /// Each after those that it depends on; the last one is `sut`.
    pub services: Vec<Service>,
    /// Is the repository seen as it is at the commit under test, and not on the default branch?
    pub at_commit: bool,
}

impl Project {
    /// The service that decides.
    pub const SUT: &str = "sut";

    /// Images beside the one under test, each once.
    pub fn other_images(&self) -> Vec<&str> {
        let mut images: Vec<&str> = self
            .services
            .iter()
            .filter_map(|service| match &service.image {
                ServiceImage::Subject => None,
                ServiceImage::Other(reference) => Some(reference.as_str()),
            })
            .collect();
        images.sort_unstable();
        images.dedup();
        images
    }

    /// What of the repository the services see: paths from its root on.
    pub fn repository_paths(&self) -> Vec<&str> {
        let mounts = self.services.iter().flat_map(|service| &service.mounts);
        let mut paths: Vec<&str> = mounts
            .filter_map(|mount| match &mount.source {
                MountSource::Repository(path) => Some(path.as_str()),
                _ => None,
            })
            .collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// By which the others reach it.
    pub name: String,
    /// What it runs.
    pub image: ServiceImage,
    /// In place of the image's own, where given.
    pub entrypoint: Option<Vec<String>>,
    /// In place of the image's own, where given.
    pub command: Option<Vec<String>>,
    /// Added to the image's environment.
    pub env: BTreeMap<String, String>,
    /// In place of the image's own, where given.
    pub working_dir: Option<String>,
    /// In place of the image's own, where given.
    pub user: Option<String>,
    /// In place of the image's own, where given.
    pub healthcheck: Option<Healthcheck>,
    /// What must come before it.
    pub depends_on: Vec<Dependency>,
    /// Further names by which the others reach it.
    pub aliases: Vec<String>,
    /// What else it sees than its image.
    pub mounts: Vec<Mount>,
}

/// What a service runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceImage {
    /// The image under test.
    Subject,
    /// Another one, as it was written.
    Other(String),
}

/// Something that must come first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// Which service.
    pub service: String,
    /// What must be so.
    pub condition: Condition,
}

/// How far a service must be, before another one starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It was started.
    #[default]
    Started,
    /// Its health check holds.
    Healthy,
    /// It ended with exit code 0.
    Completed,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Started => "started",
            Self::Healthy => "healthy",
            Self::Completed => "completed",
        })
    }
}

/// A health check; what is not given is the image's, or the Engine's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthcheck {
    /// `NONE`, or `CMD` and words, or `CMD-SHELL` and a line; empty: the image's.
    pub test: Vec<String>,
    /// Between two checks.
    pub interval: Option<Duration>,
    /// The longest that one may take.
    pub timeout: Option<Duration>,
    /// Failures do not count for so long.
    pub start_period: Option<Duration>,
    /// Failures in a row.
    pub retries: Option<u32>,
}

/// Something that a service sees beside its image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What.
    pub source: MountSource,
    /// Where: an absolute path in the container.
    pub target: String,
}

/// What is seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountSource {
    /// An empty volume of its own.
    Anonymous,
    /// A volume that all services share which name it.
    Volume(String),
    /// A file system in memory.
    Memory,
    /// A copy of what lies at this path in the repository, of which the root is empty.
    Repository(String),
    /// A file with this text.
    Text(String),
}
