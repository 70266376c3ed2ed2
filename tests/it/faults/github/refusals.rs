//! What GitHub will not take: it is that write's own affair, and the others go on.

use std::time::Duration;

use http::{Method, StatusCode};
use hubcheck::clock::millis;
use hubcheck::demo::github::{Access, Fault, Trouble};
use hubcheck::model::{RepoName, Visibility};
use hubcheck::store::JobKind;

use crate::support::outbox::Outbox;
use crate::support::store::{LEASE, Shelf};

fn refusal(status: u16, message: &str) -> Trouble {
    Trouble::Refusal(StatusCode::from_u16(status).unwrap(), message.to_owned())
}

#[tokio::test]
async fn a_missing_permission_is_named_parks_its_writes_alone_and_ends_when_it_is_granted() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    outbox.github.grant("acme", "checks", Some(Access::Read));
    outbox.open().await;
    outbox
        .noted(&paper, "the App lacks the permission `checks=write`")
        .await;
    outbox.seen(|_| outbox.status(&paper)).await;
    outbox.done().await;
    assert_eq!(outbox.requests(&Method::POST, "/check-runs").len(), 1, "parked");

    let granted = outbox.github.grant("acme", "checks", Some(Access::Write));
    outbox.deliver(granted.unwrap()).await;
    outbox.shown(&paper).await;
    outbox.shut().await;
}

#[tokio::test]
async fn a_repository_that_is_not_found_while_github_settles_is_written_to_after_all() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    outbox
        .github
        .fail(Fault::on(Method::POST, "/check-runs", refusal(404, "Not Found")).times(2));
    outbox.open().await;
    outbox.pass_until_done().await;
    outbox.shown(&paper).await;
    let looked_up = outbox.requests(&Method::GET, "/repos/acme/app/installation");
    assert_eq!(looked_up.len(), 2, "looked up again");
    outbox.shut().await;
}

#[tokio::test]
async fn a_repository_that_is_gone_is_parked_after_a_few_tries() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    outbox.github.remove(&outbox.repo);
    outbox.open().await;
    outbox.pass_until_done().await;
    outbox
        .noted(
            &paper,
            "the App is not installed in acme/app, or there is no such repository",
        )
        .await;
    let (sent, looked_up) = (
        outbox.requests(&Method::POST, "/check-runs"),
        outbox.requests(&Method::GET, "/check-runs"),
    );
    assert_eq!(
        (sent.len(), looked_up.len()),
        (4, 0),
        "what was refused is not looked for"
    );
    outbox.shut().await;
}

#[tokio::test]
async fn an_app_that_is_taken_away_and_comes_back_shows_what_it_owes() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    outbox.github.uninstall("acme").unwrap();
    outbox.open().await;
    outbox
        .noted(&paper, "check run: the App is not installed in acme/app")
        .await;
    outbox
        .noted(&paper, "status: the App is not installed in acme/app")
        .await;
    outbox.done().await;
    outbox.deliver(outbox.github.install("acme")).await;
    outbox.shown(&paper).await;
    outbox.shut().await;
}

#[tokio::test]
async fn a_renamed_repository_is_followed_and_its_new_name_kept() {
    let mut outbox = Outbox::without_a_wire().await;
    let (paper, pending) = (outbox.judged().await, outbox.waiting().await);
    let renamed: RepoName = "acme/renamed".parse().unwrap();
    outbox.github.rename(&outbox.repo, &renamed);
    outbox.repo = renamed.clone();
    outbox.open().await;
    outbox.shown(&paper).await;
    outbox.seen(|_| outbox.check(&pending)).await;
    outbox.troubled(&pending).await;
    let run = outbox.store().run(paper.run).await.unwrap().unwrap();
    assert_eq!(run.source.repo.name, renamed);
    outbox.pass(Duration::from_hours(2));
    outbox.shown(&pending).await;
    let by_old_name = outbox.requests(&Method::PATCH, "/repos/acme/app/");
    assert!(by_old_name.is_empty(), "{by_old_name:#?}");
    outbox.shut().await;
}

#[tokio::test]
async fn a_repository_that_another_account_takes_over_is_followed_to_its_installation() {
    let mut outbox = Outbox::without_a_wire().await;
    let paper = outbox.judged().await;
    let taken: RepoName = "rival/app".parse().unwrap();
    outbox.github.install("rival");
    outbox.github.rename(&outbox.repo, &taken);
    outbox.repo = taken.clone();
    outbox.open().await;
    outbox.shown(&paper).await;
    let source = outbox.store().run(paper.run).await.unwrap().unwrap().source;
    assert_eq!(source.repo.name, taken);
    let rival = outbox.github.installation("rival");
    assert_eq!(Some(source.repo.installation), rival);
    let sql = "SELECT installation_id FROM checks UNION SELECT installation_id FROM statuses";
    let lanes: Vec<i64> = sqlx::query_scalar(sql)
        .fetch_all(outbox.database().await)
        .await
        .unwrap();
    assert_eq!(
        lanes,
        [rival.unwrap().0],
        "what comes next is written there as well"
    );
    outbox.shut().await;
}

