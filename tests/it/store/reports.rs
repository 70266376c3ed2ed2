//! What GitHub should show, and what it was told.

use hubcheck::model::{InstallationId, RepoId};
use hubcheck::store::{DueCheck, DueStatus, JobKind, Wanted};

use super::{passed, shown};
use crate::support::store::{LEASE, Shelf, on_both_engines};

on_both_engines! {
    only_what_changed_is_due_at_github_and_verdicts_come_first,
    what_github_refused_is_the_new_installations_when_the_app_comes_back,
    a_repository_that_is_seen_in_another_installation_takes_along_what_waits_for_it,
    what_goes_to_another_installation_amid_a_write_is_not_written_twice,
}

async fn checks(shelf: &Shelf, installation: InstallationId) -> Vec<DueCheck> {
    shelf
        .store
        .due_checks(installation, (Wanted::All, 10))
        .await
        .unwrap()
}

async fn statuses(shelf: &Shelf, installation: InstallationId) -> Vec<DueStatus> {
    shelf
        .store
        .due_statuses(installation, (Wanted::All, 10))
        .await
        .unwrap()
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
    let due = checks(&shelf, installation).await;
    assert_eq!(
        due.iter().map(|check| check.run).collect::<Vec<_>>(),
        [runs[1], runs[0]]
    );
    let ends = shelf
        .store
        .due_checks(installation, (Wanted::Ends, 10))
        .await
        .unwrap();
    assert_eq!(ends, due[..1], "the other run has no end yet");
    let owned = statuses(&shelf, installation).await;
    assert_eq!(
        owned.iter().map(|status| status.run).collect::<Vec<_>>(),
        [runs[1]],
        "the newest run owns it"
    );

    assert!(shelf.store.check_begun(&report, &due[0]).await.unwrap());
    assert!(checks(&shelf, installation).await[0].begun);
    shelf.store.check_sent(&report, &due[0], &shown(9)).await.unwrap();
    shelf
        .store
        .status_sent(&report, &owned[0], "shown")
        .await
        .unwrap();
    let left = checks(&shelf, installation).await;
    assert_eq!(left.iter().map(|check| check.run).collect::<Vec<_>>(), [runs[0]]);
    assert!(statuses(&shelf, installation).await.is_empty());
}

async fn what_github_refused_is_the_new_installations_when_the_app_comes_back(shelf: Shelf) {
    shelf.made("v1", '1', 1).await;
    let report = shelf.claim(JobKind::Report).await;
    let due = checks(&shelf, InstallationId(42)).await;
    shelf
        .store
        .check_parked(&report, &due[0], "not installed")
        .await
        .unwrap();
    assert!(checks(&shelf, InstallationId(42)).await.is_empty());
    shelf.store.complete(&report).await.unwrap();
    shelf
        .store
        .installed(RepoId(7), InstallationId(43))
        .await
        .unwrap();
    let again = shelf.claim(JobKind::Report).await;
    assert_eq!(again.subject, "43");
    assert_eq!(checks(&shelf, InstallationId(43)).await.len(), 1);
    assert_eq!(statuses(&shelf, InstallationId(43)).await.len(), 1);
}

async fn a_repository_that_is_seen_in_another_installation_takes_along_what_waits_for_it(shelf: Shelf) {
    let (old, new) = (InstallationId(42), InstallationId(43));
    let run = shelf.made("v1", '1', 1).await;
    let mut repo = shelf.store.run(run).await.unwrap().unwrap().source.repo;
    assert_eq!(repo.installation, old);
    shelf.store.repo_seen(&repo).await.unwrap();
    assert_eq!(checks(&shelf, old).await.len(), 1, "it is where it was");

    repo.installation = new;
    shelf.store.repo_seen(&repo).await.unwrap();
    assert!(checks(&shelf, old).await.is_empty());
    assert!(statuses(&shelf, old).await.is_empty());
    assert_eq!(checks(&shelf, new).await.len(), 1);
    assert_eq!(statuses(&shelf, new).await.len(), 1);
    let writers = [
        shelf.claim(JobKind::Report).await,
        shelf.claim(JobKind::Report).await,
    ];
    assert!(writers.iter().any(|writer| writer.subject == "43"), "{writers:?}");
}

async fn what_goes_to_another_installation_amid_a_write_is_not_written_twice(shelf: Shelf) {
    let (old, new) = (InstallationId(42), InstallationId(43));
    let (begun, untouched) = (shelf.made("v1", '1', 1).await, shelf.made("v2", '2', 2).await);
    let writing = shelf.claim(JobKind::Report).await;
    let due = checks(&shelf, old).await;
    let of = |run| due.iter().find(|check| check.run == run).unwrap();
    assert!(shelf.store.check_begun(&writing, of(begun)).await.unwrap());
    assert!(
        !shelf.store.check_begun(&writing, of(begun)).await.unwrap(),
        "who does not know that it was begun creates no second one"
    );
    shelf.store.installed(RepoId(7), new).await.unwrap();

    // The former writer has read what it was to write, and writes no more of it.
    assert!(!shelf.store.check_begun(&writing, of(untouched)).await.unwrap());
    // The new one waits until what was under way has happened, or never will.
    let left: Vec<_> = checks(&shelf, new)
        .await
        .into_iter()
        .map(|check| check.run)
        .collect();
    assert_eq!(left, [untouched]);
    shelf.clock.advance(LEASE);
    let all = checks(&shelf, new).await;
    assert!(
        all.iter().any(|check| check.run == begun && check.begun),
        "{all:?}"
    );
}
