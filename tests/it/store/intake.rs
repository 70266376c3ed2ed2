//! Taking in: nothing that was answered is lost.

use hubcheck::model::DeliveryId;
use hubcheck::store::{JobKind, Taken};

use crate::support::store::{LEASE, Shelf, delivery, on_both_engines};

on_both_engines! {
    a_delivery_is_durable_once_it_is_answered,
    a_senders_event_is_taken_once,
    many_deliveries_at_once_are_all_stored,
    deliveries_are_paged_by_key,
}

async fn a_delivery_is_durable_once_it_is_answered(shelf: Shelf) {
    let one = delivery("acme/app", "v1");
    assert_eq!(shelf.intake.take(one.clone()).await, Taken::Stored);
    let reopened = shelf.reopen().await;
    let stored = reopened.delivery(one.id).await.unwrap().unwrap();
    assert_eq!(
        (stored.summary.decision.as_str(), stored.body.as_str()),
        ("queued", "{}")
    );
    assert_eq!(reopened.pushes_of(one.id).await.unwrap().len(), 1);
    assert!(reopened.claim(JobKind::Resolve, LEASE).await.unwrap().is_some());
}

async fn a_senders_event_is_taken_once(shelf: Shelf) {
    let mut one = delivery("acme/app", "v1");
    one.event_id = Some("guid".to_owned());
    let mut again = delivery("acme/app", "v1");
    again.event_id.clone_from(&one.event_id);
    assert_eq!(shelf.intake.take(one.clone()).await, Taken::Stored);
    assert_eq!(shelf.intake.take(again).await, Taken::Duplicate(one.id));
    assert_eq!(shelf.store.deliveries(None, 10).await.unwrap().len(), 1);
}

async fn many_deliveries_at_once_are_all_stored(shelf: Shelf) {
    let takes = (0..300).map(|n| {
        let intake = shelf.intake.clone();
        tokio::spawn(async move { intake.take(delivery("acme/app", &format!("v{n}"))).await })
    });
    for take in takes.collect::<Vec<_>>() {
        assert_eq!(take.await.unwrap(), Taken::Stored);
    }
    assert_eq!(shelf.store.depth(JobKind::Resolve).await.unwrap().open, 300);
}

async fn deliveries_are_paged_by_key(shelf: Shelf) {
    let mut ids = Vec::new();
    for n in 0..5 {
        let one = delivery("acme/app", &format!("v{n}"));
        ids.push(one.id);
        shelf.intake.take(one).await;
    }
    let page = |before: Option<DeliveryId>| shelf.store.deliveries(before, 2);
    let first: Vec<_> = page(None).await.unwrap().into_iter().map(|one| one.id).collect();
    assert_eq!(first, [ids[4], ids[3]]);
    let second: Vec<_> = page(Some(ids[3]))
        .await
        .unwrap()
        .into_iter()
        .map(|one| one.id)
        .collect();
    assert_eq!(second, [ids[2], ids[1]]);
}
