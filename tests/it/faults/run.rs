//! Trouble with the Engine while tests run. None of it is the image's fault, and none becomes its verdict.
//!
//! Memory, processes, time, silence, output and disk of an image's own making are told in `hostile_images`;
//! a bot that is killed amid its runs in `kill`.

use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use hubcheck::model::Cause;
use hubcheck::runner::{EngineError, PullError, Runner};

use crate::hostile_images::container_of;
use crate::support::dockerd::Dockerd;
use crate::support::engine::{busybox, on_engine, settings, shell};
use crate::support::house::House;
use crate::support::wire::Wire;

/// Tests that can be interrupted, and pass if they are not.
const UNHURRIED: &str = "echo begun; sleep 3; echo through";

#[tokio::test]
async fn a_container_that_a_stranger_removes_is_run_once_more() {
    let house = House::open().await;
    let docker = Docker::connect_with_defaults().unwrap();
    let (commit, image) = house.build_image("pruned", UNHURRIED);
    house.push("v1", &image).await;
    let id = container_of(&house, &docker).await;
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    docker.remove_container(&id, Some(options)).await.unwrap();
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("success", "success"));
    let (_, page) = house
        .page(&format!("/runs/{}", shown.check.external_id.unwrap()))
        .await;
    assert!(page.contains("removed by somebody else"), "{page}");
    house.close().await;
}

#[tokio::test]
async fn a_socket_that_goes_away_and_comes_back_ends_in_the_images_own_verdict() {
    let mut wire = Wire::lay();
    let host = wire.host();
    let house = House::with(|config| config.docker.host = Some(host)).await;
    let docker = Docker::connect_with_defaults().unwrap();
    let (commit, image) = house.build_image("socket gone", UNHURRIED);
    house.push("v1", &image).await;
    let first = container_of(&house, &docker).await;
    wire.cut();
    house.told(&commit, "Trying again: ").await;
    assert_eq!(
        house.page("/readyz").await.0,
        200,
        "a registry can deliver meanwhile"
    );
    wire.mend();
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("success", "success"));
    assert!(
        docker.inspect_container(&first, None).await.is_err(),
        "what the first attempt left behind is gone"
    );
    house.close().await;
}

#[tokio::test]
async fn an_engine_that_restarts_amid_a_run_ends_in_the_images_own_verdict() {
    let Some(mut dockerd) = Dockerd::start(64) else {
        return;
    };
    let host = dockerd.host();
    let house = House::with(|config| config.docker.host = Some(host.clone())).await;
    let docker = Docker::connect_with_host(&host).unwrap();
    let (commit, image) = house.build_image("restarted", UNHURRIED);
    house.push("v1", &image).await;
    container_of(&house, &docker).await;
    let dockerd = tokio::task::spawn_blocking(move || {
        dockerd.restart();
        dockerd
    })
    .await
    .unwrap();
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("success", "success"));
    assert!(
        shown.summary().contains("through"),
        "it was run to its end: {}",
        shown.summary()
    );
    let (_, page) = house
        .page(&format!("/runs/{}", shown.check.external_id.unwrap()))
        .await;
    assert!(page.contains("Docker Engine"), "the timeline says why: {page}");
    house.close().await;
    drop(dockerd);
}

#[tokio::test]
async fn an_engine_without_space_for_an_image_is_no_verdict_and_says_what_to_do() {
    let Some(dockerd) = Dockerd::start(12) else {
        return;
    };
    let host = dockerd.host();
    let house = House::with(|config| config.docker.host = Some(host)).await;
    let commit = house.github.commit(&house.repo, "too large").unwrap();
    let noise: Vec<u8> = (0..4 << 20)
        .flat_map(|_| rand::random::<u32>().to_le_bytes())
        .collect();
    let image = crate::support::house::plain("echo fine")
        .file("/noise", 0o644, noise)
        .label("org.opencontainers.image.revision", commit.as_str())
        .build();
    house.push("v1", &image).await;
    let check = house.told(&commit, "the Docker Engine's disk is full").await;
    assert_eq!((check.status.as_str(), check.conclusion), ("in_progress", None));
    assert!(
        check
            .title
            .as_deref()
            .unwrap()
            .contains("no space left on device"),
        "{:?}",
        check.title
    );
    house.clock.advance(Duration::from_mins(61));
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("timed_out", "error"));
    assert!(
        shown.check.title.as_deref().unwrap().contains("disk is full"),
        "{:?}",
        shown.check.title
    );
    house.close().await;
}

#[tokio::test]
async fn a_container_that_cannot_be_removed_costs_no_verdict_and_is_reaped_later() {
    on_engine(async |bench| {
        let wire = Wire::lay();
        let image = bench.pull(busybox()).await;
        let runner =
            Runner::connect(&settings(Some(&wire.host())), bench.instance, bench.clock.clone()).unwrap();
        wire.refuse(Some("DELETE /containers/"));
        let plan = shell("echo fine");
        let end = bench.end_on(&runner, &image, &plan).await;
        assert_eq!(end, Cause::Passed);
        runner.drain().await;
        let left = bench.containers().await.len();
        assert!(left > 0, "it cannot go");
        let refused = runner.reap(|_, _| false).await;
        assert!(
            matches!(refused, Err(EngineError::Refused { status: 500, .. })),
            "{refused:?}"
        );
        wire.refuse(None);
        assert_eq!(runner.reap(|_, _| false).await.unwrap().containers, left);
        assert!(bench.containers().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_pull_that_reports_nothing_is_given_up() {
    on_engine(async |bench| {
        let registry = super::registry::stalling_at_layers().await;
        let runner = bench.runner.clone().with_pull_idle(Duration::from_secs(1));
        let source = super::registry::source_on(&registry, &busybox().build());
        let error = runner.pull(&source, |_| {}).await.unwrap_err();
        assert_eq!(
            error,
            PullError::Stalled {
                after: Duration::from_secs(1)
            }
        );
    })
    .await;
}

#[tokio::test]
async fn a_disk_that_runs_full_while_a_test_writes_is_no_verdict_on_it() {
    let Some(dockerd) = Dockerd::start(64) else {
        return;
    };
    let host = dockerd.host();
    let house = House::with(|config| config.docker.host = Some(host)).await;
    // All but what is left to the machine, and then nothing that ends.
    let script = "dd if=/dev/zero of=/fill bs=1M count=100; while true; do echo waiting; sleep 1; done";
    let (commit, image) = house.build_image("fills the disk", script);
    house.push("v1", &image).await;
    let check = house
        .told(&commit, "the Docker Engine's disk is nearly full: only")
        .await;
    assert_eq!((check.status.as_str(), check.conclusion), ("in_progress", None));
    house.close().await;
    drop(dockerd);
}
