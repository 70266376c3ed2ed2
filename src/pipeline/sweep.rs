//! What is done from time to time: leftovers removed, unsent reports found, old rows forgotten, and a look
//! at what surrounds us.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use super::Pipeline;
use super::worker::JobError;
use crate::clock::millis;
use crate::model::RunId;
use crate::runner::EngineInfo;
use crate::store::{JobKind, ToIndex};

/// How often.
const INTERVAL: Duration = Duration::from_mins(1);

/// How often GitHub is asked for webhooks that failed, the first time at the start.
const ASKED_EVERY: Duration = Duration::from_mins(5);

/// How often old rows are forgotten, and what the repositories declare is read again.
const HOURLY: Duration = Duration::from_hours(1);

/// How what surrounds us is, for `/readyz`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The Engine's version, or why there is none.
    pub docker: Option<Result<String, String>>,
    /// What is to be said of an Engine that is there.
    pub warning: Option<String>,
    /// The App's name at GitHub, or why it cannot be asked.
    pub github: Option<Result<String, String>>,
}

impl Pipeline {
    /// A look at the Engine and at GitHub.
    pub async fn look_around(&self) -> Surroundings {
        let (docker, github) = tokio::join!(self.parts.runner.health(), self.parts.github.app());
        Surroundings {
            warning: docker.as_ref().ok().and_then(EngineInfo::danger),
            docker: Some(docker.map(|info| info.version).map_err(|error| error.to_string())),
            github: Some(github.map(|app| app.slug).map_err(|error| error.to_string())),
        }
    }

    pub(super) async fn sweep(self: Arc<Self>, closing: CancellationToken) {
        let mut ticks = interval(INTERVAL);
        let mut purged = Instant::now();
        let mut asked: Option<Instant> = None;
        while closing.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = self.sweep_once().await {
                tracing::warn!(%error, "the sweep did not get through; the next one will try again");
            }
            if asked.is_none_or(|at| at.elapsed() >= ASKED_EVERY) {
                asked = Some(Instant::now());
                closing.run_until_cancelled(self.look_for_missed()).await;
            }
            if purged.elapsed() > HOURLY {
                purged = Instant::now();
                self.purge().await;
                self.read_index_again().await;
            }
        }
    }

    async fn look_for_missed(&self) {
        if let Err(error) = self.ask_for_missed().await {
            tracing::warn!(%error, "webhooks that were missed are not asked for this time");
        }
    }

    async fn read_index_again(&self) {
        if let Err(error) = self.store().wake_index(&[ToIndex::Everywhere]).await {
            tracing::warn!(%error, "what the repositories declare is not read again this hour");
        }
    }

    async fn purge(&self) {
        match self.store().purge(self.parts.retention).await {
            Ok(gone) => tracing::info!(gone.runs, gone.deliveries, "what is old was forgotten"),
            Err(error) => tracing::warn!(%error, "cannot forget what is old"),
        }
    }

    /// Once: jobs that a wrong clock put off, work and reports without a job, then leftovers of dead attempts, then images over the bound.
    pub async fn sweep_once(&self) -> Result<(), SweepError> {
        self.store().free_the_far_ahead().await.map_err(JobError::from)?;
        let stranded = self.store().wake_the_stranded().await;
        let stranded = stranded.map_err(JobError::from)?;
        if stranded > 0 {
            tracing::warn!(
                stranded,
                "work that had not ended and had no job is taken up again"
            );
        }
        self.store().wake_due_reports().await.map_err(JobError::from)?;
        for kind in JobKind::ALL {
            self.parts
                .metrics
                .depth(kind, self.store().depth(kind).await.map_err(JobError::from)?);
        }
        self.reap().await?;
        self.trim_images().await
    }

    /// Removes leftovers once more before the end: what a process was asking for when it was killed, the Engine may
    /// have made after the next one cleaned up.
    pub(super) async fn leave_nothing_behind(&self) {
        if let Err(error) = self.reap().await {
            tracing::warn!(%error, "something may be left on the Docker Engine; the next start removes it");
        }
    }

    async fn reap(&self) -> Result<(), SweepError> {
        let attempts: HashMap<String, (i64, bool)> = self
            .store()
            .test_attempts()
            .await
            .map_err(JobError::from)?
            .into_iter()
            .map(|(run, attempt, leased)| (run, (attempt, leased)))
            .collect();
        // What was read may be old by the time it is used: an attempt that it does not know began since.
        let is_live = |run: RunId, attempt: i64| match attempts.get(&run.to_string()) {
            Some((known, leased)) => attempt > *known || (attempt == *known && *leased),
            None => true,
        };
        let reaped = self.parts.runner.reap(is_live).await?;
        if reaped != crate::runner::Reaped::default() {
            tracing::info!(?reaped, "leftovers were removed from the Docker Engine");
        }
        Ok(())
    }

    async fn trim_images(&self) -> Result<(), SweepError> {
        let engine = self.parts.runner.engine_id().await?;
        let cached = self.store().images_on(engine).await.map_err(JobError::from)?;
        let (runner, wanted) = (&self.parts.runner, self.parts.docker.image_cache);
        let disk = runner.disk().await?;
        let budget = disk.map_or(wanted, |disk| disk.cache_bytes(wanted));
        let removed = runner.keep_images_within(&cached, budget).await?;
        let before = self.store().clock().now() - millis(self.parts.docker.pull_timeout);
        for digest in removed {
            self.store()
                .image_gone(engine, &digest, before)
                .await
                .map_err(JobError::from)?;
        }
        Ok(())
    }
}

/// What kept a sweep from getting through.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The store.
    #[error("{0}")]
    Store(String),
    /// The Engine.
    #[error(transparent)]
    Engine(#[from] crate::runner::EngineError),
}

impl From<JobError> for SweepError {
    fn from(error: JobError) -> Self {
        Self::Store(error.to_string())
    }
}
