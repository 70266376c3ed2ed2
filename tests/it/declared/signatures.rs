//! Signatures come after the image: a verdict that needs one waits for it, and no longer than it says.

use std::time::Duration;

use hubcheck::demo::images::Image;
use hubcheck::model::{CommitSha, Digest};
use hubcheck::store::PushStage;

use super::declaring;
use crate::support::house::{House, IMAGE, plain};
use crate::support::sigstore::{GITHUB, Workflow};

const SOURCE: &str = "https://github.com/acme/app";

/// What waiting verdicts say.
const WAITS: &str =
    "Waiting: the tests are done, and the commit must be `verified`: signatures are looked for until";

/// One of the repository's own workflows, run for a commit, signs an image.
fn sign(house: &House, commit: &CommitSha, image: &Digest) {
    let workflow = Workflow {
        issuer: GITHUB,
        repo: house.github.repo_id(&house.repo).unwrap(),
        source: SOURCE,
        commit,
    };
    let bundle = house.sigstore.bundle(&workflow, image);
    house.github.attest(&house.repo, image, &bundle, false);
}

async fn demanding() -> House {
    declaring("{ require: verified }").await
}

/// Pushes an image, and waits until its tests are done and its verdict waits.
async fn tested(house: &House, tests: &str) -> (CommitSha, Image) {
    let (commit, image) = house.build_image("signed later", tests);
    house.push("v1", &image).await;
    let check = house.told(&commit, WAITS).await;
    assert_eq!(check.conclusion, None);
    (commit, image)
}

#[tokio::test]
async fn a_verdict_waits_for_the_signature_that_is_made_after_the_push() {
    let house = demanding().await;
    let (commit, image) = tested(&house, "echo tested once").await;
    sign(&house, &commit, image.digest());
    house.clock.advance(Duration::from_secs(61));
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("success", "success"));
    assert!(shown.summary().contains("verified"), "{}", shown.summary());
    let url = shown.check.details_url.as_deref().unwrap();
    let (_, page) = house.page(url.strip_prefix(&house.url).unwrap()).await;
    for told in [
        "Its claims were read again: the evidence is `verified`",
        "signature",
    ] {
        assert!(page.contains(told), "no `{told}` in {page}");
    }
    assert!(!page.contains("start again"), "{page}");
    house.close().await;
}

#[tokio::test]
async fn a_signature_that_never_comes_is_waited_for_five_minutes() {
    let house = demanding().await;
    let (commit, _) = tested(&house, "echo fine").await;
    house.clock.advance(Duration::from_mins(2));
    house.told(&commit, WAITS).await;
    house.clock.advance(Duration::from_mins(4));
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    let title = shown.check.title.as_deref().unwrap();
    assert!(
        title.contains("evidence `claimed` is below `verified`; the tests: "),
        "{title}"
    );
    house.close().await;
}

#[tokio::test]
async fn a_signature_that_names_another_commit_stands_against_the_label() {
    let house = demanding().await;
    let other = house.github.commit(&house.repo, "another").unwrap();
    let (commit, image) = tested(&house, "echo fine").await;
    sign(&house, &other, image.digest());
    house.clock.advance(Duration::from_secs(61));
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    let title = shown.check.title.as_deref().unwrap();
    assert!(
        title.starts_with("claims name different commits; the tests: "),
        "{title}"
    );
    assert!(house.github.check_runs(&house.repo, &other).is_empty());
    house.close().await;
}

#[tokio::test]
async fn a_failure_is_no_failure_of_the_commit_before_it_is_known() {
    let house = demanding().await;
    let (commit, image) = tested(&house, "echo broken; exit 3").await;
    sign(&house, &commit, image.digest());
    house.clock.advance(Duration::from_secs(61));
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("failure", "failure"));
    house.close().await;
}

#[tokio::test]
async fn an_image_that_names_no_commit_waits_for_its_signature_where_one_is_required() {
    let house = demanding().await;
    let commit = house
        .github
        .commit(&house.repo, "named by the signature alone")
        .unwrap();
    let image = plain("echo fine").build();
    house.registry.push(IMAGE, "v1", &image).await;
    let answer = house.announce("v1").await;
    let waits = |words: &'static str| {
        move |push: &hubcheck::store::PushRecord| push.reason.as_ref().is_some_and(|why| why.contains(words))
    };
    let pushes = house
        .pushes(&answer, waits("no signature that holds is there yet"))
        .await;
    assert_eq!(pushes[0].stage, PushStage::Received);
    sign(&house, &commit, image.digest());
    house.clock.advance(Duration::from_secs(61));
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("success", "success"));

    let image = plain("echo fine").build();
    house.registry.push(IMAGE, "v2", &image).await;
    let answer = house.announce("v2").await;
    house
        .pushes(&answer, waits("no signature that holds is there yet"))
        .await;
    house.clock.advance(Duration::from_mins(6));
    house
        .pushes(&answer, |push| push.stage == PushStage::Unmapped)
        .await;
    house.close().await;
}
