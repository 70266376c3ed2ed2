//! Private images: whose account they are pulled with, and what a stranger gets who declares one.

use http::{Method, StatusCode};
use hubcheck::demo::github::{Fault, Trouble};
use hubcheck::store::PushStage;

use super::declare;
use crate::support::house::{House, IMAGE, plain};

#[tokio::test]
async fn a_stranger_who_declares_a_private_image_gets_nothing() {
    let house = House::with_private_image_and(|config| config.images.clear()).await;
    declare(&house, "images:\n  acme/app:\n").await;
    let (commit, image) = house.build_image("not yours", "echo the secret recipe");
    house.registry.push(IMAGE, "v1", &image).await;
    let answer = house.announce("v1").await;
    let pushes = house
        .pushes(&answer, |push| push.stage != PushStage::Received)
        .await;
    assert_eq!(pushes[0].stage, PushStage::Unmapped);
    let why = pushes[0].reason.clone().unwrap();
    assert!(why.contains("allow"), "{why}");
    assert!(house.github.writes().is_empty());
    assert!(house.github.check_runs(&house.repo, &commit).is_empty());
    let stored = house.stored();
    let needle = b"the secret recipe";
    assert!(!stored.windows(needle.len()).any(|window| window == needle));
    house.close().await;
}

#[tokio::test]
async fn a_repository_on_the_list_uses_the_account_and_shows_no_log_unasked() {
    for (lines, is_shown) in [("{}", false), ("{ publish_private_logs: true }", true)] {
        let house = House::with_private_image_and(|config| {
            config.images.clear();
            let registry = config.registries.get_mut("docker.io").unwrap();
            registry.allow = vec!["acme/*".to_owned()];
        })
        .await;
        declare(&house, &format!("images:\n  acme/app: {lines}\n")).await;
        let (commit, image) = house.build_image("on the list", "echo the recipe");
        house.push("v1", &image).await;
        let shown = house.shown(&commit, 1).await;
        assert_eq!(shown.conclusion(), ("success", "success"), "{}", shown.summary());
        assert_eq!(
            shown.summary().contains("the recipe"),
            is_shown,
            "{}",
            shown.summary()
        );
        house.close().await;
    }
}

#[tokio::test]
async fn a_private_image_without_an_account_is_told_of_on_the_commit_that_its_tag_alone_names() {
    let house = House::with_private_image_and(|config| {
        let registry = config.registries.get_mut("docker.io").unwrap();
        (registry.username, registry.password) = (None, None);
    })
    .await;
    let commit = declare(&house, "images:\n  acme/app: { refs: { latest: heads/main } }\n").await;
    // That GitHub cannot be asked just now does not make it the delivery's affair.
    let fails = Trouble::ErrorBefore(StatusCode::BAD_GATEWAY);
    house
        .github
        .fail(Fault::on(Method::GET, "/commits", fails).times(2));
    house.push("latest", &plain("echo it ran").build()).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    let title = shown.check.title.clone().unwrap();
    assert!(title.contains("there is no account for it"), "{title}");
    assert!(!shown.summary().contains("sha256:"), "{}", shown.summary());

    // A tag that names no commit is told of on the delivery alone.
    let delivery = house.announce("other").await;
    let pushes = house
        .pushes(&delivery, |push| push.stage == PushStage::Unmapped)
        .await;
    assert!(
        pushes[0].reason.as_ref().unwrap().contains("there is no account"),
        "{pushes:?}"
    );
    assert_eq!(house.github.check_runs(&house.repo, &commit).len(), 1);
    house.close().await;
}
