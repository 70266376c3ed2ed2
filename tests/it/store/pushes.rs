//! Pushes of one tag: one job, one question to the registry, and none overtakes another.

use std::time::Duration;

use hubcheck::model::{DeliveryId, Digest};
use hubcheck::store::{JobKind, Lease, OpenPushes, PushRecord, PushStage, PushWait};

use crate::support::store::{LEASE, Shelf, delivery, new_run, on_both_engines};

on_both_engines! {
    a_thousand_webhooks_for_a_tag_ask_the_registry_once,
    a_push_that_comes_while_the_registry_is_asked_has_it_asked_again,
    a_digest_that_waits_for_its_commit_is_in_no_later_pushs_way,
    while_the_registry_is_silent_further_pushes_of_the_tag_wait_with_the_first,
    a_push_has_its_whole_patience_whatever_came_before,
    once_its_digest_is_known_a_push_has_its_patience_anew,
    pushes_of_other_tags_are_other_jobs,
}

const PATIENCE: Duration = Duration::from_secs(30);

async fn a_thousand_webhooks_for_a_tag_ask_the_registry_once(shelf: Shelf) {
    let takes: Vec<_> = (0..1000).map(|_| delivery("acme/app", "v1")).collect();
    let ids: Vec<_> = takes.iter().map(|take| take.id).collect();
    let takes = takes.into_iter().map(|one| shelf.intake.take(one));
    futures_util::future::join_all(takes).await;
    assert_eq!(shelf.store.depth(JobKind::Resolve).await.unwrap().open, 1);

    let job = shelf.claim(JobKind::Resolve).await;
    let pushes = shelf.open(&job).await;
    let pushes = resolve(&shelf, pushes, 'a');
    let new = new_run("v1", 'a', 1);
    shelf.store.admit(&job, &pushes, &[new]).await.unwrap();

    for id in ids {
        let push = one_of(&shelf, id).await;
        assert_eq!((push.stage, push.run().is_some()), (PushStage::Run, true));
        assert_eq!(push.digest(), Some(&digest('a')));
    }
    assert_eq!(shelf.store.depth(JobKind::Resolve).await.unwrap().open, 0);
}

async fn a_push_that_comes_while_the_registry_is_asked_has_it_asked_again(shelf: Shelf) {
    let (pushes, job) = shelf.push("acme/app", "v1").await;
    let late = delivery("acme/app", "v1");
    shelf.intake.take(late.clone()).await;
    let pushes = resolve(&shelf, pushes, 'a');
    shelf
        .store
        .admit(&job, &pushes, &[new_run("v1", 'a', 1)])
        .await
        .unwrap();
    assert_eq!(one_of(&shelf, late.id).await.digest(), None);

    let none = shelf.store.claim(JobKind::Resolve, LEASE).await.unwrap();
    assert_eq!(none, None, "those that come soon are looked at with it");
    shelf.clock.advance(Duration::from_millis(100));
    let job = shelf.claim(JobKind::Resolve).await;
    let pushes = shelf.open(&job).await;
    assert_eq!(
        pushes.meaning(),
        None,
        "what was answered before it came does not count"
    );
    let pushes = resolve(&shelf, pushes, 'b');
    shelf
        .store
        .admit(&job, &pushes, &[new_run("v1", 'b', 2)])
        .await
        .unwrap();
    assert_eq!(one_of(&shelf, late.id).await.digest(), Some(&digest('b')));
}

async fn a_digest_that_waits_for_its_commit_is_in_no_later_pushs_way(shelf: Shelf) {
    let (pushes, job) = shelf.push("acme/app", "v1").await;
    let waiting = resolve(&shelf, pushes, 'a');
    wait(&shelf, &job, &waiting, "the commit is not there yet").await;

    let (later, job) = shelf.push("acme/app", "v1").await;
    assert_eq!(later.meaning(), None);
    let later = resolve(&shelf, later, 'b');
    shelf
        .store
        .admit(&job, &later, &[new_run("v1", 'b', 2)])
        .await
        .unwrap();

    let none = shelf.store.claim(JobKind::Resolve, LEASE).await.unwrap();
    assert_eq!(none, None, "the first one's time has not come");
    shelf.clock.advance(Duration::from_secs(5));
    let job = shelf.claim(JobKind::Resolve).await;
    let still = shelf.open(&job).await;
    assert_eq!(still.meaning().map(|(digest, _)| digest), Some(&digest('a')));
}

