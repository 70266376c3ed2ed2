//! A run's tests: pull, each step in its container, the verdict.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Pipeline;
use super::retry::{SETTLES, pause, settling};
use super::worker::JobError;
use crate::access::log_is_shown;
use crate::clock::{UnixMillis, millis, timestamp};
use crate::model::{
    Digest, Elapsed, ImageName, ImageReference, Outcome, RunId, StepKind, StepResult, Verdict,
};
use crate::registry::Access;
use crate::resolve::Setback;
use crate::runner::{
    LocalImage, LogSink, Origin, Owner, PullError, PullSource, RegistryCredentials, StepEnd, StepTask,
};
use crate::store::{Lease, Run, Stage};

/// A container is past its deadline after so many times the limits of its run's steps: it may have to wait
/// for the slots of others first.
const DEADLINE_FACTOR: u32 = 3;

/// And so much later: what the Engine needs beside the steps.
const SLACK: Duration = Duration::from_mins(5);

/// A wait of this length or more is told with its end.
const LONG_WAIT: Duration = Duration::from_mins(1);

/// What a run came to, for now.
pub(super) enum End {
    /// What the tests came to, and what they printed.
    Tested(Verdict, Vec<u8>),
    /// A verdict without tests.
    Verdict(Verdict),
    /// Trouble that is not the image's.
    Trouble { why: String, after: Option<Duration> },
    /// Somebody stopped it.
    Stopped,
}

impl Pipeline {
    pub(super) async fn test(
        self: &Arc<Self>,
        lease: &Lease,
        stop: &CancellationToken,
    ) -> Result<(), JobError> {
        let mut run = self.run_of(lease).await?;
        if run.stage == Stage::Finished {
            return Ok(self.store().complete(lease).await?);
        }
        if let Some(tests) = &run.tests {
            return Box::pin(self.conclude(lease, &run, tests, b"")).await;
        }
        let executing = self.executing(lease, run.id, stop);
        let again = self.store().begin_tests(lease, run.id).await?;
        if again || lease.attempts > 1 {
            // What a former attempt left behind must not run beside this one.
            if let Err(error) = self.parts.runner.remove_run(run.id).await {
                return self.in_trouble(lease, &run, &error.to_string(), None).await;
            }
        }
        let planned = self.plan_again(lease, &mut run);
        let end = match executing.stop.run_until_cancelled(Box::pin(planned)).await {
            None => End::Stopped,
            Some(planned) => match planned? {
                Some(end) => end,
                None => self.judge(lease, &run, &executing.stop).await,
            },
        };
        drop(executing);
        match end {
            End::Tested(tests, log) => Box::pin(self.conclude(lease, &run, &tests, &log)).await,
            End::Verdict(verdict) => self.finish(lease, &run, &verdict, b"").await,
            End::Trouble { why, after } => self.in_trouble(lease, &run, &why, after).await,
            End::Stopped => Err(JobError::Stopping),
        }
    }

    pub(super) async fn finish(
        &self,
        lease: &Lease,
        run: &Run,
        verdict: &Verdict,
        log: &[u8],
    ) -> Result<(), JobError> {
        tracing::info!(run.id = %run.id, image = %run.image, outcome = verdict.outcome.as_str(), title = %verdict.title, "a run has its verdict");
        self.parts.metrics.verdict(verdict.outcome);
        Ok(self.store().finish_run(lease, run.id, verdict, log).await?)
    }

    pub(super) async fn give_up_run(&self, lease: &Lease, why: &str) -> Result<(), JobError> {
        let run = self.run_of(lease).await?;
        let verdict = Verdict::without_steps(Outcome::Trouble, why);
        Ok(self.store().finish_run(lease, run.id, &verdict, b"").await?)
    }

    pub(super) async fn run_of(&self, lease: &Lease) -> Result<Run, JobError> {
        let id = lease
            .subject
            .parse()
            .map_err(|_| JobError::Nonsense(format!("`{}` is no run", lease.subject)))?;
        self.store()
            .run(id)
            .await?
            .ok_or_else(|| JobError::Nonsense(format!("there is no run {id}")))
    }

