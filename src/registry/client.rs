//! The reader: what it answers, and which requests that takes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use http::{Method, StatusCode};

use super::auth::Authenticator;
use super::cache::Cache;
use super::credentials::{Credentials, Keyring};
use super::docker_config::{DockerConfig, host_of};
use super::manifest::{Chosen, Document, ImageDetails, Provenance};
use super::place::Place;
use super::reader::{Reader, Wanted, name};
use super::transport::Transport;
use super::{NotRunnable, RegistryError, SetupError};
use crate::config;
use crate::model::{Digest, ImageName, Platform, Tag, Visibility};
use crate::net::Trust;

/// Whose rights a request uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Everybody's.
    Anonymous,
    /// Those of the account for the registry, where there is one. The caller decides who may use it.
    Configured,
}

/// Reads from registries. Cheap to clone.
#[derive(Clone)]
pub struct RegistryClient {
    reader: Arc<Reader>,
}

impl RegistryClient {
    /// A reader for these registries. `docker_config` is Docker's `config.json`, whether or not it is there.
    ///
    /// Fails where the configuration, the certificates or Docker's file cannot be used.
    pub fn new(
        registries: &BTreeMap<String, config::Registry>,
        trust: &Trust,
        docker_config: Option<PathBuf>,
    ) -> Result<Self, SetupError> {
        let mut endpoints = BTreeMap::new();
        for (host, registry) in registries {
            if let Some(endpoint) = &registry.endpoint {
                let wrong = |reason| SetupError::Endpoint {
                    host: host.clone(),
                    reason,
                };
                endpoints.insert(host_of(host), Place::of_endpoint(endpoint).map_err(wrong)?);
            }
        }
        let docker = match docker_config {
            Some(path) => DockerConfig::read(&path)?,
            None => DockerConfig::default(),
        };
        let reader = Reader {
            endpoints,
            keyring: Keyring::new(registries, docker)?,
            transport: Transport::new(trust)?,
            authenticator: Authenticator::default(),
            cache: Cache::default(),
        };
        Ok(Self {
            reader: Arc::new(reader),
        })
    }

    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The digest that a tag points at now. Costs no pull where the registry names it in its headers.
    pub async fn resolve(
        &self,
        image: &ImageName,
        tag: &Tag,
        access: Access,
    ) -> Result<Digest, RegistryError> {
        let wanted = Wanted::manifest(image, tag.as_str(), access);
        let named = match self.reader.request(Method::HEAD, &wanted).await {
            Ok(answer) => answer.digest(),
            // Some registries do not know HEAD, and answer that the request is wrong.
            Err(RegistryError::Invalid { .. }) => None,
            Err(error) => return Err(error),
        };
        if let Some(digest) = named {
            return Ok(digest);
        }
        let answer = self.reader.request(Method::GET, &wanted).await?;
        Ok(Digest::of(&answer.body))
    }

    /// Reads the image under a digest: of an index, the one for the Engine's platform. One that is for others
    /// alone is read as well, and says so.
    pub async fn inspect(
        &self,
        image: &ImageName,
        digest: &Digest,
        engine: &Platform,
        access: Access,
    ) -> Result<ImageDetails, RegistryError> {
        match self.reader.document(image, digest, access).await? {
            Document::Manifest(manifest) => {
                let details = self.reader.details(image, digest, manifest, access).await?;
                let unfit = (!engine.runs(&details.platform)).then(|| NotRunnable::NoSuchPlatform {
                    wanted: engine.clone(),
                    available: vec![details.platform.clone()],
                });
                Ok(ImageDetails { unfit, ..details })
            }
            Document::Index(index) => {
                let what = || name(image, digest.as_str());
                let Chosen {
                    digest: chosen,
                    annotations,
                    unfit,
                } = index.choose(engine).map_err(|problem| problem.about(what()))?;
                // What attests the image is beside it, not in it: both are read at once.
                let attestation = index.attestation_of(&chosen);
                let (details, provenance) = tokio::join!(
                    self.manifest_of_index(image, &chosen, access),
                    self.provenance(image, attestation.as_ref(), access)
                );
                Ok(ImageDetails {
                    index: Some(digest.clone()),
                    descriptor_annotations: annotations,
                    index_annotations: index.annotations,
                    attestation,
                    provenance: provenance?,
                    unfit,
                    ..details?
                })
            }
        }
    }

    async fn manifest_of_index(
        &self,
        image: &ImageName,
        digest: &Digest,
        access: Access,
    ) -> Result<ImageDetails, RegistryError> {
        match self.reader.document(image, digest, access).await? {
            Document::Manifest(manifest) => self.reader.details(image, digest, manifest, access).await,
            Document::Index(_) => Err(RegistryError::Invalid {
                what: name(image, digest.as_str()),
                reason: "it is an index inside an index".to_owned(),
            }),
        }
    }

    async fn provenance(
        &self,
        image: &ImageName,
        attestation: Option<&Digest>,
        access: Access,
    ) -> Result<Option<Provenance>, RegistryError> {
        match attestation {
            Some(digest) => self.reader.provenance(image, digest, access).await,
            None => Ok(None),
        }
    }

    /// Can everybody read this image? In doubt: no.
    ///
    /// Asked where the image is read. Of an endpoint that holds an account of its own for the registry
    /// behind it, the answer says who can read the endpoint.
    pub async fn visibility(&self, image: &ImageName, digest: &Digest) -> Visibility {
        let wanted = Wanted::manifest(image, digest.as_str(), Access::Anonymous);
        match self.reader.request(Method::HEAD, &wanted).await {
            Ok(answer) if answer.status == StatusCode::OK => Visibility::Public,
            _ => Visibility::Private,
        }
    }

    /// Does the registry take the account that is configured for it? `false`: there is none. The image only says which
    /// registry is meant: it need not be there.
    pub async fn takes_account(&self, image: &ImageName) -> Result<bool, RegistryError> {
        self.reader.takes_account(image).await
    }

    /// The image's name for the Engine to pull, without tag and digest.
    pub fn pull_reference(&self, image: &ImageName) -> String {
        let endpoint = self.reader.endpoints.get(image.registry());
        endpoint.map_or_else(|| image.to_string(), |place| place.pull_reference(image))
    }

    /// The account for the Engine to pull with. The caller decides who may use it.
    pub async fn credentials(&self, image: &ImageName) -> Option<Credentials> {
        let place = self.reader.place(image)?;
        self.reader.keyring.find(image.registry(), &place).await
    }
}
