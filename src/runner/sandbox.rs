//! How tightly a container is held: the two profiles, as data.
//!
//! What no profile ever allows (privileges, devices, mounts of the host, its namespaces) has no field
//! here, so that no rule can turn it on.

use std::collections::BTreeMap;

use super::image::LocalImage;
use super::labels::Labels;
use crate::model::compose::{Healthcheck, Service};
use crate::model::{FilePattern, Limits, Profile, Step, StepKind};

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
    /// In place of the image's own, where given.
    pub(super) working_dir: Option<String>,
    /// In place of the image's own, where given.
    pub(super) user: Option<String>,
    /// In place of the image's own, where given.
    pub(super) healthcheck: Option<Healthcheck>,
    /// What hubcheck knows it by.
    pub(super) labels: Labels,
    /// `none`, or a network's id.
    pub(super) network: String,
    /// By which others on the network reach it.
    pub(super) aliases: Vec<String>,
    /// The OCI runtime.
    pub(super) runtime: String,
    /// All others are dropped.
    pub(super) capabilities: &'static [&'static str],
    /// Is the root file system read-only?
    pub(super) read_only: bool,
    /// Paths and options of memory-backed file systems.
    pub(super) tmpfs: Vec<(String, &'static str)>,
    /// Volumes by name, and where they are seen; without a name one lives as long as the container.
    pub(super) volumes: Vec<(Option<String>, String)>,
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

/// What is run in an image, and what is given to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// In place of the image's own, where given.
    pub(super) entrypoint: Option<&'a [String]>,
    /// Arguments; none: the image's own.
    pub(super) args: &'a [String],
    /// Added to the image's environment.
    pub(super) env: &'a BTreeMap<String, String>,
    /// Files that are read from it afterwards.
    pub(super) reports: &'a [FilePattern],
}

impl<'a> Call<'a> {
    /// That of a step with one container. The services of a Compose file have calls of their own.
    pub(super) fn of(step: &'a Step) -> Self {
        static NOTHING: BTreeMap<String, String> = BTreeMap::new();
        let (args, entrypoint, env): (&[String], Option<&[String]>, _) = match &step.kind {
            StepKind::Run {
                args,
                entrypoint,
                env,
            } => (args, entrypoint.as_deref(), env),
            StepKind::Healthy { .. } | StepKind::Compose { .. } | StepKind::Structure { .. } => {
                (&[], None, &NOTHING)
            }
        };
        Self {
            entrypoint,
            args,
            env,
            reports: &step.reports,
        }
    }

    /// That of a service.
    pub(super) fn of_service(service: &'a Service, reports: &'a [FilePattern]) -> Self {
        Self {
            entrypoint: service.entrypoint.as_deref(),
            args: service.command.as_deref().unwrap_or_default(),
            env: &service.env,
            reports,
        }
    }
}

impl Sandbox {
    /// A container, but for what the host of it decides: `network` and `runtime`.
    pub(super) fn new(image: &LocalImage, call: &Call<'_>, profile: Profile, limits: &Limits) -> Self {
        // The Engine takes an empty list for "not given", and a list of one empty text for "none".
        let entrypoint = call.entrypoint.map(|words| {
            if words.is_empty() {
                vec![String::new()]
            } else {
                words.to_vec()
            }
        });
        let read_only = profile.tmpfs().is_some();
        // Where nothing else can be written to, reports go to a volume: what is in memory cannot be read afterwards.
        let mut folders: Vec<&str> = call.reports.iter().map(FilePattern::folder).collect();
        folders.sort_unstable();
        folders.dedup();
        folders.retain(|_| read_only);
        // A volume that the image declares would be writable and counts towards no limit.
        let declared = image.config.volumes.iter().map(String::as_str);
        let in_memory = declared.chain(["/tmp"]).filter(|path| !folders.contains(path));
        Self {
            image: image.id.clone(),
            entrypoint,
            command: (!call.args.is_empty()).then(|| call.args.to_vec()),
            env: call
                .env
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            working_dir: None,
            user: None,
            healthcheck: None,
            labels: Labels::new(),
            network: "none".to_owned(),
            aliases: Vec::new(),
            runtime: String::new(),
            capabilities: profile.capabilities(),
            read_only,
            tmpfs: in_memory
                .filter_map(|path| Some((path.to_owned(), profile.tmpfs()?)))
                .collect(),
            volumes: folders.into_iter().map(|path| (None, path.to_owned())).collect(),
            open_files: Some(open_files(profile)),
            limits: limits.clone(),
        }
    }
}
