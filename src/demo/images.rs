//! OCI images built in memory: layers, configuration, manifest and, where several platforms are
//! wanted, an index over them. The same input gives the same digests.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::model::{Digest, Platform};

mod layer;

pub use layer::{Layer, LayerBuilder, shell_layer};

/// The media type of an OCI image's manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an OCI index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Bytes that a registry keeps under their digest.
#[derive(Clone, Debug)]
pub struct Content {
    /// What they are.
    pub media_type: String,
    /// Their name.
    pub digest: Digest,
    /// Themselves.
    pub bytes: Bytes,
}

impl Content {
    /// Names `bytes` by their digest.
    pub fn new(media_type: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(&bytes),
            bytes,
        }
    }

    fn json(media_type: &str, value: &Value) -> Self {
        Self::new(media_type, value.to_string())
    }

    fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest.as_str(), "size": self.bytes.len()})
    }
}

/// What a tag can point at, with all that hangs from it.
#[derive(Clone, Debug)]
pub struct Image {
    /// The manifest or the index itself.
    pub top: Content,
    /// The manifests that an index names.
    pub children: Vec<Content>,
    /// Configurations and layers.
    pub blobs: Vec<Content>,
    /// What it runs on; `None` of an index and of what is no image.
    pub platform: Option<Platform>,
}

impl Image {
    /// Something that a registry holds as a manifest, whatever it is: for tests of odd things.
    pub fn raw(media_type: &str, bytes: impl Into<Bytes>) -> Self {
        Self {
            top: Content::new(media_type, bytes),
            children: Vec::new(),
            blobs: Vec::new(),
            platform: None,
        }
    }

    /// What a tag on it resolves to.
    pub fn digest(&self) -> &Digest {
        &self.top.digest
    }

    /// All manifests, those that others name first.
    pub fn manifests(&self) -> impl Iterator<Item = &Content> {
        self.children.iter().chain([&self.top])
    }
}

/// Builds an [`Image`] for one platform.
#[derive(Clone, Debug)]
pub struct ImageBuilder {
    platform: Platform,
    layers: Vec<Layer>,
    files: LayerBuilder,
    annotations: BTreeMap<String, String>,
    created: Option<String>,
    labels: BTreeMap<String, String>,
    env: Vec<String>,
    /// The remaining keys of the configuration's `config`.
    settings: BTreeMap<&'static str, Value>,
}

impl ImageBuilder {
    /// An empty image for `platform`.
    pub fn new(platform: Platform) -> Self {
        Self {
            platform,
            layers: Vec::new(),
            files: LayerBuilder::default(),
            annotations: BTreeMap::new(),
            created: None,
            labels: BTreeMap::new(),
            env: Vec::new(),
            settings: BTreeMap::new(),
        }
    }

    /// An empty image for Linux on this host's processor.
    pub fn for_this_host() -> Self {
        Self::new(Platform::of_this_machine())
    }

    /// Puts a layer on those before it.
    #[must_use]
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// Adds a file to the image's last layer.
    #[must_use]
    pub fn file(mut self, path: &str, mode: u32, bytes: impl Into<Bytes>) -> Self {
        self.files = self.files.file(path, mode, bytes);
        self
    }

    /// Adds an executable text to the image's last layer.
    #[must_use]
    pub fn script(self, path: &str, text: &str) -> Self {
        self.file(path, 0o755, text.to_owned())
    }

    /// Sets the entrypoint.
    #[must_use]
    pub fn entrypoint(self, words: &[&str]) -> Self {
        self.setting("Entrypoint", json!(words))
    }

    /// Sets the command.
    #[must_use]
    pub fn cmd(self, words: &[&str]) -> Self {
        self.setting("Cmd", json!(words))
    }

    /// Sets the directory that programs start in.
    #[must_use]
    pub fn working_dir(self, path: &str) -> Self {
        self.setting("WorkingDir", json!(path))
    }

    /// Sets the user that programs run as.
    #[must_use]
    pub fn user(self, user: &str) -> Self {
        self.setting("User", json!(user))
    }

    /// Declares a path to be a volume.
    #[must_use]
    pub fn volume(self, path: &str) -> Self {
        self.setting("Volumes", json!({path: {}}))
    }

