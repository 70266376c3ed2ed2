//! The services of a Compose file, on a network of their own: each is started once what it depends on is as far as it must
//! be, and the exit code of `sut` decides.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::cause;
use super::container::Container;
use super::engine::{ContainerState, Engine, Health, NetworkKind};
use super::files;
use super::healthy::LOOK;
use super::labels;
use super::log::{LogSink, StepLog};
use super::sandbox::{Call, Sandbox};
use super::step::{Ended, Launched, StepTask};
use super::watch::{Watched, watch};
use super::{EngineError, LocalImage, RepositoryFile, Runner};
use crate::model::compose::{Condition, Dependency, MountSource, Project, Service, ServiceImage};
use crate::model::{Cause, Elapsed, Limits, Network};

/// Pauses between attempts to remove what containers of the step still use.
const REMOVAL_PAUSES: [Duration; 7] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
    Duration::from_secs(10),
];
/// The longest that the rest of a killed service's output may take.
const LAST_WORDS: Duration = Duration::from_secs(20);

/// The services under way. Dropping it removes them, and then what they shared.
struct Stage<'r> {
    runner: &'r Runner,
    /// By service. Before `shared`: they go first.
    running: BTreeMap<String, Running>,
    shared: Shared,
}

/// A service that another one depends on.
struct Running {
    container: Container,
    output: JoinHandle<Result<Watched, EngineError>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.output.abort();
    }
}

/// What the services share.
struct Shared {
    engine: Engine,
    network: String,
    /// By the file's name, or by the repository's path.
    volumes: BTreeMap<String, String>,
    upkeep: tokio_util::task::TaskTracker,
}

impl Drop for Shared {
    fn drop(&mut self) {
        let (engine, network) = (self.engine.clone(), std::mem::take(&mut self.network));
        let volumes = std::mem::take(&mut self.volumes);
        // Without a runtime the process is about to end; the reaper removes them after the next start.
        if let Ok(runtime) = Handle::try_current() {
            self.upkeep.spawn_on(remove(engine, network, volumes), &runtime);
        }
    }
}

async fn remove(engine: Engine, network: String, volumes: BTreeMap<String, String>) {
    let mut left: Vec<Left> = volumes.into_values().map(Left::Volume).collect();
    left.push(Left::Network(network));
    for pause in REMOVAL_PAUSES {
        let mut used = Vec::new();
        for thing in left {
            let removed = match &thing {
                Left::Volume(name) => engine.remove_volume(name).await,
                Left::Network(id) => engine.remove_network(id).await,
            };
            if let Err(error) = removed {
                tracing::debug!(%error, "what services shared is not removed yet");
                used.push(thing);
            }
        }
        if used.is_empty() {
            return;
        }
        left = used;
        // Containers that are on their way out use it.
        sleep(pause).await;
    }
    tracing::warn!("what services shared is left to the reaper");
}

/// Something that the services shared.
enum Left {
    Volume(String),
    Network(String),
}

impl Runner {
    /// Runs the services of a Compose file until `sut` ends.
    pub(super) async fn run_project(
        &self,
        task: &StepTask<'_>,
        project: &Project,
        sink: &LogSink,
    ) -> Result<Ended, EngineError> {
        let started = Instant::now();
        let limits = task.plan.limits_of(task.step);
        let mut stage = self.stage(task).await?;
        let mut end = Ended::without_container(Cause::Passed);
        for service in &project.services {
            if let Some(cause) = stage.await_dependencies(service, started, &limits).await? {
                end = Ended::without_container(cause);
                break;
            }
            let is_sut = service.name == Project::SUT;
            let reports = if is_sut { &task.step.reports[..] } else { &[] };
            let call = Call::of_service(service, reports);
            let image = image_of(task, service)?;
            let words = image.words(&call);
            let launched = match stage.launch(task, service, (image, &call)).await? {
                Ok(launched) => launched,
                Err(cause) => {
                    end = Ended::without_container(cause);
                    break;
                }
            };
            let left = Limits {
                timeout: limits
                    .timeout
                    .saturating_sub(started.elapsed())
                    .max(Duration::from_secs(1)),
                ..limits.clone()
            };
            if is_sut {
                end = self.to_end(launched, task, (&words, &left), sink).await?;
                // What was asked for was the step's own limit.
                if let Cause::TimedOut { after } = &mut end.cause {
                    *after = limits.timeout;
                }
            } else {
                stage.follow(service, launched, &left);
            }
        }
        let mut sections = stage.logs(project).await;
        sections.push((Project::SUT.to_owned(), end.log));
        Ok(Ended {
            duration: started.elapsed(),
            log: StepLog::joined(sections),
            ..end
        })
    }

