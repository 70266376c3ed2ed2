//! The parsers of what registries and `docker login` write, for those who feed them anything: the fuzz
//! targets and the replay of what they found. Nothing in the program comes this way.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use url::Url;

use super::challenge::{self, Challenge};
use super::docker_config::DockerConfig;
use super::manifest::{self, Document};
use super::place::Place;
use super::{RegistryError, auth, error};
use crate::model::{Digest, ImageName, Platform};

/// What a manifest or an index leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead {
    /// To the platform's manifest.
    Manifest(Digest),
    /// To the configuration, with the bytes to pull.
    Config(Digest, u64),
}

/// Where the manifest `reference` of `image` is read: its address, and the name for the Engine.
pub fn address(image: &ImageName, reference: &str) -> Option<(Url, String)> {
    let place = Place::of_registry(image.registry())?;
    let url = place.url(image, &format!("manifests/{reference}"));
    Some((url, place.pull_reference(image)))
}

/// Where a token is asked for after this `WWW-Authenticate` of `registry`; `None`: nowhere.
pub fn token_address(registry: &str, challenge: HeaderValue) -> Option<Url> {
    let headers = HeaderMap::from_iter([(http::header::WWW_AUTHENTICATE, challenge)]);
    match challenge::parse(&headers)? {
        Challenge::Basic => None,
        Challenge::Bearer { realm, .. } => Place::of_registry(registry)?.realm(&realm).ok(),
    }
}

/// What a token service's answer allows, and for how long.
pub fn token(answer: &[u8]) -> Option<(HeaderValue, Duration)> {
    auth::token_of(answer)
}

/// What a manifest or an index leads an engine of this platform to.
pub fn lead(document: &[u8], engine: &Platform) -> Result<Lead, RegistryError> {
    let what = "the document".to_owned();
    let found = manifest::parse(document).and_then(|document| match document {
        Document::Index(index) => Ok(Lead::Manifest(index.choose(engine)?.digest)),
        Document::Manifest(manifest) => Ok(Lead::Config(manifest.config, manifest.size_bytes)),
    });
    found.map_err(|problem| problem.about(what))
}

/// The platform that a configuration names.
pub fn platform(configuration: &[u8]) -> Result<Platform, RegistryError> {
    manifest::parse_config(configuration)
        .map(|(_, platform)| platform)
        .map_err(|problem| problem.about("the configuration".to_owned()))
}

/// The digests of what an index lists, and of the layers of a manifest.
pub fn listed(document: &[u8]) -> Vec<Digest> {
    let entries = manifest::entries(document).unwrap_or_default().into_iter();
    let all = entries.chain(manifest::layers(document));
    all.filter_map(|descriptor| descriptor.digest.parse().ok())
        .collect()
}

/// The account for `host` in Docker's own file, or why there is none although there might be.
pub fn account(file: &str, host: &str) -> Option<Result<(String, SecretString), Option<String>>> {
    let config = DockerConfig::parse(file)?;
    Some(match config.account(host) {
        Some(account) => Ok((account.username.clone(), account.password.clone())),
        None => Err(config.hint(host)),
    })
}

/// How long a registry asks to wait, at this Unix time.
pub fn wait(header: &HeaderName, value: HeaderValue, now_seconds: i64) -> Option<Duration> {
    error::retry_after(&HeaderMap::from_iter([(header.clone(), value)]), now_seconds)
}
