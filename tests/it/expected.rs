//! Images that commits wait for: what shows before they come, and what when they do not.

mod ends;

use std::time::Duration;

use hubcheck::demo::github::{CheckRun, GitHub, NewCommit};
use hubcheck::model::CommitSha;
use serde_json::json;

use crate::support::house::{House, IMAGE, PATIENCE, labelled, plain};
use crate::support::openapi::{answer_schema, assert_described};

const HALF_AN_HOUR: &str = "images: { acme/app: { expect: 30m } }";

/// Longer than the file says.
const LATER: Duration = Duration::from_mins(31);

/// A bot over a repository with this file, which it has read.
async fn with_file(text: &str) -> House {
    let house = House::with_file(text, |_| ()).await;
    house.is_indexed(1).await;
    house
}

/// The check that stands on a commit before any image came.
async fn awaited(house: &House, commit: &CommitSha) -> CheckRun {
    house.told(commit, "waiting for docker.io/acme/app").await
}

/// A push of a branch with a new commit, which GitHub tells of.
async fn pushed(house: &House, message: &str) -> CommitSha {
    let commit = house.github.commit(&house.repo, message).unwrap();
    let event = house.github.push_event(&house.repo, "main").unwrap();
    assert_eq!(house.github.deliver(event).await, 202);
    commit
}

/// What became of everything that GitHub said so far.
async fn all_is_acted_on(house: &House) {
    use hubcheck::store::JobKind;
    house
        .until("all events are acted on", async |store| {
            store.depth(JobKind::GithubEvent).await.unwrap().open == 0
                && store.depth(JobKind::Report).await.unwrap().open == 0
        })
        .await;
}

fn writes_to(github: &GitHub, commit: &CommitSha) -> usize {
    let is_about = |body: &serde_json::Value| body.to_string().contains(commit.as_str());
    let writes = github.writes().into_iter();
    writes
        .filter(|write| write.path.contains(commit.as_str()) || write.body.as_ref().is_some_and(is_about))
        .count()
}

#[tokio::test]
async fn a_pushed_commit_waits_at_once_and_the_wait_becomes_the_run() {
    let house = with_file(HALF_AN_HOUR).await;
    let commit = pushed(&house, "to be built").await;
    let waiting = awaited(&house, &commit).await;
    assert_eq!(waiting.status, "queued");
    let status = house
        .github
        .wait_for(PATIENCE, |github| {
            github.statuses(&house.repo, &commit).into_iter().next()
        })
        .await
        .unwrap();
    assert_eq!(
        (status.state.as_str(), status.description.as_deref()),
        ("pending", Some("waiting for docker.io/acme/app"))
    );
    let id = waiting.external_id.clone().unwrap();
    let (code, page) = house.page(&format!("/runs/{id}")).await;
    assert_eq!(code, 200);
    assert!(page.contains("waiting for docker.io/acme/app"), "{page}");
    let description = house.operators_json("/api/openapi.json").await;
    let schema = answer_schema(&description, "get", "/api/v1/runs/{id}", "200");
    let story = house.operators_json(&format!("/api/v1/runs/{id}")).await;
    assert_eq!(story["stage"], "expected");
    assert_described(&description, schema, &story, "expected");

    // GitHub tells of one commit in several ways, and may tell of it late.
    let suite = house.github.request_check_suite(&house.repo, &commit).unwrap();
    assert_eq!(house.github.deliver(suite).await, 202);
    house.push("v1", &labelled(&commit, "echo fine")).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("success", "success"));
    assert_eq!(
        (shown.check.id, shown.check.external_id.as_deref()),
        (waiting.id, Some(id.as_str())),
        "the wait became the run, and was not replaced"
    );
    let event = house.github.push_event(&house.repo, "main").unwrap();
    assert_eq!(house.github.deliver(event).await, 202);
    all_is_acted_on(&house).await;
    assert_eq!(house.github.check_runs(&house.repo, &commit).len(), 1);
    let story = house.operators_json(&format!("/api/v1/runs/{id}")).await;
    assert_eq!(story["outcome"], "passed");
    assert_described(&description, schema, &story, "run");
    house.close().await;
}

