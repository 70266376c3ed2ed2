//! Manifests, indexes and configurations: foreign JSON → what hubcheck needs of it. No I/O.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use super::NotRunnable;
use crate::model::{Digest, ImageConfig, Platform};

/// Platforms that an error names; an index can hold thousands.
const MAX_NAMED: usize = 16;

/// An image for one platform, as far as hubcheck looks into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDetails {
    /// The index through which the manifest was found.
    pub index: Option<Digest>,
    /// The platform's manifest.
    pub digest: Digest,
    /// What it runs on.
    pub platform: Platform,
    /// The manifest's annotations.
    pub annotations: BTreeMap<String, String>,
    /// Those that the index gives to the manifest.
    pub descriptor_annotations: BTreeMap<String, String>,
    /// Those of the index itself.
    pub index_annotations: BTreeMap<String, String>,
    /// How it is run.
    pub config: ImageConfig,
    /// When it was built, as the image has it: RFC 3339 if it is honest.
    pub created: Option<String>,
    /// The manifest with `BuildKit`'s attestations of it.
    pub attestation: Option<Digest>,
    /// What `BuildKit` attested of the build, where it did.
    pub provenance: Option<Provenance>,
    /// Why it cannot run on the Engine, where it says all else: it was built for others.
    pub unfit: Option<NotRunnable>,
    /// Bytes to pull: configuration and layers as they are stored.
    pub size_bytes: u64,
    /// Its layers, the lowest first.
    pub layers: Vec<Digest>,
}

impl ImageDetails {
    /// An image that nobody could read.
    pub fn unread(digest: Digest, platform: Platform) -> Self {
        Self {
            index: None,
            digest,
            platform,
            annotations: BTreeMap::new(),
            descriptor_annotations: BTreeMap::new(),
            index_annotations: BTreeMap::new(),
            config: ImageConfig::default(),
            created: None,
            attestation: None,
            provenance: None,
            unfit: None,
            size_bytes: 0,
            layers: Vec::new(),
        }
    }
}

/// An attestation of how an image was built: nobody's word but its pusher's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// The in-toto statement, as it was pushed.
    Statement(Bytes),
    /// There is one, and it cannot be read: why.
    Unreadable(String),
}

/// Why a document cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It is not what it should be.
    Malformed(String),
    /// It is well-formed, and nothing that could run.
    NotRunnable(NotRunnable),
}

impl From<NotRunnable> for Problem {
    fn from(reason: NotRunnable) -> Self {
        Self::NotRunnable(reason)
    }
}

/// What a digest can stand for.
#[derive(Debug)]
pub(super) enum Document {
    Index(Index),
    Manifest(Manifest),
}

/// Manifests of several platforms.
#[derive(Debug)]
pub(super) struct Index {
    entries: Vec<Descriptor>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// The manifest of a runnable image.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) config: Digest,
    pub(super) config_size: u64,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) size_bytes: u64,
    pub(super) layers: Vec<Digest>,
}

/// The platform's manifest in an index.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) digest: Digest,
    pub(super) annotations: BTreeMap<String, String>,
    /// Why it cannot run, where all are for others: the first one speaks for them.
    pub(super) unfit: Option<NotRunnable>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<u64>,
    artifact_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) artifact_type: Option<String>,
    pub(super) digest: String,
    pub(super) size: u64,
    platform: Option<RawPlatform>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

/// As the index and the configuration have it.
#[derive(Debug, Default, Deserialize)]
struct RawPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

/// The configuration of an image.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    #[serde(flatten)]
    platform: RawPlatform,
    pub(super) created: Option<String>,
    #[serde(rename = "config")]
    settings: Option<Settings>,
}

/// The part of it that a container starts with.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Settings {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    user: Option<String>,
    working_dir: Option<String>,
    exposed_ports: Option<serde_json::Map<String, serde_json::Value>>,
    volumes: Option<serde_json::Map<String, serde_json::Value>>,
    labels: Option<BTreeMap<String, String>>,
}