    async fn judge(&self, lease: &Lease, run: &Run, stop: &CancellationToken) -> End {
        // A rerun of what no tag means any more: what was to be mended is looked at again with the next push.
        if let Some(why) = &run.policy.blocked {
            let why = format!("when the image was pushed, {why}; push it again once that is mended");
            return End::Verdict(Verdict::without_steps(Outcome::ActionRequired, why));
        }
        let image = if run.plan.is_of_config() {
            self.configuration(run, stop).await
        } else {
            self.pull(run, stop).await
        };
        let image = match image {
            Ok(image) => image,
            Err(end) => return end,
        };
        let deadline = self.deadline(run);
        let owner = Owner {
            run: run.id,
            attempt: lease.attempts,
            deadline,
        };
        let beside = tokio::select! {
            beside = Box::pin(self.beside(run)) => match beside {
                Ok(beside) => beside,
                Err(end) => return end,
            },
            () = stop.cancelled() => return End::Stopped,
        };
        let tasks = run.plan.steps.iter().map(|step| StepTask {
            owner: &owner,
            image: &image,
            plan: &run.plan,
            step,
            beside: &beside,
        });
        let (results, log) = match self.run_steps(tasks.collect(), stop).await {
            Ok(ran) => ran,
            Err(end) => return end,
        };
        let verdict = Verdict::of_steps(results);
        let verdict = if log_is_shown(run) {
            self.located(run, &image.config.working_dir, verdict).await
        } else {
            verdict.without_names()
        };
        End::Tested(verdict, log)
    }

    /// Runs steps side by side, as many as there are slots: none depends on another. Compose files are run in their
    /// order, as Docker Hub did. Results and logs in the plan's order. What goes wrong outside of them ends all.
    async fn run_steps(
        &self,
        tasks: Vec<StepTask<'_>>,
        stop: &CancellationToken,
    ) -> Result<(Vec<StepResult>, Vec<u8>), End> {
        let nobody = LogSink::none();
        let running: Vec<BoxFuture<'_, _>> = tasks
            .iter()
            .map(|task| self.parts.runner.run_step(task, &nobody, stop).boxed())
            .collect();
        let in_order = tasks
            .iter()
            .any(|task| matches!(task.step.kind, StepKind::Compose { .. }));
        let at_a_time = if in_order {
            1
        } else {
            self.parts.docker.concurrency.max(1)
        };
        let mut ends = stream::iter(running).buffered(at_a_time);
        let (mut results, mut log) = (Vec::new(), Vec::new());
        while let Some(end) = ends.next().await {
            match end {
                Ok(StepEnd::Done(done)) => {
                    if tasks.len() > 1 {
                        log.extend_from_slice(format!("=== {} ===\n", done.result.name).as_bytes());
                    }
                    log.extend(done.log.to_bytes());
                    results.push(done.result);
                }
                Ok(StepEnd::Cancelled) => return Err(End::Stopped),
                Err(error) => {
                    return Err(End::Trouble {
                        why: error.to_string(),
                        after: None,
                    });
                }
            }
        }
        Ok((results, log))
    }

    /// What the registry says of the image: as much as a plan needs that looks into no layer.
    async fn configuration(&self, run: &Run, stop: &CancellationToken) -> Result<LocalImage, End> {
        let access =
            self.resolver
                .bindings()
                .access_of(&run.image, run.source.binding, &run.source.repo.name);
        let read = self
            .resolver
            .inspect(&run.image, &run.digest, &run.platform, access);
        let read = stop.run_until_cancelled(read).await.ok_or(End::Stopped)?;
        match read {
            Ok(details) => Ok(LocalImage {
                id: run.digest.to_string(),
                platform: details.platform,
                config: details.config,
                origin: Origin::Present,
            }),
            Err(Setback::Final(why)) => {
                Err(End::Verdict(Verdict::without_steps(Outcome::ActionRequired, why)))
            }
            Err(Setback::Passing { why, after, .. }) => Err(End::Trouble { why, after }),
        }
    }

    /// When whatever the run has on the Engine may be removed by anybody.
    fn deadline(&self, run: &Run) -> UnixMillis {
        let steps = u32::try_from(run.plan.steps.len()).unwrap_or(u32::MAX);
        let all = run
            .plan
            .limits
            .timeout
            .saturating_mul(steps.saturating_mul(DEADLINE_FACTOR));
        self.store().clock().now() + millis(all + SLACK)
    }

    async fn pull(&self, run: &Run, stop: &CancellationToken) -> Result<LocalImage, End> {
        let access =
            self.resolver
                .bindings()
                .access_of(&run.image, run.source.binding, &run.source.repo.name);
        let source = self.pull_source(&run.image, &run.digest, access).await;
        let begun = Instant::now();
        let brought = tokio::select! {
            brought = self.bring(&source) => brought.map_err(|error| self.pull_failed(run, &run.image.to_string(), &error))?,
            () = stop.cancelled() => return Err(End::Stopped),
        };
        let told = format!("The image is on the Engine ({})", Elapsed(begun.elapsed()));
        if let Err(error) = self.store().note(run.id, &told).await {
            tracing::warn!(%error, run.id = %run.id, "the timeline misses a line");
        }
        Ok(brought)
    }

