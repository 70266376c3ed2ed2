//! How tightly a container is held: the two profiles, as data.
//!
//! What no profile ever allows (privileges, devices, mounts of the host, its namespaces) has no field
//! here, so that no rule can turn it on.

use super::image::LocalImage;
use super::labels::Labels;
use crate::model::{Limits, Profile, Step, StepKind};

/// Everything that decides how a container is made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sandbox {
    /// The image's id.
    pub(super) image: String,
    /// In place of the image's own, where given; `[""]` for none at all.
    pub(super) entrypoint: Option<Vec<String>>,
    /// In place of the image's own, where given.
    pub(super) command: Option<Vec<String>>,
    /// `NAME=value`.
    pub(super) env: Vec<String>,
    /// What hubcheck knows it by.
    pub(super) labels: Labels,
    /// `none`, or a network's id.
    pub(super) network: String,
    /// The OCI runtime.
    pub(super) runtime: String,
    /// All others are dropped.
    pub(super) capabilities: &'static [&'static str],
    /// Is the root file system read-only?
    pub(super) read_only: bool,
    /// Paths and options of memory-backed file systems.
    pub(super) tmpfs: Vec<(String, &'static str)>,
    /// Paths of volumes that live as long as the container.
    pub(super) volumes: Vec<String>,
    /// Open files of a process; `None`: as many as the Engine's own.
    pub(super) open_files: Option<i64>,
    /// Memory, processors, processes.
    pub(super) limits: Limits,
}

/// How many files a process may have open. The Engine cannot give more than it has itself.
pub(super) fn open_files(profile: Profile) -> i64 {
    match profile {
        Profile::Compatible => 65_536,
        Profile::Strict => 4096,
    }
}

impl Sandbox {
    /// The container of a step, but for what the host of it decides: `network` and `runtime`.
    pub(super) fn new(image: &LocalImage, step: &Step, profile: Profile, limits: &Limits) -> Self {
        let StepKind::Run {
            args,
            entrypoint,
            env,
        } = &step.kind;
        // The Engine takes an empty list for "not given", and a list of one empty text for "none".
        let entrypoint = entrypoint.clone().map(|words| {
            if words.is_empty() {
                vec![String::new()]
            } else {
                words
            }
        });
        let read_only = profile.tmpfs().is_some();
        // Where nothing else can be written to, reports go to a volume: what is in memory cannot be read afterwards.
        let mut volumes: Vec<String> = step
            .reports
            .iter()
            .map(|pattern| pattern.folder().to_owned())
            .collect();
        volumes.sort();
        volumes.dedup();
        volumes.retain(|_| read_only);
        // A volume that the image declares would be writable and counts towards no limit.
        let declared = image.volumes.iter().map(String::as_str);
        let in_memory = declared
            .chain(["/tmp"])
            .filter(|path| !volumes.iter().any(|volume| volume == path));
        Self {
            image: image.id.clone(),
            entrypoint,
            command: (!args.is_empty()).then(|| args.clone()),
            env: env
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            labels: Labels::new(),
            network: "none".to_owned(),
            runtime: String::new(),
            capabilities: profile.capabilities(),
            read_only,
            tmpfs: in_memory
                .filter_map(|path| Some((path.to_owned(), profile.tmpfs()?)))
                .collect(),
            volumes,
            open_files: Some(open_files(profile)),
            limits: limits.clone(),
        }
    }
}
