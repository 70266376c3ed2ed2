//! Tags that stand for Git refs, and short SHAs: how Docker Hub's own builds are known, whose images name nothing.

use hubcheck::demo::github::NewCommit;
use hubcheck::model::CommitSha;
use hubcheck::store::PushStage;
use jiff::{Timestamp, ToSpan as _};

use super::{declare, declaring, unbound};
use crate::support::house::{House, IMAGE, plain};

/// A commit on the default branch of so many minutes ago.
fn commit(house: &House, message: &str, minutes_ago: i64) -> CommitSha {
    let new = NewCommit {
        message,
        committed_at: Some(Timestamp::now() - minutes_ago.minutes()),
        ..NewCommit::default()
    };
    house.github.make_commit(&house.repo, &new).unwrap()
}

#[tokio::test]
async fn docker_hubs_classic_set_up_turns_green_on_the_right_commits() {
    let house = unbound().await;
    let released = commit(&house, "release 1.2.3", 60);
    house.github.set_tag(&house.repo, "v1.2.3", &released);
    let newest = commit(&house, "on main", 30);
    declare_in_the_past(&house).await;

    for (tag, right) in [("1.2.3", &released), ("latest", &newest)] {
        let image = plain("echo fine").build();
        house.push(tag, &image).await;
        let shown = house.shown(right, 1).await;
        assert_eq!(
            shown.conclusion(),
            ("success", "success"),
            "{tag}: {}",
            shown.summary()
        );
        assert!(shown.summary().contains("inferred"), "{}", shown.summary());
    }
    house.close().await;
}

/// Three lines of YAML, on a branch that becomes the default one: the commit is no part of `main`.
async fn declare_in_the_past(house: &House) {
    // Whatever is read later would find the branch as it is set back below.
    house.is_indexed(1).await;
    let head = house.github.branch(&house.repo, "main").unwrap();
    declare(
        house,
        "images:\n  acme/app:\n    refs: { latest: heads/main, \"*.*.*\": \"tags/v*.*.*\" }\n",
    )
    .await;
    house.is_indexed(1).await;
    house.github.set_branch(&house.repo, "main", &head);
}

#[tokio::test]
async fn an_image_is_never_of_a_commit_that_is_younger_than_it() {
    let house = declaring("{ refs: { latest: heads/main } }").await;
    let built_of = commit(&house, "built of this", 30);
    let _later = commit(&house, "pushed while it was built", 10);
    let created = (Timestamp::now() - 20.minutes()).to_string();
    let image = plain("echo fine").created(&created).build();
    house.push("latest", &image).await;
    assert_eq!(
        house.shown(&built_of, 1).await.conclusion(),
        ("success", "success")
    );
    house.close().await;
}

#[tokio::test]
async fn what_the_image_says_itself_comes_before_what_its_tag_stands_for() {
    let house = declaring("{ refs: { latest: heads/main } }").await;
    let older = commit(&house, "what it says", 30);
    commit(&house, "what the tag stands for", 20);
    let image = plain("echo fine")
        .label("org.opencontainers.image.revision", older.as_str())
        .build();
    house.push("latest", &image).await;
    let shown = house.shown(&older, 1).await;
    assert_eq!(shown.conclusion(), ("success", "success"));
    assert!(shown.summary().contains("claimed"), "{}", shown.summary());
    house.close().await;
}

#[tokio::test]
async fn a_tag_that_stands_for_a_branch_that_is_not_there_waits_and_then_says_so() {
    let house = declaring("{ refs: { \"*\": \"heads/*\" } }").await;
    house
        .registry
        .push(IMAGE, "feature", &plain("echo fine").build())
        .await;
    let answer = house.announce("feature").await;
    let pushes = house.pushes(&answer, |push| push.reason.is_some()).await;
    let why = pushes[0].reason.clone().unwrap();
    assert!(
        why.contains("heads/feature") && why.contains("no such branch"),
        "{why}"
    );
    assert_eq!(pushes[0].stage, PushStage::Received);

    // The branch may be pushed after the image. Of its two commits the first push may mean either.
    let before = house.github.branch(&house.repo, "main").unwrap();
    let commit = house.github.commit(&house.repo, "the branch").unwrap();
    house.github.set_branch(&house.repo, "feature", &commit);
    house.clock.advance(std::time::Duration::from_mins(1));
    house.announce("feature").await;
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("success", "success"));
    for check in house.github.check_runs(&house.repo, &before) {
        assert_ne!(check.conclusion.as_deref(), Some("failure"));
    }
    house.close().await;
}

#[tokio::test]
async fn a_short_sha_is_green_only_for_those_who_let_it() {
    for (lines, conclusion) in [
        ("{}", ("action_required", "error")),
        ("{ require: inferred }", ("success", "success")),
        ("{ when_unsure: pass }", ("neutral", "success")),
    ] {
        let house = declaring(lines).await;
        let commit = house.github.commit(&house.repo, "short").unwrap();
        let image = plain("echo fine")
            .label("org.label-schema.vcs-ref", &commit.as_str()[..7].to_uppercase())
            .build();
        house.push("v1", &image).await;
        let shown = house.shown(&commit, 1).await;
        assert_eq!(shown.conclusion(), conclusion, "{lines}");
        if conclusion.0 != "success" {
            let title = shown.check.title.clone().unwrap();
            assert!(
                title.starts_with("evidence `inferred` is below `claimed`; the tests: 1 passed"),
                "{title}"
            );
            let description = shown.status.description.clone().unwrap();
            assert!(description.contains("inferred"), "{description}");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn a_run_that_is_asked_for_again_is_never_moved_to_another_commit() {
    let house = declaring("{}").await;
    let commits = ["the first head", "the second head"].map(|message| {
        let new = NewCommit {
            message,
            parents: Some(&[]),
            ..NewCommit::default()
        };
        house.github.make_commit(&house.repo, &new).unwrap()
    });
    let [first, second] = &commits;
    let number = house.github.open_pull(&house.repo, first, false);
    house
        .push(&format!("pr-{number}"), &plain("echo fine").build())
        .await;
    let shown = house.shown(first, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));

    house.github.move_pull(&house.repo, number, second);
    declare(&house, "images:\n  acme/app: { require: inferred }\n").await;
    let again = house.github.rerequest_check_run(shown.check.id).unwrap();
    house.deliver(again).await;
    let shown = house.shown(first, 2).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    let title = shown.check.title.clone().unwrap();
    assert!(title.contains("leads to another check"), "{title}");
    assert!(house.github.check_runs(&house.repo, second).is_empty());
    house.close().await;
}

#[tokio::test]
async fn evidence_that_is_required_in_vain_blocks_also_what_a_label_claims() {
    let house = declaring("{ require: built }").await;
    let (commit, image) = house.build_image("claimed only", "echo fine");
    house.push("v1", &image).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    assert!(shown.summary().contains("below"), "{}", shown.summary());
    house.close().await;
}