    /// A network of the step's own.
    async fn stage(&self, task: &StepTask<'_>) -> Result<Stage<'_>, EngineError> {
        let kind = match task.plan.network {
            Network::None => NetworkKind::Closed,
            Network::Bridge => NetworkKind::Open,
        };
        let labels = labels::of_owner(self.instance, task.owner);
        let network = self.engine.create_network(kind, labels).await?;
        Ok(Stage {
            runner: self,
            running: BTreeMap::new(),
            shared: Shared {
                engine: self.engine.clone(),
                network,
                volumes: BTreeMap::new(),
                upkeep: self.upkeep.clone(),
            },
        })
    }
}

impl Stage<'_> {
    /// Waits until all that a service depends on is as it must be; gives back why not.
    async fn await_dependencies(
        &self,
        service: &Service,
        started: Instant,
        limits: &Limits,
    ) -> Result<Option<Cause>, EngineError> {
        for dependency in &service.depends_on {
            let left = limits.timeout.saturating_sub(started.elapsed());
            let waited = timeout(left, self.await_one(dependency)).await;
            let why = match waited {
                Ok(why) => why?,
                Err(_) => Some(format!(
                    "was not {} within {}",
                    dependency.condition,
                    Elapsed(limits.timeout)
                )),
            };
            if let Some(why) = why {
                return Ok(Some(Cause::ServiceFailed {
                    service: dependency.service.clone(),
                    why,
                }));
            }
        }
        Ok(None)
    }

    /// Waits for one condition; gives back why it will never hold.
    async fn await_one(&self, dependency: &Dependency) -> Result<Option<String>, EngineError> {
        let Some(running) = self.running.get(&dependency.service) else {
            return Ok(Some("was never started".to_owned()));
        };
        loop {
            let ContainerState {
                exit_code,
                health,
                last_probe,
            } = self.runner.engine.condition(running.container.id()).await?;
            match (dependency.condition, exit_code) {
                (Condition::Started, _) | (Condition::Completed, Some(0)) => return Ok(None),
                (Condition::Completed, Some(code)) => {
                    return Ok(Some(format!("ended with exit code {code}")));
                }
                (Condition::Healthy, Some(code)) => {
                    return Ok(Some(format!("ended with exit code {code} before it was healthy")));
                }
                (Condition::Healthy, None) => match health {
                    Health::Healthy => return Ok(None),
                    Health::Unhealthy => return Ok(Some(unhealthy(&last_probe))),
                    Health::Unchecked => {
                        return Ok(Some(
                            "has no health check, so that it can never be healthy".to_owned(),
                        ));
                    }
                    Health::Starting => {}
                },
                (Condition::Completed, None) => {}
            }
            sleep(LOOK).await;
        }
    }

