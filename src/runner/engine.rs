//! The Docker Engine's API: turns our words into the Engine's and its answers into ours, bounds every
//! call in time, and decides nothing. The only file that imports bollard; its children take it from here.
//!
//! bollard connects lazily here, so that hubcheck starts while the Engine is down.

mod body;
mod upkeep;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models as api;
use bollard::query_parameters as query;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use secrecy::ExposeSecret;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

use super::cause::Exit;
use super::error::EngineError;
use super::image::{LocalImage, Origin};
use super::pull::{LayerEvent, PullTrouble, RegistryCredentials};
use super::sandbox::Sandbox;
use super::{Disk, EngineInfo};
use crate::model::{ImageConfig, Platform};
use crate::redact::Redactor;

pub(super) use upkeep::{Labelled, NetworkKind};

/// Where Docker listens unless it is told otherwise.
#[cfg(unix)]
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// Where Docker listens unless it is told otherwise.
#[cfg(windows)]
const DEFAULT_HOST: &str = "npipe:////./pipe/docker_engine";
/// The longest that a call may take which only asks.
const ASK: Duration = Duration::from_secs(30);
/// The longest that a call may take which makes, starts or removes something on a busy disk.
const ACT: Duration = Duration::from_mins(2);
/// How often a container is looked at whose end the Engine does not announce.
const POLL: Duration = Duration::from_secs(1);
/// No message of the Engine's is kept longer than this many characters.
const MESSAGE_CHARS: usize = 500;

/// A piece of what a container prints.
#[derive(Clone, Debug)]
pub(super) struct Printed {
    /// On its standard output, and not on its standard error.
    pub(super) on_stdout: bool,
    pub(super) bytes: Bytes,
}

/// What a container prints, piece by piece as it arrives.
pub(super) type Output = std::pin::Pin<Box<dyn Stream<Item = Result<Printed, EngineError>> + Send>>;

/// A container at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ContainerState {
    /// Of one that has ended.
    pub(super) exit_code: Option<i64>,
    pub(super) health: Health,
    /// What the last health check printed.
    pub(super) last_probe: String,
}

/// What a container's health check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// There is none.
    Unchecked,
    Starting,
    Healthy,
    Unhealthy,
}

/// A Docker Engine.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    host: Arc<str>,
    client: Arc<OnceCell<Docker>>,
    /// Where it keeps everything; asked once.
    root: Arc<OnceCell<PathBuf>>,
    /// What must not be seen in what the Engine and the images say.
    pub(super) hidden: Redactor,
}

impl Engine {
    /// Its address.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The Engine at `host`, or where the platform has it.
    pub(super) fn new(host: Option<&str>) -> Result<Self, EngineError> {
        let host = match host {
            None => DEFAULT_HOST.to_owned(),
            Some(path) if path.starts_with('/') => format!("unix://{path}"),
            Some(host) => host.to_owned(),
        };
        let spoken = ["unix://", "npipe://", "tcp://", "http://"];
        if spoken.iter().any(|scheme| host.starts_with(scheme)) {
            Ok(Self {
                host: host.into(),
                client: Arc::default(),
                root: Arc::default(),
                hidden: Redactor::default(),
            })
        } else {
            Err(EngineError::UnsupportedHost { host })
        }
    }

    pub(super) async fn info(&self) -> Result<EngineInfo, EngineError> {
        let doing = "asking for its version";
        let client = self.client().await?;
        let both = async { tokio::try_join!(client.version(), client.info()) };
        let (version, info) = self.within(ASK, doing, both).await?;
        let mut runtimes: Vec<String> = info.runtimes.unwrap_or_default().into_keys().collect();
        runtimes.sort();
        Ok(EngineInfo {
            id: info.id.unwrap_or_else(|| self.host().to_owned()),
            version: version.version.unwrap_or_default(),
            api_version: version.api_version.unwrap_or_default(),
            runc: version
                .components
                .unwrap_or_default()
                .into_iter()
                .find(|component| component.name == "runc")
                .map(|component| component.version),
            root: info.docker_root_dir.unwrap_or_default(),
            os: version.os.unwrap_or_default(),
            architecture: version.arch.unwrap_or_default(),
            runtimes,
        })
    }

    /// The disk that it writes to; `None` where that is another machine's.
    pub(super) async fn disk(&self) -> Result<Option<Disk>, EngineError> {
        if !self.host.starts_with("unix://") {
            return Ok(None);
        }
        let ask = async || Ok(self.info().await?.root.into());
        Ok(Disk::of(self.root.get_or_try_init(ask).await?))
    }

