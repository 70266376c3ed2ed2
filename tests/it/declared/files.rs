//! What the file binds, and what becomes of one that is broken, moved or taken away.

use hubcheck::demo::github::NewCommit;
use hubcheck::model::Visibility;
use hubcheck::store::PushStage;

use super::{FILE, declare, declaring, unbound};
use crate::support::house::{House, IMAGE, labelled, plain, today};

#[tokio::test]
async fn an_image_that_its_repository_declares_is_tested_by_its_own_steps() {
    let house =
        declaring("{ tests: [{ run: unit }, { name: api, run: [api, all], env: { MODE: ci } }] }").await;
    let (commit, image) = house.build_image("declared", "echo \"$1 in ${MODE:-none}\"");
    house.push("v1", &image).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("success", "success"), "{}", shown.summary());
    for text in ["declared", "unit in none", "api in ci"] {
        assert!(shown.summary().contains(text), "{text} in {}", shown.summary());
    }
    house.close().await;
}

#[tokio::test]
async fn what_stands_there_before_the_start_is_read_at_the_start() {
    let house = House::with_file("images:\n  acme/*:\n", |config| config.images.clear()).await;
    let (commit, image) = house.build_image("declared before", "echo fine");
    house.push("v1", &image).await;
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("success", "success"));
    house.close().await;
}

#[tokio::test]
async fn an_image_that_nobody_declares_is_ignored_with_the_mend() {
    let house = declaring("{}").await;
    declare(&house, "images:\n  acme/other:\n").await;
    house.is_indexed(1).await;
    let answer = house.post(&house.hook(), today("v1").to_string()).await;
    assert_eq!(answer["decision"], "ignored", "{answer}");
    let reason = answer["reason"].as_str().unwrap();
    assert!(
        reason.contains(".github/hubcheck.yml") && reason.contains("[[image]]"),
        "{reason}"
    );
    house.close().await;
}

#[tokio::test]
async fn a_file_that_breaks_keeps_its_image_and_the_check_says_where() {
    let house = declaring("{}").await;
    declare(&house, "images:\n  acme/app:\n    netwrok: bridge\n").await;
    let (commit, image) = house.build_image("broken file", "echo fine");
    house.push("v1", &image).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    let title = shown.check.title.clone().unwrap();
    assert_eq!(
        title,
        ".github/hubcheck.yml, line 3, column 5, at `images.acme/app.netwrok`: there is no key `netwrok`: did you mean `network`?"
    );
    assert!(!shown.summary().contains("fine"), "nothing was run");

    declare(&house, "images:\n  acme/app:\n    network: none\n").await;
    let (commit, image) = house.build_image("mended file", "echo fine");
    house.push("v2", &image).await;
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("success", "success"));
    house.close().await;
}

#[tokio::test]
async fn a_run_that_waited_for_its_tests_and_is_asked_for_again_tests_the_same_digest_by_the_file_that_came()
{
    let house = unbound().await;
    let commit = house.github.commit(&house.repo, "no tests yet").unwrap();
    declare(&house, "images:\n  acme/app:\n").await;
    // A `test` that is a file: the image has no entrypoint, and the shell's own test runs.
    let image = plain("unused")
        .entrypoint(&[])
        .label("org.opencontainers.image.revision", commit.as_str())
        .build();
    let digest = house.push("v1", &image).await;
    let first = house.shown(&commit, 1).await;
    assert_eq!(first.conclusion(), ("action_required", "error"));
    assert!(
        first.summary().contains("run this check again"),
        "{}",
        first.summary()
    );
    // Whatever the tag means by now.
    let (other, moved) = house.build_image("the next one", "echo two");
    house.push("v1", &moved).await;
    house.shown(&other, 1).await;

    declare(
        &house,
        "images:\n  acme/app: { tests: [{ run: [/bin/busybox, echo, came late] }] }\n",
    )
    .await;
    let suite = house.github.rerequest_check_suite(&house.repo, &commit).unwrap();
    house.deliver(suite).await;
    let second = house.shown(&commit, 2).await;
    assert_eq!(
        second.conclusion(),
        ("success", "success"),
        "{}",
        second.summary()
    );
    assert!(second.summary().contains("came late"), "{}", second.summary());
    assert!(second.summary().contains(digest.as_str()), "{}", second.summary());

    // Asked again for the first one, the tests that there are by now are run again.
    let first = house.github.rerequest_check_run(first.check.id).unwrap();
    house.deliver(first).await;
    let third = house.shown(&commit, 3).await;
    assert_eq!(third.conclusion(), ("success", "success"), "{}", third.summary());
    house.close().await;
}

