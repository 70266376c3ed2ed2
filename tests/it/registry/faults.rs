//! The reader of registries, against one that misbehaves.

use std::time::Duration;

use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use hubcheck::demo::images::Image;
use hubcheck::demo::registry::{Account, DemoRegistry, Fault, Guard, Misbehaviour};

use super::*;

const V1: &str = "/manifests/v1";

async fn open() -> DemoRegistry {
    DemoRegistry::start(Guard::Open).await.unwrap()
}

async fn with_tokens(realm: Option<String>) -> DemoRegistry {
    let account = Some(Account {
        username: USERNAME.to_owned(),
        password: PASSWORD.to_owned(),
    });
    DemoRegistry::start(Guard::Bearer { account, realm })
        .await
        .unwrap()
}

fn on(target: &str, misbehaviour: Misbehaviour) -> Fault {
    Fault {
        target: target.to_owned(),
        agent: String::new(),
        times: usize::MAX,
        misbehaviour,
    }
}

fn answer(status: StatusCode, header: (&'static str, &'static str), body: &'static str) -> Misbehaviour {
    let header = (
        HeaderName::from_static(header.0),
        HeaderValue::from_static(header.1),
    );
    Misbehaviour::Answer {
        status,
        headers: HeaderMap::from_iter([header]),
        body: body.into(),
    }
}

/// How many requests went to `target`.
fn count(registry: &DemoRegistry, target: &str) -> usize {
    let requests = registry.requests();
    requests
        .iter()
        .filter(|request| request.target.contains(target))
        .count()
}

/// Puts an image in, and reads it with the account.
async fn inspect(registry: &DemoRegistry, image: &Image) -> Result<(), RegistryError> {
    let digest = registry.put("acme/app", "v1", image);
    let name = registry.image("acme/app").unwrap();
    reader_with_account(&registry.host(), PASSWORD)
        .inspect(&name, &digest, &Platform::of_this_machine(), Access::Configured)
        .await
        .map(drop)
}

async fn resolve(registry: &DemoRegistry) -> Result<Digest, RegistryError> {
    let name = registry.image("acme/app").unwrap();
    reader().resolve(&name, &tag("v1"), Access::Anonymous).await
}

#[tokio::test]
async fn one_token_serves_until_it_is_refused_and_then_one_more_is_fetched() {
    let registry = with_tokens(None).await;
    let digest = registry.put("acme/app", "v1", &image("a"));
    let name = registry.image("acme/app").unwrap();
    let reader = reader_with_account(&registry.host(), PASSWORD);
    let resolve_often = || {
        join_all((0..8).map(|_| {
            let (reader, name) = (reader.clone(), name.clone());
            tokio::spawn(async move { reader.resolve(&name, &tag("v1"), Access::Configured).await })
        }))
    };
    for tokens in 1..=2 {
        for resolved in resolve_often().await {
            assert_eq!(resolved.unwrap().unwrap(), digest);
        }
        assert_eq!(count(&registry, "/token"), tokens, "all requests share a token");
        registry.revoke_tokens();
    }
}

#[tokio::test]
async fn a_refused_account_is_not_tried_again_and_again() {
    let registry = with_tokens(None).await;
    registry.put("acme/app", "v1", &image("a"));
    let name = registry.image("acme/app").unwrap();
    let reader = reader_with_account(&registry.host(), "wrong");
    let error = reader
        .resolve(&name, &tag("v1"), Access::Configured)
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Unauthorized { .. }), "{error}");
    assert_eq!(
        registry.requests().len(),
        2,
        "the manifest and the token, once each"
    );
}

#[tokio::test]
async fn a_hostile_realm_gets_no_request_at_all() {
    let thief = open().await;
    let registry = with_tokens(Some(format!("http://{}/token", thief.host()))).await;
    let error = inspect(&registry, &image("a")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unauthorized { .. }), "{error}");
    assert!(error.to_string().contains("not followed"), "{error}");
    assert_eq!(thief.requests(), []);
}

#[tokio::test]
async fn what_an_account_was_shown_is_not_shown_to_others() {
    let registry = with_tokens(None).await;
    let digest = registry.put("acme/app", "v1", &image("secret"));
    let name = registry.image("acme/app").unwrap();
    let reader = reader_with_account(&registry.host(), PASSWORD);
    let platform = Platform::of_this_machine();
    let read = async |access| reader.inspect(&name, &digest, &platform, access).await;
    read(Access::Configured).await.unwrap();
    let before = registry.requests().len();
    read(Access::Configured).await.unwrap();
    assert_eq!(
        registry.requests().len(),
        before,
        "what never changes is read once"
    );
    let error = read(Access::Anonymous).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unauthorized { .. }), "{error}");
}