    /// An error where so little is left on its disk that nothing more may be written.
    pub(super) async fn room(&self) -> Result<(), EngineError> {
        match self.disk().await? {
            Some(disk) if disk.is_low() => Err(EngineError::DiskLow { why: disk.why() }),
            _ => Ok(()),
        }
    }

    /// The image that the Engine knows as `reference`, or as this id.
    pub(super) async fn image(&self, reference: &str) -> Result<Option<LocalImage>, EngineError> {
        let Some(found) = self.inspect_image(reference).await? else {
            return Ok(None);
        };
        let config = found.config.unwrap_or_default();
        Ok(Some(LocalImage {
            id: found.id.unwrap_or_default(),
            platform: Platform {
                os: found.os.unwrap_or_default(),
                architecture: found.architecture.unwrap_or_default(),
                variant: found.variant.filter(|variant| !variant.is_empty()),
            },
            config: ImageConfig {
                entrypoint: self.shown(config.entrypoint),
                cmd: self.shown(config.cmd),
                env: config.env.unwrap_or_default(),
                user: config.user.unwrap_or_default(),
                working_dir: config.working_dir.unwrap_or_default(),
                exposed_ports: config.exposed_ports.unwrap_or_default(),
                volumes: config.volumes.unwrap_or_default(),
                labels: config.labels.unwrap_or_default().into_iter().collect(),
            },
            origin: Origin::Present,
        }))
    }

    /// Pulls `reference`, which names a digest. Ends when the pull does; never times out.
    pub(super) async fn pull(
        &self,
        reference: &str,
        credentials: Option<&RegistryCredentials>,
    ) -> Result<impl Stream<Item = Result<LayerEvent, PullTrouble>> + use<>, EngineError> {
        let client = self.client().await?;
        let options = query::CreateImageOptionsBuilder::new()
            .from_image(reference)
            .build();
        let credentials = credentials.map(|given| DockerCredentials {
            username: Some(given.username.clone()),
            password: Some(given.password.expose_secret().to_owned()),
            serveraddress: Some(given.server.clone()),
            ..DockerCredentials::default()
        });
        let engine = self.clone();
        let events = client.create_image(Some(options), None, credentials);
        Ok(events.map(move |event| match event {
            Ok(event) => Ok(layer_event(event)),
            Err(Error::DockerStreamError { error }) => Err(PullTrouble::Said {
                status: None,
                message: engine.said(&error),
            }),
            Err(Error::DockerResponseServerError { status_code, message }) => Err(PullTrouble::Said {
                status: Some(status_code),
                message: engine.said(&message),
            }),
            Err(other) => Err(PullTrouble::Engine(engine.error("pulling an image", other))),
        }))
    }

    /// Makes a container and does not start it. Returns its id.
    pub(super) async fn create(&self, sandbox: Sandbox) -> Result<String, EngineError> {
        let client = self.client().await?;
        let made = client.create_container(None, body::container_body(sandbox));
        self.within(ACT, "creating a container", made)
            .await
            .map(|made| made.id)
    }

    /// What the container will print, from its first byte on if it is not yet started.
    pub(super) async fn attach(&self, container: &str) -> Result<Output, EngineError> {
        let doing = "attaching to a container";
        let options = query::AttachContainerOptionsBuilder::new()
            .stream(true)
            .stdout(true)
            .stderr(true)
            .build();
        let client = self.client().await?;
        let attached = self
            .within(ASK, doing, client.attach_container(container, Some(options)))
            .await?;
        let engine = self.clone();
        let output = attached.output.map_ok(|piece| Printed {
            on_stdout: matches!(piece, LogOutput::StdOut { .. }),
            bytes: piece.into_bytes(),
        });
        Ok(Box::pin(output.map_err(move |error| {
            engine.error("reading a container's output", error)
        })))
    }

    pub(super) async fn start(&self, container: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        self.within(
            ACT,
            "starting a container",
            client.start_container(container, None),
        )
        .await
    }

