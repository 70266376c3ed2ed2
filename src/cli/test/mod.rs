//! `hubcheck test`: an image's tests as the bot would run them, with no GitHub. Good inside a CI job, before the push.

mod here;
mod outcome;
mod screen;

pub(super) use screen::print;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Common, Failure, stop_signal};
use crate::clock::{Clock, millis};
use crate::config::{Config, docker_login_file};
use crate::model::{ImageReference, Outcome, Plan, Profile, RunId, StepKind, Tag, Verdict};
use crate::net::Trust;
use crate::plan::{self, Chosen, File, Planned, Said};
use crate::redact::Redactor;
use crate::registry::{Access, RegistryClient};
use crate::runner::{
    Beside, EngineError, LocalImage, LogSink, Owner, PullSource, RegistryCredentials, Runner, StepEnd,
    StepTask,
};
use outcome::{Tested, TestedStep};
use screen::Screen;

/// Pieces of live output that may wait to be shown.
const LIVE_CHUNKS: usize = 1024;

/// A container that a killed command left behind may be removed by anybody so much after its time.
const SLACK: Duration = Duration::from_mins(5);

/// `hubcheck test IMAGE [ARG…]`
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The image: one that was just built, or one in a registry
    image: ImageReference,
    /// Run `docker run IMAGE ARG…` instead of the declared tests
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
    /// When to pull it
    #[arg(long, value_enum, default_value_t = Pull::Missing)]
    pull: Pull,
    /// Read the tests from this file [default: .github/hubcheck.yml, if it names the image]
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Run the services of this Compose file: the exit code of `sut` decides
    #[arg(long, value_name = "FILE", conflicts_with_all = ["args", "plan"])]
    compose: Option<String>,
    /// Judge what this container-structure-test file asserts; may be given several times
    #[arg(long, value_name = "FILE", conflicts_with_all = ["args", "plan", "compose"])]
    structure: Vec<String>,
    /// Replace `$NAME` in the commands of structure files, as container-structure-test does
    #[arg(long, requires = "structure")]
    compat: bool,
    /// How tightly the containers are held
    #[arg(long, value_enum)]
    profile: Option<Held>,
    /// Print the result as JSON on stdout, and all else on stderr
    #[arg(long)]
    json: bool,
    /// Write the result as `JUnit` XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pull {
    /// If the Docker Engine does not hold it
    Missing,
    /// Whatever the Docker Engine holds
    Always,
    /// Never
    Never,
}

/// [`Profile`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Held {
    /// With the capabilities that ordinary entrypoints need
    Compatible,
    /// With none, and a read-only root file system
    Strict,
}

pub(super) async fn run(common: &Common, options: &Options) -> Result<(), Failure> {
    let config = common.load()?;
    let file = file(options)?;
    let hidden = Redactor::new(&config.secrets()).map_err(|error| Failure::Usage(error.to_string()))?;
    let runner = Runner::connect(&config.docker, Uuid::now_v7(), Clock::default())
        .map_err(|error| Failure::Usage(error.to_string()))?
        .hiding(hidden);
    let screen = Screen::new(options.json, common.quiet);
    let session = Session {
        config: &config,
        options,
        file: file.as_ref(),
        runner: &runner,
        screen: &screen,
        stop: CancellationToken::new(),
    };
    let interrupted = stop_signal()?;
    let work = session.test();
    tokio::pin!(work);
    let tested = tokio::select! {
        tested = &mut work => tested,
        () = interrupted => {
            session.stop.cancel();
            work.await
        }
    };
    // Whatever came of it, nothing stays behind.
    if let Err(error) = runner.shutdown().await {
        screen.warn(&format!("something may be left on the Docker Engine: {error}"));
    }
    let tested = tested?;
    screen.summary(&tested);
    if let Some(path) = &options.junit {
        write(path, &tested.junit()?)?;
    }
    if options.json {
        print(&format!("{}\n", tested.json()));
    }
    match tested.verdict.outcome {
        Outcome::Passed => Ok(()),
        // The summary says it all.
        Outcome::Failed | Outcome::TimedOut => Err(Failure::Silent(1)),
        _ => Err(Failure::Silent(3)),
    }
}

impl Options {
    /// What stands in place of the declared tests.
    fn chosen(&self) -> Option<Chosen> {
        let path = |file: &String| file.trim_start_matches("./").to_owned();
        if let Some(file) = &self.compose {
            Some(Chosen::Compose(path(file)))
        } else if !self.structure.is_empty() {
            Some(Chosen::Structure {
                files: self.structure.iter().map(path).collect(),
                compat: self.compat,
            })
        } else {
            (!self.args.is_empty()).then(|| Chosen::Arguments(self.args.clone()))
        }
    }
}

/// All that a test works with.
struct Session<'a> {
    config: &'a Config,
    options: &'a Options,
    file: Option<&'a File>,
    runner: &'a Runner,
    screen: &'a Screen,
    stop: CancellationToken,
}