    /// What it means that `image`, the run's own or a service's, could not be brought.
    pub(super) fn pull_failed(&self, run: &Run, image: &str, error: &PullError) -> End {
        let why = if image == run.image.to_string() {
            error.to_string()
        } else {
            format!("the services' image {image}: {error}")
        };
        let act = |why: String| End::Verdict(Verdict::without_steps(Outcome::ActionRequired, why));
        match error {
            PullError::Unauthorized { .. } => {
                let host = image.parse::<ImageReference>().map_or_else(
                    |_| run.image.registry().to_owned(),
                    |named| named.name.registry().to_owned(),
                );
                act(format!(
                    "cannot pull {image}: set credentials that may read it in [registry.\"{host}\"]"
                ))
            }
            PullError::NotFound { .. } if self.waited(run.trouble_since) < SETTLES => End::Trouble {
                why,
                after: Some(settling(self.waited(run.trouble_since))),
            },
            PullError::NotFound { .. } => act(
                "the image was deleted from the registry before it could be tested: push it again".to_owned(),
            ),
            PullError::WrongPlatform { .. } | PullError::Unusable { .. } => {
                act(format!("not a runnable image: {why}"))
            }
            PullError::RateLimited { .. } => End::Trouble {
                why,
                after: Some(Duration::from_mins(5)),
            },
            PullError::NoSpace { .. }
            | PullError::Stalled { .. }
            | PullError::TimedOut { .. }
            | PullError::Registry { .. }
            | PullError::Interrupted
            | PullError::Engine(_) => End::Trouble { why, after: None },
        }
    }

    async fn in_trouble(
        &self,
        lease: &Lease,
        run: &Run,
        why: &str,
        after: Option<Duration>,
    ) -> Result<(), JobError> {
        let now = self.store().clock().now();
        if self.waited(run.trouble_since) > self.parts.docker.give_up {
            let verdict = Verdict::without_steps(Outcome::Trouble, why);
            return self.finish(lease, run, &verdict, b"").await;
        }
        tracing::warn!(run.id = %run.id, %why, "a run waits");
        let wait = after.unwrap_or_else(|| pause(lease.retries));
        let at = now + millis(wait);
        let mut why = why.to_owned();
        if wait >= LONG_WAIT {
            let hour = timestamp(at);
            why = format!(
                "{why}; the next try is at {} UTC",
                hour.get(11..16).unwrap_or(&hour)
            );
        }
        Ok(self.store().run_waits(lease, run.id, &why, at).await?)
    }

    /// What the Engine is told to pull.
    pub(super) async fn pull_source(&self, image: &ImageName, digest: &Digest, access: Access) -> PullSource {
        let credentials = match access {
            Access::Configured => self.parts.registry.credentials(image).await,
            Access::Anonymous => None,
        };
        let credentials = credentials.map(|found| RegistryCredentials {
            username: found.username,
            password: found.password,
            server: found.server,
        });
        PullSource {
            reference: self.parts.registry.pull_reference(image),
            digest: digest.clone(),
            credentials,
        }
    }

    /// Brings an image to the Engine, unless it is there.
    ///
    /// That it is there because of us is noted before the pull: one that is killed amid it must not leave
    /// an image that nobody ever removes. What was there before we came is somebody else's, and stays.
    pub(super) async fn bring(&self, source: &PullSource) -> Result<LocalImage, PullError> {
        let runner = &self.parts.runner;
        let engine = runner.engine_id().await?;
        let noted = if runner.local_image(&source.name()).await?.is_some() {
            self.store().image_used(engine, &source.digest).await
        } else {
            self.store()
                .image_pulled(engine, &source.reference, &source.digest)
                .await
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "cannot note an image; it will not be removed by itself");
        }
        runner.pull(source, |_| ()).await
    }

    /// Puts the run among those that can be stopped at once, until the guard is dropped.
    fn executing(&self, lease: &Lease, run: RunId, stop: &CancellationToken) -> Executing<'_> {
        let stop = stop.child_token();
        let mut executing = self.executing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, former)) = executing.insert(run, (lease.attempts, stop.clone())) {
            // A former attempt in this process lost its lease and is on its way out.
            former.cancel();
        }
        Executing {
            pipeline: self,
            run,
            attempt: lease.attempts,
            stop,
        }
    }
}

/// A run among those that this process executes.
struct Executing<'a> {
    pipeline: &'a Pipeline,
    run: RunId,
    attempt: i64,
    stop: CancellationToken,
}

impl Drop for Executing<'_> {
    fn drop(&mut self) {
        let mut executing = self
            .pipeline
            .executing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if executing
            .get(&self.run)
            .is_some_and(|(attempt, _)| *attempt == self.attempt)
        {
            executing.remove(&self.run);
        }
    }
}
