//! What is to be tested, and within which bounds.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::compose::Project;
use super::pattern::FilePattern;
use super::structure::Suite;

/// How tightly a container is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The capabilities that ordinary entrypoints need; a writable root file system.
    #[default]
    Compatible,
    /// No capability; a read-only root file system with a small `/tmp`.
    Strict,
}

impl Profile {
    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compatible => "compatible",
            Self::Strict => "strict",
        }
    }

    /// The capabilities that are left: all others are dropped. Entrypoints of databases and the like
    /// change owners and drop privileges themselves.
    pub fn capabilities(self) -> &'static [&'static str] {
        match self {
            Self::Compatible => &[
                "CHOWN",
                "DAC_OVERRIDE",
                "FOWNER",
                "FSETID",
                "KILL",
                "NET_BIND_SERVICE",
                "SETGID",
                "SETUID",
            ],
            Self::Strict => &[],
        }
    }

    /// Options of the memory-backed file systems at `/tmp` and at the image's volumes, where the root
    /// file system is read-only; `None`: it can be written to.
    pub fn tmpfs(self) -> Option<&'static str> {
        match self {
            Self::Compatible => None,
            Self::Strict => Some("rw,nosuid,nodev,size=256m"),
        }
    }
}

/// What a container can reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Nothing.
    #[default]
    None,
    /// The world, but no other container.
    Bridge,
}

/// Does a variable of this name hold a secret, as far as names tell?
pub fn is_secret_name(name: &str) -> bool {
    const WORDS: [&str; 5] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY"];
    let name = name.to_ascii_uppercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// The ceilings of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Total time.
    pub timeout: Duration,
    /// Time without output.
    pub idle_timeout: Duration,
    /// Memory in bytes; there is no swap beside it.
    pub memory_bytes: u64,
    /// Processors, in billionths of one.
    pub nano_cpus: u64,
    /// Processes and threads.
    pub pids: u32,
    /// Bytes that the container may write to its own file system.
    pub disk_bytes: u64,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// `docker run IMAGE ARGS…`; the exit code decides.
    Run {
        /// What follows the image's name.
        args: Vec<String>,
        /// In place of the image's own entrypoint, where given.
        entrypoint: Option<Vec<String>>,
        /// Added to the image's environment.
        env: BTreeMap<String, String>,
    },
    /// The services of a Compose file; the exit code of `sut` decides.
    Compose {
        /// What of the file is run.
        project: Project,
    },
    /// What a container-structure-test file asserts.
    Structure {
        /// What of the file is judged.
        suite: Suite,
    },
    /// The image's own command stays up, and turns healthy where it has a health check.
    Healthy {
        /// Within this time.
        within: Duration,
    },
}

/// One entry of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Shown to users; unique in its plan.
    pub name: String,
    /// What it does.
    pub kind: StepKind,
    /// The longest that it may take, where that is less than the plan's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Files in which it tells of its tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<FilePattern>,
}

/// What is to be tested in one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In order.
    pub steps: Vec<Step>,
    /// How tightly the containers are held.
    pub profile: Profile,
    /// What they can reach.
    pub network: Network,
    /// The ceilings of each step.
    pub limits: Limits,
}

impl Plan {
    /// The ceilings of one of its steps.
    pub fn limits_of(&self, step: &Step) -> Limits {
        let mut limits = self.limits.clone();
        limits.timeout = step.timeout.map_or(limits.timeout, |own| own.min(limits.timeout));
        limits
    }

    /// Does the image's configuration alone decide all of it, so that no layer is needed?
    pub fn is_of_config(&self) -> bool {
        self.steps.iter().all(|step| match &step.kind {
            StepKind::Structure { suite } => suite.is_of_config(),
            StepKind::Run { .. } | StepKind::Compose { .. } | StepKind::Healthy { .. } => false,
        })
    }

    /// A name for exactly this plan: part of a run's key.
    pub fn fingerprint(&self) -> String {
        let json = serde_json::to_vec(self).expect("a plan is plain data");
        hex::encode(&sha2::Sha256::digest(json)[..16])
    }
}