/// Reads what a digest stands for.
pub(super) fn parse(bytes: &[u8]) -> Result<Document, Problem> {
    let raw: Raw = json(bytes)?;
    if raw.schema_version == Some(1) {
        return Err(NotRunnable::Schema1.into());
    }
    let annotations = raw.annotations.unwrap_or_default();
    match (raw.manifests, raw.config, raw.layers) {
        (Some(entries), None, None) => Ok(Document::Index(Index { entries, annotations })),
        (None, Some(config), layers) => {
            let layers = layers.unwrap_or_default();
            if let Some(media_type) = artifact(&config, &layers, raw.artifact_type) {
                return Err(NotRunnable::Artifact { media_type }.into());
            }
            let sizes = layers.iter().map(|layer| layer.size);
            Ok(Document::Manifest(Manifest {
                config: digest(&config.digest)?,
                config_size: config.size,
                annotations,
                size_bytes: sizes.fold(config.size, u64::saturating_add),
                layers: layers
                    .iter()
                    .filter_map(|layer| layer.digest.parse().ok())
                    .collect(),
            }))
        }
        // An OCI artifact manifest, as it was for a while.
        (None, None, _) if raw.artifact_type.is_some() => {
            let media_type = shown(raw.artifact_type.as_deref().unwrap_or_default());
            Err(NotRunnable::Artifact { media_type }.into())
        }
        // Both at once would mean one thing to us and another to the Engine.
        _ => Err(Problem::Malformed(
            "it is neither an image's manifest nor an index".to_owned(),
        )),
    }
}

/// Reads an image's configuration, and what it runs on.
pub(super) fn parse_config(bytes: &[u8]) -> Result<(Config, Platform), Problem> {
    let config: Config = json(bytes)?;
    let platform = config.platform.known().ok_or(NotRunnable::NoPlatform)?;
    Ok((config, platform))
}

impl Config {
    pub(super) fn image_config(self) -> ImageConfig {
        let settings = self.settings.unwrap_or_default();
        let names = |set: Option<serde_json::Map<String, serde_json::Value>>| {
            set.unwrap_or_default()
                .into_iter()
                .map(|(name, _)| name)
                .collect()
        };
        ImageConfig {
            entrypoint: settings.entrypoint.unwrap_or_default(),
            cmd: settings.cmd.unwrap_or_default(),
            env: settings.env.unwrap_or_default(),
            user: settings.user.unwrap_or_default(),
            working_dir: settings.working_dir.unwrap_or_default(),
            exposed_ports: names(settings.exposed_ports),
            volumes: names(settings.volumes),
            labels: settings.labels.unwrap_or_default(),
        }
    }
}

impl Index {
    /// The manifest that an engine would take; where there is none, one that tells the image's source.
    pub(super) fn choose(&self, engine: &Platform) -> Result<Chosen, Problem> {
        let candidates: Vec<(Platform, &Descriptor)> = self
            .entries
            .iter()
            .filter(|entry| !entry.is_attestation())
            .filter_map(|entry| Some((entry.platform.as_ref()?.known()?, entry)))
            .collect();
        let best = candidates
            .iter()
            .filter(|(platform, _)| engine.runs(platform))
            // The engine's own variant; else none or the lowest, which runs on all that are above it.
            .min_by_key(|(platform, _)| (platform.variant != engine.variant, platform.variant.clone()));
        let (_, entry) = best.or(candidates.first()).ok_or(NotRunnable::NoPlatform)?;
        Ok(Chosen {
            digest: digest(&entry.digest)?,
            annotations: entry.annotations.clone().unwrap_or_default(),
            unfit: best.is_none().then(|| refusal(&candidates, engine)),
        })
    }
}

