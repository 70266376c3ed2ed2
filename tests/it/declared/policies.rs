//! Which tags are tested, under which check, where it is told, and within which bounds.

use std::time::Duration;

use hubcheck::demo::github::NewCommit;
use hubcheck::demo::images::{ImageBuilder, IndexBuilder};
use hubcheck::store::{PushRecord, PushStage};

use super::{FILE, declaring};
use crate::support::house::{House, IMAGE, labelled};
use crate::support::images::busybox_layer;

#[tokio::test]
async fn tags_that_the_repository_does_not_want_tested_are_not() {
    let house = declaring("{ tags: [\"v*\"] }").await;
    let (commit, image) = house.build_image("tagged", "echo fine");
    house.registry.push(IMAGE, "nightly", &image).await;
    let answer = house.announce("nightly").await;
    let pushes = house
        .pushes(&answer, |push| push.stage != PushStage::Received)
        .await;
    assert_eq!(pushes[0].stage, PushStage::Unmapped);
    assert!(
        pushes[0].reason.as_ref().unwrap().contains("`nightly`"),
        "{pushes:?}"
    );
    assert!(house.github.writes().is_empty());

    house.push("v1", &image).await;
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("success", "success"));
    house.close().await;
}

/// Each check run's name with its conclusion, in the order of names.
async fn checks(house: &House, commit: &hubcheck::model::CommitSha, count: usize) -> Vec<(String, String)> {
    house.shown(commit, count).await;
    let mut checks: Vec<(String, String)> = house
        .github
        .check_runs(&house.repo, commit)
        .into_iter()
        .map(|check| (check.name, check.conclusion.unwrap_or_default()))
        .collect();
    checks.sort();
    checks
}

#[tokio::test]
async fn a_variant_has_a_check_and_a_status_of_its_own() {
    let house = declaring("{ variants: { alpine: \"*-alpine\" } }").await;
    let (commit, image) = house.build_image("two variants", "echo fine");
    house.push("1.2", &image).await;
    house.shown(&commit, 1).await;
    house.push("1.2-alpine", &labelled(&commit, "exit 3")).await;
    let owned = |name: &str, conclusion: &str| (name.to_owned(), conclusion.to_owned());
    assert_eq!(
        checks(&house, &commit, 2).await,
        [
            owned("hubcheck / acme/app", "success"),
            owned("hubcheck / acme/app (alpine)", "failure"),
        ]
    );
    let mut latest = std::collections::BTreeMap::new();
    for status in house.github.statuses(&house.repo, &commit) {
        latest.entry(status.context).or_insert(status.state);
    }
    assert_eq!(latest["hubcheck/acme/app"], "success");
    assert_eq!(latest["hubcheck/acme/app (alpine)"], "failure");
    house.close().await;
}

#[tokio::test]
async fn one_digest_under_the_tags_of_two_variants_answers_for_both() {
    let house = declaring("{ variants: { alpine: \"*-alpine\" } }").await;
    let (commit, image) = house.build_image("one digest", "echo fine");
    house.push("1.2", &image).await;
    house.shown(&commit, 1).await;
    house.push("1.2-alpine", &image).await;
    let names: Vec<String> = checks(&house, &commit, 2)
        .await
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["hubcheck / acme/app", "hubcheck / acme/app (alpine)"]);
    house.close().await;
}

#[tokio::test]
async fn without_variants_neither_of_two_hides_the_other() {
    let house = declaring("{}").await;
    let (commit, image) = house.build_image("two", "exit 3");
    house.push("1.2-debian", &image).await;
    house.shown(&commit, 1).await;
    house.push("1.2-alpine", &labelled(&commit, "echo fine")).await;
    let both = house.shown(&commit, 2).await;
    assert_eq!(both.conclusion(), ("failure", "failure"));
    assert!(both.summary().contains("1.2-debian"), "{}", both.summary());
    house.close().await;
}

#[tokio::test]
async fn a_platform_that_the_engine_does_not_run_is_named() {
    let own = hubcheck::model::Platform::of_this_machine();
    let house = declaring(&format!("{{ platforms: [{own}, linux/s390x] }}")).await;
    let (commit, image) = house.build_image("one platform", "echo fine");
    house.push("v1", &image).await;
    assert_eq!(
        checks(&house, &commit, 2).await,
        [
            ("hubcheck / acme/app".to_owned(), "success".to_owned()),
            (
                "hubcheck / acme/app (linux/s390x)".to_owned(),
                "action_required".to_owned()
            ),
        ]
    );
    house.close().await;
}

#[tokio::test]
async fn a_platform_beside_the_engines_that_it_can_run_is_tested() {
    let own = hubcheck::model::Platform::of_this_machine();
    if own.to_string() != "linux/amd64" {
        println!("skipped: only an amd64 processor runs what was built for another platform as it is");
        return;
    }
    let house = declaring("{ platforms: [linux/amd64, linux/386] }").await;
    let commit = house.github.commit(&house.repo, "two platforms").unwrap();
    let image = |platform: &str, tests: &str| {
        ImageBuilder::new(platform.parse().unwrap())
            .layer(busybox_layer().unwrap())
            .script("/tests", &format!("#!/bin/sh\n{tests}\n"))
            .entrypoint(&["/tests"])
            .label("org.opencontainers.image.revision", commit.as_str())
            .build()
    };
    let index = IndexBuilder::default()
        .image(&image("linux/amd64", "echo fine"))
        .image(&image("linux/386", "echo 32 bits are not enough; exit 1"))
        .build();
    house.push("v1", &index).await;
    let owned = |name: &str, conclusion: &str| (name.to_owned(), conclusion.to_owned());
    assert_eq!(
        checks(&house, &commit, 2).await,
        [
            owned("hubcheck / acme/app", "success"),
            owned("hubcheck / acme/app (linux/386)", "failure"),
        ]
    );
    house.close().await;
}

