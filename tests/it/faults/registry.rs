//! Trouble with the registry between the webhook and the tests: what is tried again, what is not, and what
//! people read meanwhile.
//!
//! An image that nothing maps to a commit is told in `whole`, as is one whose claims differ.

mod refusals;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hubcheck::config::Config;
use hubcheck::demo::images::{Image, ImageBuilder, IndexBuilder};
use hubcheck::demo::registry::{Account, DemoRegistry, Fault, Guard, Misbehaviour};
use hubcheck::model::CommitSha;
use hubcheck::runner::PullSource;
use hubcheck::store::{PushRecord, PushStage};
use serde_json::Value;

use crate::support::house::{House, IMAGE, labelled};
use crate::support::registry::{PASSWORD, USERNAME};

/// The Engine, by its `User-Agent`.
const ENGINE: &str = "docker/";
/// Us, by ours.
const US: &str = "hubcheck/";

/// A bot whose Docker Hub is `registry`.
async fn house_on(registry: &DemoRegistry, change: impl FnOnce(&mut Config)) -> House {
    let endpoint = format!("http://{}", registry.host()).parse().unwrap();
    House::with(|config| {
        config.registries.get_mut("docker.io").unwrap().endpoint = Some(endpoint);
        change(config);
    })
    .await
}

async fn open() -> (DemoRegistry, House) {
    let registry = DemoRegistry::start(Guard::Open).await.unwrap();
    let house = house_on(&registry, |_| ()).await;
    (registry, house)
}

/// Commits, puts an image of that commit into the registry, and announces it.
async fn push(registry: &DemoRegistry, house: &House, tests: &str) -> (CommitSha, Value) {
    let (commit, image) = house.build_image("an image", tests);
    registry.put(IMAGE, "v1", &image);
    (commit, house.announce("v1").await)
}

fn fault(agent: &str, target: &str, times: usize, misbehaviour: Misbehaviour) -> Fault {
    Fault {
        target: target.to_owned(),
        agent: agent.to_owned(),
        times,
        misbehaviour,
    }
}

fn refusal(status: u16, header: Option<(&'static str, String)>, body: &'static str) -> Misbehaviour {
    let header = header.map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(&value).unwrap(),
        )
    });
    Misbehaviour::Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::from_iter(header),
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

fn reason(pushes: &[PushRecord]) -> &str {
    pushes[0].reason.as_deref().unwrap_or_default()
}

/// A registry whose layers never come.
pub(crate) async fn stalling_at_layers() -> DemoRegistry {
    let registry = DemoRegistry::start(Guard::Open).await.unwrap();
    registry.misbehave(fault(ENGINE, "/blobs/", usize::MAX, Misbehaviour::Stall));
    registry
}

/// Where the Engine finds `image` there.
pub(crate) fn source_on(registry: &DemoRegistry, image: &Image) -> PullSource {
    PullSource {
        reference: format!("{}/{IMAGE}", registry.host()),
        digest: registry.put(IMAGE, "v1", image),
        credentials: None,
    }
}

#[tokio::test]
async fn a_tag_that_is_not_there_yet_is_looked_for_twice_more_in_half_a_minute() {
    let (registry, house) = open().await;
    let delivery = house.announce("v1").await;
    let asked = async |times: usize| {
        house
            .pushes(&delivery, |push| {
                push.reason.is_some() && count(&registry, "/manifests/v1") >= times
            })
            .await
    };
    asked(1).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(count(&registry, "/manifests/v1"), 1, "not before its time");
    house.clock.advance(Duration::from_secs(5));
    asked(2).await;
    house.clock.advance(Duration::from_secs(25));
    let pushes = house
        .pushes(&delivery, |push| push.stage == PushStage::Unmapped)
        .await;
    assert!(reason(&pushes).contains("it was deleted or moved"), "{pushes:?}");
    assert_eq!(count(&registry, "/manifests/v1"), 3);

    let (commit, image) = house.build_image("late", "echo fine");
    house.announce("late").await;
    while count(&registry, "/manifests/late") == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    registry.put(IMAGE, "late", &image);
    house.clock.advance(Duration::from_secs(5));
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("success", "success"));
    house.close().await;
}

