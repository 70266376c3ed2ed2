//! What an installation may ask of GitHub.

use std::time::Duration;

use hubcheck::model::InstallationId;
use hubcheck::model::budget::Spending;

use crate::support::store::{Shelf, on_both_engines};

on_both_engines! {
    what_is_asked_at_once_is_counted_together_and_each_installation_has_its_own,
}

async fn what_is_asked_at_once_is_counted_together_and_each_installation_has_its_own(shelf: Shelf) {
    let (busy, other) = (InstallationId(42), InstallationId(43));
    let begun = shelf.clock.now();
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = shelf.store.clone();
        asked.spawn(async move { store.spend(busy, Spending::Verdict).await.unwrap() });
    }
    let granted = asked.join_all().await;
    assert!(granted.iter().all(Option::is_none), "{granted:?}");
    let until = shelf.store.spend(busy, Spending::Verdict).await.unwrap();
    let until = until.expect("twenty in a row are enough");
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
