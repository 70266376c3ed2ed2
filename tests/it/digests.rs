//! Several digests of one image on one commit, under tags of their own: each has its run, and the commit is green
//! only if all of them are.

use hubcheck::demo::github::{CheckRun, GitHub};
use hubcheck::model::CommitSha;

use crate::support::house::{ENDLESS, House, PATIENCE, labelled};

#[tokio::test]
async fn a_digest_that_passes_after_another_failed_does_not_make_the_commit_green() {
    let house = House::open().await;
    let (commit, image) = house.build_image("two variants", "exit 3");
    house.push("v2", &image).await;
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("failure", "failure"));

    house.push("v2-alpine", &labelled(&commit, "echo fine")).await;
    let both = house.shown(&commit, 2).await;
    assert_eq!(both.conclusion(), ("failure", "failure"));
    let title = both.check.title.clone().unwrap();
    assert!(
        title.starts_with("v2 (sha256:") && title.ends_with("exit code 3"),
        "{title}"
    );
    assert!(
        both.summary().contains("This digest itself: **Passed**"),
        "{}",
        both.summary()
    );
    house.close().await;
}

/// A commit whose `v2` is tested without end, and the check of its `v2-alpine`, which has passed and waits for that.
async fn one_waits_for_another(house: &House) -> (CommitSha, CheckRun) {
    let (commit, image) = house.build_image("two variants", ENDLESS);
    house.push("v2", &image).await;
    // Its check run is there, so that the other's is the newest.
    house.told(&commit, "Testing").await;
    house.push("v2-alpine", &labelled(&commit, "echo quick")).await;
    let waiting = house.told(&commit, "Passed, waiting for v2 (").await;
    (commit, waiting)
}

#[tokio::test]
async fn a_digest_that_passed_waits_until_the_others_are_judged() {
    for (last, verdict) in [("echo fine", "success"), ("exit 3", "failure")] {
        let house = House::open().await;
        let (commit, waiting) = one_waits_for_another(&house).await;
        assert_eq!(
            (waiting.status.as_str(), waiting.conclusion),
            ("in_progress", None)
        );
        assert_eq!(house.github.statuses(&house.repo, &commit)[0].state, "pending");

        house.push("v2", &labelled(&commit, last)).await;
        let all = house.shown(&commit, 3).await;
        assert_eq!(all.conclusion(), (verdict, verdict));
        let mut conclusions: Vec<_> = house
            .github
            .check_runs(&house.repo, &commit)
            .into_iter()
            .filter_map(|check| check.conclusion)
            .collect();
        conclusions.sort();
        let mut expected = ["cancelled", verdict, verdict];
        expected.sort_unstable();
        assert_eq!(conclusions, expected);
        house.close().await;
    }
}

#[tokio::test]
async fn once_the_failing_digest_is_replaced_or_passes_again_the_commit_is_green() {
    let house = House::open().await;
    let (commit, image) = house.build_image("two variants", "exit 3");
    house.push("v2", &image).await;
    house.shown(&commit, 1).await;
    house.push("v2-alpine", &labelled(&commit, "echo fine")).await;
    house.shown(&commit, 2).await;

    house.push("v2", &labelled(&commit, "echo mended")).await;
    assert_eq!(house.shown(&commit, 3).await.conclusion(), ("success", "success"));
    assert!(
        house.refused_writes().is_empty(),
        "what is completed stays as it is"
    );
    house.close().await;
}

#[tokio::test]
async fn one_that_passed_and_waits_is_not_left_in_progress_when_its_own_tag_moves() {
    let house = House::open().await;
    let (commit, waiting) = one_waits_for_another(&house).await;
    house.push("v2-alpine", &labelled(&commit, "echo again")).await;
    house.told(&commit, "Passed, waiting for v2 (").await;
    let overtaken = |github: &GitHub| {
        let checks = github.check_runs(&house.repo, &commit);
        let first = checks.into_iter().find(|check| check.id == waiting.id)?;
        first
            .title
            .filter(|title| title.starts_with("Superseded, waiting for v2"))
    };
    house.github.wait_for(PATIENCE, overtaken).await.unwrap();

    house.push("v2", &labelled(&commit, "echo fine")).await;
    let all = house.shown(&commit, 4).await;
    assert_eq!(all.conclusion(), ("success", "success"));
    let checks = house.github.check_runs(&house.repo, &commit);
    let first = checks.iter().find(|check| check.id == waiting.id).unwrap();
    assert_eq!(first.conclusion.as_deref(), Some("success"));
    assert!(
        house.refused_writes().is_empty(),
        "what is completed stays as it is"
    );
    house.close().await;
}

#[tokio::test]
async fn a_digest_that_lost_its_tag_and_is_tested_again_makes_no_commit_red() {
    let house = House::open().await;
    let (commit, image) = house.build_image("mended since", "exit 3");
    house.push("v1", &image).await;
    let first = house.shown(&commit, 1).await;
    assert_eq!(first.conclusion(), ("failure", "failure"));
    house.push("v1", &labelled(&commit, "echo mended")).await;
    assert_eq!(house.shown(&commit, 2).await.conclusion(), ("success", "success"));

    let event = house.github.rerequest_check_run(first.check.id).unwrap();
    house.deliver(event).await;
    let again = house.shown(&commit, 3).await;
    assert_eq!(again.conclusion(), ("success", "success"));
    let title = again.check.title.clone().unwrap();
    assert!(title.starts_with("v1 (sha256:"), "{title}");
    assert!(
        again.summary().contains("This digest itself: **Failed**"),
        "{}",
        again.summary()
    );
    assert!(
        house.refused_writes().is_empty(),
        "what is completed stays as it is"
    );
    house.close().await;
}