#[tokio::test]
async fn an_image_that_is_deleted_before_the_pull_is_looked_for_twice_more_and_then_said() {
    let (registry, house) = open().await;
    let gone = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
    registry.misbehave(fault(ENGINE, "/manifests/", usize::MAX, refusal(404, None, gone)));
    let (commit, _) = push(&registry, &house, "echo fine").await;
    house
        .told(&commit, "Trying again: the image is not in the registry")
        .await;
    house.clock.advance(Duration::from_secs(31));
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    assert_eq!(
        shown.check.title.as_deref().unwrap(),
        "the image was deleted from the registry before it could be tested: push it again"
    );
    house.close().await;
}

#[tokio::test]
async fn a_registry_in_trouble_is_tried_again_until_it_serves() {
    let (registry, house) = open().await;
    registry.misbehave(fault(US, "/manifests/v1", 1, refusal(502, None, "")));
    registry.misbehave(fault(US, "/manifests/sha256:", 1, Misbehaviour::Truncate));
    registry.misbehave(fault(ENGINE, "/manifests/", 1, refusal(503, None, "")));
    let (commit, _) = push(&registry, &house, "echo fine").await;
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("success", "success"));
    house.close().await;
}

#[tokio::test]
async fn a_registry_that_cannot_be_reached_is_given_up_in_the_end_and_the_delivery_says_why() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    // Nobody knows the name; nobody listens; nobody speaks TLS.
    let plain = DemoRegistry::start(Guard::Open).await.unwrap();
    let endpoints = [
        "https://registry.invalid".to_owned(),
        format!("http://{closed}"),
        format!("https://{}", plain.host()),
    ];
    let given_up = endpoints.map(async |endpoint| {
        let house = House::with(|config| {
            let hub = config.registries.get_mut("docker.io").unwrap();
            hub.endpoint = Some(endpoint.parse().unwrap());
        })
        .await;
        let delivery = house.announce("v1").await;
        let pushes = house.pushes(&delivery, |push| push.reason.is_some()).await;
        assert_eq!(pushes[0].stage, PushStage::Received, "{pushes:?}");
        house.clock.advance(Duration::from_mins(61));
        let pushes = house
            .pushes(&delivery, |push| push.stage == PushStage::Failed)
            .await;
        assert!(reason(&pushes).contains("cannot be read: "), "{pushes:?}");
        house.close().await;
    });
    futures_util::future::join_all(given_up).await;
}

#[tokio::test]
async fn a_registry_that_the_engine_cannot_reach_until_we_give_up_is_timed_out_with_the_cause() {
    let (registry, house) = open().await;
    registry.misbehave(fault(ENGINE, "/manifests/", usize::MAX, refusal(503, None, "")));
    let (commit, _) = push(&registry, &house, "echo fine").await;
    house
        .told(&commit, "Trying again: trouble with the registry")
        .await;
    house.clock.advance(Duration::from_mins(61));
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("timed_out", "error"));
    let title = shown.check.title.unwrap();
    assert!(
        title.starts_with("trouble with the registry: ") && title.contains("503"),
        "{title}"
    );
    house.close().await;
}

#[tokio::test]
async fn a_layer_that_stalls_is_given_up_and_pulled_once_more() {
    let registry = DemoRegistry::start(Guard::Open).await.unwrap();
    let house = house_on(&registry, |config| {
        config.docker.pull_timeout = Duration::from_secs(2);
    })
    .await;
    let (commit, image) = house.build_image("stalled", "echo fine");
    let layer = &image.blobs.last().unwrap().digest;
    registry.misbehave(fault(ENGINE, layer.as_str(), 1, Misbehaviour::Stall));
    registry.put(IMAGE, "v1", &image);
    house.announce("v1").await;
    house
        .told(&commit, "Trying again: the pull took longer than 2.0s")
        .await;
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("success", "success"));
    house.close().await;
}

