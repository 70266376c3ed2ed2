//! Runs are found, joined and superseded as the contract says.

use std::time::Duration;

use hubcheck::model::{Evidence, InstallationId, Outcome, Verdict};
use hubcheck::store::{Admission, JobKind, Stage, StoreError, Wanted};

use super::passed;
use crate::support::store::{Shelf, on_both_engines};

on_both_engines! {
    three_tags_of_one_digest_share_a_run,
    a_newer_digest_of_the_tag_supersedes_a_waiting_run,
    a_tag_that_moves_back_ends_the_run_between_and_the_status_is_the_first_ones_again,
    a_tag_that_was_seen_again_stays_where_it_was_seen_last,
    a_push_that_is_late_does_not_supersede_a_newer_one,
    a_digest_with_a_verdict_is_not_run_again_but_trouble_is,
    what_the_tests_came_to_is_kept_while_better_evidence_is_awaited,
}

async fn three_tags_of_one_digest_share_a_run(shelf: Shelf) {
    let mut runs = Vec::new();
    for tag in ["latest", "v1", "v1.2"] {
        match shelf.admit(tag, '1', 1).await {
            Admission::Made { run, superseded } if superseded.is_empty() => runs.push(run),
            Admission::Joined { run, .. } => runs.push(run),
            other => panic!("{other:?}"),
        }
    }
    assert!(runs.iter().all(|run| *run == runs[0]));
    let tags = shelf.store.tags_of(runs[0]).await.unwrap();
    assert_eq!(
        tags.iter().map(|tag| tag.tag.as_str()).collect::<Vec<_>>(),
        ["latest", "v1", "v1.2"]
    );
}

async fn a_newer_digest_of_the_tag_supersedes_a_waiting_run(shelf: Shelf) {
    let old = shelf.made("latest", '1', 1).await;
    let testing = shelf.testing().await;
    shelf.store.begin_tests(&testing, old).await.unwrap();
    let Admission::Made { run: new, superseded } = shelf.admit("latest", '2', 2).await else {
        panic!("another digest makes another run")
    };
    assert_eq!(superseded, [old]);
    let run = shelf.store.run(old).await.unwrap().unwrap();
    assert_eq!((run.stage, run.superseded_by), (Stage::Finished, Some(new)));
    assert_eq!(run.verdict.unwrap().outcome, Outcome::Cancelled);
    let late = shelf.store.finish_run(&testing, old, &passed(), b"").await;
    assert!(
        matches!(late, Err(StoreError::LeaseLost)),
        "its tests may not speak any more: {late:?}"
    );
}

async fn a_tag_that_moves_back_ends_the_run_between_and_the_status_is_the_first_ones_again(shelf: Shelf) {
    let first = shelf.made("v1", '1', 1).await;
    let testing = shelf.testing().await;
    shelf
        .store
        .finish_run(&testing, first, &passed(), b"")
        .await
        .unwrap();
    shelf.admit("latest", '1', 2).await;
    let between = shelf.made("latest", '2', 3).await;
    let back = shelf.admit("latest", '1', 4).await;
    let superseded = vec![between];
    assert_eq!(
        back,
        Admission::Joined {
            run: first,
            superseded
        }
    );
    let between = shelf.store.run(between).await.unwrap().unwrap();
    assert_eq!(between.verdict.unwrap().outcome, Outcome::Cancelled);
    let statuses = shelf
        .store
        .due_statuses(InstallationId(42), (Wanted::All, 10))
        .await
        .unwrap();
    assert_eq!(
        statuses.iter().map(|status| status.run).collect::<Vec<_>>(),
        [first]
    );
}

async fn a_tag_that_was_seen_again_stays_where_it_was_seen_last(shelf: Shelf) {
    let holder = shelf.made("latest", '1', 10).await;
    shelf.admit("latest", '1', 30).await;
    assert_eq!(shelf.admit("latest", '2', 20).await, Admission::Overtaken(holder));
}

async fn a_push_that_is_late_does_not_supersede_a_newer_one(shelf: Shelf) {
    let newer = shelf.made("latest", '2', 20).await;
    let late = shelf.admit("latest", '1', 10).await;
    assert_eq!(late, Admission::Overtaken(newer));
}

async fn a_digest_with_a_verdict_is_not_run_again_but_trouble_is(shelf: Shelf) {
    let run = shelf.made("v1", '1', 1).await;
    let testing = shelf.testing().await;
    let trouble = Verdict::without_steps(Outcome::Trouble, "the registry was away for an hour");
    shelf
        .store
        .finish_run(&testing, run, &trouble, b"")
        .await
        .unwrap();

    let second = shelf.made("v1", '1', 2).await;
    let testing = shelf.testing().await;
    shelf
        .store
        .finish_run(&testing, second, &passed(), b"all good\n")
        .await
        .unwrap();
    assert_eq!(shelf.store.run(second).await.unwrap().unwrap().attempt, 2);
    assert_eq!(shelf.store.log(second).await.unwrap(), b"all good\n");

    assert_eq!(
        shelf.admit("v1", '1', 3).await,
        Admission::Joined {
            run: second,
            superseded: Vec::new()
        }
    );
}

async fn what_the_tests_came_to_is_kept_while_better_evidence_is_awaited(shelf: Shelf) {
    let store = &shelf.store;
    let run = shelf.made("v1", '1', 1).await;
    let mut testing = shelf.testing().await;
    store.begin_tests(&testing, run).await.unwrap();
    let why = "signatures are looked for";
    for log in [b"all good\n".as_slice(), b""] {
        let at = shelf.clock.now() + 60_000;
        store
            .evidence_awaited(&testing, run, (&passed(), log), (why, at))
            .await
            .unwrap();
        assert!(
            store
                .claim(JobKind::Test, Duration::from_mins(1))
                .await
                .unwrap()
                .is_none()
        );
        let waits = store.run(run).await.unwrap().unwrap();
        assert_eq!(
            (waits.stage, waits.trouble.as_deref()),
            (Stage::Testing, Some(why))
        );
        assert_eq!((waits.tests, waits.verdict), (Some(passed()), None));
        let late = store.finish_run(&testing, run, &passed(), b"").await;
        assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
        shelf.clock.advance(Duration::from_secs(61));
        testing = shelf.testing().await;
    }
    let told = store.events_of(run).await.unwrap();
    assert_eq!(
        told.iter().filter(|event| event.what == why).count(),
        1,
        "{told:?}"
    );

    store
        .evidence_found(&testing, run, Evidence::Verified, &[])
        .await
        .unwrap();
    store.finish_run(&testing, run, &passed(), b"").await.unwrap();
    let ended = store.run(run).await.unwrap().unwrap();
    assert_eq!(
        (ended.source.evidence, ended.verdict),
        (Evidence::Verified, Some(passed()))
    );
    assert_eq!(store.log(run).await.unwrap(), b"all good\n");
}