#[tokio::test]
async fn a_run_that_is_asked_for_again_and_leads_nowhere_by_now_is_answered_all_the_same() {
    let house = declaring("{}").await;
    let (commit, image) = house.build_image("before it broke", "echo fine");
    declare(&house, "images:\n  acme/app:\n    netwrok: bridge\n").await;
    house.push("v1", &image).await;
    let first = house.shown(&commit, 1).await;
    assert_eq!(first.conclusion(), ("action_required", "error"));

    // Nobody declares the image any more.
    declare(&house, "images:\n  acme/other:\n").await;
    let again = house.github.rerequest_check_run(first.check.id).unwrap();
    house.deliver(again).await;
    let second = house.shown(&commit, 2).await;
    assert_eq!(second.conclusion(), ("action_required", "error"));
    let title = second.check.title.clone().unwrap();
    assert!(title.contains(".github/hubcheck.yml"), "{title}");
    house.close().await;
}

#[tokio::test]
async fn a_broken_file_at_the_commit_is_told_and_nothing_is_run_not_even_again() {
    let house = declaring("{}").await;
    let new = NewCommit {
        message: "break it on a branch",
        files: &[(FILE, "images: [\n")],
        parents: Some(&[]),
        ..NewCommit::default()
    };
    let commit = house.github.make_commit(&house.repo, &new).unwrap();
    house.github.set_branch(&house.repo, "feature", &commit);
    house.push("v1", &labelled(&commit, "echo it ran")).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    let title = shown.check.title.clone().unwrap();
    assert!(
        title.starts_with("at this commit, .github/hubcheck.yml, line "),
        "{title}"
    );

    house
        .deliver(house.github.rerequest_check_run(shown.check.id).unwrap())
        .await;
    let again = house.shown(&commit, 2).await;
    assert_eq!(again.conclusion(), ("action_required", "error"));
    assert!(!again.summary().contains("it ran"), "{}", again.summary());
    assert_eq!(again.check.title, Some(title), "a commit does not change");
    house.close().await;
}

#[tokio::test]
async fn an_operators_binding_and_a_broken_file_run_nothing() {
    let house = House::with_file("images:\n  acme/app:\n    limits: { memory: lots }\n", |_| ()).await;
    let (commit, image) = house.build_image("bound and broken", "echo fine");
    house.push("v1", &image).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    assert!(shown.summary().contains("line 3"), "{}", shown.summary());
    house.close().await;
}

#[tokio::test]
async fn a_repository_is_known_by_its_number_whatever_it_is_called() {
    let house = declaring("{}").await;
    let (commit, image) = house.build_image("before the move", "echo fine");
    let new_name = "acme/renamed".parse().unwrap();
    house.github.rename(&house.repo, &new_name);
    house.push("v1", &image).await;
    let checks = house
        .github
        .wait_for(crate::support::house::PATIENCE, |github| {
            let checks = github.check_runs(&new_name, &commit);
            checks
                .iter()
                .any(|check| check.conclusion.is_some())
                .then_some(checks)
        })
        .await
        .unwrap();
    assert_eq!(checks[0].conclusion.as_deref(), Some("success"));
    house.close().await;
}