#[tokio::test]
async fn a_commit_that_waited_in_vain_says_what_to_look_at_and_a_late_image_is_judged_all_the_same() {
    let house = with_file(HALF_AN_HOUR).await;
    let commit = pushed(&house, "its build fails").await;
    let waiting = awaited(&house, &commit).await;
    // Something else is pushed meanwhile.
    let other = house.github.commit(&house.repo, "another").unwrap();
    house.push("v2", &labelled(&other, "echo fine")).await;
    house.shown(&other, 1).await;
    house.clock.advance(LATER);
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("timed_out", "failure"));
    assert_eq!(shown.check.id, waiting.id);
    assert_eq!(
        shown.check.title.as_deref(),
        Some("docker.io/acme/app did not come within 30m")
    );
    let summary = shown.summary();
    assert!(
        summary.contains(&format!("built from commit {}", other.short())),
        "{summary}"
    );
    assert!(
        summary.contains("hubcheck hook-url docker.io/acme/app"),
        "{summary}"
    );
    let (code, page) = house
        .page(&format!("/runs/{}", waiting.external_id.clone().unwrap()))
        .await;
    assert_eq!(code, 200);
    assert!(page.contains("did not come within 30m"), "{page}");

    // "Re-run" waits once more, with a new check.
    let event = house.github.rerequest_check_run(waiting.id).unwrap();
    assert_eq!(house.github.deliver(event).await, 202);
    let again = awaited(&house, &commit).await;
    assert_ne!(again.id, waiting.id);
    house.clock.advance(LATER);
    let shown = house.shown(&commit, 2).await;
    assert_eq!(shown.conclusion(), ("timed_out", "failure"));

    house.push("v3", &labelled(&commit, "echo late, and fine")).await;
    let shown = house.shown(&commit, 3).await;
    assert_eq!(shown.conclusion(), ("success", "success"));
    assert!(![waiting.id, again.id].contains(&shown.check.id));
    house.close().await;
}

#[tokio::test]
async fn who_is_waited_for_says_the_file() {
    let text = "images: { acme/app: { expect: { within: 30m, branches: [main], pull_requests: true, forks: skip, merge_group: false } } }";
    let house = with_file(text).await;
    let github = &house.github;
    let commit = |message| github.commit(&house.repo, message).unwrap();

    let own = commit("of a pull request");
    let number = github.open_pull(&house.repo, &own, false);
    let event = github.pull_event(&house.repo, number, "opened").unwrap();
    assert_eq!(github.deliver(event).await, 202);
    assert_eq!(awaited(&house, &own).await.status, "queued");
    let next = commit("its next head");
    github.move_pull(&house.repo, number, &next);
    let event = github.pull_event(&house.repo, number, "synchronize").unwrap();
    assert_eq!(github.deliver(event).await, 202);
    awaited(&house, &next).await;

    // No image is built for these, and a rule that asks for the check lets them pass, with the reason.
    let forks = commit("of a fork");
    let number = github.open_pull(&house.repo, &forks, true);
    let event = github.pull_event(&house.repo, number, "opened").unwrap();
    assert_eq!(github.deliver(event).await, 202);
    let queued = commit("put together by the queue");
    let event = github.merge_group_event(&house.repo, &queued).unwrap();
    assert_eq!(github.deliver(event).await, 202);
    for (commit, whose) in [
        (&forks, "the pull requests of forks"),
        (&queued, "the merge queue"),
    ] {
        let shown = house.shown(commit, 1).await;
        assert_eq!(shown.conclusion(), ("skipped", "success"));
        let why = format!("no image is built for {whose}, by the repository's own file");
        assert_eq!(shown.check.title.as_deref(), Some(why.as_str()));
        assert_eq!(shown.status.description.as_deref(), Some(why.as_str()));
    }

    // A pull request that is opened once more is told of once.
    let event = github.pull_event(&house.repo, number, "reopened").unwrap();
    assert_eq!(github.deliver(event).await, 202);

    all_is_acted_on(&house).await;
    assert_eq!(github.check_runs(&house.repo, &forks).len(), 1);
    house.close().await;
}

#[tokio::test]
async fn other_branches_wait_for_nothing_nor_do_tags_nor_a_branch_that_is_gone() {
    let text = "images: { acme/app: { expect: { within: 30m, branches: [main], merge_group: false } } }";
    let house = with_file(text).await;
    let github = &house.github;
    let aside = github.commit(&house.repo, "on a branch").unwrap();
    github.set_branch(&house.repo, "fix/typo", &aside);
    let event = github.push_event(&house.repo, "fix/typo").unwrap();
    assert_eq!(github.deliver(event).await, 202);
    let pushed = |reference: &str, after: &str| {
        let id = github.repo_id(&house.repo);
        let repository = json!({ "id": id, "full_name": house.repo, "default_branch": "main" });
        let installation = json!({ "id": github.installation("acme") });
        let body = json!({
            "ref": reference, "after": after, "repository": repository, "installation": installation,
        });
        github.event("push", &body)
    };
    for (reference, after) in [
        ("refs/tags/v1", aside.as_str()),
        ("refs/heads/main", "0000000000000000000000000000000000000000"),
    ] {
        assert_eq!(github.deliver(pushed(reference, after)).await, 202, "{reference}");
    }
    all_is_acted_on(&house).await;
    assert_eq!(writes_to(github, &aside), 0);

    // The queue's own branches are pushed like any other, and are the queue's.
    let on_queue = github.commit(&house.repo, "on a branch of the queue").unwrap();
    let reference = "refs/heads/gh-readonly-queue/main/pr-7-abc";
    assert_eq!(github.deliver(pushed(reference, on_queue.as_str())).await, 202);
    assert_eq!(
        house.shown(&on_queue, 1).await.conclusion(),
        ("skipped", "success")
    );
    house.close().await;
}

