//! The queue: leases, and work that is woken again.

use std::time::Duration;

use hubcheck::clock::Clock;
use hubcheck::store::{JobKind, RunFilter, StoreError};

use crate::support::store::{LEASE, Shelf, delivery, new_run, on_both_engines};

on_both_engines! {
    a_worker_that_lost_its_lease_changes_nothing,
    a_heartbeat_keeps_the_lease,
    a_job_woken_while_it_is_done_is_done_once_more,
    waking_a_job_that_waits_does_not_move_it,
    a_parked_job_is_seen_and_not_claimed,
    a_job_that_a_wrong_clock_put_off_for_years_is_ready_again,
    what_has_not_ended_is_given_a_job_if_it_has_none,
}

async fn a_worker_that_lost_its_lease_changes_nothing(shelf: Shelf) {
    let (pushes, slow) = shelf.push("acme/app", "v1").await;
    assert!(
        shelf
            .store
            .claim(JobKind::Resolve, LEASE)
            .await
            .unwrap()
            .is_none()
    );
    shelf.clock.advance(LEASE + Duration::from_secs(1));
    let quick = shelf
        .store
        .claim(JobKind::Resolve, LEASE)
        .await
        .unwrap()
        .expect("an expired lease is free");
    assert_eq!((quick.attempts, quick.tries), (2, 2));
    let late = shelf.store.admit(&slow, &pushes, &[new_run("v1", '1', 1)]).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    assert!(matches!(
        shelf.store.heartbeat(&slow, LEASE).await,
        Err(StoreError::LeaseLost)
    ));
    shelf
        .store
        .admit(&quick, &pushes, &[new_run("v1", '1', 1)])
        .await
        .unwrap();
    assert_eq!(
        shelf
            .store
            .runs(&RunFilter {
                limit: 10,
                ..RunFilter::default()
            })
            .await
            .unwrap()
            .len(),
        1
    );
}

async fn a_heartbeat_keeps_the_lease(shelf: Shelf) {
    let (_, lease) = shelf.push("acme/app", "v1").await;
    shelf.clock.advance(LEASE / 2);
    shelf.store.heartbeat(&lease, LEASE).await.unwrap();
    shelf.clock.advance(LEASE / 2 + Duration::from_secs(1));
    assert!(
        shelf
            .store
            .claim(JobKind::Resolve, LEASE)
            .await
            .unwrap()
            .is_none()
    );
}

async fn a_job_woken_while_it_is_done_is_done_once_more(shelf: Shelf) {
    shelf.made("v1", '1', 1).await;
    let report = shelf.claim(JobKind::Report).await;
    shelf.made("v2", '2', 2).await;
    shelf.store.complete(&report).await.unwrap();
    let again = shelf
        .store
        .claim(JobKind::Report, LEASE)
        .await
        .unwrap()
        .expect("it was woken meanwhile");
    shelf.store.complete(&again).await.unwrap();
    assert!(shelf.store.claim(JobKind::Report, LEASE).await.unwrap().is_none());
}

async fn waking_a_job_that_waits_does_not_move_it(shelf: Shelf) {
    shelf.made("v1", '1', 1).await;
    let report = shelf.claim(JobKind::Report).await;
    let later = shelf.clock.now() + 60_000;
    shelf.store.retry(&report, later, "rate limit").await.unwrap();
    shelf.made("v2", '2', 2).await;
    assert!(
        shelf.store.claim(JobKind::Report, LEASE).await.unwrap().is_none(),
        "GitHub said to wait"
    );
    assert_eq!(
        shelf.store.next_ready(JobKind::Report).await.unwrap(),
        Some(later)
    );
}

async fn a_parked_job_is_seen_and_not_claimed(shelf: Shelf) {
    let (_, held) = shelf.push("acme/app", "v1").await;
    shelf.store.park(&held, "it ends the process").await.unwrap();
    shelf.clock.advance(LEASE * 2);
    assert!(
        shelf
            .store
            .claim(JobKind::Resolve, LEASE)
            .await
            .unwrap()
            .is_none()
    );
    let depth = shelf.store.depth(JobKind::Resolve).await.unwrap();
    assert_eq!((depth.open, depth.parked), (0, 1));
}

/// The process began while the system's clock stood years ahead, and the next one begins after its correction.
async fn a_job_that_a_wrong_clock_put_off_for_years_is_ready_again(shelf: Shelf) {
    shelf.clock.advance(Duration::from_hours(24 * 1000));
    shelf.intake.take(delivery("acme/app", "v1")).await;
    shelf.intake.take(delivery("acme/app", "v2")).await;
    shelf.claim(JobKind::Resolve).await;
    let corrected = shelf.reopen_at(Clock::default()).await;
    assert_eq!(corrected.claim(JobKind::Resolve, LEASE).await.unwrap(), None);
    assert_eq!(corrected.free_the_far_ahead().await.unwrap(), 2);
    for _ in 0..2 {
        assert!(corrected.claim(JobKind::Resolve, LEASE).await.unwrap().is_some());
    }
    corrected.close().await;
}

async fn what_has_not_ended_is_given_a_job_if_it_has_none(shelf: Shelf) {
    let run = shelf.made("v1", '1', 1).await;
    assert_eq!(
        shelf.store.wake_the_stranded().await.unwrap(),
        0,
        "it waits for its tests"
    );
    let testing = shelf.claim(JobKind::Test).await;
    assert_eq!(
        shelf.store.wake_the_stranded().await.unwrap(),
        0,
        "somebody is at it"
    );
    // Its job ends, and the run does not.
    shelf.store.complete(&testing).await.unwrap();
    assert_eq!(shelf.store.wake_the_stranded().await.unwrap(), 1);
    let again = shelf.claim(JobKind::Test).await;
    assert_eq!(again.subject, run.to_string());
    shelf.store.park(&again, "given up").await.unwrap();
    assert_eq!(
        shelf.store.wake_the_stranded().await.unwrap(),
        0,
        "a person must look"
    );

    let (_, resolving) = shelf.push("acme/app", "v2").await;
    shelf.store.complete(&resolving).await.unwrap();
    assert_eq!(shelf.store.wake_the_stranded().await.unwrap(), 1);
    assert_eq!(shelf.claim(JobKind::Resolve).await.subject, resolving.subject);
}