    /// Starts a service, or says what is wrong with its image.
    async fn launch(
        &mut self,
        task: &StepTask<'_>,
        service: &Service,
        (image, call): (&LocalImage, &Call<'_>),
    ) -> Result<Result<Launched, Cause>, EngineError> {
        let runner = self.runner;
        let is_subject = service.image == ServiceImage::Subject;
        if let Some(refused) = image.refuse(call, &runner.platform().await?) {
            return Ok(Err(blamed(service, refused)));
        }
        let mut made = self.make(task, service, (image, call)).await;
        if made
            .as_ref()
            .is_err_and(|error| runner.notes_open_files(error, task.plan.profile))
        {
            made = self.make(task, service, (image, call)).await;
        }
        made.or_else(|error| {
            let cause = cause::blame(error, &image.words(call))?;
            Ok(Err(if is_subject { cause } else { blamed(service, cause) }))
        })
    }

    /// Makes a service's container, brings what it sees of the repository, and starts it.
    async fn make(
        &mut self,
        task: &StepTask<'_>,
        service: &Service,
        (image, call): (&LocalImage, &Call<'_>),
    ) -> Result<Result<Launched, Cause>, EngineError> {
        let runner = self.runner;
        let (sandbox, copies) = self.sandbox(task, service, (image, call)).await?;
        if sandbox.read_only && copies.iter().any(|copy| !copy.into_volume) {
            let why = "needs a single file of the repository, which cannot be put into the read-only file system of the \
                       profile `strict`: name its folder";
            return Ok(Err(Cause::ServiceFailed {
                service: service.name.clone(),
                why: why.to_owned(),
            }));
        }
        let container = runner.create(sandbox).await?;
        for copy in copies {
            let put = runner.engine.put_archive(container.id(), &copy.at, copy.archive);
            put.await?;
        }
        runner.begin(container).await.map(Ok)
    }

    /// The container of a service, and what is copied into it before it starts.
    async fn sandbox(
        &mut self,
        task: &StepTask<'_>,
        service: &Service,
        (image, call): (&LocalImage, &Call<'_>),
    ) -> Result<(Sandbox, Vec<Copy>), EngineError> {
        let mut sandbox = self.runner.sandbox(task, image, call);
        sandbox.network.clone_from(&self.shared.network);
        sandbox.aliases = [std::slice::from_ref(&service.name), service.aliases.as_slice()].concat();
        sandbox.working_dir.clone_from(&service.working_dir);
        sandbox.user.clone_from(&service.user);
        sandbox.healthcheck.clone_from(&service.healthcheck);
        let mut copies = Vec::new();
        for mount in &service.mounts {
            let target = mount.target.clone();
            // What the file names comes before what the profile gives.
            sandbox.tmpfs.retain(|(path, _)| *path != target);
            match &mount.source {
                MountSource::Anonymous => sandbox.volumes.push((None, target)),
                MountSource::Memory => sandbox.tmpfs.push((target, "rw,nosuid,nodev,size=256m")),
                MountSource::Volume(name) => {
                    let (volume, _) = self.volume(task, &format!("volume {name}")).await?;
                    sandbox.volumes.push((Some(volume), target));
                }
                MountSource::Text(text) => {
                    let file = RepositoryFile {
                        bytes: text.clone().into(),
                        executable: false,
                    };
                    copies.push(Copy::file(&target, &file));
                }
                MountSource::Repository(path) => {
                    if let Some(file) = task.beside.files.file(path) {
                        copies.push(Copy::file(&target, file));
                        continue;
                    }
                    let (volume, is_new) = self.volume(task, &format!("path {path}")).await?;
                    if is_new {
                        copies.push(Copy {
                            at: target.clone(),
                            archive: task.beside.files.folder(path),
                            into_volume: true,
                        });
                    }
                    sandbox.volumes.push((Some(volume), target));
                }
            }
        }
        Ok((sandbox, copies))
    }

    /// A volume that the services share, and whether it was made now.
    async fn volume(&mut self, task: &StepTask<'_>, key: &str) -> Result<(String, bool), EngineError> {
        if let Some(volume) = self.shared.volumes.get(key) {
            return Ok((volume.clone(), false));
        }
        let labels = labels::of_owner(self.runner.instance, task.owner);
        let volume = self.runner.engine.create_volume(labels).await?;
        self.shared.volumes.insert(key.to_owned(), volume.clone());
        Ok((volume, true))
    }

    /// Reads what a service prints until it is no longer needed.
    fn follow(&mut self, service: &Service, launched: Launched, limits: &Limits) {
        let Launched {
            container, output, ..
        } = launched;
        let (engine, id) = (self.runner.engine.clone(), container.id().to_owned());
        let limits = Limits {
            // A service may well be silent.
            idle_timeout: limits.timeout,
            ..limits.clone()
        };
        let output =
            tokio::spawn(async move { watch(&engine, &id, output, &limits, &LogSink::none()).await });
        self.running
            .insert(service.name.clone(), Running { container, output });
    }

    /// Ends the services, and gives back what each has printed, in the order in which they were started.
    async fn logs(&mut self, project: &Project) -> Vec<(String, StepLog)> {
        let mut logs = Vec::new();
        for service in &project.services {
            let Some(mut running) = self.running.remove(&service.name) else {
                continue;
            };
            let engine = &self.runner.engine;
            // One that ended by itself, or cannot be reached, has nothing more to say.
            let _ = engine.signal(running.container.id(), "SIGKILL").await;
            if let Ok(Ok(Ok(watched))) = timeout(LAST_WORDS, &mut running.output).await {
                logs.push((service.name.clone(), watched.log));
            }
        }
        logs
    }
}

/// Something that is copied into a container before it starts.
struct Copy {
    at: String,
    archive: bytes::Bytes,
    into_volume: bool,
}

impl Copy {
    fn file(target: &str, file: &RepositoryFile) -> Self {
        Self {
            at: "/".to_owned(),
            archive: files::at(target, file),
            into_volume: false,
        }
    }
}

fn image_of<'t>(task: &StepTask<'t>, service: &Service) -> Result<&'t LocalImage, EngineError> {
    match &service.image {
        ServiceImage::Subject => Ok(task.image),
        // Whoever runs the step has brought it.
        ServiceImage::Other(reference) => task.beside.images.get(reference).ok_or(EngineError::Lost {
            doing: "looking for a service's image",
            reason: format!("{reference} was not pulled"),
        }),
    }
}

/// A cause that lies with another image than the one under test.
fn blamed(service: &Service, cause: Cause) -> Cause {
    if service.image == ServiceImage::Subject {
        return cause;
    }
    Cause::ServiceFailed {
        service: service.name.clone(),
        why: format!("could not be started: {cause}"),
    }
}

fn unhealthy(last_probe: &str) -> String {
    if last_probe.is_empty() {
        "is unhealthy".to_owned()
    } else {
        format!("is unhealthy; its last check said: {last_probe}")
    }
}
