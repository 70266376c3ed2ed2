//! What a container-structure-test file asserts, judged: commands side by side, each in a container of its own; files in
//! one that is never started; the configuration without any.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use super::cause::{self, Given};
use super::container::Container;
use super::engine::{Engine, Output};
use super::log::{LogSink, Recorder};
use super::look::{self, Contents};
use super::sandbox::{Call, Sandbox};
use super::step::{Ended, Launched, StepTask};
use super::watch::{Watched, watch};
use super::{EngineError, Runner};
use crate::model::structure::{Check, CommandCheck, Judged, LicenseCheck, Suite, Variable};
use crate::model::{Cause, Counts, Limits};
use crate::results;
use crate::structure::{self, Printed, expand};

/// Bytes of a command's output that are looked at, of either kind.
const OUTPUT_BYTES: usize = 4 << 20;

/// Pauses between attempts to remove an image that containers on their way out still use.
const REMOVAL_PAUSES: [Duration; 6] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// Nothing of the image's own is run before what is asked for.
fn no_entrypoint() -> Vec<String> {
    vec![String::new()]
}

impl Runner {
    /// Judges all that a file asserts.
    pub(super) async fn judge_suite(
        &self,
        task: &StepTask<'_>,
        suite: &Suite,
        sink: &LogSink,
    ) -> Result<(Ended, Vec<Judged>), EngineError> {
        let started = Instant::now();
        let court = Court::new(self, task, suite, started);
        let (commands, others) = tokio::try_join!(court.commands(), court.others())?;
        let stopped = commands.iter().find_map(|(_, (_, stopped))| stopped.clone());
        let mut judged: BTreeMap<usize, Judged> = others.into_iter().collect();
        judged.extend(commands.into_iter().map(|(number, (judged, _))| (number, judged)));
        let hidden = |text: &String| self.engine.hidden.text(text);
        let judged: Vec<Judged> = judged
            .into_values()
            .map(|judged| Judged {
                errors: judged.errors.iter().map(hidden).collect(),
                stdout: hidden(&judged.stdout),
                stderr: hidden(&judged.stderr),
                ..judged
            })
            .collect();
        let tests = results::of_structure(suite, &judged);
        let mut recorder = Recorder::new(sink.clone());
        let text = structure::text(&suite.file, &judged, tests.counts);
        recorder.record(Bytes::from(text));
        let ended = Ended {
            cause: stopped.unwrap_or_else(|| of_counts(tests.counts)),
            duration: started.elapsed(),
            log: recorder.finish(),
            tests,
        };
        Ok((ended, judged))
    }
}

fn of_counts(counts: Counts) -> Cause {
    if counts.failed == 0 {
        Cause::Passed
    } else {
        Cause::TestsFailed { counts, code: 1 }
    }
}

/// A suite that is being judged.
struct Court<'t> {
    runner: &'t Runner,
    task: &'t StepTask<'t>,
    suite: &'t Suite,
    /// What the image and the suite set, for all commands.
    env: BTreeMap<String, String>,
    limits: Limits,
    started: Instant,
}

/// What came of an assertion, and of its step where a limit bit.
type Verdict = (Judged, Option<Cause>);

impl<'t> Court<'t> {
    fn new(runner: &'t Runner, task: &'t StepTask<'t>, suite: &'t Suite, started: Instant) -> Self {
        let pairs = task.image.config.env.iter();
        let image: BTreeMap<String, String> = pairs
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut env = image.clone();
        env.extend(expanded(&suite.env, suite.compat, &image));
        Self {
            runner,
            task,
            suite,
            env,
            limits: task.plan.limits_of(task.step),
            started,
        }
    }

    /// Commands, as many at a time as there are slots.
    async fn commands(&self) -> Result<Vec<(usize, Verdict)>, EngineError> {
        let commands = self.suite.assertions.iter().enumerate();
        let commands = commands.filter_map(|(number, assertion)| match &assertion.check {
            Check::Command(check) => Some((number, check)),
            _ => None,
        });
        let judging: Vec<BoxFuture<'_, _>> = commands
            .map(|(number, check)| self.command_in_slot(number, check).boxed())
            .collect();
        stream::iter(judging)
            .buffer_unordered(self.runner.concurrency)
            .try_collect()
            .await
    }