    /// Says which ports programs listen on: `80/tcp`.
    #[must_use]
    pub fn exposed_ports(self, ports: &[&str]) -> Self {
        let ports: BTreeMap<&str, Value> = ports.iter().map(|port| (*port, json!({}))).collect();
        self.setting("ExposedPorts", json!(ports))
    }

    /// Adds to the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push(format!("{name}={value}"));
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Adds an annotation to the manifest.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Sets when the image was built, as RFC 3339.
    #[must_use]
    pub fn created(mut self, time: &str) -> Self {
        self.created = Some(time.to_owned());
        self
    }

    /// Builds the image.
    pub fn build(mut self) -> Image {
        let files = std::mem::take(&mut self.files);
        // The Engine refuses an image without a layer, so an empty one is better than none.
        if !files.is_empty() || self.layers.is_empty() {
            self.layers.push(files.build());
        }
        let config = Content::json(CONFIG, &self.config());
        let layers: Vec<Content> = self.layers.iter().map(|layer| layer.blob.clone()).collect();
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": layers.iter().map(Content::descriptor).collect::<Vec<_>>(),
        });
        annotate(&mut manifest, &self.annotations);
        Image {
            top: Content::json(MANIFEST, &manifest),
            children: Vec::new(),
            blobs: std::iter::once(config).chain(layers).collect(),
            platform: Some(self.platform),
        }
    }

    fn setting(mut self, key: &'static str, value: Value) -> Self {
        self.settings.insert(key, value);
        self
    }

    fn config(&self) -> Value {
        let mut settings = json!(self.settings);
        settings["Env"] = json!(self.env);
        settings["Labels"] = json!(self.labels);
        let diff_ids: Vec<&str> = self.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        let mut config = json!({
            "architecture": self.platform.architecture,
            "os": self.platform.os,
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        if let Some(variant) = &self.platform.variant {
            config["variant"] = json!(variant);
        }
        if let Some(created) = &self.created {
            config["created"] = json!(created);
        }
        config
    }
}

/// Builds an index: an [`Image`] that is several images.
#[derive(Clone, Debug, Default)]
pub struct IndexBuilder {
    entries: Vec<Value>,
    children: Vec<Content>,
    blobs: Vec<Content>,
    annotations: BTreeMap<String, String>,
}

impl IndexBuilder {
    /// Adds an image under its own platform.
    #[must_use]
    pub fn image(self, image: &Image) -> Self {
        let platform = image.platform.as_ref().map(describe);
        self.entry(image, platform, &[])
    }

    /// Adds an image under its own platform, with annotations on its descriptor.
    #[must_use]
    pub fn annotated_image(self, image: &Image, annotations: &[(&str, &str)]) -> Self {
        let platform = image.platform.as_ref().map(describe);
        self.entry(image, platform, annotations)
    }

    /// Adds an attestation of `subject`, where `BuildKit` puts it: under an unknown platform.
    #[must_use]
    pub fn attestation(self, attestation: &Image, subject: &Digest) -> Self {
        let unknown = json!({"os": "unknown", "architecture": "unknown"});
        let annotations = [
            ("vnd.docker.reference.type", "attestation-manifest"),
            ("vnd.docker.reference.digest", subject.as_str()),
        ];
        self.entry(attestation, Some(unknown), &annotations)
    }

    /// Adds an annotation to the index itself.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Builds the index.
    pub fn build(self) -> Image {
        let mut index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.entries});
        annotate(&mut index, &self.annotations);
        Image {
            top: Content::json(INDEX, &index),
            children: self.children,
            blobs: self.blobs,
            platform: None,
        }
    }

    fn entry(mut self, image: &Image, platform: Option<Value>, annotations: &[(&str, &str)]) -> Self {
        let mut entry = image.top.descriptor();
        if let Some(platform) = platform {
            entry["platform"] = platform;
        }
        let annotations = annotations
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        annotate(&mut entry, &annotations);
        self.entries.push(entry);
        self.children.extend(image.manifests().cloned());
        self.blobs.extend(image.blobs.iter().cloned());
        self
    }
}

fn describe(platform: &Platform) -> Value {
    let mut value = json!({"os": platform.os, "architecture": platform.architecture});
    if let Some(variant) = &platform.variant {
        value["variant"] = json!(variant);
    }
    value
}

fn annotate(value: &mut Value, annotations: &BTreeMap<String, String>) {
    if !annotations.is_empty() {
        value["annotations"] = json!(annotations);
    }
}