impl Session<'_> {
    /// What is tested: the arguments, else the file's tests, else what the image's label says, else
    /// `docker run IMAGE test`.
    fn planned(&self, image: &LocalImage) -> Result<Planned, Failure> {
        let options = self.options;
        let label = image
            .config
            .labels
            .get(plan::TEST_LABEL)
            .filter(|_| options.args.is_empty());
        let label = label.map(|text| self.runner.hidden().text(text));
        let chosen = options.chosen();
        let said = Said {
            on_default: self.file,
            at_commit: self.file,
            label: label.as_deref(),
            // It stands for all else: nothing is looked for.
            chosen: chosen.as_ref(),
            ..Said::default()
        };
        let mut planned = here::planned(&self.config.docker, &options.image, said)?;
        if let Some(why) = planned.problem {
            return Err(Failure::No(why));
        }
        if let Some(held) = options.profile {
            planned.plan.profile = match held {
                Held::Compatible => Profile::Compatible,
                Held::Strict => Profile::Strict,
            };
        }
        Ok(planned)
    }

    async fn test(&self) -> Result<Tested, Failure> {
        let (options, runner, screen) = (self.options, self.runner, self.screen);
        let image = self.bring(&self.options.image).await?;
        let planned = self.planned(&image)?;
        for note in &planned.notes {
            screen.warn(note);
        }
        let plan = &planned.plan;
        let steps = u32::try_from(plan.steps.len()).unwrap_or(u32::MAX);
        let owner = Owner {
            run: RunId::new(),
            attempt: 1,
            deadline: Clock::default().now() + millis(plan.limits.timeout.saturating_mul(steps) + SLACK),
        };
        let beside = self.beside(plan).await?;
        let mut tested = Vec::new();
        for step in &plan.steps {
            screen.begin(step);
            let task = StepTask {
                owner: &owner,
                image: &image,
                plan,
                step,
                beside: &beside,
            };
            let (sender, live) = mpsc::channel(LIVE_CHUNKS);
            let running = async {
                let sink = LogSink::new(sender);
                runner.run_step(&task, &sink, &self.stop).await
            };
            let (end, ()) = tokio::join!(running, screen.follow(live));
            match end.map_err(|error| outside(&error))? {
                StepEnd::Done(done) => {
                    screen.end(&done.result);
                    tested.push(TestedStep {
                        result: done.result,
                        log: done.log.to_bytes(),
                        assertions: done.assertions,
                    });
                }
                StepEnd::Cancelled => return Err(Failure::Outside("it was interrupted".to_owned())),
            }
        }
        let results = tested.iter().map(|step| step.result.clone()).collect();
        Ok(Tested {
            image: options.image.text.clone(),
            id: image.id,
            platform: image.platform,
            verdict: Verdict::of_steps(results),
            steps: tested,
            notes: planned.notes.clone(),
        })
    }

    /// What the Compose files of the plan need beside the image.
    async fn beside(&self, plan: &Plan) -> Result<Beside, Failure> {
        let mut beside = Beside::default();
        for step in &plan.steps {
            let StepKind::Compose { project } = &step.kind else {
                continue;
            };
            for reference in project.other_images() {
                let named: ImageReference = reference
                    .parse()
                    .map_err(|error| Failure::Usage(format!("{}: {error}", project.file)))?;
                let image = self.bring(&named).await?;
                beside.images.insert(reference.to_owned(), image);
            }
            beside.files.0.extend(here::files(&project.repository_paths())?.0);
        }
        Ok(beside)
    }

    /// An image on the Engine, pulled where it must be.
    async fn bring(&self, asked: &ImageReference) -> Result<LocalImage, Failure> {
        let Self {
            config,
            options,
            runner,
            screen,
            ..
        } = *self;
        if options.pull != Pull::Always {
            let held = runner.local_image(&asked.text).await;
            if let Some(image) = held.map_err(|error| outside(&error))? {
                return Ok(image);
            }
        }
        if options.pull == Pull::Never {
            return Err(Failure::Outside(format!(
                "the Docker Engine does not hold {}: build it, or leave out `--pull never`",
                asked.text
            )));
        }
        let usage = |error: &dyn std::error::Error| Failure::Usage(error.to_string());
        let trust = Trust::new(&config.net).map_err(|error| usage(&error))?;
        let login = docker_login_file(|name| std::env::var(name).ok());
        let registry =
            RegistryClient::new(&config.registries, &trust, login).map_err(|error| usage(&error))?;
        screen.say(&format!("pulling {}", asked.text));
        let digest = if let Some(digest) = &asked.digest {
            digest.clone()
        } else {
            let tag = asked.tag.clone().unwrap_or_else(Tag::latest);
            let resolved = registry.resolve(&asked.name, &tag, Access::Configured).await;
            resolved.map_err(|error| Failure::Outside(error.to_string()))?
        };
        let credentials = registry
            .credentials(&asked.name)
            .await
            .map(|found| RegistryCredentials {
                username: found.username,
                password: found.password,
                server: found.server,
            });
        let source = PullSource {
            reference: registry.pull_reference(&asked.name),
            digest,
            credentials,
        };
        let pulled = runner.pull(&source, |progress| screen.pulling(progress)).await;
        screen.pulled();
        pulled.map_err(|error| Failure::Outside(error.to_string()))
    }
}

/// The file that was named, which must be about the image; else the one that stands here, if there is one.
fn file(options: &Options) -> Result<Option<File>, Failure> {
    let (path, is_named) = match &options.plan {
        Some(path) => (path.as_path(), true),
        None => (Path::new(plan::PATH), false),
    };
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => return Ok(None),
        read => read.map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?,
    };
    let file =
        File::parse(&text).map_err(|error| Failure::Usage(error.in_file(&path.display().to_string())))?;
    if is_named && file.of(&options.image.name).is_none() {
        let images: Vec<String> = file.images().map(ToString::to_string).collect();
        return Err(Failure::Usage(format!(
            "{} says nothing of {}: it is about {}",
            path.display(),
            options.image.name,
            images.join(", ")
        )));
    }
    Ok(Some(file))
}

fn outside(error: &EngineError) -> Failure {
    Failure::Outside(error.to_string())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure::Outside(format!("cannot write {}: {error}", path.display())))
}