    async fn command_in_slot(
        &self,
        number: usize,
        check: &CommandCheck,
    ) -> Result<(usize, Verdict), EngineError> {
        let _slot = self.runner.slot().await;
        let begun = Instant::now();
        let (mut judged, stopped) = self.command(check).await?;
        judged.duration = begun.elapsed();
        Ok((number, (self.named(number, judged), stopped)))
    }

    /// All that needs no command: one after the other, as each is quick.
    async fn others(&self) -> Result<Vec<(usize, Judged)>, EngineError> {
        let mut all = Vec::new();
        let mut files = Shelf {
            court: self,
            container: None,
        };
        for (number, assertion) in self.suite.assertions.iter().enumerate() {
            let begun = Instant::now();
            let errors = match &assertion.check {
                Check::Command(_) => continue,
                Check::Invalid { why } => vec![why.clone()],
                Check::Metadata(check) => structure::metadata(check, &self.task.image.config),
                Check::Existence(check) => {
                    let path = self.replaced(&check.path);
                    let found = look::entry(self.engine(), files.container().await?, &path).await?;
                    structure::existence(check, &path, found.as_ref())
                }
                Check::Content(check) => {
                    match look::contents(self.engine(), files.container().await?, &check.path).await? {
                        Contents::Text(text) => structure::content(check, &text),
                        Contents::Absent => vec![format!("{} is not there", check.path)],
                        Contents::Unreadable(why) => vec![format!("{} cannot be read: {why}", check.path)],
                    }
                }
                Check::License(check) => self.licenses(check, files.container().await?).await?,
            };
            let judged = Judged {
                errors,
                duration: begun.elapsed(),
                ..Judged::default()
            };
            all.push((number, self.named(number, judged)));
        }
        Ok(all)
    }

    fn named(&self, number: usize, judged: Judged) -> Judged {
        let assertion = &self.suite.assertions[number];
        Judged {
            name: assertion.name.clone(),
            line: assertion.line,
            ..judged
        }
    }

    fn engine(&self) -> &Engine {
        &self.runner.engine
    }

    /// A text with the variables that the image and the suite set.
    fn replaced(&self, text: &str) -> String {
        expand_one(text, self.suite.compat, &self.env)
    }

    async fn licenses(&self, check: &LicenseCheck, container: &str) -> Result<Vec<String>, EngineError> {
        let mut errors = Vec::new();
        if check.debian {
            let licenses = look::debian_licenses(self.engine(), container).await?;
            if licenses.is_empty() {
                errors.push("there are no packages of Debian's in it".to_owned());
            }
            for (path, text) in &licenses {
                errors.extend(structure::license(path, text.as_deref()));
            }
        }
        for path in &check.files {
            let text = match look::contents(self.engine(), container, path).await? {
                Contents::Text(text) => Some(text),
                Contents::Absent | Contents::Unreadable(_) => None,
            };
            errors.extend(structure::license(path, text.as_deref()));
        }
        Ok(errors)
    }

