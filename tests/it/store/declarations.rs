//! The index of declarations, on both engines.

use hubcheck::model::{ImageName, InstallationId, Repo, RepoId, Visibility};
use hubcheck::store::{JobKind, Reading, Store, ToIndex};

use crate::support::store::{LEASE, Shelf, on_both_engines};

on_both_engines! {
    an_image_is_declared_by_name_or_by_namespace,
    a_broken_file_keeps_the_last_good_one_and_a_missing_one_does_not,
    what_was_read_before_somebody_else_did_is_not_kept,
    what_is_read_is_one_job_to_an_installation,
}

fn repo(id: i64, name: &str) -> Repo {
    Repo {
        id: RepoId(id),
        name: name.parse().unwrap(),
        visibility: Visibility::Public,
        default_branch: "main".to_owned(),
        installation: InstallationId(42),
    }
}

fn good(images: &[&str]) -> Reading {
    Reading::Good {
        text: images.join("\n"),
        images: images.iter().map(|image| image.parse().unwrap()).collect(),
    }
}

/// Keeps a reading by somebody who knows what was there before.
async fn put(store: &Store, repo: &Repo, reading: &Reading, etag: Option<&str>) {
    let before = store.declared_by(repo.id).await.unwrap();
    let kept = store
        .put_declaration(repo, (reading, etag), before.as_ref())
        .await;
    assert!(kept.unwrap());
}

async fn what_was_read_before_somebody_else_did_is_not_kept(shelf: Shelf) {
    let (store, app) = (&shelf.store, repo(1, "acme/app"));
    put(store, &app, &good(&["acme/app"]), None).await;
    let before = store.declared_by(app.id).await.unwrap();
    put(store, &app, &Reading::Absent, None).await;
    // The hourly round asked GitHub earlier, and comes late.
    let late = good(&["acme/app"]);
    for known in [before.as_ref(), None] {
        assert!(!store.put_declaration(&app, (&late, None), known).await.unwrap());
    }
    assert_eq!(declarers(store, "acme/app").await, [0; 0]);
}

async fn declarers(store: &Store, image: &str) -> Vec<i64> {
    let image: ImageName = image.parse().unwrap();
    let declarers = store.declarers_of(&image).await.unwrap();
    declarers.into_iter().map(|declared| declared.repo.id.0).collect()
}

async fn an_image_is_declared_by_name_or_by_namespace(shelf: Shelf) {
    let store = &shelf.store;
    for (id, name, images) in [
        (1, "acme/app", &["acme/app", "ghcr.io/acme/*"][..]),
        (2, "acme/all", &["acme/*"]),
    ] {
        put(store, &repo(id, name), &good(images), Some("W/\"1\"")).await;
    }
    assert_eq!(declarers(store, "acme/app").await, [1, 2]);
    assert_eq!(declarers(store, "acme/other").await, [2]);
    assert_eq!(declarers(store, "ghcr.io/acme/app").await, [1]);
    assert_eq!(declarers(store, "ghcr.io/acme/team/app").await, [0; 0]);
    let known = store.declared_by(RepoId(1)).await.unwrap().unwrap();
    assert_eq!(known.etag.as_deref(), Some("W/\"1\""));

    // The new name counts at once, and so does the new file.
    put(store, &repo(1, "acme/renamed"), &good(&["acme/new"]), None).await;
    assert_eq!(declarers(store, "acme/app").await, [2]);
    let known = store.declared_by(RepoId(1)).await.unwrap().unwrap();
    assert_eq!(known.repo.name.to_string(), "acme/renamed");

    store.forget_declaration(RepoId(2)).await.unwrap();
    assert_eq!(declarers(store, "acme/other").await, [0; 0]);
    assert_eq!(
        store.indexed_repos(InstallationId(42)).await.unwrap(),
        [RepoId(1)]
    );
}

async fn a_broken_file_keeps_the_last_good_one_and_a_missing_one_does_not(shelf: Shelf) {
    let (store, app) = (&shelf.store, repo(1, "acme/app"));
    put(store, &app, &good(&["acme/app"]), None).await;
    let broken = Reading::Broken("line 3".to_owned());
    put(store, &app, &broken, None).await;
    let known = store.declared_by(app.id).await.unwrap().unwrap();
    assert_eq!(
        (known.good.as_deref(), known.problem.as_deref()),
        (Some("acme/app"), Some("line 3"))
    );
    assert_eq!(declarers(store, "acme/app").await, [1]);

    put(store, &app, &Reading::Absent, None).await;
    let known = store.declared_by(app.id).await.unwrap().unwrap();
    assert_eq!((known.good, known.problem), (None, None));
    assert_eq!(declarers(store, "acme/app").await, [0; 0]);
}

async fn what_is_read_is_one_job_to_an_installation(shelf: Shelf) {
    let store = &shelf.store;
    let image: ImageName = "acme/app".parse().unwrap();
    assert!(!store.may_be_declared(&image).await.unwrap());
    let all = [ToIndex::Everywhere, ToIndex::Everywhere];
    store.wake_index(&all).await.unwrap();
    assert!(store.may_be_declared(&image).await.unwrap(), "nobody knows yet");

    let held = store.claim(JobKind::Index, LEASE).await.unwrap().unwrap();
    assert_eq!(Store::to_index(&held).unwrap(), ToIndex::Everywhere);
    let one = ToIndex::Installation(InstallationId(42));
    store.complete_with_index(&held, &[one]).await.unwrap();
    let held = store.claim(JobKind::Index, LEASE).await.unwrap().unwrap();
    assert_eq!(Store::to_index(&held).unwrap(), one);
    store.complete(&held).await.unwrap();
    assert!(!store.is_indexing().await.unwrap());
}
