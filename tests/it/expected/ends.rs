//! How a wait ends otherwise than by an image or by its time: the file changes, the operator has enough, the same
//! commit comes to be in another way.

use hubcheck::demo::github::NewCommit;

use super::{HALF_AN_HOUR, LATER, all_is_acted_on, awaited, pushed, with_file};
use crate::support::house::{House, labelled};

/// The commit's newest check and status, once both are final.
async fn ended(house: &House, commit: &hubcheck::model::CommitSha, count: usize) -> (String, String, String) {
    let shown = house.shown(commit, count).await;
    let (check, status) = shown.conclusion();
    let (check, status) = (check.to_owned(), status.to_owned());
    (check, status, shown.check.title.unwrap_or_default())
}

#[tokio::test]
async fn a_branch_waits_though_the_merge_queue_was_told_that_nothing_is_built_for_it() {
    let text = "images: { acme/app: { expect: { within: 30m, branches: [main], merge_group: false } } }";
    let house = with_file(text).await;
    let commit = house.github.commit(&house.repo, "merged by the queue").unwrap();
    let event = house.github.merge_group_event(&house.repo, &commit).unwrap();
    house.deliver(event).await;
    let (check, status, _) = ended(&house, &commit, 1).await;
    assert_eq!((check.as_str(), status.as_str()), ("skipped", "success"));

    // The queue moves the branch to the very commit that it tested.
    let event = house.github.push_event(&house.repo, "main").unwrap();
    house.deliver(event).await;
    assert_eq!(awaited(&house, &commit).await.status, "queued");
    house.clock.advance(LATER);
    let (check, status, _) = ended(&house, &commit, 2).await;
    assert_eq!((check.as_str(), status.as_str()), ("timed_out", "failure"));
    house.close().await;
}

#[tokio::test]
async fn a_wait_that_the_file_asks_for_no_more_is_cancelled_and_says_so() {
    let house = with_file(HALF_AN_HOUR).await;
    let commit = pushed(&house, "to be built").await;
    awaited(&house, &commit).await;
    let files = [(".github/hubcheck.yml", "images: { acme/app: {} }")];
    let forgets = NewCommit {
        message: "builds no image any more",
        files: &files,
        ..NewCommit::default()
    };
    let next = house.github.make_commit(&house.repo, &forgets).unwrap();
    // GitHub's suite may be told of before its push: the file is read anew for either.
    let suite = house.github.request_check_suite(&house.repo, &next).unwrap();
    house.deliver(suite).await;
    all_is_acted_on(&house).await;
    assert!(house.github.check_runs(&house.repo, &next).is_empty());

    house.clock.advance(LATER);
    let (check, status, title) = ended(&house, &commit, 1).await;
    assert_eq!((check.as_str(), status.as_str()), ("cancelled", "error"));
    assert_eq!(
        title,
        "the repository's file expects no image of such a commit any more"
    );
    house.close().await;
}

#[tokio::test]
async fn the_operator_ends_a_wait_and_begins_it_anew() {
    let house = with_file(HALF_AN_HOUR).await;
    let commit = pushed(&house, "to be built").await;
    let waiting = awaited(&house, &commit).await;
    let id = waiting.external_id.unwrap();
    let (code, answer) = house.order(&format!("/api/v1/runs/{id}/rerun")).await;
    assert_eq!(code, 409, "{answer}");
    let (code, _) = house.order(&format!("/api/v1/runs/{id}/cancel")).await;
    assert_eq!(code, 202);
    let (check, status, title) = ended(&house, &commit, 1).await;
    assert_eq!((check.as_str(), status.as_str()), ("cancelled", "error"));
    assert_eq!(title, "cancelled by the operator");
    let (code, _) = house.order(&format!("/api/v1/runs/{id}/cancel")).await;
    assert_eq!(code, 409);
    let story = house.operators_json(&format!("/api/v1/runs/{id}")).await;
    assert_eq!(story["outcome"], "cancelled");

    let (code, _) = house.order(&format!("/api/v1/runs/{id}/rerun")).await;
    assert_eq!(code, 202);
    let again = awaited(&house, &commit).await;
    assert_ne!(again.id, waiting.id);
    house.push("v1", &labelled(&commit, "echo fine")).await;
    let (check, status, _) = ended(&house, &commit, 2).await;
    assert_eq!((check.as_str(), status.as_str()), ("success", "success"));

    // What is asked for of the first check by now is a run of the image.
    let event = house.github.rerequest_check_run(waiting.id).unwrap();
    house.deliver(event).await;
    let (check, status, _) = ended(&house, &commit, 3).await;
    assert_eq!((check.as_str(), status.as_str()), ("success", "success"));
    house.close().await;
}

