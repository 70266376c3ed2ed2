//! The configuration: a TOML file, environment variables over it, defaults from
//! `hubcheck.example.toml`. The only part that reads the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::model::{ImageName, Profile, RegisteredApp, RepoName, is_secret_name};

pub(crate) mod duration;
mod environment;
mod error;
mod file;
mod known;
mod load;
mod secret_file;
mod secrets;
pub(crate) mod size;
mod validate;

pub use error::{ConfigError, Origin};
pub(crate) use known::nearest;
pub use load::DOCKER_HOST;

/// Everything that an operator can set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the HTTP server listens: `address:port`.
    pub listen: String,
    /// What GitHub and registries reach; details links start here. Ends without a slash.
    pub public_url: String,
    /// Where `/metrics` is served; `off` for nowhere.
    pub admin_listen: String,
    /// `sqlite://FILE` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub store: String,
    /// How long running work may go on after a signal to stop.
    #[serde(with = "duration")]
    pub shutdown_grace: Duration,
    /// How often the tags of images are compared with their registries. `None`: hourly, for webhooks that were missed.
    #[serde(deserialize_with = "duration::or_off")]
    pub poll: Option<Duration>,
    /// How long finished runs, logs and deliveries are kept.
    #[serde(with = "duration")]
    pub retention: Duration,
    /// The registries' webhooks.
    pub hooks: Hooks,
    /// The GitHub App.
    pub github: Github,
    /// Outgoing connections.
    pub net: Net,
    /// Pages and API.
    pub web: Web,
    /// Operator bindings.
    #[serde(default, rename = "image")]
    pub images: Vec<ImageBinding>,
    /// Registries by host.
    #[serde(default, rename = "registry")]
    pub registries: BTreeMap<String, Registry>,
    /// The Docker Engine.
    pub docker: Docker,
}

/// `[hooks]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hooks {
    /// Master keys of the hook URLs: the first signs, all verify. Empty: made and stored at first start.
    #[serde(default)]
    pub secret: Vec<SecretString>,
    /// Named operator tokens, good for every sender and image.
    #[serde(default)]
    pub tokens: BTreeMap<String, SecretString>,
    /// The largest body that a registry may send, in bytes.
    #[serde(with = "size")]
    pub max_body: u64,
}

/// `[github]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Github {
    /// The App's number.
    pub app_id: Option<u64>,
    /// The App's private key, in any form that people paste.
    pub private_key: Option<SecretString>,
    /// What GitHub signs its webhooks with; any of them is accepted.
    #[serde(default)]
    pub webhook_secret: Vec<SecretString>,
    /// For signing in with GitHub.
    pub client_id: Option<String>,
    /// For signing in with GitHub.
    pub client_secret: Option<SecretString>,
    /// The REST API.
    pub api_url: Url,
    /// The pages.
    pub web_url: Url,
}

impl Github {
    /// Does the configuration name an App, however well?
    pub fn has_app(&self) -> bool {
        self.app_id.is_some() || self.private_key.is_some()
    }

    /// Is the App that the set-up made, from now on.
    pub fn adopt(&mut self, app: RegisteredApp) {
        self.app_id = Some(app.id);
        self.private_key = Some(app.private_key);
        self.webhook_secret.push(app.webhook_secret);
        self.client_id = Some(app.client_id);
        self.client_secret = Some(app.client_secret);
    }
}

/// `[net]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Net {
    /// Certificates (PEM) that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// `[web]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Web {
    /// The operator's token.
    pub admin_token: Option<SecretString>,
}

/// `[[image]]`: this image may speak for this repository.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageBinding {
    /// The image.
    pub name: ImageName,
    /// The repository.
    pub repo: RepoName,
    /// Given to the tests, where the evidence is strong enough.
    #[serde(default)]
    pub env: BTreeMap<String, SecretString>,
    /// Names in `env` whose values are hidden in every output. `None`: those that look secret.
    pub mask: Option<Vec<String>>,
}

impl ImageBinding {
    /// The values in `env` that are hidden in every output: of the names in `mask`, or, without it,
    /// of those that look secret. An empty value has nothing to hide.
    pub fn masked_values(&self) -> impl Iterator<Item = &SecretString> {
        self.env
            .iter()
            .filter(|(name, value)| self.masks(name) && !value.expose_secret().is_empty())
            .map(|(_, value)| value)
    }

    fn masks(&self, name: &str) -> bool {
        match &self.mask {
            Some(names) => names.iter().any(|masked| masked == name),
            None => is_secret_name(name),
        }
    }
}

/// `[registry."HOST"]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// The account.
    pub username: Option<String>,
    /// Its password or token.
    pub password: Option<SecretString>,
    /// GitHub repositories that may use the credentials without an operator binding: `owner/name`, `owner/*`.
    #[serde(default)]
    pub allow: Vec<String>,
    /// A mirror or a pull-through cache that is read and pulled from in the registry's stead.
    pub endpoint: Option<Url>,
}

/// `[docker]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Docker {
    /// The Engine's address. `None`: `DOCKER_HOST`, then the platform's default.
    pub host: Option<String>,
    /// Steps at a time.
    pub concurrency: usize,
    /// The OCI runtime of the containers.
    pub runtime: String,
    /// How tightly containers are held where nobody says otherwise.
    pub profile: Profile,
    /// May a repository ask for a network?
    pub network: bool,
    /// The longest that a pull may take.
    #[serde(with = "duration")]
    pub pull_timeout: Duration,
    /// How long trouble that is not the image's is retried.
    #[serde(with = "duration")]
    pub give_up: Duration,
    /// Bytes of images kept for the next run.
    #[serde(with = "size")]
    pub image_cache: u64,
    /// Ceilings of each step.
    pub limits: StepLimits,
}

/// `[docker.limits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepLimits {
    /// Total time.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Time without output.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
    /// Memory in bytes.
    #[serde(with = "size")]
    pub memory: u64,
    /// Processors.
    pub cpus: f64,
    /// Processes and threads.
    pub pids: u32,
    /// Bytes written to the container's file system.
    #[serde(with = "size")]
    pub disk: u64,
}

/// Where `docker login` keeps its credentials: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
pub fn docker_login_file(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let folder = match variable("DOCKER_CONFIG").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(variable("HOME").filter(|home| !home.is_empty())?).join(".docker"),
    };
    Some(folder.join("config.json"))
}