#[tokio::test]
async fn what_was_written_down_for_an_installation_that_is_gone_is_told_by_the_one_that_came_after_it() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    let gone = outbox.github.installation("acme").unwrap();
    outbox.github.uninstall("acme").unwrap();
    outbox.github.install("acme");
    let now = outbox.github.installation("acme").unwrap();
    // Somebody has seen where the repository is, and died before what waits for it was handed over.
    sqlx::query("UPDATE repos SET installation_id = $1")
        .bind(now.0)
        .execute(outbox.database().await)
        .await
        .unwrap();
    outbox.open().await;
    outbox.shown(&paper).await;
    let sql = "SELECT installation_id FROM github_budget";
    let spent: Vec<i64> = sqlx::query_scalar(sql)
        .fetch_all(outbox.database().await)
        .await
        .unwrap();
    assert!(spent.contains(&now.0), "{spent:?}");
    assert!(
        !spent.contains(&gone.0),
        "its budget is not the other's: {spent:?}"
    );
    outbox.shut().await;
}

#[tokio::test]
async fn what_is_gone_for_good_is_parked_at_once_and_the_others_go_out() {
    let mut outbox = Outbox::new().await;
    let gone = [
        (410, "Gone"),
        (451, "Repository access blocked"),
        (403, "Repository was archived so is read-only."),
    ];
    let mut papers = Vec::new();
    for (status, message) in gone {
        papers.push(outbox.judged().await);
        outbox
            .github
            .fail(Fault::on(Method::POST, "/check-runs", refusal(status, message)));
    }
    let last = outbox.judged().await;
    outbox.open().await;
    outbox.shown(&last).await;
    for (paper, (_, message)) in papers.iter().zip(gone) {
        outbox.noted(paper, message).await;
        outbox.seen(|_| outbox.status(paper)).await;
    }
    outbox.done().await;
    assert_eq!(
        outbox.requests(&Method::POST, "/check-runs").len(),
        4,
        "none is tried twice"
    );
    outbox.shut().await;
}

#[tokio::test]
async fn a_report_that_is_too_long_lands_in_one_line() {
    let mut outbox = Outbox::new().await;
    let (judged, waiting) = (outbox.judged().await, outbox.waiting().await);
    outbox.open().await;
    outbox.seen(|_| outbox.check(&waiting)).await;
    outbox.troubled(&waiting).await;
    outbox.shut().await;

    let too_long = refusal(422, "Only 65535 characters are allowed; 70000 were supplied.");
    outbox
        .github
        .fail(Fault::on(Method::PATCH, "/check-runs", too_long.clone()));
    outbox.clock.advance(Duration::from_hours(2));
    let another = outbox.judged().await;
    outbox
        .github
        .fail(Fault::on(Method::POST, "/check-runs", too_long));
    outbox.open().await;
    for paper in [&another, &waiting] {
        let (check, _) = outbox.shown(paper).await;
        assert!(check.summary.unwrap().contains("did not take the whole report"));
    }
    outbox.shown(&judged).await;
    outbox.shut().await;
}

#[tokio::test]
async fn a_repository_that_is_archived_is_parked_and_shown_once_it_is_taken_up_again() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    outbox.github.archive(&outbox.repo, true).unwrap();
    outbox.open().await;
    outbox.noted(&paper, "check run: POST").await;
    outbox.noted(&paper, "Repository was archived").await;
    outbox.done().await;
    assert_eq!(outbox.github.writes().len(), 0);

    // What the event says is looked up, and GitHub may fail just then.
    let fails = Trouble::ErrorBefore(StatusCode::BAD_GATEWAY);
    outbox
        .github
        .fail(Fault::on(Method::GET, "/repos/acme/app", fails).times(2));
    let again = outbox.github.archive(&outbox.repo, false).unwrap();
    outbox.deliver(again).await;
    outbox.shown(&paper).await;
    outbox.shut().await;
}

#[tokio::test]
async fn what_was_given_up_while_a_run_was_under_way_is_tried_anew_with_its_verdict() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.waiting().await;
    for path in ["/check-runs", "/statuses"] {
        let refused = refusal(403, "Resource not accessible by integration");
        outbox.github.fail(Fault::on(Method::POST, path, refused));
    }
    outbox.open().await;
    outbox.noted(&paper, "check run: POST").await;
    outbox.noted(&paper, "status: POST").await;
    outbox.troubled(&paper).await;
    outbox.pass(Duration::from_hours(2));
    let (check, status) = outbox.shown(&paper).await;
    assert_eq!(check.conclusion.as_deref(), Some("timed_out"));
    assert_eq!(status.state, "error");
    outbox.shut().await;
}