#[tokio::test]
async fn a_merge_group_waits_for_its_image_where_the_file_speaks_of_branches_alone() {
    let house = with_file(HALF_AN_HOUR).await;
    let commit = house
        .github
        .commit(&house.repo, "put together by the queue")
        .unwrap();
    let event = house.github.merge_group_event(&house.repo, &commit).unwrap();
    assert_eq!(house.github.deliver(event).await, 202);
    awaited(&house, &commit).await;
    house.push("queue", &labelled(&commit, "exit 1")).await;
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("failure", "failure"));

    // One whose image never comes does not hold up the queue for longer than the file says.
    let other = house.github.commit(&house.repo, "the next group").unwrap();
    let event = house.github.merge_group_event(&house.repo, &other).unwrap();
    assert_eq!(house.github.deliver(event).await, 202);
    awaited(&house, &other).await;
    house.clock.advance(LATER);
    assert_eq!(
        house.shown(&other, 1).await.conclusion(),
        ("timed_out", "failure")
    );
    house.close().await;
}

#[tokio::test]
async fn without_expect_nothing_is_said_before_an_image_comes() {
    let house = with_file("images: { acme/app: {} }").await;
    let commit = pushed(&house, "not waited for").await;
    let event = house.github.merge_group_event(&house.repo, &commit).unwrap();
    assert_eq!(house.github.deliver(event).await, 202);
    let number = house.github.open_pull(&house.repo, &commit, true);
    let event = house.github.pull_event(&house.repo, number, "opened").unwrap();
    assert_eq!(house.github.deliver(event).await, 202);
    all_is_acted_on(&house).await;
    assert_eq!(house.github.writes().len(), 0);
    house.close().await;
}

#[tokio::test]
async fn an_image_that_was_there_first_is_not_waited_for() {
    let house = with_file(HALF_AN_HOUR).await;
    let (commit, image) = house.build_image("a quick build", "echo fine");
    house.push("v1", &image).await;
    house.shown(&commit, 1).await;
    let event = house.github.push_event(&house.repo, "main").unwrap();
    assert_eq!(house.github.deliver(event).await, 202);
    all_is_acted_on(&house).await;
    assert_eq!(house.github.check_runs(&house.repo, &commit).len(), 1);
    house.close().await;
}

#[tokio::test]
async fn a_wait_that_ended_while_the_bot_was_away_is_finished_at_its_start() {
    let house = with_file(HALF_AN_HOUR).await;
    let commit = pushed(&house, "its build fails, and the bot is away").await;
    let waiting = awaited(&house, &commit).await;
    let clock = house.clock.clone();
    let house = house
        .away(async |_, _| clock.advance(Duration::from_hours(24)))
        .await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("timed_out", "failure"));
    assert_eq!(shown.check.id, waiting.id);
    house.close().await;
}

#[tokio::test]
async fn an_image_whose_commit_cannot_be_told_leaves_the_wait_as_it_is() {
    let house = with_file(HALF_AN_HOUR).await;
    let commit = pushed(&house, "built without labels").await;
    awaited(&house, &commit).await;
    let digest = house
        .registry
        .push(IMAGE, "v1", &plain("echo fine").build())
        .await;
    let delivery = house.announce("v1").await;
    house.pushes(&delivery, |push| push.reason.is_some()).await;
    house.clock.advance(LATER);
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("timed_out", "failure"), "{digest}");
    assert!(
        shown
            .summary()
            .contains("one push led to no commit of this repository"),
        "{}",
        shown.summary()
    );
    house.close().await;
}

#[tokio::test]
async fn of_a_private_repository_the_wait_is_as_private_as_the_run() {
    let house = House::with_private_repo().await;
    house.is_indexed(1).await;
    let files = [(".github/hubcheck.yml", HALF_AN_HOUR)];
    let declares = NewCommit {
        message: "declares the image",
        files: &files,
        ..NewCommit::default()
    };
    let commit = house.github.make_commit(&house.repo, &declares).unwrap();
    let event = house.github.push_event(&house.repo, "main").unwrap();
    assert_eq!(house.github.deliver(event).await, 202);
    let waiting = awaited(&house, &commit).await;
    let id = waiting.external_id.unwrap();
    assert_eq!(house.page(&format!("/runs/{id}")).await.0, 404);
    assert_eq!(house.page(&format!("/api/v1/runs/{id}")).await.0, 404);
    let details = waiting.details_url.unwrap();
    let path = details.strip_prefix(&house.url).unwrap();
    assert!(path.contains("?key="), "{path}");
    assert_eq!(house.page(path).await.0, 303);
    let seen = house
        .github
        .wait_for(PATIENCE, |github| {
            github.statuses(&house.repo, &commit).into_iter().next()
        })
        .await
        .unwrap();
    assert_eq!(seen.target_url.as_deref(), Some(details.as_str()));
    house.close().await;
}