#[tokio::test]
async fn a_file_or_an_installation_that_is_gone_binds_nothing() {
    let house = declaring("{}").await;
    let gone = house.github.uninstall("acme").unwrap();
    house.deliver(gone).await;
    ignored_in_the_end(&house).await;
    house.close().await;

    let house = declaring("{}").await;
    let new = NewCommit {
        message: "no more",
        removes: &[FILE],
        ..NewCommit::default()
    };
    house.github.make_commit(&house.repo, &new).unwrap();
    house
        .deliver(house.github.push_event(&house.repo, "main").unwrap())
        .await;
    ignored_in_the_end(&house).await;
    house.close().await;
}

/// Once the bot has read what there is, the image is nobody's.
async fn ignored_in_the_end(house: &House) {
    let image = IMAGE.parse().unwrap();
    house
        .until("nobody declares the image", async |store| {
            !store.may_be_declared(&image).await.unwrap()
        })
        .await;
    assert_eq!(house.announce("v1").await["decision"], "ignored");
}

#[tokio::test]
async fn of_several_that_declare_an_image_it_speaks_for_the_one_that_it_names() {
    let house = declaring("{}").await;
    let other = "acme/fork".parse().unwrap();
    house.github.add_repo(&other, Visibility::Public);
    let theirs = NewCommit {
        message: "we want it too",
        files: &[(FILE, "images:\n  acme/app:\n")],
        ..NewCommit::default()
    };
    house.github.make_commit(&other, &theirs).unwrap();
    house
        .deliver(house.github.selection_event(&other, "added").unwrap())
        .await;
    house.is_indexed(2).await;

    let commit = house.github.commit(&house.repo, "ours").unwrap();
    let source = format!("{}/{}.git", house.github.url(), house.repo);
    let named = plain("echo fine")
        .label("org.opencontainers.image.source", &source)
        .label("org.opencontainers.image.revision", commit.as_str())
        .build();
    house.push("v1", &named).await;
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("success", "success"));

    house
        .registry
        .push(IMAGE, "v2", &labelled(&commit, "echo fine"))
        .await;
    let answer = house.announce("v2").await;
    let pushes = house
        .pushes(&answer, |push| push.stage != PushStage::Received)
        .await;
    assert_eq!(pushes[0].stage, PushStage::Unmapped);
    let why = pushes[0].reason.clone().unwrap();
    assert!(
        why.contains("2 repositories declare") && why.contains("image.source"),
        "{why}"
    );
    house.close().await;
}

#[tokio::test]
async fn a_claim_about_another_repository_says_nothing_of_ours() {
    let house = declaring("{}").await;
    let commit = house.github.commit(&house.repo, "ours").unwrap();
    let inherited = plain("echo fine")
        .label(
            "org.opencontainers.image.source",
            &format!("{}/base/image", house.github.url()),
        )
        .label("org.opencontainers.image.revision", commit.as_str())
        .build();
    house.registry.push(IMAGE, "v1", &inherited).await;
    let answer = house.announce("v1").await;
    let pushes = house
        .pushes(&answer, |push| push.stage != PushStage::Received)
        .await;
    assert_eq!(pushes[0].stage, PushStage::Unmapped, "{:?}", pushes[0].reason);
    assert!(house.github.writes().is_empty());
    house.close().await;
}

#[tokio::test]
async fn pushes_that_come_while_the_files_are_being_read_wait_for_that() {
    let house = unbound().await;
    let new = NewCommit {
        message: "declared while GitHub is away",
        files: &[(FILE, "images:\n  acme/app:\n")],
        ..NewCommit::default()
    };
    house.github.make_commit(&house.repo, &new).unwrap();
    house.github.outage(true);
    house
        .deliver(house.github.push_event(&house.repo, "main").unwrap())
        .await;
    house.indexing().await;
    let (commit, image) = house.build_image("early bird", "echo fine");
    house.push("v1", &image).await;
    house.github.outage(false);
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("success", "success"));
    house.close().await;
}
