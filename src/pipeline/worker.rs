//! The loop over the queue: claims a job when a slot is free, keeps its lease, survives its failure.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Pipeline;
use super::retry::pause;
use crate::clock::millis;
use crate::store::{JobKind, Lease, Store, StoreError};

/// How long a job is ours without a sign of life.
const LEASE: Duration = Duration::from_secs(30);

/// How often we give one. Three are missed before somebody else takes the job.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// How often the queue is looked at when nothing rings: other processes may have filled it.
const POLL: Duration = Duration::from_secs(2);

/// How soon the queue is looked at again when what was ready could not be had.
const BLOCKED: Duration = Duration::from_millis(20);

/// Claims without success before a job is given up: it may be what ends the process.
const MAX_TRIES: i64 = 10;

/// What ends a job before its handler has written its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum JobError {
    /// The store refused, or the lease is gone.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process stops, and the job goes back.
    #[error("the process is stopping")]
    Stopping,
    /// The row makes no sense.
    #[error("{0}")]
    Nonsense(String),
}

/// The workers of a running pipeline.
pub struct Workers {
    pipeline: Arc<Pipeline>,
    tracker: TaskTracker,
    /// No new work.
    closing: CancellationToken,
    /// No work at all.
    abandon: CancellationToken,
}

impl Workers {
    /// Starts workers for every kind of job, and the sweeper.
    pub fn start(pipeline: &Arc<Pipeline>) -> Self {
        let workers = Self {
            pipeline: pipeline.clone(),
            tracker: TaskTracker::new(),
            closing: CancellationToken::new(),
            abandon: CancellationToken::new(),
        };
        for kind in JobKind::ALL {
            let slots = slots(kind, pipeline.parts.docker.concurrency);
            workers
                .tracker
                .spawn(dispatch(pipeline.clone(), kind, slots, workers.handle()));
        }
        workers
            .tracker
            .spawn(pipeline.clone().sweep(workers.closing.clone()));
        workers
            .tracker
            .spawn(pipeline.clone().watch(workers.closing.clone()));
        workers
    }

    fn handle(&self) -> Handle {
        Handle {
            tracker: self.tracker.clone(),
            closing: self.closing.clone(),
            abandon: self.abandon.clone(),
        }
    }

    /// Takes no new work, lets running work finish for `grace`, then hands it back.
    pub async fn stop(self, grace: Duration) {
        self.closing.cancel();
        self.tracker.close();
        self.pipeline.stop_pulls_ahead().await;
        if timeout(grace, self.tracker.wait()).await.is_err() {
            tracing::info!("running work did not finish in time and is handed back");
            self.abandon.cancel();
            self.tracker.wait().await;
        }
        self.pipeline.leave_nothing_behind().await;
    }
}

#[derive(Clone)]
struct Handle {
    tracker: TaskTracker,
    closing: CancellationToken,
    abandon: CancellationToken,
}

/// How many jobs of a kind run side by side. Tests wait for the Engine's own slots; two more of them may
/// pull meanwhile.
fn slots(kind: JobKind, concurrency: usize) -> usize {
    match kind {
        JobKind::Test => concurrency + 2,
        JobKind::Resolve | JobKind::Report => 8,
        JobKind::GithubEvent | JobKind::Index | JobKind::Reconcile | JobKind::Expect => 2,
    }
}

async fn dispatch(pipeline: Arc<Pipeline>, kind: JobKind, slots: usize, handle: Handle) {
    let slots = Arc::new(Semaphore::new(slots));
    loop {
        let slot = tokio::select! {
            slot = slots.clone().acquire_owned() => slot.expect("the semaphore is never closed"),
            () = handle.closing.cancelled() => return,
        };
        // Listen before looking, so that a bell in between is not missed.
        let bell = pipeline.store().bell(kind).notified();
        tokio::pin!(bell);
        bell.as_mut().enable();
        let wait = match next_job(pipeline.store(), kind).await {
            Ok(Next::Job(lease)) => {
                let job = perform(pipeline.clone(), lease, handle.abandon.clone());
                handle.tracker.spawn(async move {
                    job.await;
                    drop(slot);
                });
                continue;
            }
            Ok(Next::Wait(wait)) => wait,
            Err(error) => {
                tracing::error!(%error, kind = kind.as_str(), "cannot look into the queue");
                POLL
            }
        };
        tokio::select! {
            () = &mut bell => {}
            () = sleep(wait) => {}
            () = handle.closing.cancelled() => return,
        }
    }
}

/// What a look into the queue brought.
enum Next {
    Job(Lease),
    /// Nothing is ready yet.
    Wait(Duration),
}

/// Claims a job that is ready, or says how long to wait for one: never longer than a poll.
async fn next_job(store: &Store, kind: JobKind) -> Result<Next, StoreError> {
    let Some(at) = store.next_ready(kind).await? else {
        return Ok(Next::Wait(POLL));
    };
    let left = at - store.clock().now();
    if let Ok(left @ 1..) = u64::try_from(left) {
        return Ok(Next::Wait(Duration::from_millis(left).min(POLL)));
    }
    Ok(match store.claim(kind, LEASE).await? {
        Some(lease) => Next::Job(lease),
        // Another replica was quicker.
        None => Next::Wait(BLOCKED),
    })
}

