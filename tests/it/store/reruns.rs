//! Runs that are asked for once more: tested again, and read again where somebody had to act first.

use hubcheck::model::{InstallationId, Outcome, RunId, Verdict};
use hubcheck::store::{Admission, JobKind, Rerun, Run, Wanted};

use super::passed;
use crate::support::store::{Shelf, delivery, new_run, on_both_engines};

on_both_engines! {
    a_rerun_is_a_new_attempt_on_the_same_digest,
    a_superseded_run_can_be_run_again_and_leaves_the_status_to_its_successor,
    what_waited_for_somebody_is_read_again_before_its_tests,
    what_could_not_be_read_again_is_so_the_next_time,
    what_is_planned_like_another_run_is_an_attempt_after_it,
    a_verdict_without_tests_is_found_out_once_more_by_whoever_comes_after_a_kill,
    of_an_image_that_nobody_could_read_there_is_no_digest_to_read_again,
}

/// Somebody asks for a run again.
async fn asked_for(shelf: &Shelf, run: RunId) -> Option<Rerun> {
    let mut wish = delivery("acme/app", "v1");
    wish.pushes.clear();
    wish.acts = true;
    shelf.intake.take(wish).await;
    let event = shelf.claim(JobKind::GithubEvent).await;
    shelf.store.rerun(&event, run, &event.subject).await.unwrap()
}

/// The new attempt that comes of that.
async fn made(shelf: &Shelf, run: RunId) -> Run {
    match asked_for(shelf, run).await {
        Some(Rerun::Made(again)) => shelf.store.run(again).await.unwrap().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// A run that was over before it began, as there is something to be mended.
async fn blocked(shelf: &Shelf, tag: &str) -> RunId {
    blocked_with(shelf, tag, false).await
}

async fn blocked_with(shelf: &Shelf, tag: &str, is_unread: bool) -> RunId {
    let (pushes, held) = shelf.push("acme/app", tag).await;
    let mut new = new_run(tag, '1', 1);
    new.policy.is_unread = is_unread;
    new.policy.blocked = Some("the file is broken".to_owned());
    new.settled = new.policy.blocked_verdict();
    match shelf.store.admit(&held, &pushes, &[new]).await.unwrap().remove(0) {
        Admission::Made { run, .. } => run,
        other => panic!("no run was made: {other:?}"),
    }
}

async fn a_rerun_is_a_new_attempt_on_the_same_digest(shelf: Shelf) {
    let run = shelf.made("v1", '1', 1).await;
    assert_eq!(asked_for(&shelf, run).await, Some(Rerun::UnderWay(run)));

    let testing = shelf.testing().await;
    shelf
        .store
        .finish_run(&testing, run, &passed(), b"")
        .await
        .unwrap();
    let Some(Rerun::Made(again)) = asked_for(&shelf, run).await else {
        panic!("a finished run can be run again")
    };
    let again = shelf.store.run(again).await.unwrap().unwrap();
    assert_eq!((again.attempt, again.digest), (2, new_run("v1", '1', 1).digest));
}

async fn a_superseded_run_can_be_run_again_and_leaves_the_status_to_its_successor(shelf: Shelf) {
    let old = shelf.made("latest", '1', 1).await;
    let new = shelf.made("latest", '2', 2).await;
    let Some(Rerun::Made(again)) = asked_for(&shelf, old).await else {
        panic!("a superseded run can be run again")
    };
    let again = shelf.store.run(again).await.unwrap().unwrap();
    assert_eq!(again.superseded_by, Some(new));
    let statuses = shelf
        .store
        .due_statuses(InstallationId(42), (Wanted::All, 10))
        .await
        .unwrap();
    assert_eq!(
        statuses.iter().map(|status| status.run).collect::<Vec<_>>(),
        [new]
    );
    let current = shelf
        .store
        .current_runs_of_commit(again.source.repo.id, &again.source.commit)
        .await
        .unwrap();
    assert_eq!(current.iter().map(|run| run.id).collect::<Vec<_>>(), [new]);
}

async fn what_waited_for_somebody_is_read_again_before_its_tests(shelf: Shelf) {
    let store = &shelf.store;
    let first = blocked(&shelf, "v1").await;
    let again = made(&shelf, first).await;
    assert!(again.looks_again);
    let testing = shelf.testing().await;
    let mended = new_run("v1", '1', 1);
    store.planned_anew(&testing, again.id, &mended).await.unwrap();
    let planned = store.run(again.id).await.unwrap().unwrap();
    assert_eq!((planned.looks_again, planned.attempt), (false, 2));
    assert_eq!((planned.policy.blocked, planned.plan), (None, mended.plan));

    store
        .finish_run(&testing, again.id, &passed(), b"")
        .await
        .unwrap();
    let third = made(&shelf, again.id).await;
    assert_eq!(
        (third.looks_again, third.attempt),
        (false, 3),
        "nobody was waited for"
    );
    assert!(made(&shelf, first).await.looks_again);
}

async fn what_could_not_be_read_again_is_so_the_next_time(shelf: Shelf) {
    let first = blocked(&shelf, "v1").await;
    let again = made(&shelf, first).await;
    let testing = shelf.testing().await;
    let trouble = Verdict::without_steps(Outcome::Trouble, "the registry was away for an hour");
    let finished = shelf.store.finish_run(&testing, again.id, &trouble, b"").await;
    finished.unwrap();
    assert!(made(&shelf, first).await.looks_again);
}

async fn what_is_planned_like_another_run_is_an_attempt_after_it(shelf: Shelf) {
    let first = blocked(&shelf, "v1").await;
    let again = made(&shelf, first).await;
    let testing = shelf.testing().await;
    let pushed = shelf.made("v1", '1', 2).await;
    let mended = new_run("v1", '1', 1);
    let planned = shelf.store.planned_anew(&testing, again.id, &mended).await;
    planned.unwrap();
    let attempt = async |run| shelf.store.run(run).await.unwrap().unwrap().attempt;
    assert_eq!((attempt(pushed).await, attempt(again.id).await), (1, 2));

    let finished = shelf.store.finish_run(&testing, again.id, &passed(), b"").await;
    finished.unwrap();
    assert_eq!(
        made(&shelf, pushed).await.attempt,
        3,
        "the attempts of both count"
    );
}

async fn a_verdict_without_tests_is_found_out_once_more_by_whoever_comes_after_a_kill(shelf: Shelf) {
    let first = blocked(&shelf, "v1").await;
    let again = made(&shelf, first).await;
    let testing = shelf.testing().await;
    let mut still = new_run("v1", '1', 1);
    still.policy.blocked = Some("the file is broken in another place".to_owned());
    still.settled = still.policy.blocked_verdict();
    let planned = shelf.store.planned_anew(&testing, again.id, &still).await;
    planned.unwrap();
    assert!(shelf.store.run(again.id).await.unwrap().unwrap().looks_again);
}

async fn of_an_image_that_nobody_could_read_there_is_no_digest_to_read_again(shelf: Shelf) {
    let unread = blocked_with(&shelf, "v1", true).await;
    assert!(!made(&shelf, unread).await.looks_again);
}