async fn while_the_registry_is_silent_further_pushes_of_the_tag_wait_with_the_first(shelf: Shelf) {
    let (pushes, job) = shelf.push("acme/app", "v1").await;
    wait(&shelf, &job, &pushes, "the registry does not answer").await;
    shelf.intake.take(delivery("acme/app", "v1")).await;
    let none = shelf.store.claim(JobKind::Resolve, LEASE).await.unwrap();
    assert_eq!(none, None, "the registry is not asked more often for it");
    shelf.clock.advance(Duration::from_secs(5));
    let job = shelf.claim(JobKind::Resolve).await;
    let pushes = resolve(&shelf, shelf.open(&job).await, 'a');
    shelf
        .store
        .admit(&job, &pushes, &[new_run("v1", 'a', 1)])
        .await
        .unwrap();
    assert_eq!(shelf.store.depth(JobKind::Resolve).await.unwrap().open, 0);
}

async fn a_push_has_its_whole_patience_whatever_came_before(shelf: Shelf) {
    let early = delivery("acme/app", "v1");
    shelf.intake.take(early.clone()).await;
    let job = shelf.claim(JobKind::Resolve).await;
    wait(&shelf, &job, &shelf.open(&job).await, "there is no such tag").await;
    shelf.clock.advance(PATIENCE);
    let late = delivery("acme/app", "v1");
    shelf.intake.take(late.clone()).await;
    let job = shelf.claim(JobKind::Resolve).await;
    wait(&shelf, &job, &shelf.open(&job).await, "there is no such tag").await;

    assert_eq!(one_of(&shelf, early.id).await.stage, PushStage::Unmapped);
    let late = one_of(&shelf, late.id).await;
    assert_eq!(late.stage, PushStage::Received);
    assert_eq!(late.reason.as_deref(), Some("there is no such tag"));
}

async fn once_its_digest_is_known_a_push_has_its_patience_anew(shelf: Shelf) {
    let one = delivery("acme/app", "v1");
    shelf.intake.take(one.clone()).await;
    let job = shelf.claim(JobKind::Resolve).await;
    wait(
        &shelf,
        &job,
        &shelf.open(&job).await,
        "the registry does not answer",
    )
    .await;
    for stage in [PushStage::Received, PushStage::Unmapped] {
        shelf.clock.advance(PATIENCE);
        let job = shelf.claim(JobKind::Resolve).await;
        let pushes = resolve(&shelf, shelf.open(&job).await, 'a');
        wait(&shelf, &job, &pushes, "the commit is not there yet").await;
        assert_eq!(one_of(&shelf, one.id).await.stage, stage);
    }
}

async fn pushes_of_other_tags_are_other_jobs(shelf: Shelf) {
    let (_, first) = shelf.push("acme/app", "v1").await;
    let (_, second) = shelf.push("acme/app", "v2").await;
    let (_, third) = shelf.push("localhost:5000/acme/app", "v1").await;
    let subjects = [first.subject, second.subject, third.subject];
    assert_eq!(
        subjects,
        [
            "docker.io/acme/app:v1",
            "docker.io/acme/app:v2",
            "localhost:5000/acme/app:v1"
        ]
    );
}

fn digest(digit: char) -> Digest {
    new_run("v1", digit, 1).digest
}

/// The registry says what the tag means.
fn resolve(shelf: &Shelf, mut pushes: OpenPushes, digit: char) -> OpenPushes {
    pushes.mean(digest(digit), shelf.clock.now());
    pushes
}

/// Something is in the way; in five seconds there is another try, until the patience is over.
async fn wait(shelf: &Shelf, job: &Lease, pushes: &OpenPushes, why: &str) {
    let now = shelf.clock.now();
    let wait = PushWait {
        why,
        until: now + 5_000,
        given_up_since: now - i64::try_from(PATIENCE.as_millis()).unwrap(),
        given_up_as: PushStage::Unmapped,
    };
    shelf.store.pushes_wait(job, pushes, wait).await.unwrap();
}

async fn one_of(shelf: &Shelf, delivery: DeliveryId) -> PushRecord {
    shelf.store.pushes_of(delivery).await.unwrap().remove(0)
}