#[tokio::test]
async fn what_was_skipped_is_skipped_once_more_so_that_no_suite_stays_queued() {
    let text = "images: { acme/app: { expect: { within: 30m, merge_group: false } } }";
    let house = with_file(text).await;
    let commit = house.github.commit(&house.repo, "put together").unwrap();
    let event = house.github.merge_group_event(&house.repo, &commit).unwrap();
    house.deliver(event).await;
    let first = house.shown(&commit, 1).await;
    assert_eq!(first.conclusion(), ("skipped", "success"));
    let event = house.github.rerequest_check_run(first.check.id).unwrap();
    house.deliver(event).await;
    assert_eq!(house.shown(&commit, 2).await.conclusion(), ("skipped", "success"));
    let event = house.github.rerequest_check_suite(&house.repo, &commit).unwrap();
    house.deliver(event).await;
    assert_eq!(house.shown(&commit, 3).await.conclusion(), ("skipped", "success"));
    all_is_acted_on(&house).await;
    assert_eq!(house.github.check_runs(&house.repo, &commit).len(), 3);
    house.close().await;
}

#[tokio::test]
async fn variants_that_are_all_that_is_tested_are_waited_for_by_their_names() {
    let text = "images: { acme/app: { expect: 30m, tags: [\"*-slim\", \"*-alpine\"],
        variants: { slim: \"*-slim\", alpine: \"*-alpine\" } } }";
    let house = with_file(text).await;
    let commit = pushed(&house, "two variants").await;
    let names = |github: &hubcheck::demo::github::GitHub| {
        let checks = github.check_runs(&house.repo, &commit);
        let mut names: Vec<String> = checks.into_iter().map(|check| check.name).collect();
        names.sort();
        (names.len() == 2).then_some(names)
    };
    let waiting = house
        .github
        .wait_for(crate::support::house::PATIENCE, names)
        .await
        .unwrap();
    assert_eq!(
        waiting,
        ["hubcheck / acme/app (alpine)", "hubcheck / acme/app (slim)"]
    );
    for tag in ["v1-slim", "v1-alpine"] {
        house.push(tag, &labelled(&commit, "echo fine")).await;
    }
    house.shown(&commit, 2).await;
    let checks = house.github.check_runs(&house.repo, &commit);
    let conclusions: Vec<_> = checks.iter().map(|check| check.conclusion.as_deref()).collect();
    assert_eq!(conclusions, [Some("success"); 2], "the waits became the runs");
    house.close().await;
}

#[tokio::test]
async fn an_image_that_came_as_a_variant_is_told_of_where_the_image_itself_did_not_come() {
    let text = "images: { acme/app: { expect: 30m, variants: { alpine: \"*-alpine\" } } }";
    let house = with_file(text).await;
    let commit = pushed(&house, "one of two is built").await;
    awaited(&house, &commit).await;
    house.push("v1-alpine", &labelled(&commit, "echo fine")).await;
    let alpine = |github: &hubcheck::demo::github::GitHub| {
        let checks = github.check_runs(&house.repo, &commit);
        let done = checks.into_iter().filter(|check| check.conclusion.is_some());
        done.into_iter().find(|check| check.name.ends_with("(alpine)"))
    };
    house
        .github
        .wait_for(crate::support::house::PATIENCE, alpine)
        .await
        .unwrap();
    house.clock.advance(LATER);
    let plain = |github: &hubcheck::demo::github::GitHub| {
        let checks = github.check_runs(&house.repo, &commit);
        let done = checks.into_iter().filter(|check| check.conclusion.is_some());
        done.into_iter().find(|check| check.name == "hubcheck / acme/app")
    };
    let plain = house
        .github
        .wait_for(crate::support::house::PATIENCE, plain)
        .await
        .unwrap();
    assert_eq!(plain.conclusion.as_deref(), Some("timed_out"));
    let summary = plain.summary.unwrap();
    assert!(
        summary.contains("it was built from this commit, and is told by hubcheck / acme/app"),
        "{summary}"
    );
    house.close().await;
}
