//! One step: from the plan's words to a container, and from its end to a result.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cause::{self, Given};
use super::container::Container;
use super::engine::Output;
use super::labels;
use super::log::{LogSink, StepLog};
use super::sandbox::{self, Sandbox};
use super::watch::{Watched, watch};
use super::{EngineError, LocalImage, Owner, Runner};
use crate::model::{Cause, Network, Plan, Step, StepResult, TestResults};
use crate::results;

/// What is to be run, where, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct StepTask<'a> {
    /// For whom: becomes labels.
    pub owner: &'a Owner,
    /// In which image.
    pub image: &'a LocalImage,
    /// Within which bounds.
    pub plan: &'a Plan,
    /// What.
    pub step: &'a Step,
}

/// How a step came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// With a result.
    Done(Box<StepResult>, StepLog),
    /// It was no longer wanted.
    Cancelled,
}

/// A container on its way.
struct Launched {
    container: Container,
    output: Output,
    started: Instant,
}

impl Runner {
    /// Runs one step, once one of the slots is free, and says why it ended.
    ///
    /// Returns before its container is removed; see [`Runner::drain`]. If `cancel` is cancelled, or the
    /// returned future dropped, the container is removed, running or not.
    ///
    /// # Errors
    /// Trouble that is the Engine's and not the image's: the step can be run again.
    pub async fn run_step(
        &self,
        task: &StepTask<'_>,
        log: &LogSink,
        cancel: &CancellationToken,
    ) -> Result<StepEnd, EngineError> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Ok(StepEnd::Cancelled),
            done = self.run_to_end(task, log) => done,
        }
    }

    async fn run_to_end(&self, task: &StepTask<'_>, sink: &LogSink) -> Result<StepEnd, EngineError> {
        let done = |cause, duration, log, tests| {
            let name = task.step.name.clone();
            let result = StepResult {
                name,
                cause,
                duration,
                tests,
            };
            Ok(StepEnd::Done(Box::new(result), log))
        };
        let not_run = |cause| done(cause, Duration::ZERO, StepLog::default(), TestResults::default());
        // Never closed, so there is always a slot in the end.
        let _slot = self.slots.acquire().await;
        if let Some(cause) = task.image.refuse(&task.step.kind, &self.platform().await?) {
            return not_run(cause);
        }
        let words = task.image.words(&task.step.kind);
        let mut launched = self.launch(task).await;
        if matches!(&launched, Err(error) if self.notes_open_files(error, task)) {
            launched = self.launch(task).await;
        }
        let Launched {
            container,
            output,
            started,
        } = match launched {
            Ok(launched) => launched,
            Err(error) => return not_run(blame(error, &words)?),
        };
        let limits = &task.plan.limits_of(task.step);
        let Watched { end, log, stdout } = watch(&self.engine, container.id(), output, limits, sink).await?;
        let given = Given {
            words: &words,
            network: task.plan.network,
            limits,
        };
        let duration = started.elapsed();
        let cause = match cause::of_end(end, given, &log) {
            Cause::CommandNotFound { command } if self.engine.has_path(container.id(), &command).await? => {
                cause::of_unloadable(&command)
            }
            cause => cause,
        };
        let files = self.reports(container.id(), &task.step.reports).await?;
        let tests = results::with_texts(stdout.finish(files), |text| self.engine.hidden.text(text));
        done(cause::with_tests(cause, tests.counts), duration, log, tests)
    }

    async fn launch(&self, task: &StepTask<'_>) -> Result<Launched, EngineError> {
        let container = self.create(self.sandbox(task).await?).await?;
        // Attached before the start: not a byte is missed.
        let output = self.engine.attach(container.id()).await?;
        let started = Instant::now();
        self.engine.start(container.id()).await?;
        Ok(Launched {
            container,
            output,
            started,
        })
    }

    /// Did the start fail because the Engine itself may not open as many files as the container was
    /// to? It is remembered then, and containers of that kind get what the Engine has.
    fn notes_open_files(&self, error: &EngineError, task: &StepTask<'_>) -> bool {
        let refused =
            matches!(error, EngineError::Refused { message, .. } if message.contains("setting rlimit"));
        if refused {
            self.open_files
                .fetch_min(sandbox::open_files(task.plan.profile), Ordering::Relaxed);
        }
        refused
    }

    async fn sandbox(&self, task: &StepTask<'_>) -> Result<Sandbox, EngineError> {
        let StepTask {
            owner,
            image,
            plan,
            step,
        } = *task;
        let mut sandbox = Sandbox::new(image, step, plan.profile, &plan.limits);
        sandbox.labels = labels::of_owner(self.instance, owner);
        sandbox.runtime.clone_from(&self.runtime);
        let open_files = sandbox::open_files(plan.profile);
        sandbox.open_files = (open_files < self.open_files.load(Ordering::Relaxed)).then_some(open_files);
        if plan.network == Network::Bridge {
            sandbox.network = self.shared_network().await?;
        }
        Ok(sandbox)
    }
}

/// The image's share in a container that could not be made or started; the error, if it has none.
fn blame(error: EngineError, words: &[String]) -> Result<Cause, EngineError> {
    let cause = match &error {
        EngineError::Refused { message, .. } => cause::of_refused_start(message, words),
        _ => None,
    };
    cause.ok_or(error)
}
