//! Signatures beside an image: what refers to it, by the registry's own list or by the tag that stands in for one,
//! and cosign's older tag.
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers>

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;

use super::RegistryError;
use super::client::{Access, RegistryClient};
use super::manifest::{self, Descriptor};
use super::reader::{Reader, Wanted, name};
use crate::model::{Digest, ImageName};

/// Signatures of one image that are read.
const MOST: usize = 8;
/// What holds a bundle of Sigstore's, in any of its versions.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// What cosign signed, in a layer.
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
/// For one of them: what is larger is left alone.
const CAP_BYTES: usize = 2 << 20;

/// A signature as it lies in the registry: a stranger's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredSignature {
    /// A bundle of Sigstore's.
    Bundle(Bytes),
    /// cosign's older form: the envelope, and the annotations beside it.
    Cosign(Bytes, BTreeMap<String, String>),
}

impl RegistryClient {
    /// The signatures of what has this digest, if there are any. What cannot be read as one is none.
    pub async fn signatures(
        &self,
        image: &ImageName,
        subject: &Digest,
        access: Access,
    ) -> Result<Vec<StoredSignature>, RegistryError> {
        let reader = self.reader();
        let mut found = Vec::new();
        for descriptor in reader.referrers(image, subject, access).await? {
            let bundle = reader.bundle(image, &descriptor, access).await;
            found.extend(or_none(bundle)?.flatten().map(StoredSignature::Bundle));
        }
        found.extend(reader.cosigned(image, subject, access).await?);
        found.truncate(MOST);
        Ok(found)
    }
}

impl Reader {
    /// The bundles that refer to a digest.
    async fn referrers(
        &self,
        image: &ImageName,
        subject: &Digest,
        access: Access,
    ) -> Result<Vec<Descriptor>, RegistryError> {
        let listed = self.list(&Wanted::referrers(image, subject, access)).await?;
        let listed = if let Some(listed) = listed {
            listed
        } else {
            // A registry that keeps no such list has an index under a tag in its place.
            let tag = subject.as_str().replace(':', "-");
            let listed = self.list(&Wanted::manifest(image, &tag, access)).await?;
            listed.unwrap_or_default()
        };
        let is_bundle = |descriptor: &Descriptor| {
            let kind = descriptor.artifact_type.as_deref();
            kind.is_some_and(|kind| kind.starts_with(BUNDLE))
        };
        Ok(listed.into_iter().filter(is_bundle).take(MOST).collect())
    }

    /// The entries of an index; `None` where there is none.
    async fn list(&self, wanted: &Wanted<'_>) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        let answer = or_none(self.request(Method::GET, wanted).await)?;
        Ok(answer.and_then(|answer| manifest::entries(&answer.body).ok()))
    }

    async fn bundle(
        &self,
        image: &ImageName,
        descriptor: &Descriptor,
        access: Access,
    ) -> Result<Option<Bytes>, RegistryError> {
        let Ok(digest) = descriptor.digest.parse::<Digest>() else {
            return Ok(None);
        };
        let wanted = Wanted::manifest(image, digest.as_str(), access);
        let bytes = self.content(&wanted, &digest).await?;
        let Some(layer) = manifest::layers(&bytes).into_iter().next() else {
            return Ok(None);
        };
        self.layer(image, &layer, access).await
    }

    async fn cosigned(
        &self,
        image: &ImageName,
        subject: &Digest,
        access: Access,
    ) -> Result<Vec<StoredSignature>, RegistryError> {
        let tag = format!("{}.att", subject.as_str().replace(':', "-"));
        let wanted = Wanted::manifest(image, &tag, access);
        let Some(answer) = or_none(self.request(Method::GET, &wanted).await)? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let layers = manifest::layers(&answer.body).into_iter();
        for layer in layers.filter(|layer| layer.media_type == ENVELOPE).take(MOST) {
            let envelope = or_none(self.layer(image, &layer, access).await)?.flatten();
            let annotations = layer.annotations.unwrap_or_default();
            found.extend(envelope.map(|envelope| StoredSignature::Cosign(envelope, annotations)));
        }
        Ok(found)
    }

    async fn layer(
        &self,
        image: &ImageName,
        layer: &Descriptor,
        access: Access,
    ) -> Result<Option<Bytes>, RegistryError> {
        let Ok(digest) = layer.digest.parse::<Digest>() else {
            return Ok(None);
        };
        if layer.size > CAP_BYTES as u64 {
            return Ok(None);
        }
        let what = format!("a signature of {}", name(image, digest.as_str()));
        let wanted = Wanted::blob(image, &digest, access, what, CAP_BYTES);
        self.content(&wanted, &digest).await.map(Some)
    }
}

/// What is not there, or is nothing that we could read, is no signature; what may be there later is waited for.
fn or_none<T>(read: Result<T, RegistryError>) -> Result<Option<T>, RegistryError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.is_passing() => Err(error),
        Err(_) => Ok(None),
    }
}
