//! What GitHub should show, and what it was told.

use hubcheck::model::{InstallationId, RepoId};
use hubcheck::store::JobKind;

use super::{passed, shown};
use crate::support::store::{LEASE, Shelf, on_both_engines};

on_both_engines! {
    only_what_changed_is_due_at_github_and_verdicts_come_first,
    what_github_refused_is_the_new_installations_when_the_app_comes_back,
}

async fn only_what_changed_is_due_at_github_and_verdicts_come_first(shelf: Shelf) {
    let installation = InstallationId(42);
    let mut runs = Vec::new();
    for (tag, digit) in [("v1", '1'), ("v2", '2')] {
        runs.push(shelf.made(tag, digit, 1).await);
    }
    let mut testing = shelf.store.claim(JobKind::Test, LEASE).await.unwrap().unwrap();
    if testing.subject != runs[1].to_string() {
        testing = shelf.store.claim(JobKind::Test, LEASE).await.unwrap().unwrap();
    }
    shelf
        .store
        .finish_run(&testing, runs[1], &passed(), b"")
        .await
        .unwrap();

    let report = shelf.claim(JobKind::Report).await;
    let due = shelf.store.due_checks(installation, 10).await.unwrap();
    assert_eq!(
        due.iter().map(|check| check.run).collect::<Vec<_>>(),
        [runs[1], runs[0]]
    );
    let statuses = shelf.store.due_statuses(installation, 10).await.unwrap();
    assert_eq!(
        statuses.iter().map(|status| status.run).collect::<Vec<_>>(),
        [runs[1]],
        "the newest run owns it"
    );

    shelf.store.check_begun(&report, &due[0]).await.unwrap();
    assert!(shelf.store.due_checks(installation, 10).await.unwrap()[0].begun);
    shelf.store.check_sent(&report, &due[0], &shown(9)).await.unwrap();
    shelf
        .store
        .status_sent(&report, &statuses[0], "shown")
        .await
        .unwrap();
    let left = shelf.store.due_checks(installation, 10).await.unwrap();
    assert_eq!(left.iter().map(|check| check.run).collect::<Vec<_>>(), [runs[0]]);
    assert!(
        shelf
            .store
            .due_statuses(installation, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn what_github_refused_is_the_new_installations_when_the_app_comes_back(shelf: Shelf) {
    shelf.made("v1", '1', 1).await;
    let report = shelf.claim(JobKind::Report).await;
    let due = shelf.store.due_checks(InstallationId(42), 1).await.unwrap();
    shelf
        .store
        .check_parked(&report, &due[0], "not installed")
        .await
        .unwrap();
    assert!(
        shelf
            .store
            .due_checks(InstallationId(42), 1)
            .await
            .unwrap()
            .is_empty()
    );
    shelf.store.complete(&report).await.unwrap();
    shelf
        .store
        .installed(RepoId(7), InstallationId(43))
        .await
        .unwrap();
    let again = shelf.claim(JobKind::Report).await;
    assert_eq!(again.subject, "43");
    assert_eq!(
        shelf.store.due_checks(InstallationId(43), 9).await.unwrap().len(),
        1
    );
    assert_eq!(
        shelf
            .store
            .due_statuses(InstallationId(43), 9)
            .await
            .unwrap()
            .len(),
        1
    );
}
