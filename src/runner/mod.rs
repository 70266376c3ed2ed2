//! Runs an image's steps on the Docker Engine and says why each ended as it did.
//!
//! The image is a stranger: `sandbox` says how it is held, `watch` when it is stopped, `log` how
//! much of what it prints is kept, `cause` how its end is read. Trouble of the Engine's own is an
//! [`EngineError`] and never a verdict. What is made carries labels, and is removed by a guard; what a
//! crash leaves behind, the reaper finds by the labels. Only `engine` imports bollard.

mod cache;
mod cause;
mod collect;
mod compose;
mod container;
mod disk;
mod engine;
mod error;
mod files;
#[doc(hidden)]
pub mod foreign;
mod healthy;
mod image;
mod info;
mod labels;
mod log;
mod look;
mod pull;
mod pull_error;
mod reap;
mod sandbox;
mod step;
mod structure;
mod watch;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use tokio::sync::{Mutex, OnceCell, Semaphore};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use disk::Disk;
pub use error::EngineError;
pub use files::{RepositoryFile, RepositoryFiles};
pub use image::{LocalImage, Origin};
pub use info::EngineInfo;
pub use labels::Owner;
pub use log::{LiveChunk, LogSink, StepLog};
pub use pull::{PullProgress, PullSource, RegistryCredentials};
pub use pull_error::PullError;
pub use reap::Reaped;
pub use step::{Beside, Done, StepEnd, StepTask};

use crate::clock::{Clock, millis};
use crate::config;
use crate::model::Platform;
use crate::redact::Redactor;
use engine::{Engine, NetworkKind};
use pull::Flights;

/// What a step may print in all before it is stopped, in bytes.
const OUTPUT_BYTES: u64 = 256 << 20;
/// How long a network that the steps share is used before a new one takes its place.
const NETWORK_LIFE: Duration = Duration::from_hours(24);
/// No step is given a network that may be removed within this time.
const NETWORK_MARGIN: Duration = Duration::from_hours(2);

/// Runs steps on one Docker Engine. Cheap to clone; clones share their slots and their pulls.
#[derive(Clone, Debug)]
pub struct Runner {
    engine: Engine,
    instance: Uuid,
    clock: Clock,
    /// The OCI runtime of the containers; empty for the Engine's own choice.
    runtime: String,
    pull_timeout: Duration,
    /// Steps that may run at a time.
    slots: Arc<Semaphore>,
    /// How many those are in all.
    concurrency: usize,
    /// The Engine, as it said at first.
    known: Arc<OnceCell<EngineInfo>>,
    flights: Flights,
    /// Containers that are being made or removed.
    upkeep: TaskTracker,
    /// So many open files, or more, the Engine cannot give to a process.
    open_files: Arc<AtomicI64>,
    /// Held while the shared network is looked for or made.
    network: Arc<Mutex<()>>,
    /// A pull that reports nothing for this long is given up.
    pull_idle: Duration,
}

impl Runner {
    /// A runner on the Engine that `config` names, for the store or the command `instance`.
    ///
    /// Connects when it is first used, so that it can be made while the Engine is down. An error says
    /// that the address cannot be used at all.
    pub fn connect(config: &config::Docker, instance: Uuid, clock: Clock) -> Result<Self, EngineError> {
        let upkeep = TaskTracker::new();
        // Closed from the start: it takes tasks all the same, and can be waited for at any time.
        upkeep.close();
        Ok(Self {
            engine: Engine::new(config.host.as_deref())?,
            instance,
            clock,
            runtime: config.runtime.clone(),
            pull_timeout: config.pull_timeout,
            slots: Arc::new(Semaphore::new(config.concurrency.max(1))),
            concurrency: config.concurrency.max(1),
            known: Arc::default(),
            flights: Flights::default(),
            upkeep,
            open_files: Arc::new(AtomicI64::new(i64::MAX)),
            network: Arc::default(),
            pull_idle: pull::IDLE,
        })
    }

    /// Hides these secrets in all that images print and the Engine says.
    #[must_use]
    pub fn hiding(mut self, secrets: Redactor) -> Self {
        self.engine.hidden = secrets;
        self
    }

    /// What it hides: the same must be hidden in what registries say.
    pub fn hidden(&self) -> &Redactor {
        &self.engine.hidden
    }

    /// Gives a pull up that reports nothing for this long; a minute, unless it is set.
    #[must_use]
    pub fn with_pull_idle(mut self, limit: Duration) -> Self {
        self.pull_idle = limit;
        self
    }

    /// What the Engine says about itself, asked anew.
    pub async fn health(&self) -> Result<EngineInfo, EngineError> {
        self.engine.info().await
    }

    /// What the Engine runs on; asked once.
    pub async fn platform(&self) -> Result<Platform, EngineError> {
        let EngineInfo { os, architecture, .. } = self.known().await?.clone();
        Ok(Platform {
            os,
            architecture,
            variant: None,
        })
    }

    /// The Engine's own id; asked once.
    pub async fn engine_id(&self) -> Result<&str, EngineError> {
        Ok(&self.known().await?.id)
    }

    async fn known(&self) -> Result<&EngineInfo, EngineError> {
        self.known.get_or_try_init(|| self.engine.info()).await
    }

    /// The image that the Engine holds under `reference`: a name with a tag or a digest, or an id.
    pub async fn local_image(&self, reference: &str) -> Result<Option<LocalImage>, EngineError> {
        self.engine.image(reference).await
    }

    /// Waits until every container that is done with is gone.
    pub async fn drain(&self) {
        self.upkeep.wait().await;
    }

    /// Waits until every container that is done with is gone, and removes what all steps shared.
    pub async fn shutdown(&self) -> Result<(), EngineError> {
        self.drain().await;
        for network in self.engine.networks(&self.of_instance()).await? {
            match self.engine.remove_network(&network.id).await {
                // Another process of this instance uses it.
                Err(error) if error.is_conflict() => {}
                removed => removed?,
            }
        }
        Ok(())
    }

    /// The network of the steps that asked for one: of this instance, and theirs alone. Its id.
    async fn shared_network(&self) -> Result<String, EngineError> {
        let _one_at_a_time = self.network.lock().await;
        let now = self.clock.now();
        let needed_s = (now + millis(NETWORK_MARGIN)) / 1000;
        let found = self.engine.networks(&self.of_instance()).await?;
        let lasting = found.into_iter().filter(|network| {
            network.labels.contains_key(labels::SHARED)
                && labels::deadline_s(&network.labels).is_some_and(|deadline_s| deadline_s > needed_s)
        });
        // Two processes of one instance may each have made one: both take the same.
        if let Some(id) = lasting.map(|network| network.id).min() {
            return Ok(id);
        }
        let mut labels = labels::of_instance(self.instance, now + millis(NETWORK_LIFE));
        labels.insert(labels::SHARED.to_owned(), "true".to_owned());
        self.engine.create_network(NetworkKind::Apart, labels).await
    }

    /// The disk that the Engine writes to; `None` where it cannot be seen from here.
    pub async fn disk(&self) -> Result<Option<Disk>, EngineError> {
        self.engine.disk().await
    }

    fn of_instance(&self) -> String {
        format!("{}={}", labels::INSTANCE, self.instance)
    }
}
