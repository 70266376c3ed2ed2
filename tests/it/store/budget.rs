//! What an installation may ask of GitHub.

use std::time::Duration;

use hubcheck::model::InstallationId;
use hubcheck::model::budget::Spending;

use crate::support::store::{Shelf, on_both_engines};

on_both_engines! {
    what_is_asked_at_once_is_counted_together_and_each_installation_has_its_own,
    a_pause_that_github_asks_for_is_every_replicas,
    what_a_wrong_clock_noted_holds_up_nobody,
}

async fn what_is_asked_at_once_is_counted_together_and_each_installation_has_its_own(shelf: Shelf) {
    let (busy, other) = (InstallationId(42), InstallationId(43));
    let begun = shelf.clock.now();
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let store = shelf.store.clone();
        asked.spawn(async move { store.spend(busy, Spending::Verdict).await.unwrap() });
    }
    let answers = asked.join_all().await;
    let granted = answers.iter().filter(|until| until.is_none()).count();
    assert_eq!(granted, 20, "twenty in a row are enough");
    let until = answers.into_iter().flatten().max().unwrap();
    assert!(
        (begun + 10_000..=begun + 25_000).contains(&until),
        "{begun} {until}"
    );
    assert_eq!(shelf.store.spend(other, Spending::Verdict).await.unwrap(), None);

    shelf.clock.advance(Duration::from_millis(
        u64::try_from(until - shelf.clock.now()).unwrap(),
    ));
    assert_eq!(shelf.store.spend(busy, Spending::Verdict).await.unwrap(), None);
    // What goes out in any case counts as well.
    for _ in 0..20 {
        shelf.store.spent(busy, Spending::Verdict).await.unwrap();
    }
    assert!(
        shelf
            .store
            .spend(busy, Spending::Verdict)
            .await
            .unwrap()
            .is_some()
    );
}

async fn a_pause_that_github_asks_for_is_every_replicas(shelf: Shelf) {
    let (closed, other) = (InstallationId(42), InstallationId(43));
    let begun = shelf.clock.now();
    shelf
        .store
        .closed_for(closed, Duration::from_mins(10))
        .await
        .unwrap();
    // A shorter one does not end it.
    shelf
        .store
        .closed_for(closed, Duration::from_mins(1))
        .await
        .unwrap();
    let replica = shelf.reopen().await;
    let until = replica.spend(closed, Spending::Verdict).await.unwrap().unwrap();
    assert!(
        (begun + 600_000..begun + 660_000).contains(&until),
        "{begun} {until}"
    );
    assert_eq!(replica.spend(other, Spending::Verdict).await.unwrap(), None);
    shelf.clock.advance(Duration::from_mins(11));
    assert_eq!(replica.spend(closed, Spending::Verdict).await.unwrap(), None);
    replica.close().await;
}

async fn what_a_wrong_clock_noted_holds_up_nobody(shelf: Shelf) {
    let installation = InstallationId(42);
    let fast = hubcheck::clock::Clock::default();
    fast.advance(Duration::from_hours(24 * 365));
    let wrong = shelf.reopen_at(fast).await;
    while wrong
        .spend(installation, Spending::Verdict)
        .await
        .unwrap()
        .is_none()
    {}
    wrong
        .closed_for(installation, Duration::from_mins(1))
        .await
        .unwrap();
    wrong.close().await;
    assert_eq!(
        shelf.store.spend(installation, Spending::Verdict).await.unwrap(),
        None
    );
}
