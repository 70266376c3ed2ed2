use serde_json::{Value, json};

use super::*;

fn entry(name: &str, platform: &str) -> Value {
    let parts: Vec<&str> = platform.split('/').collect();
    let mut described = json!({"os": parts[0], "architecture": parts[1]});
    if let Some(variant) = parts.get(2) {
        described["variant"] = json!(variant);
    }
    json!({"digest": Digest::of(name.as_bytes()).as_str(), "size": 1, "platform": described})
}

fn chosen(entries: &[Value], engine: &str) -> Result<Digest, Problem> {
    let text = json!({"schemaVersion": 2, "manifests": entries}).to_string();
    let Ok(Document::Index(index)) = parse(text.as_bytes()) else {
        panic!("an index: {text}");
    };
    index.choose(&engine.parse().unwrap()).map(|chosen| chosen.digest)
}

fn image(config: &str, layer: &str) -> Value {
    let digest = Digest::of(b"");
    json!({
        "schemaVersion": 2,
        "config": {"mediaType": config, "digest": digest.as_str(), "size": 10},
        "layers": [{"mediaType": layer, "digest": digest.as_str(), "size": 32}],
    })
}

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

#[test]
fn the_engines_own_platform_is_taken_and_attestations_never() {
    let mut attestation = entry("attestation", "linux/amd64");
    attestation["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let unknown = entry("unknown", "unknown/unknown");
    let amd64 = entry("amd64", "linux/amd64");
    let v3 = entry("v3", "linux/amd64/v3");
    let v7 = entry("v7", "linux/arm/v7");
    let v6 = entry("v6", "linux/arm/v6");
    let all = [attestation.clone(), unknown.clone(), v3, amd64, v7, v6];
    for (engine, name) in [
        ("linux/amd64", "amd64"),
        ("linux/amd64/v3", "v3"),
        ("linux/arm", "v6"),
        ("linux/arm/v7", "v7"),
    ] {
        assert_eq!(chosen(&all, engine), Ok(Digest::of(name.as_bytes())), "{engine}");
    }
    let none = chosen(&[attestation, unknown], "linux/amd64");
    assert_eq!(none, Err(NotRunnable::NoPlatform.into()));
}

#[test]
fn a_missing_platform_is_told_with_those_that_are_there() {
    let Document::Index(index) = parse(
        json!({"schemaVersion": 2, "manifests": [entry("a", "linux/arm64/v8")]})
            .to_string()
            .as_bytes(),
    )
    .unwrap() else {
        panic!("no index");
    };
    let chosen = index.choose(&"linux/amd64".parse().unwrap()).unwrap();
    assert_eq!(
        chosen.unfit.unwrap().to_string(),
        "the image has no linux/amd64, only linux/arm64/v8: build it for linux/amd64 as well"
    );
}

#[test]
fn images_are_told_from_what_else_registries_keep() {
    let size = match parse(image(CONFIG, LAYER).to_string().as_bytes()) {
        Ok(Document::Manifest(manifest)) => manifest.size_bytes,
        other => panic!("{other:?}"),
    };
    assert_eq!(size, 42);
    let chart = image("application/vnd.cncf.helm.config.v1+json", LAYER);
    let attestation = image(CONFIG, "application/vnd.in-toto+json");
    for (document, is) in [
        (chart, "application/vnd.cncf.helm.config.v1+json"),
        (attestation, "application/vnd.in-toto+json"),
        (
            json!({"artifactType": "application/x", "blobs": []}),
            "application/x",
        ),
    ] {
        let media_type = is.to_owned();
        let expected = Problem::NotRunnable(NotRunnable::Artifact { media_type });
        assert_eq!(parse(document.to_string().as_bytes()).unwrap_err(), expected);
    }
    let old = parse(br#"{"schemaVersion": 1, "fsLayers": []}"#).unwrap_err();
    assert_eq!(old, Problem::NotRunnable(NotRunnable::Schema1));
}

#[test]
fn documents_with_two_meanings_are_refused() {
    let mut both = image(CONFIG, LAYER);
    both["manifests"] = json!([entry("a", "linux/amd64")]);
    for wrong in [
        both.to_string(),
        "{}".to_owned(),
        "[]".to_owned(),
        "\u{0}".to_owned(),
    ] {
        assert!(
            matches!(parse(wrong.as_bytes()), Err(Problem::Malformed(_))),
            "{wrong}"
        );
    }
}

#[test]
fn a_configuration_may_leave_out_nearly_everything() {
    let (config, platform) =
        parse_config(br#"{"os": "linux", "architecture": "amd64", "config": {"Labels": null}}"#).unwrap();
    assert_eq!(platform.to_string(), "linux/amd64");
    assert!(config.image_config().labels.is_empty());
    assert_eq!(parse_config(b"{}").unwrap_err(), NotRunnable::NoPlatform.into());
}