    /// Waits for the end of a started container, however long it takes.
    ///
    /// The Engine's announcement is the quick way. A slow look at the container beside it is for
    /// engines that never announce. A broken connection is an error even if the container has ended
    /// since: an Engine that stops kills its containers, and their exit codes say nothing then.
    pub(super) async fn wait(&self, container: &str) -> Result<Exit, EngineError> {
        let doing = "waiting for a container";
        let client = self.client().await?;
        let options = query::WaitContainerOptionsBuilder::new()
            .condition("not-running")
            .build();
        let mut announcement = Box::pin(client.wait_container(container, Some(options)));
        let mut announced = false;
        loop {
            tokio::select! {
                said = announcement.next(), if !announced => match said {
                    Some(Ok(_) | Err(Error::DockerContainerWaitError { .. } | Error::RequestTimeoutError)) => {
                        announced = true;
                    }
                    Some(Err(error)) => return Err(self.error(doing, error).about_container()),
                    None => return Err(EngineError::Lost { doing, reason: "the connection was closed".to_owned() }),
                },
                () = sleep(POLL) => {}
            }
            if let Some(exit) = self.exit(container).await? {
                return Ok(exit);
            }
        }
    }

    /// How the container ended; `None`: it has not.
    async fn exit(&self, container: &str) -> Result<Option<Exit>, EngineError> {
        use api::ContainerStateStatusEnum::{DEAD, REMOVING};
        let state = self.inspect(container, false).await?.state.unwrap_or_default();
        // We look at it before we remove it ourselves, so it is somebody else who killed it so.
        if matches!(state.status, Some(REMOVING | DEAD)) {
            let doing = "waiting for a container";
            return Err(EngineError::ContainerGone { doing });
        }
        let running = state.running.unwrap_or(false) || state.restarting.unwrap_or(false);
        Ok((!running).then(|| Exit {
            code: state.exit_code.unwrap_or(-1),
            out_of_memory: state.oom_killed.unwrap_or(false),
        }))
    }

    /// How a container is, and how healthy.
    pub(super) async fn condition(&self, container: &str) -> Result<ContainerState, EngineError> {
        use api::HealthStatusEnum::{HEALTHY, STARTING, UNHEALTHY};
        let state = self.inspect(container, false).await?.state.unwrap_or_default();
        let health = state.health.unwrap_or_default();
        let last = health
            .log
            .unwrap_or_default()
            .pop()
            .and_then(|probe| probe.output);
        Ok(ContainerState {
            exit_code: (!state.running.unwrap_or(false)).then(|| state.exit_code.unwrap_or(-1)),
            health: match health.status {
                Some(STARTING) => Health::Starting,
                Some(HEALTHY) => Health::Healthy,
                Some(UNHEALTHY) => Health::Unhealthy,
                _ => Health::Unchecked,
            },
            last_probe: self.said(last.unwrap_or_default().trim()),
        })
    }

    /// Bytes that the container has written to its own file system.
    pub(super) async fn written_bytes(&self, container: &str) -> Result<u64, EngineError> {
        let size = self.inspect(container, true).await?.size_rw;
        Ok(size.and_then(|size| size.try_into().ok()).unwrap_or(0))
    }