    async fn command(&self, check: &CommandCheck) -> Result<Verdict, EngineError> {
        let has_setup = !check.setup.is_empty();
        let compat = self.suite.compat;
        let mut env = self.env.clone();
        env.extend(if compat && !has_setup {
            // Only what is set up is replaced.
            let pairs = check.env.iter();
            pairs
                .map(|variable| (variable.name.clone(), variable.value.clone()))
                .collect()
        } else {
            expanded(&check.env, compat, &self.env)
        });
        let mut made = Vec::new();
        for words in &check.setup {
            let image = made.last().map_or(self.task.image.id.as_str(), MadeImage::id);
            match self.run(words, &env, image).await? {
                Ran::Ended { container, .. } => made.push(self.keep(&container).await?),
                Ran::NotStarted(cause) => {
                    let why = format!(
                        "`{}`, of its setup, could not be run: {}",
                        words.join(" "),
                        in_words(&cause)
                    );
                    return Ok((failed(why), None));
                }
                Ran::Stopped(cause) => {
                    let why = format!("`{}`, of its setup: {cause}", words.join(" "));
                    return Ok((failed(why), Some(cause)));
                }
            }
        }
        // What container-structure-test replaces, it takes from the image, which the setup has changed.
        let known = if has_setup { &env } else { &self.env };
        let words = std::iter::once(&check.command).chain(&check.args);
        let words: Vec<String> = words
            .map(|word| {
                if compat {
                    expand_one(word, true, known)
                } else {
                    word.clone()
                }
            })
            .collect();
        let image = made.last().map_or(self.task.image.id.as_str(), MadeImage::id);
        Ok(match self.run(&words, &env, image).await? {
            Ran::Ended {
                cause, code, streams, ..
            } => (judged(check, code, &cause, &streams), None),
            Ran::NotStarted(cause) => (failed(in_words(&cause)), None),
            Ran::Stopped(cause) => (failed(cause.to_string()), Some(cause)),
        })
    }

    /// Runs a command to its end in an image.
    async fn run(
        &self,
        words: &[String],
        env: &BTreeMap<String, String>,
        image: &str,
    ) -> Result<Ran, EngineError> {
        let entrypoint = no_entrypoint();
        let call = Call {
            entrypoint: Some(&entrypoint),
            args: words,
            env,
            reports: &[],
        };
        let platform = self.runner.platform().await?;
        if let Some(cause) = self.task.image.refuse(&call, &platform) {
            return Ok(Ran::NotStarted(cause));
        }
        let limits = Limits {
            timeout: self
                .limits
                .timeout
                .saturating_sub(self.started.elapsed())
                .max(Duration::from_secs(1)),
            ..self.limits.clone()
        };
        let sandbox = Sandbox {
            image: image.to_owned(),
            user: self.suite.user.clone(),
            ..self.runner.sandbox(self.task, self.task.image, &call)
        };
        let Launched {
            container, output, ..
        } = match self.runner.launch(self.task, sandbox).await {
            Ok(launched) => launched,
            Err(error) => return Ok(Ran::NotStarted(cause::blame(error, words)?)),
        };
        let (output, streams) = tapped(output);
        let nobody = LogSink::none();
        let Watched { end, log, .. } = watch(self.engine(), container.id(), output, &limits, &nobody).await?;
        let given = Given {
            words,
            network: self.task.plan.network,
            profile: self.task.plan.profile,
            limits: &limits,
        };
        let cause = cause::of_end(end, given, &log);
        let streams = streams.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(match (cause, end.code()) {
            // What was asked for was the step's own limit.
            (Cause::TimedOut { .. }, _) => Ran::Stopped(Cause::TimedOut {
                after: self.limits.timeout,
            }),
            (cause, None) => Ran::Stopped(cause),
            (
                cause @ (Cause::CommandNotFound { .. } | Cause::NotExecutable { .. } | Cause::ExecFormat),
                Some(_),
            ) => Ran::NotStarted(cause),
            (cause, Some(code)) => Ran::Ended {
                container,
                cause,
                code,
                streams,
            },
        })
    }

    /// What the container has become, as an image.
    async fn keep(&self, container: &Container) -> Result<MadeImage, EngineError> {
        let id = self.engine().commit(container.id()).await?;
        Ok(MadeImage {
            id,
            engine: self.engine().clone(),
            upkeep: self.runner.upkeep.clone(),
        })
    }
}

/// How a command came to its end.
enum Ran {
    /// By itself.
    Ended {
        container: Container,
        cause: Cause,
        code: i64,
        streams: Streams,
    },
    /// It never began.
    NotStarted(Cause),
    /// A limit bit.
    Stopped(Cause),
}

/// Why a command never began. It is one of several, and not the image's test command.
fn in_words(cause: &Cause) -> String {
    let told = cause.to_string();
    told.strip_prefix("no test command: ")
        .map_or(told.clone(), str::to_owned)
}

fn failed(why: String) -> Judged {
    Judged {
        errors: vec![why],
        ..Judged::default()
    }
}

