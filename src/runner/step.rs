//! One step: from the plan's words to a container, and from its end to a result.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cause::{self, Given};
use super::labels;
use super::log::{LogSink, StepLog};
use super::sandbox::Sandbox;
use super::watch::watch;
use super::{EngineError, LocalImage, Owner, Runner};
use crate::model::{Cause, Network, Plan, Step, StepResult};

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
    Done(StepResult, StepLog),
    /// It was no longer wanted.
    Cancelled,
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
        let done = |cause, duration, log| {
            let name = task.step.name.clone();
            Ok(StepEnd::Done(
                StepResult {
                    name,
                    cause,
                    duration,
                },
                log,
            ))
        };
        // Never closed, so there is always a slot in the end.
        let _slot = self.slots.acquire().await;
        if let Some(cause) = task.image.refuse(&task.step.kind, &self.platform().await?) {
            return done(cause, Duration::ZERO, StepLog::default());
        }
        let words = task.image.words(&task.step.kind);
        let sandbox = self.sandbox(task).await?;
        let container = match self.create(sandbox).await {
            Ok(container) => container,
            Err(error) => return done(blame(error, &words)?, Duration::ZERO, StepLog::default()),
        };
        // Attached before the start: not a byte is missed.
        let output = self.engine.attach(container.id()).await?;
        let started = Instant::now();
        if let Err(error) = self.engine.start(container.id()).await {
            return done(blame(error, &words)?, started.elapsed(), StepLog::default());
        }
        let limits = &task.plan.limits;
        let (end, log) = watch(&self.engine, container.id(), output, limits, sink).await?;
        let given = Given {
            words: &words,
            network: task.plan.network,
            limits,
        };
        done(cause::of_end(end, given, &log), started.elapsed(), log)
    }

    async fn sandbox(&self, task: &StepTask<'_>) -> Result<Sandbox, EngineError> {
        let StepTask {
            owner,
            image,
            plan,
            step,
        } = *task;
        let mut sandbox = Sandbox::new(image, &step.kind, plan.profile, &plan.limits);
        sandbox.labels = labels::of_owner(self.instance, owner);
        sandbox.runtime.clone_from(&self.runtime);
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