#[tokio::test]
async fn a_layer_with_other_bytes_or_that_is_no_archive_is_no_runnable_image() {
    let (registry, house) = open().await;
    registry.misbehave(fault(ENGINE, "/blobs/", usize::MAX, Misbehaviour::Corrupt));
    let (commit, _) = push(&registry, &house, "echo fine").await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    let title = shown.check.title.unwrap();
    assert!(title.starts_with("not a runnable image: "), "{title}");
    house.close().await;
}

#[tokio::test]
async fn an_image_for_other_platforms_says_so_on_its_commit() {
    let (registry, house) = open().await;
    let commit = house.github.commit(&house.repo, "for mainframes").unwrap();
    let foreign = ImageBuilder::new("linux/s390x".parse().unwrap())
        .label("org.opencontainers.image.revision", commit.as_str())
        .build();
    let other = house
        .github
        .commit(&house.repo, "for mainframes, by an index")
        .unwrap();
    let indexed = ImageBuilder::new("linux/s390x".parse().unwrap())
        .label("org.opencontainers.image.revision", other.as_str())
        .build();
    let index = IndexBuilder::default().image(&indexed).build();
    for (commit, image) in [(commit, foreign), (other, index)] {
        registry.put(IMAGE, "v1", &image);
        let answer = house.announce("v1").await;
        house
            .pushes(&answer, |push| {
                push.reason.as_ref().is_some_and(|why| why.contains("has no "))
            })
            .await;
        // Another builder may still push it for us.
        house.clock.advance(Duration::from_secs(121));
        let shown = house.shown(&commit, 1).await;
        assert_eq!(shown.conclusion(), ("action_required", "error"));
        let title = shown.check.title.unwrap();
        assert!(title.contains("only linux/s390x: build it for linux/"), "{title}");
    }
    house.close().await;
}

#[tokio::test]
async fn what_is_no_image_leads_to_no_commit_and_the_delivery_says_what_it_is() {
    let (registry, house) = open().await;
    let attestation = ImageBuilder::for_this_host().label("an", "attestation").build();
    let chart = r#"{"schemaVersion": 2, "layers": [], "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json",
        "digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "size": 0}}"#;
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    for (image, says) in [
        (
            Image::raw(
                "application/vnd.docker.distribution.manifest.v1+json",
                r#"{"schemaVersion": 1}"#,
            ),
            "retired manifest format 1",
        ),
        (
            IndexBuilder::default()
                .attestation(&attestation, attestation.digest())
                .build(),
            "names no platform",
        ),
        (
            Image::raw(manifest, chart),
            "not a runnable image but `application/vnd.cncf.helm.config.v1+json`",
        ),
    ] {
        registry.put(IMAGE, "v1", &image);
        let delivery = house.announce("v1").await;
        let pushes = house
            .pushes(&delivery, |push| push.stage == PushStage::Unmapped)
            .await;
        assert!(reason(&pushes).contains(says), "{pushes:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_tag_that_moves_between_the_webhook_and_the_pull_is_tested_as_it_was() {
    let (registry, house) = open().await;
    let (commit, image) = house.build_image("the first", "echo I am the first");
    let layer = image.blobs.last().unwrap().digest.clone();
    registry.misbehave(fault(
        ENGINE,
        layer.as_str(),
        1,
        Misbehaviour::Delay(Duration::from_secs(1)),
    ));
    let digest = registry.put(IMAGE, "latest", &image);
    let delivery = house.announce("latest").await;
    house.pushes(&delivery, |push| push.digest().is_some()).await;
    let other = house.github.commit(&house.repo, "the second").unwrap();
    registry.put(IMAGE, "latest", &labelled(&other, "echo I am the second"));
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("success", "success"));
    for told in [digest.as_str(), "I am the first"] {
        assert!(shown.summary().contains(told), "{}", shown.summary());
    }
    assert!(house.github.check_runs(&house.repo, &other).is_empty());
    house.close().await;
}
