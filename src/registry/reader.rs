//! Requests to registries: with what right they are sent, and what their answers mean.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};

use super::auth::{Applicant, Authenticator, Key, Obstacle};
use super::cache::Cache;
use super::challenge::Challenge;
use super::credentials::Keyring;
use super::manifest::{self, Document, ImageDetails, Manifest, Problem, Provenance};
use super::place::Place;
use super::transport::{Answer, Request, Transport};
use super::{Access, RegistryError, challenge};
use crate::model::{Digest, ImageName};

/// What a manifest can be. Registries answer 404 for what is not asked for.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";
const MANIFEST_CAP_BYTES: usize = 4 << 20;
const TAGS_PER_PAGE: usize = 1000;
/// For a page of tags, each of 128 bytes at most.
const TAGS_CAP_BYTES: usize = 1 << 20;
const CONFIG_CAP_BYTES: usize = 8 << 20;
const STATEMENT_CAP_BYTES: usize = 8 << 20;

/// All that a request needs.
pub(super) struct Reader {
    /// By the registry in the images' names.
    pub(super) endpoints: BTreeMap<String, Place>,
    pub(super) keyring: Keyring,
    pub(super) transport: Transport,
    pub(super) authenticator: Authenticator,
    pub(super) cache: Cache,
}

/// One thing to read, and how it is called in messages.
pub(super) struct Wanted<'a> {
    image: &'a ImageName,
    access: Access,
    /// `manifests/latest`
    path: String,
    /// `n=1000`
    query: Option<String>,
    what: String,
    accept: &'static str,
    cap_bytes: usize,
}

impl Reader {
    /// Where the image is read; `None` where its registry is no host.
    pub(super) fn place(&self, image: &ImageName) -> Option<Place> {
        let endpoint = self.endpoints.get(image.registry()).cloned();
        endpoint.or_else(|| Place::of_registry(image.registry()))
    }

    /// Reads a manifest or an index by its digest.
    pub(super) async fn document(
        &self,
        image: &ImageName,
        digest: &Digest,
        access: Access,
    ) -> Result<Document, RegistryError> {
        let wanted = Wanted::manifest(image, digest.as_str(), access);
        let bytes = self.content(&wanted, digest).await?;
        manifest::parse(&bytes).map_err(|problem| problem.about(wanted.what))
    }

    /// Puts a manifest and its configuration together.
    pub(super) async fn details(
        &self,
        image: &ImageName,
        digest: &Digest,
        manifest: Manifest,
        access: Access,
    ) -> Result<ImageDetails, RegistryError> {
        let what = format!("the configuration of {}", name(image, digest.as_str()));
        if manifest.config_size > CONFIG_CAP_BYTES as u64 {
            let reason = format!("it is larger than {CONFIG_CAP_BYTES} bytes");
            return Err(RegistryError::Invalid { what, reason });
        }
        let wanted = Wanted::blob(image, &manifest.config, access, what, CONFIG_CAP_BYTES);
        let bytes = self.content(&wanted, &manifest.config).await?;
        let (config, platform) =
            manifest::parse_config(&bytes).map_err(|problem| problem.about(wanted.what))?;
        let created = config.created.clone();
        Ok(ImageDetails {
            index: None,
            digest: digest.clone(),
            platform,
            annotations: manifest.annotations,
            descriptor_annotations: BTreeMap::new(),
            index_annotations: BTreeMap::new(),
            config: config.image_config(),
            created,
            attestation: None,
            provenance: None,
            unfit: None,
            size_bytes: manifest.size_bytes,
            layers: manifest.layers,
        })
    }

    /// Reads the provenance among an attestation manifest's statements, if there is any. One that cannot be read is
    /// told of, as asking again would not help.
    pub(super) async fn provenance(
        &self,
        image: &ImageName,
        attestation: &Digest,
        access: Access,
    ) -> Result<Option<Provenance>, RegistryError> {
        match self.statement(image, attestation, access).await {
            Ok(statement) => Ok(statement.map(Provenance::Statement)),
            Err(error @ (RegistryError::Invalid { .. } | RegistryError::NotFound { .. })) => {
                Ok(Some(Provenance::Unreadable(error.to_string())))
            }
            Err(error) => Err(error),
        }
    }

