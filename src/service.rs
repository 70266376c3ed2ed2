//! The bot, put together: from a configuration to something that serves, and back to nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::access::{PageKeys, PageLinks};
use crate::clock::Clock;
use crate::config::Config;
use crate::github::{GitHub, RehearsedWrite};
use crate::hooks::HookKeys;
use crate::metrics::Metrics;
use crate::net::Trust;
use crate::pipeline::{self, Pipeline, SharedPace, Surroundings, Workers};
use crate::redact::Redactor;
use crate::registry::RegistryClient;
use crate::resolve::Bindings;
use crate::runner::Runner;
use crate::signature::Verifier;
use crate::store::{Intake, ServingLock, Store, StoreError, ToIndex};
use crate::web::{self, server};

/// How often what surrounds us is looked at.
const LOOK_AROUND: Duration = Duration::from_mins(1);

/// Name of the hooks' master key in the store, where the configuration has none.
const HOOK_SECRET: &str = "hook_secret";

/// Name of the secret that the keys of private pages are made from.
pub(crate) const PAGE_SECRET: &str = "page_secret";

/// Why the bot does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration must be changed.
    #[error("{0}")]
    Configuration(String),
    /// Something outside must be mended.
    #[error("{0}")]
    Outside(String),
    /// Another bot serves from the store.
    #[error("{0}")]
    InUse(String),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::InUse(_) => Self::InUse(error.to_string()),
            error => Self::Outside(error.to_string()),
        }
    }
}

/// What a start needs beside the configuration.
#[derive(Debug, Default)]
pub struct Environment {
    /// Where `docker login` keeps its credentials.
    pub docker_login_file: Option<PathBuf>,
    /// Where the time comes from.
    pub clock: Clock,
    /// Bound already, in place of `listen`.
    pub listener: Option<TcpListener>,
    /// Which signatures are to be believed.
    pub verifier: Verifier,
    /// Who is handed the writes to GitHub, which then are not sent.
    pub rehearsal: Option<mpsc::Sender<RehearsedWrite>>,
}

/// A bot that serves. [`Service::stop`] ends it in order.
pub struct Service {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    store: Store,
    runner: Runner,
    workers: Workers,
    servers: TaskTracker,
    stop: CancellationToken,
    grace: Duration,
    /// Held for as long as we serve.
    _lock: ServingLock,
}

impl Service {
    /// Starts everything that `config` speaks of. The listeners are bound when this returns.
    pub async fn start(config: Config, environment: Environment) -> Result<Self, StartError> {
        let (github, registry) = clients(&config, &environment)?;
        let Environment {
            clock,
            listener,
            verifier,
            ..
        } = environment;
        let lock = ServingLock::take(&config.store)?;
        let store = Store::open(&config.store, clock.clone()).await?;
        store.take_over(&lock).await?;
        let hidden = redactor(&config, &store).await?;
        let runner = Runner::connect(&config.docker, store.instance().await?, clock)
            .map_err(|error| StartError::Configuration(error.to_string()))?
            .hiding(hidden);
        // Before anybody can push: an image that a repository declares must not be taken for nobody's.
        store.wake_index(&[ToIndex::Everywhere]).await?;
        let (public, admin) = listeners(&config, listener).await?;
        let (address, grace) = (local(&public)?, config.shutdown_grace);
        let admin_address = admin.as_ref().map(local).transpose()?;
        let (seen, surroundings) = watch::channel(Surroundings::default());
        let web = Arc::new(web_parts(&config, &store, surroundings).await?);
        let pipeline = Pipeline::new(pipeline::Parts {
            store: store.clone(),
            runner: runner.clone(),
            registry,
            app_id: github.app_id(),
            github: github.paced(Arc::new(SharedPace::new(store.clone()))),
            docker: config.docker,
            bindings: Bindings::new(&config.images, &config.registries),
            github_host: github_host(&config.github.web_url),
            verifier,
            links: web.links.clone(),
            retention: config.retention,
            poll: config.poll,
            metrics: web.metrics.clone(),
        });
        let stop = CancellationToken::new();
        let servers = servers((public, admin), &web, &stop);
        servers.spawn(look_around(pipeline.clone(), seen, stop.clone()));
        let workers = Workers::start(&pipeline);
        Ok(Self {
            address,
            admin_address,
            store,
            runner,
            workers,
            servers,
            stop,
            grace,
            _lock: lock,
        })
    }

    /// Where the public server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where `/metrics` is.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// What it keeps.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The Engine that it works on.
    pub fn runner(&self) -> &Runner {
        &self.runner
    }