fn judged(check: &CommandCheck, code: i64, cause: &Cause, streams: &Streams) -> Judged {
    let (stdout, stderr) = (lossy(&streams.stdout), lossy(&streams.stderr));
    let printed = Printed {
        code,
        stdout: &stdout,
        stderr: &stderr,
    };
    let mut errors = structure::command(check, printed);
    if !errors.is_empty() {
        // Why it may have ended so.
        if let Cause::OutOfMemory { .. }
        | Cause::NeedsNetwork { .. }
        | Cause::HeldBack { .. }
        | Cause::TooManyProcesses { .. } = cause
        {
            errors.push(cause.to_string());
        }
        if streams.is_cut {
            errors.push(format!(
                "only the first {} MiB of each output were looked at",
                OUTPUT_BYTES >> 20
            ));
        }
    }
    Judged {
        errors,
        stdout,
        stderr,
        ..Judged::default()
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Variables with their values' own variables replaced by those of `known`.
fn expanded(env: &[Variable], compat: bool, known: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    env.iter()
        .map(|variable| {
            let value = expand_one(&variable.value, compat, known);
            (variable.name.clone(), value)
        })
        .collect()
}

fn expand_one(text: &str, compat: bool, known: &BTreeMap<String, String>) -> String {
    let value = |name: &str| known.get(name).cloned();
    if compat {
        expand::like_go(text, value)
    } else {
        expand::plain(text, value)
    }
}

/// What a command printed, as far as it is looked at.
#[derive(Clone, Debug, Default)]
struct Streams {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    is_cut: bool,
}

/// The same output, of which a copy is kept.
fn tapped(output: Output) -> (Output, Arc<Mutex<Streams>>) {
    let streams = Arc::new(Mutex::new(Streams::default()));
    let kept = Arc::clone(&streams);
    let output = output.inspect_ok(move |piece| {
        let mut streams = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = if piece.on_stdout {
            &mut streams.stdout
        } else {
            &mut streams.stderr
        };
        let room = (OUTPUT_BYTES - stream.len()).min(piece.bytes.len());
        stream.extend_from_slice(&piece.bytes[..room]);
        streams.is_cut |= room < piece.bytes.len();
    });
    (Box::pin(output), streams)
}

/// The one container whose files are looked at; made when it is first needed.
struct Shelf<'c> {
    court: &'c Court<'c>,
    container: Option<Container>,
}

impl Shelf<'_> {
    async fn container(&mut self) -> Result<&str, EngineError> {
        let Court { runner, task, .. } = self.court;
        let container = if let Some(made) = self.container.take() {
            made
        } else {
            // It is never started: that something is to be run is all that the Engine asks for.
            let (entrypoint, words) = (no_entrypoint(), ["true".to_owned()]);
            let call = Call {
                entrypoint: Some(&entrypoint),
                args: &words,
                env: &BTreeMap::new(),
                reports: &[],
            };
            let _slot = runner.slot().await;
            runner.create(runner.sandbox(task, task.image, &call)).await?
        };
        Ok(self.container.insert(container).id())
    }
}

/// An image that was made on the way. Dropping it removes it in the background.
#[derive(Debug)]
struct MadeImage {
    id: String,
    engine: Engine,
    upkeep: TaskTracker,
}

impl MadeImage {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for MadeImage {
    fn drop(&mut self) {
        let (engine, id) = (self.engine.clone(), std::mem::take(&mut self.id));
        // Without a runtime the process is about to end; the reaper removes it after the next start.
        if let Ok(runtime) = Handle::try_current() {
            self.upkeep.spawn_on(remove(engine, id), &runtime);
        }
    }
}

async fn remove(engine: Engine, id: String) {
    for pause in REMOVAL_PAUSES {
        sleep(pause).await;
        match engine.remove_made_image(&id).await {
            Ok(()) => return,
            Err(error) => tracing::debug!(%error, "an image that was made on the way is not removed yet"),
        }
    }
    tracing::warn!(
        image.id = id,
        "an image that was made on the way is left to the reaper"
    );
}