impl Index {
    /// The attestations of one of its manifests, as `BuildKit` lays them beside it.
    /// <https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md>
    pub(super) fn attestation_of(&self, manifest: &Digest) -> Option<Digest> {
        let is_about = |entry: &&Descriptor| {
            let annotation = |key: &str| entry.annotations.as_ref()?.get(key).map(String::as_str);
            annotation("vnd.docker.reference.type") == Some("attestation-manifest")
                && annotation("vnd.docker.reference.digest") == Some(manifest.as_str())
        };
        self.entries.iter().find(is_about)?.digest.parse().ok()
    }
}

/// The provenance among the attestations of a manifest, and its size in bytes. Both layouts have the same layers.
pub(super) fn provenance_in(bytes: &[u8]) -> Result<Option<(Digest, u64)>, Problem> {
    let raw: Raw = json(bytes)?;
    let is_provenance = |layer: &&Descriptor| {
        let predicate = layer
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get("in-toto.io/predicate-type"));
        layer.media_type == "application/vnd.in-toto+json"
            && predicate.is_some_and(|predicate| predicate.starts_with("https://slsa.dev/provenance/"))
    };
    let layers = raw.layers.unwrap_or_default();
    let found = layers.iter().find(is_provenance);
    found
        .map(|layer| Ok((digest(&layer.digest)?, layer.size)))
        .transpose()
}

/// The entries of an index of anything.
pub(super) fn entries(bytes: &[u8]) -> Result<Vec<Descriptor>, Problem> {
    let raw: Raw = json(bytes)?;
    Ok(raw.manifests.unwrap_or_default())
}

/// The layers of a manifest of anything; none of what cannot be read.
pub(super) fn layers(bytes: &[u8]) -> Vec<Descriptor> {
    json::<Raw>(bytes)
        .ok()
        .and_then(|raw| raw.layers)
        .unwrap_or_default()
}

/// Why none of these manifests is taken.
fn refusal(candidates: &[(Platform, &Descriptor)], engine: &Platform) -> NotRunnable {
    let platforms = candidates.iter().map(|(platform, _)| platform.clone());
    NotRunnable::NoSuchPlatform {
        wanted: engine.clone(),
        available: platforms.take(MAX_NAMED).collect(),
    }
}

impl Descriptor {
    fn is_attestation(&self) -> bool {
        self.annotations
            .as_ref()
            .is_some_and(|annotations| annotations.contains_key("vnd.docker.reference.type"))
    }
}

impl RawPlatform {
    /// `None` of `unknown/unknown`, under which attestations stand, and of what is malformed.
    fn known(&self) -> Option<Platform> {
        let variant = self.variant.as_deref().filter(|variant| !variant.is_empty());
        let text = match variant {
            Some(variant) => format!("{}/{}/{variant}", self.os, self.architecture),
            None => format!("{}/{}", self.os, self.architecture),
        };
        let platform: Platform = text.parse().ok()?;
        (platform.os != "unknown" && platform.architecture != "unknown").then_some(platform)
    }
}

/// What it is, if it is no image: its configuration or its layers give it away.
fn artifact(config: &Descriptor, layers: &[Descriptor], artifact_type: Option<String>) -> Option<String> {
    const CONFIGS: [&str; 2] = [
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    ];
    const LAYERS: [&str; 2] = [
        "application/vnd.oci.image.layer.",
        "application/vnd.docker.image.rootfs.",
    ];
    if !CONFIGS.contains(&config.media_type.as_str()) {
        let name = artifact_type.unwrap_or_else(|| config.media_type.clone());
        return Some(shown(&name));
    }
    let is_layer = |media_type: &str| LAYERS.iter().any(|start| media_type.starts_with(start));
    let other = layers.iter().find(|layer| !is_layer(&layer.media_type))?;
    Some(shown(&other.media_type))
}

fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::Malformed(format!(
            "it is not the JSON it should be (line {line}, column {column})"
        ))
    })
}

fn digest(text: &str) -> Result<Digest, Problem> {
    text.parse()
        .map_err(|_| Problem::Malformed("it names something by what is no SHA-256 digest".to_owned()))
}

/// A stranger's text, short and harmless enough for a message.
fn shown(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(120).collect()
}

#[cfg(test)]
mod tests;
