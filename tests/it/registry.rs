//! The reader of registries, against a real one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hubcheck::config;
use hubcheck::demo::images::{Image, ImageBuilder, IndexBuilder, shell_layer};
use hubcheck::model::{Digest, ImageName, Platform, Tag, Visibility};
use hubcheck::net::Trust;
use hubcheck::registry::{Access, NotRunnable, RegistryClient, RegistryError};
use secrecy::ExposeSecret as _;

use crate::support::images::busybox_layer;
use crate::support::registry::{PASSWORD, Registry, USERNAME};

mod faults;

/// A reader without any configuration.
fn reader() -> RegistryClient {
    reader_with(&[], None)
}

/// A reader with an account for one registry.
fn reader_with_account(host: &str, password: &str) -> RegistryClient {
    let account = config::Registry {
        username: Some(USERNAME.to_owned()),
        password: Some(password.into()),
        ..config::Registry::default()
    };
    reader_with(&[(host, account)], None)
}

fn reader_with(registries: &[(&str, config::Registry)], docker_config: Option<PathBuf>) -> RegistryClient {
    let registries: BTreeMap<String, config::Registry> = registries
        .iter()
        .map(|(host, registry)| ((*host).to_owned(), registry.clone()))
        .collect();
    RegistryClient::new(
        &registries,
        &Trust::new(&config::Net::default()).unwrap(),
        docker_config,
    )
    .unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// A small image that differs from all with another label.
fn image(label: &str) -> Image {
    ImageBuilder::for_this_host().label("test", label).build()
}

/// What the registry knows nothing of.
fn nothing() -> Digest {
    Digest::of(b"nothing")
}

#[tokio::test]
async fn a_tag_resolves_to_the_digest_it_points_at_now() {
    let registry = Registry::start();
    let name = registry.image("acme/app");
    let (first, second) = (image("first"), image("second"));
    let reader = reader();
    registry.push("acme/app", "latest", &second).await;
    registry.push("acme/app", "latest", &first).await;
    let resolved = reader
        .resolve(&name, &Tag::latest(), Access::Anonymous)
        .await
        .unwrap();
    assert_eq!(resolved, *first.digest());
    registry.move_tag("acme/app", "latest", &second).await;
    let resolved = reader
        .resolve(&name, &Tag::latest(), Access::Anonymous)
        .await
        .unwrap();
    assert_eq!(resolved, *second.digest());
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let registry = Registry::start();
    let name = registry.image("acme/app");
    let error = reader()
        .resolve(&name, &tag("gone"), Access::Anonymous)
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
    let error = reader()
        .inspect(&name, &nothing(), &Platform::of_this_machine(), Access::Anonymous)
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn an_index_leads_to_the_engines_own_image_with_all_that_it_says() {
    let registry = Registry::start();
    let ours = ImageBuilder::for_this_host()
        .layer(shell_layer().unwrap())
        .script("/entrypoint.sh", "#!/bin/sh\necho tests\n")
        .entrypoint(&["/entrypoint.sh"])
        .cmd(&["test"])
        .working_dir("/work")
        .label("org.opencontainers.image.revision", "abc")
        .annotation("on", "manifest")
        .created("2026-01-02T03:04:05Z")
        .build();
    let other = ImageBuilder::new("linux/s390x".parse().unwrap()).build();
    let attestation = ImageBuilder::new("unknown/unknown".parse().unwrap()).build();
    let index = IndexBuilder::default()
        .attestation(&attestation, ours.digest())
        .image(&other)
        .annotated_image(&ours, &[("on", "descriptor")])
        .annotation("on", "index")
        .build();
    let digest = registry.push("acme/app", "v1", &index).await;

    let details = reader()
        .inspect(
            &registry.image("acme/app"),
            &digest,
            &Platform::of_this_machine(),
            Access::Anonymous,
        )
        .await
        .unwrap();

    assert_eq!(details.index.as_ref(), Some(index.digest()));
    assert_eq!(&details.digest, ours.digest());
    assert_eq!(details.platform, Platform::of_this_machine());
    assert_eq!(details.annotations["on"], "manifest");
    assert_eq!(details.descriptor_annotations["on"], "descriptor");
    assert_eq!(details.index_annotations["on"], "index");
    assert_eq!(details.config.labels["org.opencontainers.image.revision"], "abc");
    assert_eq!(details.config.entrypoint, ["/entrypoint.sh"]);
    assert_eq!(details.config.cmd, ["test"]);
    assert_eq!(details.config.working_dir, "/work");
    assert_eq!(details.created.as_deref(), Some("2026-01-02T03:04:05Z"));
    let stored: usize = ours.blobs.iter().map(|blob| blob.bytes.len()).sum();
    assert_eq!(details.size_bytes, stored as u64);
}

#[tokio::test]
async fn an_image_for_others_alone_names_what_it_is_for() {
    let registry = Registry::start();
    let name = registry.image("acme/app");
    let other = ImageBuilder::new("linux/s390x".parse().unwrap()).build();
    let index = IndexBuilder::default().image(&other).build();
    for image in [&other, &index] {
        let digest = registry.push("acme/app", "v1", image).await;
        let details = reader()
            .inspect(&name, &digest, &Platform::of_this_machine(), Access::Anonymous)
            .await
            .unwrap();
        let expected = NotRunnable::NoSuchPlatform {
            wanted: Platform::of_this_machine(),
            available: vec!["linux/s390x".parse().unwrap()],
        };
        assert_eq!(details.unfit, Some(expected));
        assert_eq!(&details.digest, other.digest());
    }
}

#[tokio::test]
async fn an_image_with_many_programs_is_read_like_a_small_one() {
    let Some(layer) = busybox_layer() else {
        return;
    };
    let registry = Registry::start();
    let image = ImageBuilder::for_this_host().layer(layer).build();
    let digest = registry.push("acme/busybox", "v1", &image).await;
    let name = registry.image("acme/busybox");
    let details = reader()
        .inspect(&name, &digest, &Platform::of_this_machine(), Access::Anonymous)
        .await
        .unwrap();
    assert_eq!((details.index, &details.digest), (None, image.digest()));
}

#[tokio::test]
async fn a_guarded_registry_wants_the_right_account() {
    let registry = Registry::start_guarded();
    let name = registry.image("acme/app");
    let digest = registry.push("acme/app", "v1", &image("private")).await;

    let right = reader_with_account(registry.host(), PASSWORD);
    let resolved = right.resolve(&name, &tag("v1"), Access::Configured).await;
    assert_eq!(resolved.unwrap(), digest);
    let details = right
        .inspect(&name, &digest, &Platform::of_this_machine(), Access::Configured)
        .await;
    assert_eq!(details.unwrap().config.labels["test"], "private");

    let wrong = reader_with_account(registry.host(), "wrong secret");
    for (reader, access, says) in [
        (&wrong, Access::Configured, "was refused"),
        (
            &reader(),
            Access::Configured,
            "set username and password in [registry.",
        ),
        (&right, Access::Anonymous, "without an account"),
    ] {
        let error = reader.resolve(&name, &tag("v1"), access).await.unwrap_err();
        assert!(matches!(error, RegistryError::Unauthorized { .. }), "{error}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(says), "{text}");
        assert!(
            !text.contains(PASSWORD) && !text.contains("wrong secret"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_account_of_docker_login_serves_its_own_host_alone() {
    let registry = Registry::start_guarded();
    let digest = registry.push("acme/app", "v1", &image("private")).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let host = registry.host();
    let text =
        format!(r#"{{"auths": {{"{host}": {{"username": "{USERNAME}", "password": "{PASSWORD}"}}}}}}"#);
    std::fs::write(&path, text).unwrap();
    let reader = reader_with(&[], Some(path));
    let name = registry.image("acme/app");
    let resolved = reader.resolve(&name, &tag("v1"), Access::Configured).await;
    assert_eq!(resolved.unwrap(), digest);
    assert_eq!(reader.credentials(&name).await.unwrap().server, host);
    assert!(reader.credentials(&"acme/app".parse().unwrap()).await.is_none());
}

#[tokio::test]
async fn an_image_is_public_only_if_everybody_can_read_it() {
    let open = Registry::start();
    let guarded = Registry::start_guarded();
    let public = open.push("acme/app", "v1", &image("a")).await;
    let private = guarded.push("acme/app", "v1", &image("b")).await;
    let reader = reader_with_account(guarded.host(), PASSWORD);
    assert_eq!(
        reader.visibility(&open.image("acme/app"), &public).await,
        Visibility::Public
    );
    assert_eq!(
        reader.visibility(&guarded.image("acme/app"), &private).await,
        Visibility::Private
    );
    assert_eq!(
        reader.visibility(&open.image("acme/app"), &nothing()).await,
        Visibility::Private
    );
    let name = open.image("acme/app");
    drop(open);
    assert_eq!(reader.visibility(&name, &public).await, Visibility::Private);
}

#[tokio::test]
async fn an_endpoint_is_read_in_the_stead_of_docker_hub() {
    let mirror = Registry::start_guarded();
    let digest = mirror.push("hub/acme/app", "v1", &image("mirrored")).await;
    let endpoint = config::Registry {
        username: Some(USERNAME.to_owned()),
        password: Some(PASSWORD.into()),
        endpoint: Some(format!("http://{}/hub", mirror.host()).parse().unwrap()),
        ..config::Registry::default()
    };
    let reader = reader_with(&[("docker.io", endpoint)], None);
    let name: ImageName = "acme/app".parse().unwrap();
    let resolved = reader.resolve(&name, &tag("v1"), Access::Configured).await;
    assert_eq!(resolved.unwrap(), digest);
    assert_eq!(
        reader.pull_reference(&name),
        format!("{}/hub/acme/app", mirror.host())
    );
    let credentials = reader.credentials(&name).await.unwrap();
    assert_eq!(credentials.password.expose_secret(), PASSWORD);
    assert_eq!(credentials.server, mirror.host());
}

#[test]
fn without_an_endpoint_the_engine_pulls_the_name_that_users_see() {
    for name in ["docker.io/acme/app", "ghcr.io/acme/app", "127.0.0.1:5000/app"] {
        assert_eq!(reader().pull_reference(&name.parse().unwrap()), name);
    }
}

#[test]
fn half_an_account_is_an_error_that_names_the_registry() {
    let half = config::Registry {
        username: Some(USERNAME.to_owned()),
        ..config::Registry::default()
    };
    let registries = BTreeMap::from([("ghcr.io".to_owned(), half)]);
    let error = RegistryClient::new(&registries, &Trust::new(&config::Net::default()).unwrap(), None)
        .err()
        .unwrap()
        .to_string();
    assert_eq!(
        error,
        "[registry.\"ghcr.io\"] has a username and no password: give both, or neither"
    );
}
