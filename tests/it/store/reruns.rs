//! Runs that are asked for once more: tested again, or looked at again where somebody had to act first.

use hubcheck::model::{InstallationId, Outcome, RunId};
use hubcheck::store::{Admission, JobKind, NewRun, PushEnd, PushWait, Rerun, Run, RunFilter, Stage, Wanted};

use super::passed;
use crate::support::store::{Shelf, delivery, new_run, on_both_engines};

on_both_engines! {
    a_rerun_is_a_new_attempt_on_the_same_digest,
    a_superseded_run_can_be_run_again_and_leaves_the_status_to_its_successor,
    what_waited_for_somebody_is_looked_at_again_whatever_its_tag_means_by_now,
    of_an_image_that_nobody_could_read_the_registry_is_asked_again,
    who_asks_again_gets_an_answer_where_nothing_comes_of_it,
    who_asks_again_for_what_another_run_has_judged_gets_that_one_tested_again,
}

/// Somebody asks for a run again.
async fn asked_for(shelf: &Shelf, run: RunId) -> Option<Rerun> {
    let mut wish = delivery("acme/app", "v1");
    wish.pushes.clear();
    wish.acts = true;
    shelf.intake.take(wish).await;
    let event = shelf.claim(JobKind::GithubEvent).await;
    shelf.store.rerun(&event, run, &event.subject).await.unwrap()
}

/// A run that was over before it began, as there is something to be mended.
async fn blocked(shelf: &Shelf, change: impl FnOnce(&mut NewRun)) -> RunId {
    let (pushes, held) = shelf.push("acme/app", "v1").await;
    let mut new = new_run("v1", '1', 1);
    new.policy.blocked = Some("the file is broken".to_owned());
    new.settled = new.policy.blocked_verdict();
    change(&mut new);
    match shelf.store.admit(&held, &pushes, &[new]).await.unwrap().remove(0) {
        Admission::Made { run, .. } => run,
        other => panic!("no run was made: {other:?}"),
    }
}

/// All runs of the commit, as they were made.
async fn runs(shelf: &Shelf) -> Vec<Run> {
    let all = RunFilter {
        before: None,
        repo: None,
        private_too: true,
        limit: 10,
    };
    let mut runs = shelf.store.runs(&all).await.unwrap();
    runs.sort_by_key(|run| run.id);
    runs
}

async fn a_rerun_is_a_new_attempt_on_the_same_digest(shelf: Shelf) {
    let run = shelf.made("v1", '1', 1).await;
    assert_eq!(asked_for(&shelf, run).await, Some(Rerun::UnderWay(run)));

    let testing = shelf.testing().await;
    shelf
        .store
        .finish_run(&testing, run, &passed(), b"")
        .await
        .unwrap();
    let Some(Rerun::Made(again)) = asked_for(&shelf, run).await else {
        panic!("a finished run can be run again")
    };
    let again = shelf.store.run(again).await.unwrap().unwrap();
    assert_eq!((again.attempt, again.digest), (2, new_run("v1", '1', 1).digest));
}

async fn a_superseded_run_can_be_run_again_and_leaves_the_status_to_its_successor(shelf: Shelf) {
    let old = shelf.made("latest", '1', 1).await;
    let new = shelf.made("latest", '2', 2).await;
    let Some(Rerun::Made(again)) = asked_for(&shelf, old).await else {
        panic!("a superseded run can be run again")
    };
    let again = shelf.store.run(again).await.unwrap().unwrap();
    assert_eq!(again.superseded_by, Some(new));
    let statuses = shelf
        .store
        .due_statuses(InstallationId(42), (Wanted::All, 10))
        .await
        .unwrap();
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

async fn what_waited_for_somebody_is_looked_at_again_whatever_its_tag_means_by_now(shelf: Shelf) {
    let run = blocked(&shelf, |_| ()).await;
    assert_eq!(asked_for(&shelf, run).await, Some(Rerun::LookedAt));
    let job = shelf.claim(JobKind::Resolve).await;
    let pushes = shelf.open(&job).await;
    let known = pushes.meaning().expect("the digest is the run's");
    assert_eq!(known, &(new_run("v1", '1', 1).digest, 1));

    let mended = new_run("v1", '1', 1);
    let admitted = shelf.store.admit(&job, &pushes, &[mended]).await.unwrap();
    let [Admission::Made { run: again, .. }] = admitted[..] else {
        panic!("{admitted:?}")
    };
    assert_eq!(
        runs(&shelf).await.len(),
        2,
        "the one that came of it is the answer"
    );
    assert_eq!(
        shelf.store.run(again).await.unwrap().unwrap().stage,
        Stage::Queued
    );
}

async fn of_an_image_that_nobody_could_read_the_registry_is_asked_again(shelf: Shelf) {
    let run = blocked(&shelf, |new| new.policy.is_unread = true).await;
    assert_eq!(asked_for(&shelf, run).await, Some(Rerun::LookedAt));
    let job = shelf.claim(JobKind::Resolve).await;
    assert_eq!(shelf.open(&job).await.meaning(), None);
}

async fn who_asks_again_gets_an_answer_where_nothing_comes_of_it(shelf: Shelf) {
    let run = blocked(&shelf, |_| ()).await;
    asked_for(&shelf, run).await;
    let job = shelf.claim(JobKind::Resolve).await;
    let pushes = shelf.open(&job).await;
    let why = "no repository declares the image any more";
    shelf
        .store
        .end_pushes(&job, &pushes, PushEnd::Unmapped(why))
        .await
        .unwrap();
    let all = runs(&shelf).await;
    let verdict = all[1].verdict.as_ref().expect("it is over");
    assert_eq!(
        (all.len(), verdict.outcome, verdict.title.as_str()),
        (2, Outcome::ActionRequired, why)
    );
    assert_eq!(all[1].attempt, 2);

    // Trouble that outlasts the patience is an answer as well.
    asked_for(&shelf, run).await;
    for is_over in [false, true] {
        assert_eq!(runs(&shelf).await.len(), 2, "it is waited for");
        let job = shelf.claim(JobKind::Resolve).await;
        let pushes = shelf.open(&job).await;
        let now = shelf.clock.now();
        let wait = PushWait {
            why: "the registry is away",
            until: now,
            given_up_since: if is_over { now } else { 0 },
            given_up: PushEnd::Failed("the registry was away for an hour"),
        };
        shelf.store.pushes_wait(&job, &pushes, wait).await.unwrap();
    }
    let all = runs(&shelf).await;
    let verdict = all[2].verdict.as_ref().expect("it is over");
    assert_eq!((all.len(), verdict.outcome), (3, Outcome::Trouble));
}

async fn who_asks_again_for_what_another_run_has_judged_gets_that_one_tested_again(shelf: Shelf) {
    let run = blocked(&shelf, |_| ()).await;
    // The file was mended, and the digest pushed again.
    let judged = shelf.made("v1", '1', 2).await;
    let testing = shelf.testing().await;
    let store = &shelf.store;
    store.finish_run(&testing, judged, &passed(), b"").await.unwrap();

    asked_for(&shelf, run).await;
    let job = shelf.claim(JobKind::Resolve).await;
    let pushes = shelf.open(&job).await;
    let admitted = store.admit(&job, &pushes, &[new_run("v1", '1', 1)]).await;
    assert!(matches!(admitted.unwrap()[..], [Admission::Joined { run, .. }] if run == judged));
    let all = runs(&shelf).await;
    assert_eq!((all.len(), all[2].attempt, all[2].stage), (3, 2, Stage::Queued));
    assert_eq!(shelf.testing().await.subject, all[2].id.to_string());
}
