//! A write may or may not have happened: it is looked up, and stands there once.

use std::time::Duration;

use http::{Method, StatusCode};
use hubcheck::demo::github::{Fault, Trouble};

use crate::support::outbox::Outbox;

/// Everything that leaves the outcome open: before the write was done, and after.
fn troubles() -> Vec<Trouble> {
    let status = [
        StatusCode::BAD_GATEWAY,
        StatusCode::CONFLICT,
        StatusCode::INTERNAL_SERVER_ERROR,
    ];
    let answers = status
        .into_iter()
        .flat_map(|status| [Trouble::ErrorBefore(status), Trouble::ErrorAfter(status)]);
    answers.chain([Trouble::DropBefore, Trouble::DropAfter]).collect()
}

#[tokio::test]
async fn a_create_whose_outcome_is_not_known_stands_there_once() {
    let mut outbox = Outbox::new().await;
    let mut papers = Vec::new();
    for trouble in troubles() {
        papers.push(outbox.judged().await);
        for path in ["/check-runs", "/statuses"] {
            outbox.github.fail(Fault::on(Method::POST, path, trouble.clone()));
        }
    }
    outbox.open().await;
    for paper in &papers {
        outbox.shown(paper).await;
    }
    outbox.done().await;
    for (paper, trouble) in papers.iter().zip(troubles()) {
        let statuses = outbox.github.statuses(&outbox.repo, &paper.commit);
        assert_eq!(statuses.len(), 1, "{trouble:?}: {statuses:#?}");
    }
    let looked_up = outbox.requests(&Method::GET, "check-runs?filter=all");
    assert_eq!(
        looked_up.len(),
        papers.len(),
        "each lost answer is looked for once"
    );
    assert!(outbox.requests(&Method::GET, "access_tokens").is_empty());
    outbox.shut().await;
}

#[tokio::test]
async fn an_update_whose_outcome_is_not_known_is_repeated_until_it_stands() {
    let mut outbox = Outbox::new().await;
    let mut papers = Vec::new();
    for _ in troubles() {
        papers.push(outbox.waiting().await);
    }
    outbox.open().await;
    for paper in &papers {
        outbox.seen(|_| outbox.check(paper)).await;
        outbox.troubled(paper).await;
    }
    outbox.done().await;
    for trouble in troubles() {
        outbox
            .github
            .fail(Fault::on(Method::PATCH, "/check-runs", trouble));
    }
    outbox.pass(Duration::from_hours(2));
    for paper in &papers {
        let (check, _) = outbox.shown(paper).await;
        assert_eq!(check.conclusion.as_deref(), Some("timed_out"));
    }
    outbox.shut().await;
}

#[tokio::test]
async fn a_connection_that_is_reset_after_the_request_leaves_one_check_run() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    outbox.wire.lose_answer_to("POST /repos/acme/app/check-runs");
    outbox.open().await;
    outbox.shown(&paper).await;
    outbox.done().await;
    assert_eq!(outbox.requests(&Method::POST, "/check-runs").len(), 1);
    let looked_up = outbox.requests(&Method::GET, "check-runs?filter=all");
    assert_eq!(looked_up.len(), 1, "the answer was lost");
    outbox.shut().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_as_good_as_none() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    // Enough for no answer at all, the token's included.
    outbox.wire.cut_after(100);
    outbox.open().await;
    outbox.put_off().await;
    outbox.wire.pass();
    outbox.shown(&paper).await;
    outbox.shut().await;
}

#[tokio::test]
async fn a_request_that_is_never_answered_is_given_up_and_sent_again() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    let never = Trouble::Latency(Duration::from_hours(1));
    outbox.github.fail(Fault::on(Method::POST, "/check-runs", never));
    outbox.open().await;
    outbox.shown(&paper).await;
    let looked_up = outbox.requests(&Method::GET, "check-runs?filter=all");
    assert_eq!(looked_up.len(), 1, "it might have been done");
    outbox.shut().await;
}
