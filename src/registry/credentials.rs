//! Accounts: those of the configuration, else those that `docker login` wrote down or gave to a helper.
//!
//! Whoever writes an endpoint and an account in one table means them for each other. An account of
//! Docker's file is only used with the host that it stands under.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use super::SetupError;
use super::docker_config::{Account, DockerConfig, host_of};
use super::helper::Helpers;
use super::place::Place;
use crate::config;

/// An account with the server that it is for.
#[derive(Clone)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password or token.
    pub password: SecretString,
    /// The server in Docker's words: `https://index.docker.io/v1/`, `ghcr.io`.
    pub server: String,
}

impl Credentials {
    /// The header of Basic authentication; `None` where the account does not fit into one.
    pub(super) fn basic(&self) -> Option<HeaderValue> {
        let pair = format!("{}:{}", self.username, self.password.expose_secret());
        let mut header = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair))).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

/// All accounts.
pub(super) struct Keyring {
    /// By the registry of the image's name.
    configured: BTreeMap<String, Account>,
    docker: DockerConfig,
    helpers: Helpers,
}

impl Keyring {
    pub(super) fn new(
        registries: &BTreeMap<String, config::Registry>,
        docker: DockerConfig,
    ) -> Result<Self, SetupError> {
        let mut configured = BTreeMap::new();
        for (host, registry) in registries {
            let half = |given, missing| SetupError::HalfAnAccount {
                host: host.clone(),
                given,
                missing,
            };
            match (registry.username.clone(), registry.password.clone()) {
                (None, None) => {}
                (Some(_), None) => return Err(half("username", "password")),
                (None, Some(_)) => return Err(half("password", "username")),
                (Some(username), Some(password)) => {
                    configured.insert(host_of(host), Account { username, password });
                }
            }
        }
        Ok(Self {
            configured,
            docker,
            helpers: Helpers::default(),
        })
    }

    /// The account for images of `registry`, which are read at `place`.
    pub(super) async fn find(&self, registry: &str, place: &Place) -> Option<Credentials> {
        let (host, server) = (place.account_host(), server(place));
        let known = self
            .configured
            .get(registry)
            .or_else(|| self.docker.account(&host));
        let account = match (known, self.docker.helper(&host)) {
            (Some(account), _) => account.clone(),
            (None, Some(helper)) => self.helpers.account(helper, &server).await?,
            (None, None) => return None,
        };
        Some(Credentials {
            username: account.username,
            password: account.password,
            server,
        })
    }

    /// What to do where there is no account for `registry`.
    pub(super) fn advice(&self, registry: &str, place: &Place) -> String {
        let advice = format!("set username and password in [registry.\"{registry}\"]");
        let host = place.account_host();
        let helper = self.docker.helper(&host);
        let trouble = helper.and_then(|helper| self.helpers.trouble(helper, &server(place)));
        match trouble.or_else(|| self.docker.hint(&host)) {
            Some(hint) => format!("{hint}: {advice}"),
            None => format!("{advice}, or use `docker login {host}`"),
        }
    }
}

/// A registry in Docker's words.
fn server(place: &Place) -> String {
    if place.is_hub() {
        "https://index.docker.io/v1/".to_owned()
    } else {
        place.host()
    }
}
