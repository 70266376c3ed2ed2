//! The stages in their order, each a kind of job: the only part that knows them all.
//!
//! push → `resolve` → run → `test` → verdict → `report` → GitHub. A job that is done twice does no
//! harm, and what a job found out counts only while it holds its lease.

mod again;
mod beside;
mod conclude;
mod expect;
mod github_event;
mod index;
mod locate;
mod missed;
mod pace;
mod reconcile;
mod report;
mod resolve;
mod retry;
mod story;
mod sweep;
mod test;
mod trace;
mod worker;

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::PageLinks;
use crate::clock::{UnixMillis, millis};
use crate::config::Docker;
use crate::github::GitHub;
use crate::metrics::Metrics;
use crate::model::RunId;
use crate::registry::RegistryClient;
use crate::resolve::{Bindings, Resolver};
use crate::runner::Runner;
use crate::signature::Verifier;
use crate::store::{Lease, Store};

use retry::pause;
use worker::JobError;

pub use pace::SharedPace;
pub use sweep::Surroundings;
pub use worker::Workers;

/// What the stages work with.
pub struct Parts {
    /// What must survive.
    pub store: Store,
    /// The Docker Engine.
    pub runner: Runner,
    /// Registries.
    pub registry: RegistryClient,
    /// GitHub.
    pub github: GitHub,
    /// `[docker]`
    pub docker: Docker,
    /// `[[image]]`, and who may use the registries' accounts.
    pub bindings: Bindings,
    /// The host of GitHub's pages: what source URLs name.
    pub github_host: String,
    /// Checks signatures.
    pub verifier: Verifier,
    /// Where a run's page is.
    pub links: PageLinks,
    /// The App's number.
    pub app_id: u64,
    /// How long finished work is kept.
    pub retention: Duration,
    /// How often images are compared with their registries, where somebody set it.
    pub poll: Option<Duration>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// The stages, and what they share.
pub struct Pipeline {
    parts: Parts,
    resolver: Resolver,
    /// Runs whose tests this process executes now, with the attempt, so that they can be stopped at once.
    executing: Mutex<HashMap<RunId, (i64, CancellationToken)>>,
    ahead: Ahead,
    /// When images began to be compared with their registries last.
    round_begun: AtomicI64,
}

/// Pulls that run ahead of their runs: as many as the Engine has slots, and none once we stop.
struct Ahead {
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Pipeline {
    /// The stages over these parts.
    pub fn new(parts: Parts) -> Arc<Self> {
        let ahead = Ahead {
            slots: Arc::new(Semaphore::new(parts.docker.concurrency)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let resolver = Resolver::new(
            parts.registry.clone(),
            parts.github.clone(),
            parts.bindings.clone(),
            parts.github_host.clone(),
            parts.verifier.clone(),
        )
        .on(parts.store.clock().clone());
        Arc::new(Self {
            round_begun: AtomicI64::new(parts.store.clock().now()),
            parts,
            resolver,
            executing: Mutex::default(),
            ahead,
        })
    }

    /// Ends the pulls that no run waits for yet.
    async fn stop_pulls_ahead(&self) {
        self.ahead.stop.cancel();
        self.ahead.tasks.close();
        self.ahead.tasks.wait().await;
    }

    fn store(&self) -> &Store {
        &self.parts.store
    }

    /// Gives a job back, to be done again after so long, or ever later where nobody says when.
    async fn try_again(&self, lease: &Lease, wait: Option<Duration>, why: &str) -> Result<(), JobError> {
        let wait = wait.unwrap_or_else(|| pause(lease.retries));
        tracing::info!(job.kind = lease.kind.as_str(), job.subject = %lease.subject, ?wait, why, "a job is tried again");
        let at = self.store().clock().now() + millis(wait);
        Ok(self.store().retry(lease, at, why).await?)
    }

    /// How long something has waited; `None`: it does not.
    fn waited(&self, since: Option<UnixMillis>) -> Duration {
        let now = self.store().clock().now();
        let waited = now - since.unwrap_or(now);
        Duration::from_millis(u64::try_from(waited).unwrap_or(0))
    }

    /// Stops the tests of a run that nobody needs any more, if this process executes them. Elsewhere its
    /// lease is gone, and its worker finds out at the next heartbeat.
    fn stop_executing(&self, run: RunId) {
        let executing = self.executing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, stop)) = executing.get(&run) {
            stop.cancel();
        }
    }
}