    /// Is there something at this absolute path in the container?
    pub(super) async fn has_path(&self, container: &str, path: &str) -> Result<bool, EngineError> {
        if !path.starts_with('/') {
            return Ok(false);
        }
        let client = self.client().await?;
        let options = query::ContainerArchiveInfoOptionsBuilder::new()
            .path(path)
            .build();
        let found = client.get_container_archive_info(container, Some(options));
        match self.within(ASK, "looking for a file", found).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What lies at this absolute path in the container, as an archive; `None`: nothing.
    pub(super) async fn archive(
        &self,
        container: &str,
        path: &str,
    ) -> Result<Option<impl Stream<Item = Result<Bytes, EngineError>> + use<>>, EngineError> {
        let doing = "reading files from a container";
        let client = self.client().await?;
        let options = query::DownloadFromContainerOptionsBuilder::new()
            .path(path)
            .build();
        let engine = self.clone();
        let mut pieces = Box::pin(
            client
                .download_from_container(container, Some(options))
                .map_err(move |error| engine.error(doing, error)),
        );
        let first = timeout(ASK, pieces.next())
            .await
            .map_err(|_| EngineError::TimedOut { doing, after: ASK })?;
        match first {
            Some(Err(error)) if error.is_not_found() => Ok(None),
            Some(Err(error)) => Err(error),
            first => Ok(Some(stream::iter(first).chain(pieces))),
        }
    }

    /// Where the symbolic link at this path leads to, from the container's root on.
    pub(super) async fn link_target(&self, container: &str, path: &str) -> Result<String, EngineError> {
        let client = self.client().await?;
        let options = query::ContainerArchiveInfoOptionsBuilder::new()
            .path(path)
            .build();
        let found = client.get_container_archive_info(container, Some(options));
        let found = self.within(ASK, "looking at a link", found).await?;
        Ok(found.link_target)
    }

    /// Unpacks an archive at this absolute path in the container.
    pub(super) async fn put_archive(
        &self,
        container: &str,
        path: &str,
        archive: Bytes,
    ) -> Result<(), EngineError> {
        let client = self.client().await?;
        let options = query::UploadToContainerOptionsBuilder::new().path(path).build();
        let body = bollard::body_full(archive);
        let put = client.upload_to_container(container, Some(options), body);
        self.within(ACT, "copying files to a container", put).await
    }

    /// Sends a signal. A container that is not running any more is fine.
    pub(super) async fn signal(&self, container: &str, signal: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        let options = query::KillContainerOptionsBuilder::new().signal(signal).build();
        let sent = self.within(
            ACT,
            "stopping a container",
            client.kill_container(container, Some(options)),
        );
        unless(
            EngineError::is_conflict,
            sent.await.map_err(EngineError::about_container),
        )
    }

    /// Removes a container with its volumes, running or not. One that is gone is fine.
    pub(super) async fn remove(&self, container: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        let options = query::RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        let removed = self.within(
            ACT,
            "removing a container",
            client.remove_container(container, Some(options)),
        );
        // A conflict here says that the removal is already under way.
        unless(|error| error.is_not_found() || error.is_conflict(), removed.await)
    }

    async fn inspect(
        &self,
        container: &str,
        size: bool,
    ) -> Result<api::ContainerInspectResponse, EngineError> {
        let client = self.client().await?;
        let options = query::InspectContainerOptionsBuilder::new().size(size).build();
        let found = client.inspect_container(container, Some(options));
        let doing = "looking at a container";
        self.within(ASK, doing, found)
            .await
            .map_err(EngineError::about_container)
    }

    async fn inspect_image(&self, reference: &str) -> Result<Option<api::ImageInspect>, EngineError> {
        let client = self.client().await?;
        match self
            .within(ASK, "looking at an image", client.inspect_image(reference))
            .await
        {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn client(&self) -> Result<&Docker, EngineError> {
        let connect = async || {
            let doing = "agreeing on an API version";
            let client = Docker::connect_with_host(&self.host).map_err(|error| self.error(doing, error))?;
            self.within(ASK, doing, client.negotiate_version()).await
        };
        self.client.get_or_try_init(connect).await
    }

    async fn within<T>(
        &self,
        limit: Duration,
        doing: &'static str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, EngineError> {
        match timeout(limit, call).await {
            Ok(answer) => answer.map_err(|error| self.error(doing, error)),
            Err(_) => Err(EngineError::TimedOut { doing, after: limit }),
        }
    }

    /// What the Engine says, which may quote an image: shortened, and with nothing in it to hide.
    fn said(&self, message: &str) -> String {
        let message = self.hidden.text(message);
        let shown = message.chars().filter(|char| !char.is_control() || *char == '\n');
        shown.take(MESSAGE_CHARS).collect()
    }

    /// An image's words, with nothing in them to hide.
    fn shown(&self, words: Option<Vec<String>>) -> Vec<String> {
        let words = words.unwrap_or_default();
        words.iter().map(|word| self.hidden.text(word)).collect()
    }

    fn error(&self, doing: &'static str, error: Error) -> EngineError {
        let unreachable = |reason| EngineError::Unreachable {
            host: self.host.to_string(),
            reason,
        };
        match error {
            Error::DockerResponseServerError { status_code, message } => EngineError::Refused {
                doing,
                status: status_code,
                message: self.said(&message),
            },
            Error::RequestTimeoutError => EngineError::TimedOut { doing, after: ACT },
            Error::SocketNotFoundError(path) => unreachable(format!("there is no socket {path}")),
            Error::HyperLegacyError { err } if err.is_connect() => unreachable(root_cause(&err)),
            other => EngineError::Lost {
                doing,
                reason: self.said(&root_cause(&other)),
            },
        }
    }
}

fn layer_event(event: api::CreateImageInfo) -> LayerEvent {
    let bytes = |count: Option<i64>| count.and_then(|count| count.try_into().ok()).unwrap_or(0);
    let detail = event.progress_detail.unwrap_or_default();
    LayerEvent {
        layer: event.id.unwrap_or_default(),
        status: event.status.unwrap_or_default(),
        current_bytes: bytes(detail.current),
        total_bytes: bytes(detail.total),
    }
}

/// An error of which `fine` says that it is none.
fn unless(fine: impl Fn(&EngineError) -> bool, result: Result<(), EngineError>) -> Result<(), EngineError> {
    result.or_else(|error| if fine(&error) { Ok(()) } else { Err(error) })
}

/// The innermost reason: the outer ones only say that there was an error.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
