//! The store: nothing that was taken is lost, nothing is done under a lost lease, and runs are found,
//! joined and superseded as the contract says.

use std::time::Duration;

use hubcheck::clock::Clock;
use hubcheck::model::{DeliveryId, InstallationId, Outcome, RepoId, Verdict};
use hubcheck::store::{Admission, JobKind, Rerun, RunFilter, Stage, Store, StoreError, Taken};

use crate::support::store::{LEASE, Shelf, delivery, new_run};

fn passed() -> Verdict {
    Verdict::without_steps(Outcome::Passed, "passed")
}

#[tokio::test]
async fn a_delivery_is_durable_once_it_is_answered() {
    let shelf = Shelf::open().await;
    let one = delivery("acme/app", "v1");
    assert_eq!(shelf.intake.take(one.clone()).await, Taken::Stored);
    let url = format!(
        "sqlite://{}",
        shelf.directory.path().join("hubcheck.db").display()
    );
    let reopened = Store::open(&url, Clock::default()).await.unwrap();
    let stored = reopened.delivery(one.id).await.unwrap().unwrap();
    assert_eq!(
        (stored.summary.decision.as_str(), stored.body.as_str()),
        ("queued", "{}")
    );
    assert_eq!(reopened.pushes_of(one.id).await.unwrap().len(), 1);
    assert!(reopened.claim(JobKind::Resolve, LEASE).await.unwrap().is_some());
}