async fn perform(pipeline: Arc<Pipeline>, lease: Lease, abandon: CancellationToken) {
    let stop = abandon.child_token();
    let heart = tokio::spawn(beat(pipeline.clone(), lease.clone(), stop.clone()));
    let begun = Instant::now();
    // In a task of its own, so that a panic is one job's and not the loop's.
    let work = tokio::spawn(handle(pipeline.clone(), lease.clone(), stop.clone()));
    let outcome = work.await;
    heart.abort();
    pipeline.parts.metrics.job_done(lease.kind, begun.elapsed());
    let written = match outcome {
        // Its handler wrote its end, or it is somebody else's by now.
        Ok(Ok(()) | Err(JobError::Store(StoreError::LeaseLost))) => Ok(()),
        Ok(Err(JobError::Stopping)) => pipeline.store().hand_back(&lease).await,
        Ok(Err(error)) => pipeline.note_failure(&lease, &error.to_string()).await,
        Err(panic) => {
            pipeline
                .note_failure(&lease, &format!("the job panicked: {panic}"))
                .await
        }
    };
    if let Err(error) = written {
        tracing::error!(%error, job.subject = %lease.subject, "cannot give a job back; its lease will run out");
    }
}

async fn handle(pipeline: Arc<Pipeline>, lease: Lease, stop: CancellationToken) -> Result<(), JobError> {
    if lease.tries > MAX_TRIES {
        return pipeline.give_up(&lease).await;
    }
    match lease.kind {
        JobKind::Resolve => unless(&stop, Box::pin(pipeline.resolve(&lease))).await,
        JobKind::Test => pipeline.test(&lease, &stop).await,
        JobKind::Report => pipeline.report(&lease, &stop).await,
        JobKind::GithubEvent => unless(&stop, Box::pin(pipeline.github_event(&lease))).await,
        JobKind::Index => unless(&stop, Box::pin(pipeline.index(&lease))).await,
        JobKind::Reconcile => unless(&stop, Box::pin(pipeline.reconcile(&lease))).await,
        JobKind::Expect => unless(&stop, Box::pin(pipeline.expect(&lease))).await,
    }
}

/// Does work that can be dropped at any point: what it found out is written in one transaction, or not at all.
async fn unless(
    stop: &CancellationToken,
    work: impl Future<Output = Result<(), JobError>>,
) -> Result<(), JobError> {
    stop.run_until_cancelled(work)
        .await
        .unwrap_or(Err(JobError::Stopping))
}

/// Keeps the lease, and stops the work when it is gone.
async fn beat(pipeline: Arc<Pipeline>, lease: Lease, stop: CancellationToken) {
    let mut kept = Instant::now();
    loop {
        sleep(HEARTBEAT).await;
        match pipeline.store().heartbeat(&lease, LEASE).await {
            Ok(()) => kept = Instant::now(),
            Err(StoreError::LeaseLost) => return stop.cancel(),
            Err(error) => {
                tracing::warn!(%error, job.subject = %lease.subject, "cannot keep the lease of a job");
                // Past the lease somebody else may be at it: better none than two.
                if kept.elapsed() > LEASE {
                    return stop.cancel();
                }
            }
        }
    }
}

impl Pipeline {
    async fn note_failure(&self, lease: &Lease, why: &str) -> Result<(), StoreError> {
        tracing::error!(
            job.kind = lease.kind.as_str(), job.subject = %lease.subject, tries = lease.tries, error = why,
            "a job failed"
        );
        let at = self.store().clock().now() + millis(pause(lease.tries));
        self.store().fail(lease, at, why).await
    }

    /// A job that was claimed again and again without getting anywhere ends where a person can see it.
    async fn give_up(&self, lease: &Lease) -> Result<(), JobError> {
        let why =
            format!("given up after {MAX_TRIES} tries that got nowhere; the log of the service says more");
        let told = match lease.kind {
            JobKind::Resolve => self.give_up_pushes(lease, &why).await,
            JobKind::Test => self.give_up_run(lease, &why).await,
            // Ends it as if its time were up: the check that waits says so.
            JobKind::Expect => return self.give_up_wait(lease).await,
            JobKind::Report | JobKind::GithubEvent | JobKind::Index | JobKind::Reconcile => Ok(()),
        };
        match told {
            Ok(()) => {}
            // It cannot be told at all.
            Err(error @ (JobError::Nonsense(_) | JobError::Store(StoreError::Corrupt(_)))) => {
                tracing::error!(%error, job.subject = %lease.subject, "cannot tell why a job was given up");
            }
            // It can be told later; given up untold, its check would stay as it is.
            Err(error) => return Err(error),
        }
        tracing::error!(job.kind = lease.kind.as_str(), job.subject = %lease.subject, "a job was parked");
        self.store().park(lease, &why).await?;
        Ok(())
    }
}