    async fn statement(
        &self,
        image: &ImageName,
        attestation: &Digest,
        access: Access,
    ) -> Result<Option<Bytes>, RegistryError> {
        let wanted = Wanted::manifest(image, attestation.as_str(), access);
        let bytes = self.content(&wanted, attestation).await?;
        let found = manifest::provenance_in(&bytes).map_err(|problem| problem.about(wanted.what))?;
        let Some((digest, size)) = found else {
            return Ok(None);
        };
        let what = format!("the provenance of {}", name(image, digest.as_str()));
        if size > STATEMENT_CAP_BYTES as u64 {
            let reason = format!("it is larger than {STATEMENT_CAP_BYTES} bytes");
            return Err(RegistryError::Invalid { what, reason });
        }
        let wanted = Wanted::blob(image, &digest, access, what, STATEMENT_CAP_BYTES);
        self.content(&wanted, &digest).await.map(Some)
    }

    /// Reads what a digest stands for, and checks that it is that.
    pub(super) async fn content(&self, wanted: &Wanted<'_>, digest: &Digest) -> Result<Bytes, RegistryError> {
        let entry = (self.applicant(wanted).await?.key, digest.clone());
        if let Some(bytes) = self.cache.find(&entry) {
            return Ok(bytes);
        }
        let answer = self.request(Method::GET, wanted).await?;
        if Digest::of(&answer.body) != *digest {
            let reason = "what was sent has another digest: the registry or the way to it is broken";
            return Err(RegistryError::Invalid {
                what: wanted.what.clone(),
                reason: reason.to_owned(),
            });
        }
        self.cache.keep(entry, answer.body.clone());
        Ok(answer.body)
    }

    /// Does the registry take the account that is configured for it? What that may read is another matter, and is
    /// not asked. `false`: there is none.
    pub(super) async fn takes_account(&self, image: &ImageName) -> Result<bool, RegistryError> {
        let wanted = Wanted::manifest(image, "latest", Access::Configured);
        let applicant = self.applicant(&wanted).await?;
        if applicant.credentials.is_none() {
            return Ok(false);
        }
        let known = self.authenticator.known(&applicant.key).await;
        let answer = self.send(Method::HEAD, &wanted, &applicant.place, None).await?;
        let Some(challenge) = challenge::parse(&answer.headers) else {
            return Ok(true);
        };
        let renewed = self
            .authenticator
            .renew(&self.transport, &applicant, &known, &challenge);
        let header = renewed
            .await
            .map_err(|obstacle| self.explain(obstacle, &wanted, &applicant.place))?;
        if matches!(challenge, Challenge::Basic) {
            let answer = self
                .send(Method::HEAD, &wanted, &applicant.place, Some(header))
                .await?;
            if answer.status == StatusCode::UNAUTHORIZED {
                return Err(wanted.unauthorized(refused(&wanted, &applicant.place)));
            }
        }
        Ok(true)
    }

    /// Sends a request, and answers one challenge to it.
    pub(super) async fn request(&self, method: Method, wanted: &Wanted<'_>) -> Result<Answer, RegistryError> {
        let applicant = self.applicant(wanted).await?;
        let known = self.authenticator.known(&applicant.key).await;
        let send = |authorization| self.send(method.clone(), wanted, &applicant.place, authorization);
        let mut answer = send(known.header.clone()).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            let Some(challenge) = challenge::parse(&answer.headers) else {
                return Err(wanted.unauthorized("the registry does not say how to sign in".to_owned()));
            };
            let renewed = self
                .authenticator
                .renew(&self.transport, &applicant, &known, &challenge);
            let header = renewed
                .await
                .map_err(|obstacle| self.explain(obstacle, wanted, &applicant.place))?;
            answer = send(Some(header)).await?;
        }
        if answer.status.is_success() {
            return Ok(answer);
        }
        let unauthorized = match applicant.credentials {
            None => self.without_account(wanted, &applicant.place),
            Some(_) => refused(wanted, &applicant.place),
        };
        let (host, what) = (applicant.place.host(), wanted.what.clone());
        Err(RegistryError::from_answer(&answer, &host, what, unauthorized))
    }

    async fn send(
        &self,
        method: Method,
        wanted: &Wanted<'_>,
        place: &Place,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, RegistryError> {
        let mut url = place.url(wanted.image, &wanted.path);
        url.set_query(wanted.query.as_deref());
        let request = Request {
            method,
            url,
            accept: wanted.accept,
            authorization,
            cap_bytes: wanted.cap_bytes,
        };
        let sent = self.transport.send(place, request).await;
        sent.map_err(|failure| RegistryError::from_failure(failure, &place.host(), wanted.what.clone()))
    }

    /// Who asks for it, and where.
    async fn applicant(&self, wanted: &Wanted<'_>) -> Result<Applicant, RegistryError> {
        let registry = wanted.image.registry();
        let place = self.place(wanted.image).ok_or_else(|| RegistryError::Invalid {
            what: wanted.what.clone(),
            reason: format!("`{registry}` is no host of a registry"),
        })?;
        Ok(Applicant {
            key: Key {
                registry: registry.to_owned(),
                repository: place.repository(wanted.image),
                access: wanted.access,
            },
            credentials: match wanted.access {
                Access::Anonymous => None,
                Access::Configured => self.keyring.find(registry, &place).await,
            },
            place,
        })
    }

    fn explain(&self, obstacle: Obstacle, wanted: &Wanted<'_>, place: &Place) -> RegistryError {
        match obstacle {
            Obstacle::NoAccount => wanted.unauthorized(self.without_account(wanted, place)),
            Obstacle::Refused => wanted.unauthorized(refused(wanted, place)),
            Obstacle::Challenge(reason) => wanted.unauthorized(reason),
            Obstacle::Failure(failure) => {
                RegistryError::from_failure(failure, &place.host(), wanted.what.clone())
            }
            Obstacle::Answer(answer) => {
                let reason = "its token service refuses".to_owned();
                RegistryError::from_answer(&answer, &place.host(), wanted.what.clone(), reason)
            }
        }
    }

    fn without_account(&self, wanted: &Wanted<'_>, place: &Place) -> String {
        match wanted.access {
            Access::Anonymous => {
                "it is private or does not exist, and was asked for without an account".to_owned()
            }
            Access::Configured => {
                let advice = self.keyring.advice(wanted.image.registry(), place);
                format!("it is private or does not exist, and there is no account for it: {advice}")
            }
        }
    }
}