#[tokio::test]
async fn a_platform_that_is_not_there_yet_is_waited_for() {
    let house = declaring("{}").await;
    let commit = house.github.commit(&house.repo, "platform by platform").unwrap();
    let foreign = ImageBuilder::new("linux/s390x".parse().unwrap())
        .label("org.opencontainers.image.revision", commit.as_str())
        .build();
    house.registry.push(IMAGE, "v1", &foreign).await;
    let first = house.announce("v1").await;
    let waits = |push: &PushRecord| push.reason.as_ref().is_some_and(|why| why.contains("has no "));
    let pushes = house.pushes(&first, waits).await;
    assert_eq!(pushes[0].stage, PushStage::Received);
    assert!(house.github.writes().is_empty(), "nothing is said too early");
    // The other builder comes, and what it pushed is all that is told.
    house.push("v1", &labelled(&commit, "echo fine")).await;
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("success", "success"));
    house.clock.advance(Duration::from_secs(121));
    house
        .pushes(&first, |push| push.stage == PushStage::Superseded)
        .await;
    house.close().await;
}

#[tokio::test]
async fn a_verdict_is_told_where_the_repository_wants_it() {
    for (channel, check, status) in [("check", true, false), ("status", false, true)] {
        let house = declaring(&format!("{{ report: [{channel}] }}")).await;
        let (commit, image) = house.build_image("one channel", "exit 3");
        house.push("v1", &image).await;
        let (checks, statuses) = house
            .github
            .wait_for(crate::support::house::PATIENCE, |github| {
                let checks = github.check_runs(&house.repo, &commit);
                let statuses = github.statuses(&house.repo, &commit);
                let done = checks.iter().any(|check| check.conclusion.is_some())
                    || statuses.iter().any(|status| status.state != "pending");
                done.then_some((checks, statuses))
            })
            .await
            .unwrap();
        assert_eq!((!checks.is_empty(), !statuses.is_empty()), (check, status));
        if let Some(status) = statuses.first() {
            let description = status.description.clone().unwrap();
            assert!(description.contains("evidence: claimed"), "{description}");
        }
        house.close().await;
    }
}

/// Says how it is held: whether it may write to its root, how many processes it may have, and what it can reach.
const HELD: &str = "touch /x 2>/dev/null && echo root: writable || echo root: read-only\n\
    echo pids: $(cat /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/pids.max)\n\
    echo links: $(ls /sys/class/net)";

#[tokio::test]
async fn a_pull_request_that_loosens_what_holds_it_has_no_effect_and_the_check_says_so() {
    let house = declaring("{ profile: strict, limits: { pids: 50 } }").await;
    let loose = "images:\n  acme/app: { profile: compatible, network: bridge, limits: { pids: 500 }, tests: [{ run: theirs }] }\n  evil/x:\n";
    let new = NewCommit {
        message: "looser",
        files: &[(FILE, loose)],
        parents: Some(&[]),
        ..NewCommit::default()
    };
    let commit = house.github.make_commit(&house.repo, &new).unwrap();
    house.github.open_pull(&house.repo, &commit, false);
    house
        .push("pr-7", &labelled(&commit, &format!("{HELD}\necho told: $1")))
        .await;
    let shown = house.shown(&commit, 1).await;
    let summary = shown.summary();
    for text in ["root: read-only", "pids: 50", "links: lo", "told: theirs"] {
        assert!(summary.contains(text), "{text} in {summary}");
    }
    assert!(!summary.contains("eth0"), "{summary}");
    let note = summary
        .lines()
        .find(|line| line.contains("at this commit"))
        .unwrap();
    for text in ["evil/x", "profile", "network", "limits", "no effect"] {
        assert!(note.contains(text), "{text} in {note}");
    }
    let details = shown.check.details_url.clone().unwrap();
    let (_, page) = house.page(details.strip_prefix(&house.url).unwrap()).await;
    assert!(page.contains("has no effect here"), "{page}");
    house.close().await;
}

#[tokio::test]
async fn a_forks_commit_is_held_as_tightly_as_can_be() {
    for (from_fork, held) in [(false, "root: writable"), (true, "root: read-only")] {
        let house = declaring("{}").await;
        let new = NewCommit {
            message: "a pull request",
            parents: Some(&[]),
            ..NewCommit::default()
        };
        let commit = house.github.make_commit(&house.repo, &new).unwrap();
        house.github.open_pull(&house.repo, &commit, from_fork);
        house.push("pr-7", &labelled(&commit, HELD)).await;
        let shown = house.shown(&commit, 1).await;
        assert!(shown.summary().contains(held), "{}", shown.summary());
        assert_eq!(
            shown.summary().contains("a fork"),
            from_fork,
            "{}",
            shown.summary()
        );
        house.close().await;
    }
}

#[tokio::test]
async fn the_operators_ceilings_hold_and_the_check_says_so() {
    let house = House::with(|config| {
        config.images.clear();
        config.docker.network = false;
        config.docker.limits.pids = 60;
    })
    .await;
    super::declare(
        &house,
        "images:\n  acme/app: { network: bridge, limits: { pids: 900 } }\n",
    )
    .await;
    let (commit, image) = house.build_image("wants more", HELD);
    house.push("v1", &image).await;
    let shown = house.shown(&commit, 1).await;
    let summary = shown.summary();
    for text in ["pids: 60", "links: lo", "whose ceiling stands", "is off"] {
        assert!(summary.contains(text), "{text} in {summary}");
    }
    house.close().await;
}