#[tokio::test]
async fn limits_are_told_with_their_kind_and_their_time() {
    let registry = open().await;
    let link = r#"{"errors": [{"message": "https://www.docker.com/increase-rate-limit"}]}"#;
    for (misbehaviour, wait, is_pull_limit) in [
        (
            answer(
                StatusCode::TOO_MANY_REQUESTS,
                ("retry-after", "42"),
                "Too Many Requests",
            ),
            Some(42),
            false,
        ),
        (
            answer(StatusCode::TOO_MANY_REQUESTS, ("x-other", "1"), link),
            None,
            true,
        ),
    ] {
        let fault = Fault {
            times: 1,
            ..on("/manifests/sha256:", misbehaviour)
        };
        registry.misbehave(fault);
        let RegistryError::RateLimited {
            retry_after,
            pull_limit,
            ..
        } = inspect(&registry, &image("a")).await.unwrap_err()
        else {
            panic!("a limit");
        };
        assert_eq!(
            (retry_after, pull_limit),
            (wait.map(Duration::from_secs), is_pull_limit)
        );
    }
}

#[tokio::test]
async fn trouble_that_may_pass_is_unavailability() {
    let registry = open().await;
    registry.put("acme/app", "v1", &image("a"));
    registry.misbehave(Fault {
        times: 1,
        ..on(
            V1,
            answer(StatusCode::SERVICE_UNAVAILABLE, ("retry-after", "7"), ""),
        )
    });
    let error = resolve(&registry).await.unwrap_err();
    let wait = Some(Duration::from_secs(7));
    assert!(
        matches!(error, RegistryError::Unavailable { retry_after, .. } if retry_after == wait),
        "{error}"
    );
    resolve(&registry).await.unwrap();

    registry.misbehave(Fault {
        times: 1,
        ..on("/manifests/sha256:", Misbehaviour::Truncate)
    });
    let error = inspect(&registry, &image("a")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");

    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let name = format!("{closed}/acme/app").parse().unwrap();
    let error = reader()
        .resolve(&name, &tag("v1"), Access::Anonymous)
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_registry_that_names_no_digest_is_read_and_hashed() {
    let registry = open().await;
    let digest = registry.put("acme/app", "v1", &image("a"));
    registry.misbehave(on(V1, Misbehaviour::NoDigest));
    assert_eq!(resolve(&registry).await.unwrap(), digest);
    let methods: Vec<Method> = registry
        .requests()
        .into_iter()
        .map(|request| request.method)
        .collect();
    assert_eq!(methods, [Method::HEAD, Method::GET]);
}

#[tokio::test]
async fn other_bytes_than_those_asked_for_are_never_used() {
    for target in ["/manifests/sha256:", "/blobs/"] {
        let registry = open().await;
        registry.misbehave(on(target, Misbehaviour::Corrupt));
        let error = inspect(&registry, &image("a")).await.unwrap_err();
        assert!(matches!(error, RegistryError::Invalid { .. }), "{error}");
        assert!(error.to_string().contains("another digest"), "{error}");
    }
    let registry = open().await;
    registry.put("acme/app", "v1", &image("a"));
    registry.misbehave(on(V1, Misbehaviour::WrongDigest));
    let lie = resolve(&registry).await.unwrap();
    let name = registry.image("acme/app").unwrap();
    let error = reader()
        .inspect(&name, &lie, &Platform::of_this_machine(), Access::Anonymous)
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn an_oversized_manifest_is_given_up() {
    let registry = open().await;
    let huge = Image::raw(
        "application/vnd.oci.image.manifest.v1+json",
        vec![b' '; (4 << 20) + 1],
    );
    let error = inspect(&registry, &huge).await.unwrap_err();
    assert!(error.to_string().contains("larger than 4194304 bytes"), "{error}");
}

#[tokio::test]
async fn things_that_are_no_images_are_told_apart() {
    let registry = open().await;
    let old = Image::raw(
        "application/vnd.docker.distribution.manifest.v1+json",
        r#"{"schemaVersion": 1}"#,
    );
    let error = inspect(&registry, &old).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::NotRunnable(NotRunnable::Schema1)),
        "{error}"
    );
    let attestation = image("attestation");
    let alone = IndexBuilder::default()
        .attestation(&attestation, &nothing())
        .build();
    let error = inspect(&registry, &alone).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::NotRunnable(NotRunnable::NoPlatform)),
        "{error}"
    );
}

#[tokio::test]
async fn blobs_are_fetched_from_elsewhere_without_the_registrys_token() {
    let registry = with_tokens(None).await;
    let store = open().await;
    let image = image("a");
    store.put("acme/app", "v1", &image);
    let config = &image.blobs[0].digest;
    let location = format!("http://{}/v2/acme/app/blobs/{config}", store.host());
    registry.misbehave(on("/blobs/", Misbehaviour::redirect(&location)));
    inspect(&registry, &image).await.unwrap();
    let [request] = store.requests().try_into().unwrap();
    assert_eq!(request.authorization, None);
}

#[tokio::test]
async fn redirects_to_a_clouds_metadata_or_in_a_circle_are_not_followed() {
    for (location, says) in [
        ("http://169.254.169.254/latest/meta-data", "link-local"),
        ("https://[fd00:ec2::254]/", "link-local"),
        ("ftp://127.0.0.1/", "without https"),
        ("/v2/acme/app/blobs/again", "more than 5 times"),
    ] {
        let registry = open().await;
        registry.misbehave(on("/blobs/", Misbehaviour::redirect(location)));
        let error = inspect(&registry, &image("a")).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}