#[tokio::test]
async fn a_senders_event_is_taken_once() {
    let shelf = Shelf::open().await;
    let mut one = delivery("acme/app", "v1");
    one.event_id = Some("guid".to_owned());
    let mut again = delivery("acme/app", "v1");
    again.event_id.clone_from(&one.event_id);
    assert_eq!(shelf.intake.take(one.clone()).await, Taken::Stored);
    assert_eq!(shelf.intake.take(again).await, Taken::Duplicate(one.id));
    assert_eq!(shelf.store.deliveries(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn many_deliveries_at_once_are_all_stored() {
    let shelf = Shelf::open().await;
    let takes = (0..300).map(|n| {
        let intake = shelf.intake.clone();
        tokio::spawn(async move { intake.take(delivery("acme/app", &format!("v{n}"))).await })
    });
    for take in takes.collect::<Vec<_>>() {
        assert_eq!(take.await.unwrap(), Taken::Stored);
    }
    assert_eq!(shelf.store.depth(JobKind::Resolve).await.unwrap().open, 300);
}

#[tokio::test]
async fn deliveries_are_paged_by_key() {
    let shelf = Shelf::open().await;
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

#[tokio::test]
async fn a_worker_that_lost_its_lease_changes_nothing() {
    let shelf = Shelf::open().await;
    let (push, slow) = shelf.push("acme/app", "v1").await;
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
    let late = shelf.store.admit(&slow, push, &new_run("v1", '1', 1)).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    assert!(matches!(
        shelf.store.heartbeat(&slow, LEASE).await,
        Err(StoreError::LeaseLost)
    ));
    shelf
        .store
        .admit(&quick, push, &new_run("v1", '1', 1))
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

#[tokio::test]
async fn a_heartbeat_keeps_the_lease() {
    let shelf = Shelf::open().await;
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

#[tokio::test]
async fn jobs_of_one_lane_never_overlap() {
    let shelf = Shelf::open().await;
    let (first, held) = shelf.push("acme/app", "v1").await;
    shelf.intake.take(delivery("acme/app", "v1")).await;
    assert!(
        shelf
            .store
            .claim(JobKind::Resolve, LEASE)
            .await
            .unwrap()
            .is_none(),
        "the lane is taken"
    );
    shelf.intake.take(delivery("acme/app", "v2")).await;
    assert!(
        shelf
            .store
            .claim(JobKind::Resolve, LEASE)
            .await
            .unwrap()
            .is_some(),
        "another lane is free"
    );
    shelf
        .store
        .admit(&held, first, &new_run("v1", '1', 1))
        .await
        .unwrap();
    assert!(
        shelf
            .store
            .claim(JobKind::Resolve, LEASE)
            .await
            .unwrap()
            .is_some(),
        "the lane is free again"
    );
}

#[tokio::test]
async fn a_job_woken_while_it_is_done_is_done_once_more() {
    let shelf = Shelf::open().await;
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

#[tokio::test]
async fn waking_a_job_that_waits_does_not_move_it() {
    let shelf = Shelf::open().await;
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

#[tokio::test]
async fn a_parked_job_is_seen_and_not_claimed() {
    let shelf = Shelf::open().await;
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

#[tokio::test]
async fn three_tags_of_one_digest_share_a_run() {
    let shelf = Shelf::open().await;
    let mut runs = Vec::new();
    for tag in ["latest", "v1", "v1.2"] {
        let (push, held) = shelf.push("acme/app", tag).await;
        match shelf
            .store
            .admit(&held, push, &new_run(tag, '1', 1))
            .await
            .unwrap()
        {
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

#[tokio::test]
async fn a_newer_digest_of_the_tag_supersedes_a_waiting_run() {
    let shelf = Shelf::open().await;
    let old = shelf.made("latest", '1', 1).await;
    let testing = shelf.testing().await;
    shelf.store.begin_tests(&testing, old).await.unwrap();
    let (push, held) = shelf.push("acme/app", "latest").await;
    let Admission::Made { run: new, superseded } = shelf
        .store
        .admit(&held, push, &new_run("latest", '2', 2))
        .await
        .unwrap()
    else {
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

#[tokio::test]
async fn a_tag_that_moves_back_ends_the_run_between_and_the_status_is_the_first_ones_again() {
    let shelf = Shelf::open().await;
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
    let statuses = shelf.store.due_statuses(InstallationId(42), 10).await.unwrap();
    assert_eq!(
        statuses.iter().map(|status| status.run).collect::<Vec<_>>(),
        [first]
    );
}

#[tokio::test]
async fn a_tag_that_was_seen_again_stays_where_it_was_seen_last() {
    let shelf = Shelf::open().await;
    let holder = shelf.made("latest", '1', 10).await;
    shelf.admit("latest", '1', 30).await;
    assert_eq!(shelf.admit("latest", '2', 20).await, Admission::Overtaken(holder));
}

#[tokio::test]
async fn a_superseded_run_can_be_run_again_and_leaves_the_status_to_its_successor() {
    let shelf = Shelf::open().await;
    let old = shelf.made("latest", '1', 1).await;
    let new = shelf.made("latest", '2', 2).await;
    let mut wish = delivery("acme/app", "v1");
    wish.pushes.clear();
    wish.acts = true;
    shelf.intake.take(wish).await;
    let event = shelf.claim(JobKind::GithubEvent).await;
    let Some(Rerun::Made(again)) = shelf.store.rerun(&event, old, &event.subject).await.unwrap() else {
        panic!("a superseded run can be run again")
    };
    let again = shelf.store.run(again).await.unwrap().unwrap();
    assert_eq!(again.superseded_by, Some(new));
    let statuses = shelf.store.due_statuses(InstallationId(42), 10).await.unwrap();
    assert_eq!(
        statuses.iter().map(|status| status.run).collect::<Vec<_>>(),
        [new]
    );
    let current = shelf
        .store
        .current_runs_of_commit(again.source.repo.id, &again.source.commit)
        .await
        .unwrap();
    assert_eq!(current.iter().map(|run| run.id).collect::<Vec<_>>(), [new]);
}

#[tokio::test]
async fn a_push_that_is_late_does_not_supersede_a_newer_one() {
    let shelf = Shelf::open().await;
    let newer = shelf.made("latest", '2', 20).await;
    let (push, held) = shelf.push("acme/app", "latest").await;
    let late = shelf
        .store
        .admit(&held, push, &new_run("latest", '1', 10))
        .await
        .unwrap();
    assert_eq!(late, Admission::Overtaken(newer));
}

#[tokio::test]
async fn a_digest_with_a_verdict_is_not_run_again_but_trouble_is() {
    let shelf = Shelf::open().await;
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

    let (push, held) = shelf.push("acme/app", "v1").await;
    assert_eq!(
        shelf
            .store
            .admit(&held, push, &new_run("v1", '1', 3))
            .await
            .unwrap(),
        Admission::Joined {
            run: second,
            superseded: Vec::new()
        }
    );
}

#[tokio::test]
async fn a_rerun_is_a_new_attempt_on_the_same_digest() {
    let shelf = Shelf::open().await;
    let run = shelf.made("v1", '1', 1).await;
    let wish = |n: &str| {
        let mut wish = delivery("acme/app", n);
        wish.pushes.clear();
        wish.acts = true;
        wish
    };
    shelf.intake.take(wish("v1")).await;
    let event = shelf.claim(JobKind::GithubEvent).await;
    let under_way = shelf.store.rerun(&event, run, &event.subject).await.unwrap();
    assert_eq!(under_way, Some(Rerun::UnderWay(run)));

    let testing = shelf.testing().await;
    shelf
        .store
        .finish_run(&testing, run, &passed(), b"")
        .await
        .unwrap();
    shelf.intake.take(wish("v1")).await;
    let event = shelf.claim(JobKind::GithubEvent).await;
    let Some(Rerun::Made(again)) = shelf.store.rerun(&event, run, &event.subject).await.unwrap() else {
        panic!("a finished run can be run again")
    };
    let again = shelf.store.run(again).await.unwrap().unwrap();
    assert_eq!((again.attempt, again.digest), (2, new_run("v1", '1', 1).digest));
}

#[tokio::test]
async fn only_what_changed_is_due_at_github_and_verdicts_come_first() {
    let shelf = Shelf::open().await;
    let installation = InstallationId(42);
    let mut runs = Vec::new();
    for (tag, digit) in [("v1", '1'), ("v2", '2')] {
        let (push, held) = shelf.push("acme/app", tag).await;
        let Admission::Made { run, .. } = shelf
            .store
            .admit(&held, push, &new_run(tag, digit, 1))
            .await
            .unwrap()
        else {
            panic!("each digest makes a run")
        };
        runs.push(run);
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
    shelf
        .store
        .check_sent(&report, &due[0], 9, "shown")
        .await
        .unwrap();
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

#[tokio::test]
async fn what_github_refused_is_the_new_installations_when_the_app_comes_back() {
    let shelf = Shelf::open().await;
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

#[tokio::test]
async fn what_is_old_is_forgotten_but_not_what_github_waits_for() {
    let shelf = Shelf::open().await;
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
    let due = shelf.store.due_checks(InstallationId(42), 1).await.unwrap();
    shelf
        .store
        .check_sent(&report, &due[0], 1, "shown")
        .await
        .unwrap();
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

#[tokio::test]
async fn secrets_are_made_once_and_kept() {
    use secrecy::ExposeSecret;
    let shelf = Shelf::open().await;
    let first = shelf.store.secret("hook_key").await.unwrap();
    let second = shelf.store.secret("hook_key").await.unwrap();
    assert_eq!(first.expose_secret(), second.expose_secret());
    assert_eq!(first.expose_secret().len(), 64);
    assert_eq!(
        shelf.store.instance().await.unwrap(),
        shelf.store.instance().await.unwrap()
    );
}
