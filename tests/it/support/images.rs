//! Images that only tests need.

use hubcheck::demo::images::{Content, Image, Layer, LayerBuilder, MANIFEST};
use hubcheck::model::Digest;
use serde_json::{Value, json};

/// A layer with this host's busybox and links for the usual commands; `None` where there is none.
///
/// Unlike every other: the Engine shares the download of a layer between all pulls, so that one from a
/// registry that is gone by now would hold up the pull of another test.
pub(crate) fn busybox_layer() -> Option<Layer> {
    const COMMANDS: [&str; 20] = [
        "sh", "cat", "dd", "echo", "env", "false", "head", "id", "kill", "ls", "mkdir", "mount", "nc", "ps",
        "rm", "sleep", "touch", "true", "wget", "yes",
    ];
    let mut layer = LayerBuilder::default()
        .program("/bin/busybox")
        .ok()?
        .directory("/tmp")
        .file("/unique", 0o644, uuid::Uuid::now_v7().to_string());
    for command in COMMANDS {
        layer = layer.link(&format!("/bin/{command}"), "busybox");
    }
    Some(layer.build())
}

/// A manifest that holds an in-toto statement, in one of `BuildKit`'s two layouts: that of an image, or that of an
/// OCI artifact, which names what it is about.
pub(crate) fn attestation_manifest(statement: &Value, artifact_of: Option<&Digest>) -> Image {
    let content = Content::new("application/vnd.in-toto+json", statement.to_string());
    let (config_type, config) = match artifact_of {
        None => (
            "application/vnd.oci.image.config.v1+json",
            "{\"architecture\":\"unknown\",\"os\":\"unknown\"}",
        ),
        Some(_) => ("application/vnd.oci.empty.v1+json", "{}"),
    };
    let config = Content::new(config_type, config);
    let descriptor = |content: &Content| json!({ "mediaType": content.media_type, "digest": content.digest, "size": content.bytes.len() });
    let mut layer = descriptor(&content);
    layer["annotations"] = json!({ "in-toto.io/predicate-type": statement["predicateType"] });
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(&config), "layers": [layer],
    });
    if let Some(subject) = artifact_of {
        manifest["artifactType"] = json!("application/vnd.docker.attestation.manifest.v1+json");
        manifest["subject"] = json!({ "mediaType": MANIFEST, "digest": subject, "size": 1 });
    }
    let mut image = Image::raw(MANIFEST, manifest.to_string());
    image.blobs = vec![config, content];
    image
}
