//! What is kept, what is forgotten, and what is refused.

use std::time::Duration;

use hubcheck::clock::Clock;
use hubcheck::model::InstallationId;
use hubcheck::store::{JobKind, Store, Wanted};
use secrecy::ExposeSecret;

use super::{passed, shown};
use crate::support::store::{Shelf, on_both_engines};

on_both_engines! {
    what_is_old_is_forgotten_but_not_what_github_waits_for,
    secrets_are_made_once_and_kept,
}

async fn what_is_old_is_forgotten_but_not_what_github_waits_for(shelf: Shelf) {
    let run = shelf.made("v1", '1', 1).await;
    let testing = shelf.testing().await;
    shelf
        .store
        .finish_run(&testing, run, &passed(), b"x")
        .await
        .unwrap();
    let day = Duration::from_hours(24);
    shelf.clock.advance(day * 2);
    assert_eq!(
        shelf.store.purge(day).await.unwrap().runs,
        0,
        "its verdict was not sent yet"
    );
    let report = shelf.claim(JobKind::Report).await;
    let due = shelf
        .store
        .due_checks(InstallationId(42), (Wanted::All, 1))
        .await
        .unwrap();
    shelf.store.check_sent(&report, &due[0], &shown(1)).await.unwrap();
    let purged = shelf.store.purge(day).await.unwrap();
    assert_eq!((purged.runs, purged.deliveries), (1, 1));
    assert!(shelf.store.log(run).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_damaged_or_newer_database_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hubcheck.db");
    std::fs::write(&file, b"this is no database at all, and never was one").unwrap();
    let url = format!("sqlite://{}", file.display());
    let refused = Store::open(&url, Clock::default()).await.unwrap_err().to_string();
    assert!(refused.contains("restore a copy"), "{refused}");
    assert!(
        std::fs::read(&file).unwrap().starts_with(b"this is no database"),
        "it is left as it was"
    );
}

async fn secrets_are_made_once_and_kept(shelf: Shelf) {
    let first = shelf.store.secret("hook_key").await.unwrap();
    let second = shelf.store.secret("hook_key").await.unwrap();
    assert_eq!(first.expose_secret(), second.expose_secret());
    assert_eq!(first.expose_secret().len(), 64);
    assert_eq!(
        shelf.store.instance().await.unwrap(),
        shelf.store.instance().await.unwrap()
    );
}