#[tokio::test]
async fn an_app_that_is_suspended_shows_what_it_owes_once_it_is_taken_up_again() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    outbox.github.suspend("acme", true).unwrap();
    outbox.open().await;
    outbox.noted(&paper, "This installation has been suspended").await;
    outbox.done().await;
    assert_eq!(outbox.github.writes().len(), 0);

    let again = outbox.github.suspend("acme", false).unwrap();
    outbox.deliver(again).await;
    outbox.shown(&paper).await;
    outbox.shut().await;
}

#[tokio::test]
async fn a_commit_with_its_thousand_statuses_gets_the_check_and_is_left_alone() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    let full = refusal(
        422,
        "This SHA and context has reached the maximum number of statuses.",
    );
    outbox
        .github
        .fail(Fault::on(Method::POST, "/statuses", full).times(u32::MAX));
    outbox.open().await;
    outbox.noted(&paper, "maximum number of statuses").await;
    outbox.seen(|_| outbox.check(&paper)?.conclusion).await;
    outbox.done().await;
    outbox.pass(Duration::from_hours(24));
    outbox.store().wake_due_reports().await.unwrap();
    outbox.done().await;
    assert_eq!(outbox.requests(&Method::POST, "/statuses").len(), 1);
    outbox.shut().await;
}

#[tokio::test]
async fn a_write_that_github_fails_at_for_ever_is_parked_in_the_end_and_holds_up_nobody() {
    let mut outbox = Outbox::new().await;
    let (paper, other) = (outbox.judged().await, outbox.judged().await);
    let fails = Trouble::ErrorBefore(StatusCode::BAD_GATEWAY);
    let path = format!("/statuses/{}", paper.commit);
    outbox
        .github
        .fail(Fault::on(Method::POST, &path, fails).times(u32::MAX));
    outbox.open().await;
    outbox.shown(&other).await;
    outbox.seen(|_| outbox.check(&paper)?.conclusion).await;
    let waits = outbox.pass_until_done().await;
    let first_and_last = (waits.first(), waits.last());
    let expected = (Duration::from_secs(4), Duration::from_mins(54));
    assert!(
        first_and_last.0 < Some(&expected.0) && first_and_last.1 > Some(&expected.1),
        "{waits:?}"
    );
    outbox.noted(&paper, "502").await;
    outbox.done().await;
    assert_eq!(outbox.requests(&Method::POST, &path).len(), 25);
    outbox.shut().await;
}

#[tokio::test]
async fn a_write_that_waits_by_itself_makes_no_other_wait() {
    let shelf = Shelf::on_sqlite().await;
    shelf.made("v1", '1', 1).await;
    let lease = shelf.claim(JobKind::Report).await;
    let later = shelf.clock.now() + millis(Duration::from_hours(1));
    shelf.store.postpone(&lease, later).await.unwrap();
    assert_eq!(shelf.store.claim(JobKind::Report, LEASE).await.unwrap(), None);
    shelf.made("v2", '2', 2).await;
    shelf.claim(JobKind::Report).await;
}

#[tokio::test]
async fn a_run_that_cannot_be_read_is_parked_and_the_others_go_out() {
    let mut outbox = Outbox::new().await;
    let (paper, other) = (outbox.judged().await, outbox.judged().await);
    let database = outbox.database().await;
    for table in [
        "UPDATE runs SET plan = 'nonsense'",
        "UPDATE statuses SET commit_sha = 'nonsense'",
    ] {
        let (sql, key) = (
            format!(
                "{table} WHERE {} = $1",
                if table.contains("runs") { "id" } else { "run_id" }
            ),
            paper.run.to_string(),
        );
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(key)
            .execute(database)
            .await
            .unwrap();
    }
    outbox.open().await;
    outbox.noted(&paper, "check run: ").await;
    outbox.noted(&paper, "status: ").await;
    outbox.shown(&other).await;
    outbox.done().await;
    outbox.shut().await;
}

#[tokio::test]
async fn a_repository_that_turns_private_closes_its_pages_at_once() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    outbox.open().await;
    outbox.shown(&paper).await;
    let page = format!("/runs/{}", paper.run);
    assert_eq!(outbox.page(&page).await.0, 200);
    let wait_for = async |status: u16| {
        while outbox.page(&page).await.0 != status {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let story = async {
        let closed = outbox.github.show_to(&outbox.repo, Visibility::Private).unwrap();
        outbox.github.outage(true);
        outbox.deliver(closed).await;
        wait_for(404).await;
        outbox.github.outage(false);
        let opened = outbox.github.show_to(&outbox.repo, Visibility::Public).unwrap();
        let late = outbox
            .github
            .event("repository", &serde_json::from_str(&opened.body).unwrap());
        outbox.deliver(opened).await;
        wait_for(200).await;
        // It says public when it is private again: it came late, and is not believed.
        outbox.github.show_to(&outbox.repo, Visibility::Private).unwrap();
        outbox.deliver(late).await;
        wait_for(404).await;
    };
    tokio::time::timeout(Duration::from_mins(1), story)
        .await
        .expect("the page stays as it was");
    outbox.shut().await;
}