    /// [`Service::stop`], and removes the images that were pulled: for a store that is not kept.
    pub async fn stop_without_trace(self) {
        let runner = self.runner.clone();
        let pulled = match runner.engine_id().await {
            Ok(engine) => self.store.images_on(engine).await.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        self.stop().await;
        if let Err(error) = runner.keep_images_within(&pulled, 0).await {
            tracing::warn!(%error, "an image may be left on the Docker Engine");
        }
    }

    /// Takes no more work, finishes or hands back what runs, and leaves nothing behind on the Engine.
    pub async fn stop(self) {
        self.stop.cancel();
        self.servers.close();
        self.servers.wait().await;
        self.workers.stop(self.grace).await;
        if let Err(error) = self.runner.shutdown().await {
            tracing::warn!(%error, "something may be left on the Docker Engine; the next start removes it");
        }
        self.store.close().await;
    }
}

/// The public server, and the operator's own.
fn servers(
    (public, admin): (TcpListener, Option<TcpListener>),
    web: &Arc<web::Parts>,
    stop: &CancellationToken,
) -> TaskTracker {
    let servers = TaskTracker::new();
    let serve = |listener, router| {
        let limits = server::ConnectionLimits::default();
        servers.spawn(server::serve(listener, router, limits, stop.clone()));
    };
    serve(public, web::public(web.clone()));
    if let Some(admin) = admin {
        serve(admin, web::admin(web.clone()));
    }
    servers
}

/// What the handlers work with.
async fn web_parts(
    config: &Config,
    store: &Store,
    surroundings: watch::Receiver<Surroundings>,
) -> Result<web::Parts, StartError> {
    let page_keys = PageKeys::new(&store.secret(PAGE_SECRET).await?);
    Ok(web::Parts {
        store: store.clone(),
        intake: Intake::start(store.clone()),
        hook_keys: hook_keys(config, store).await?,
        github_secrets: config.github.webhook_secret.clone(),
        bindings: Bindings::new(&config.images, &config.registries),
        links: PageLinks::new(&config.public_url, page_keys.clone()),
        github_pages: config.github.web_url.as_str().trim_end_matches('/').to_owned(),
        page_keys,
        admin_token: config.web.admin_token.clone(),
        max_body: usize::try_from(config.hooks.max_body).unwrap_or(usize::MAX),
        https: config.public_url.starts_with("https://"),
        surroundings,
        metrics: Arc::new(Metrics::default()),
    })
}

fn clients(config: &Config, environment: &Environment) -> Result<(GitHub, RegistryClient), StartError> {
    let wrong = |error: &dyn std::error::Error| StartError::Configuration(error.to_string());
    if config.github.webhook_secret.is_empty() {
        return Err(StartError::Configuration(
            "`github.webhook_secret` is missing: set it to what the App's webhook is signed with".to_owned(),
        ));
    }
    let trust = Trust::new(&config.net).map_err(|error| wrong(&error))?;
    let github = GitHub::with_clock(&config.github, &trust, environment.clock.clone());
    let github = github.map_err(|error| wrong(&error))?;
    let github = match &environment.rehearsal {
        Some(writes) => github.rehearsing(writes.clone()),
        None => github,
    };
    let login = environment.docker_login_file.clone();
    let registry = RegistryClient::new(&config.registries, &trust, login).map_err(|error| wrong(&error))?;
    Ok((github, registry))
}

/// The host of GitHub's pages, with its port where that is not the scheme's own.
pub(crate) fn github_host(pages: &Url) -> String {
    let host = pages.host_str().unwrap_or_default();
    match pages.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// What nobody may see in what strangers print: the configuration's secrets, and the store's own.
async fn redactor(config: &Config, store: &Store) -> Result<Redactor, StartError> {
    let mut secrets = config.secrets();
    secrets.push(store.secret(PAGE_SECRET).await?);
    if config.hooks.secret.is_empty() {
        secrets.push(store.secret(HOOK_SECRET).await?);
    }
    Redactor::new(&secrets).map_err(|error| StartError::Configuration(error.to_string()))
}

/// The keys of the hook URLs: the configuration's, else the store's own.
pub async fn hook_keys(config: &Config, store: &Store) -> Result<HookKeys, StartError> {
    let keys: Vec<SecretString> = if config.hooks.secret.is_empty() {
        vec![store.secret(HOOK_SECRET).await?]
    } else {
        config.hooks.secret.clone()
    };
    HookKeys::new(&keys, &config.hooks.tokens).map_err(|error| StartError::Configuration(error.to_string()))
}

/// Where the world and where the operator reach us.
async fn listeners(
    config: &Config,
    bound: Option<TcpListener>,
) -> Result<(TcpListener, Option<TcpListener>), StartError> {
    let public = match bound {
        Some(listener) => listener,
        None => bind(&config.listen, "listen").await?,
    };
    let admin = match config.admin_listen.as_str() {
        "off" => None,
        address => Some(bind(address, "admin_listen").await?),
    };
    Ok((public, admin))
}

async fn bind(address: &str, key: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| {
        StartError::Outside(format!(
            "cannot listen on {address}: {error}; set `{key}` to a free address"
        ))
    })
}

fn local(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener
        .local_addr()
        .map_err(|error| StartError::Outside(error.to_string()))
}

async fn look_around(pipeline: Arc<Pipeline>, seen: watch::Sender<Surroundings>, stop: CancellationToken) {
    loop {
        let Some(around) = stop.run_until_cancelled(Box::pin(pipeline.look_around())).await else {
            return;
        };
        // Told once, and not with every look.
        if let Some(warning) = around
            .warning
            .as_ref()
            .filter(|_| seen.borrow().warning.is_none())
        {
            tracing::warn!("{warning}");
        }
        seen.send_replace(around);
        if stop
            .run_until_cancelled(tokio::time::sleep(LOOK_AROUND))
            .await
            .is_none()
        {
            return;
        }
    }
}
