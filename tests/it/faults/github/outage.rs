//! GitHub is away, or we are.

use std::time::Duration;

use hubcheck::demo::github::GitHub;
use serde_json::json;

use crate::support::outbox::Outbox;

#[tokio::test]
async fn rows_wait_for_a_github_that_is_down_for_minutes() {
    let mut outbox = Outbox::new().await;
    let papers = [outbox.judged().await, outbox.judged().await];
    outbox.wire.unplug().await;
    outbox.open().await;
    let (mut left, _) = outbox.put_off().await;
    for _ in 0..8 {
        outbox.pass(left);
        (left, _) = outbox.put_off().await;
    }
    assert!(
        Outbox::is_put_off_until(left, Duration::from_mins(1)),
        "it looks every minute: {left:?}"
    );
    outbox.wire.pass();
    outbox.pass(left);
    for paper in &papers {
        outbox.shown(paper).await;
    }
    assert_eq!(outbox.github.writes().len(), 4);
    outbox.shut().await;
}

#[tokio::test]
async fn after_an_outage_of_hours_only_the_latest_state_of_each_is_sent() {
    let mut outbox = Outbox::new().await;
    let papers = [outbox.waiting().await, outbox.waiting().await];
    outbox.github.outage(true);
    outbox.open().await;
    outbox.put_off().await;
    // The runs go on without GitHub: they wait for the Engine, and end as trouble.
    for paper in &papers {
        outbox.troubled(paper).await;
    }
    outbox.pass(Duration::from_hours(3));
    for paper in &papers {
        outbox.noted(paper, "Finished").await;
    }
    let (left, _) = outbox.put_off().await;
    outbox.github.outage(false);
    outbox.pass(left);
    for paper in &papers {
        let (check, status) = outbox.shown(paper).await;
        assert_eq!(check.conclusion.as_deref(), Some("timed_out"));
        assert_eq!(status.state, "error");
    }
    outbox.done().await;
    assert_eq!(
        outbox.github.writes().len(),
        4,
        "a check and a status for each, and no state between: {:#?}",
        outbox.github.writes()
    );
    outbox.shut().await;
}

#[tokio::test]
async fn a_check_that_was_left_pending_is_finished_by_the_next_start() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.waiting().await;
    outbox.open().await;
    let pending = outbox.seen(|_| outbox.check(&paper)).await;
    outbox.seen(|_| outbox.status(&paper)).await;
    outbox.done().await;
    outbox.troubled(&paper).await;
    assert_eq!(pending.status, "in_progress");
    outbox.shut().await;

    outbox.clock.advance(Duration::from_hours(2));
    outbox.open().await;
    let (check, status) = outbox.shown(&paper).await;
    assert_eq!((check.id, status.state.as_str()), (pending.id, "error"));
    assert_eq!(check.conclusion.as_deref(), Some("timed_out"));
    outbox.shut().await;
}

#[tokio::test]
async fn what_has_not_ended_and_has_no_job_is_taken_up_again() {
    let mut outbox = Outbox::new().await;
    let [stranded, other] = [outbox.waiting().await, outbox.judged().await];
    let wait = uuid::Uuid::now_v7().to_string();
    for sql in [
        "DELETE FROM jobs".to_owned(),
        format!(
            "UPDATE pushes SET stage = 'received', run_id = NULL WHERE run_id = '{}'",
            other.run
        ),
        format!(
            "INSERT INTO expected (id, repo_id, commit_sha, image, context, arrival, since, until)
             SELECT '{wait}', repo_id, commit_sha, image, 'hubcheck/acme/other', '{{\"kind\":\"branch\",\"name\":\"main\"}}', 0, 0 FROM runs
             WHERE id = '{}'",
            stranded.run
        ),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(outbox.database().await)
            .await
            .unwrap();
    }
    outbox.open().await;
    outbox.troubled(&stranded).await;
    outbox.seen(|_| outbox.check(&stranded)).await;
    outbox.shown(&other).await;
    let jobs: Vec<(String,)> = sqlx::query_as("SELECT kind FROM jobs ORDER BY kind")
        .fetch_all(outbox.database().await)
        .await
        .unwrap();
    for kind in ["expect", "report", "resolve", "test"] {
        assert!(jobs.iter().any(|(job,)| job == kind), "{kind}: {jobs:?}");
    }
    outbox.shut().await;
}

#[tokio::test]
async fn a_wait_whose_job_is_given_up_ends_all_the_same() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.waiting().await;
    let wait = uuid::Uuid::now_v7().to_string();
    for sql in [
        format!(
            "INSERT INTO expected (id, repo_id, commit_sha, image, context, arrival, since, until)
             SELECT '{wait}', repo_id, commit_sha, image, 'hubcheck/acme/other', '{{\"kind\":\"branch\",\"name\":\"main\"}}', 0, 0 FROM runs
             WHERE id = '{}'",
            paper.run
        ),
        format!("INSERT INTO checks (run_id, installation_id, wanted) SELECT '{wait}', installation_id, 1 FROM repos"),
        format!(
            "INSERT INTO jobs (id, kind, subject, run_at, tries) VALUES ('{wait}', 'expect', '{wait}', 0, 10)"
        ),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(outbox.database().await)
            .await
            .unwrap();
    }
    outbox.open().await;
    let ended = |github: &GitHub| {
        let checks = github.check_runs(&outbox.repo, &paper.commit);
        checks.into_iter().find_map(|check| check.conclusion)
    };
    assert_eq!(outbox.seen(ended).await, "timed_out");
    outbox.shut().await;
}

#[tokio::test]
async fn a_verdict_that_was_never_sent_is_sent_by_the_next_start() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    outbox.github.outage(true);
    outbox.open().await;
    outbox.put_off().await;
    outbox.shut().await;
    assert_eq!(outbox.github.writes().len(), 0);

    outbox.github.outage(false);
    outbox.clock.advance(Duration::from_mins(2));
    outbox.open().await;
    outbox.shown(&paper).await;
    outbox.shut().await;
}

#[tokio::test]
async fn an_event_that_nobody_knows_is_answered_202_and_left_alone() {
    let mut outbox = Outbox::new().await;
    outbox.open().await;
    let unheard = outbox
        .github
        .event("black_hole", &json!({ "action": "collapsed", "mass": 1e31 }));
    outbox.deliver(unheard).await;
    let known = outbox
        .github
        .event("check_run", &json!({ "action": "dreamt_of" }));
    outbox.deliver(known).await;
    let deliveries = outbox.store().deliveries(None, 10).await.unwrap();
    let reasons: Vec<_> = deliveries
        .iter()
        .map(|delivery| delivery.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "check_run.dreamt_of is nothing that is acted on",
            "black_hole.collapsed is nothing that is acted on"
        ]
    );
    assert!(outbox.github.writes().is_empty());
    outbox.shut().await;
}
