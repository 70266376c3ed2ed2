//! One step: from the plan's words to a container, and from its end to a result.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::SemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cause::{self, Given};
use super::container::Container;
use super::engine::Output;
use super::labels;
use super::log::{LogSink, StepLog};
use super::sandbox::{self, Call, Sandbox};
use super::watch::{Watched, watch};
use super::{EngineError, LocalImage, Owner, RepositoryFiles, Runner};
use crate::model::structure::Judged;
use crate::model::{Cause, Limits, Network, Plan, Profile, Step, StepKind, StepResult, TestResults};
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
    /// What a Compose file needs beside the image.
    pub beside: &'a Beside,
}

/// What the services of a Compose file need beside the image under test.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Other images, as the file names them.
    pub images: BTreeMap<String, LocalImage>,
    /// What of the repository they see.
    pub files: RepositoryFiles,
}

impl Default for &Beside {
    /// Nothing.
    fn default() -> Self {
        static NOTHING: Beside = Beside {
            images: BTreeMap::new(),
            files: RepositoryFiles(BTreeMap::new()),
        };
        &NOTHING
    }
}

/// How a step came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// With a result.
    Done(Box<Done>),
    /// It was no longer wanted.
    Cancelled,
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Why it ended as it did.
    pub result: StepResult,
    /// What it printed.
    pub log: StepLog,
    /// Of a container-structure-test file: each of its assertions.
    pub assertions: Vec<Judged>,
}

/// A container on its way.
pub(super) struct Launched {
    pub(super) container: Container,
    pub(super) output: Output,
    pub(super) started: Instant,
}

/// What came of a step.
pub(super) struct Ended {
    pub(super) cause: Cause,
    pub(super) duration: Duration,
    pub(super) log: StepLog,
    pub(super) tests: TestResults,
}

impl Ended {
    /// Nothing was run.
    pub(super) fn without_container(cause: Cause) -> Self {
        Self {
            cause,
            duration: Duration::ZERO,
            log: StepLog::default(),
            tests: TestResults::default(),
        }
    }
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
        let (ended, assertions) = match &task.step.kind {
            // Each of its containers takes a slot of its own.
            StepKind::Structure { suite } => Box::pin(self.judge_suite(task, suite, sink)).await?,
            StepKind::Run { .. } | StepKind::Healthy { .. } | StepKind::Compose { .. } => {
                (self.run_in_slot(task, sink).await?, Vec::new())
            }
        };
        let Ended {
            cause,
            duration,
            log,
            tests,
        } = ended;
        let result = StepResult {
            name: task.step.name.clone(),
            cause,
            duration,
            tests,
        };
        Ok(StepEnd::Done(Box::new(Done {
            result,
            log,
            assertions,
        })))
    }

    async fn run_in_slot(&self, task: &StepTask<'_>, sink: &LogSink) -> Result<Ended, EngineError> {
        let _slot = self.slot().await;
        let refused = match &task.step.kind {
            // Whatever a service or a command runs is looked at with its own words.
            StepKind::Compose { .. } | StepKind::Structure { .. } => None,
            StepKind::Run { .. } | StepKind::Healthy { .. } => {
                let platform = self.platform().await?;
                task.image.refuse(&Call::of(task.step), &platform)
            }
        };
        match (refused, &task.step.kind) {
            (Some(cause), _) => Ok(Ended::without_container(cause)),
            (None, StepKind::Healthy { within }) => Box::pin(self.stay_up(task, *within, sink)).await,
            (None, StepKind::Compose { project }) => Box::pin(self.run_project(task, project, sink)).await,
            (None, StepKind::Run { .. } | StepKind::Structure { .. }) => self.run_one(task, sink).await,
        }
    }

    /// Waits for a place among the containers that may run at a time.
    pub(super) async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed, so there is always one in the end.
        self.slots.acquire().await.ok()
    }

    /// One container, whose exit code decides.
    async fn run_one(&self, task: &StepTask<'_>, sink: &LogSink) -> Result<Ended, EngineError> {
        let call = Call::of(task.step);
        let words = task.image.words(&call);
        let launched = match self.launch(task, self.sandbox(task, task.image, &call)).await {
            Ok(launched) => launched,
            Err(error) => return Ok(Ended::without_container(cause::blame(error, &words)?)),
        };
        let limits = &task.plan.limits_of(task.step);
        self.to_end(launched, task, (&words, limits), sink).await
    }

    /// Follows a container whose exit code decides to its end, and reads its reports.
    pub(super) async fn to_end(
        &self,
        launched: Launched,
        task: &StepTask<'_>,
        (words, limits): (&[String], &Limits),
        sink: &LogSink,
    ) -> Result<Ended, EngineError> {
        let Launched {
            container,
            output,
            started,
        } = launched;
        let Watched { end, log, stdout } = watch(&self.engine, container.id(), output, limits, sink).await?;
        let given = Given {
            words,
            network: task.plan.network,
            profile: task.plan.profile,
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
        Ok(Ended {
            cause: cause::with_tests(cause, tests.counts),
            duration,
            log,
            tests,
        })
    }

    /// Makes and starts a container; once more, where the Engine could not give it its open files.
    pub(super) async fn launch(
        &self,
        task: &StepTask<'_>,
        sandbox: Sandbox,
    ) -> Result<Launched, EngineError> {
        let launched = self.launch_once(task, sandbox.clone()).await;
        match &launched {
            Err(error) if self.notes_open_files(error, task.plan.profile) => {
                let open_files = self.open_files(task.plan.profile);
                self.launch_once(
                    task,
                    Sandbox {
                        open_files,
                        ..sandbox
                    },
                )
                .await
            }
            _ => launched,
        }
    }

    async fn launch_once(&self, task: &StepTask<'_>, mut sandbox: Sandbox) -> Result<Launched, EngineError> {
        if task.plan.network == Network::Bridge {
            sandbox.network = self.shared_network().await?;
        }
        let container = self.create(sandbox).await?;
        self.begin(container).await
    }

    /// Starts a container that was made.
    pub(super) async fn begin(&self, container: Container) -> Result<Launched, EngineError> {
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
    pub(super) fn notes_open_files(&self, error: &EngineError, profile: Profile) -> bool {
        let refused =
            matches!(error, EngineError::Refused { message, .. } if message.contains("setting rlimit"));
        if refused {
            self.open_files
                .fetch_min(sandbox::open_files(profile), Ordering::Relaxed);
        }
        refused
    }

    /// The container of a call, without a network.
    pub(super) fn sandbox(&self, task: &StepTask<'_>, image: &LocalImage, call: &Call<'_>) -> Sandbox {
        let StepTask { owner, plan, .. } = *task;
        let mut sandbox = Sandbox::new(image, call, plan.profile, &plan.limits);
        sandbox.labels = labels::of_owner(self.instance, owner);
        sandbox.runtime.clone_from(&self.runtime);
        sandbox.open_files = self.open_files(plan.profile);
        sandbox
    }

    /// How many files a container may open; `None`: as many as the Engine itself.
    fn open_files(&self, profile: Profile) -> Option<i64> {
        let open_files = sandbox::open_files(profile);
        (open_files < self.open_files.load(Ordering::Relaxed)).then_some(open_files)
    }
}