impl<'a> Wanted<'a> {
    /// A manifest by tag or digest.
    pub(super) fn manifest(image: &'a ImageName, reference: &str, access: Access) -> Self {
        Self {
            image,
            access,
            path: format!("manifests/{reference}"),
            query: None,
            what: name(image, reference),
            accept: MANIFESTS,
            cap_bytes: MANIFEST_CAP_BYTES,
        }
    }

    /// The list of what refers to a digest.
    pub(super) fn referrers(image: &'a ImageName, subject: &Digest, access: Access) -> Self {
        Self {
            path: format!("referrers/{subject}"),
            what: format!("what refers to {}", name(image, subject.as_str())),
            ..Self::manifest(image, subject.as_str(), access)
        }
    }

    /// A page of the tags that there are, after `last`.
    pub(super) fn tags(image: &'a ImageName, last: Option<&str>, access: Access) -> Self {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("n", &TAGS_PER_PAGE.to_string());
        if let Some(last) = last {
            query.append_pair("last", last);
        }
        Self {
            image,
            access,
            path: "tags/list".to_owned(),
            query: Some(query.finish()),
            what: format!("the tags of {image}"),
            accept: "application/json",
            cap_bytes: TAGS_CAP_BYTES,
        }
    }

    /// A blob by its digest.
    pub(super) fn blob(
        image: &'a ImageName,
        digest: &Digest,
        access: Access,
        what: String,
        cap_bytes: usize,
    ) -> Self {
        Self {
            image,
            access,
            path: format!("blobs/{digest}"),
            query: None,
            what,
            accept: "*/*",
            cap_bytes,
        }
    }

    fn unauthorized(&self, reason: String) -> RegistryError {
        RegistryError::Unauthorized {
            what: self.what.clone(),
            reason,
        }
    }
}

impl Answer {
    pub(super) fn digest(&self) -> Option<Digest> {
        self.headers
            .get("docker-content-digest")?
            .to_str()
            .ok()?
            .parse()
            .ok()
    }
}

impl Problem {
    pub(super) fn about(self, what: String) -> RegistryError {
        match self {
            Self::Malformed(reason) => RegistryError::Invalid { what, reason },
            Self::NotRunnable(reason) => reason.into(),
        }
    }
}

/// `docker.io/acme/app:v1`, `docker.io/acme/app@sha256:…`
pub(super) fn name(image: &ImageName, reference: &str) -> String {
    let separator = if reference.contains(':') { '@' } else { ':' };
    format!("{image}{separator}{reference}")
}

fn refused(wanted: &Wanted<'_>, place: &Place) -> String {
    format!(
        "the account for {} was refused or may not read {}: check its password and its rights",
        place.account_host(),
        wanted.image
    )
}
