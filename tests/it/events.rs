//! What people do at GitHub, and what the operator does here: each comes to a run, or to a reason why not.

use std::time::Duration;

use hubcheck::config::{self, ImageBinding};
use hubcheck::demo::github::{Caller, CheckRun, GitHub};
use hubcheck::model::{CommitSha, ImageName, RepoName};
use hubcheck::store::Store;

use crate::support::house::{ENDLESS, House, IMAGE, PATIENCE};
use crate::support::openapi::{answer_schema, assert_described};

/// An image of GitHub's own registry that the repository declares.
const OF_GITHUB: &str = "images: { ghcr.io/acme/app: {} }";

async fn with_package() -> House {
    House::with_file(OF_GITHUB, |config| {
        let mirror = config.registries["docker.io"].clone();
        config
            .registries
            .insert("ghcr.io".to_owned(), config::Registry { ..mirror });
    })
    .await
}

fn external_ids(github: &GitHub, repo: &RepoName, commit: &CommitSha) -> Vec<String> {
    let checks = github.check_runs(repo, commit).into_iter();
    checks.filter_map(|check| check.external_id).collect()
}

#[tokio::test]
async fn the_button_beside_a_verdict_tests_the_same_digest_again() {
    let house = House::open().await;
    let (commit, image) = house.build_image("judged twice", "echo fine");
    house.push("v1", &image).await;
    let first = house.shown(&commit, 1).await.check;
    let completed = house.github.writes().into_iter().find_map(|write| {
        let body = write.body?;
        (body["conclusion"] == "success").then_some(body["actions"].clone())
    });
    assert_eq!(completed.unwrap()[0]["identifier"], "rerun");

    let press = |button| house.github.press(first.id, button).unwrap();
    house.github.deliver(press("somebody else's")).await;
    house.github.deliver(press("rerun")).await;
    let second = house.shown(&commit, 2).await.check;
    assert_ne!(first.id, second.id);
    let story = async |check: &CheckRun| {
        let id = check.external_id.clone().unwrap();
        house.operators_json(&format!("/api/v1/runs/{id}")).await
    };
    let (one, two) = (story(&first).await, story(&second).await);
    assert_eq!(one["digest"], two["digest"]);
    assert_eq!((&one["attempt"], &two["attempt"]), (&1.into(), &2.into()));
    assert_eq!(house.github.check_runs(&house.repo, &commit).len(), 2);
    house.close().await;
}

#[tokio::test]
async fn the_operator_has_a_run_done_again_by_the_api() {
    let house = House::open().await;
    let (commit, image) = house.build_image("judged twice", "echo fine");
    house.push("v1", &image).await;
    let first = house.shown(&commit, 1).await.check.external_id.unwrap();
    let path = format!("/api/v1/runs/{first}/rerun");
    let (status, receipt) = house.order(&path).await;
    assert_eq!(
        (status, receipt["decision"].as_str()),
        (202, Some("queued")),
        "{receipt}"
    );
    let description = house.operators_json("/api/openapi.json").await;
    for (order, answered) in [("rerun", "202"), ("cancel", "202"), ("cancel", "409")] {
        answer_schema(
            &description,
            "post",
            &format!("/api/v1/runs/{{id}}/{order}"),
            answered,
        );
    }
    let schema = answer_schema(&description, "post", "/api/v1/runs/{id}/rerun", "202");
    assert_described(&description, schema, &receipt, "receipt");
    let second = house.shown(&commit, 2).await.check.external_id.unwrap();
    let delivery = receipt["delivery"].as_str().unwrap();
    let story = house
        .operators_json(&format!("/api/v1/deliveries/{delivery}"))
        .await;
    assert_eq!(story["runs"], serde_json::json!([second]));

    // Nobody else may, and to nobody else there is such a thing.
    let stranger = house
        .client
        .post(format!("{}{path}", house.url))
        .send()
        .await
        .unwrap();
    assert_eq!(stranger.status(), 404);
    assert_eq!(
        house.order(&format!("/api/v1/runs/{delivery}/rerun")).await.0,
        404
    );
    let (status, refused) = house.order(&format!("/api/v1/runs/{first}/cancel")).await;
    assert_eq!(status, 409);
    assert_eq!(refused["error"], "the run is finished: its verdict stands");
    house.close().await;
}

#[tokio::test]
async fn a_run_that_the_operator_cancels_stops_and_says_so_at_github() {
    let house = House::open().await;
    let (commit, image) = house.build_image("never ends", ENDLESS);
    house.push("v1", &image).await;
    let check = house.told(&commit, "Testing sha256").await;
    let run = check.external_id.unwrap();
    house
        .until("it runs", async |_| {
            house.operators_json(&format!("/api/v1/runs/{run}")).await["stage"] == "testing"
        })
        .await;
    assert_eq!(house.order(&format!("/api/v1/runs/{run}/rerun")).await.0, 409);
    assert_eq!(house.order(&format!("/api/v1/runs/{run}/cancel")).await.0, 202);
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("cancelled", "error"));
    assert_eq!(shown.check.title.as_deref(), Some("cancelled by the operator"));
    house.close().await;
}

#[tokio::test]
async fn a_push_to_githubs_own_registry_needs_no_webhook_of_a_registry() {
    let house = with_package().await;
    house.is_indexed(1).await;
    let (commit, image) = house.build_image("built by a workflow", "echo fine");
    house.registry.push(IMAGE, "v1", &image).await;
    // One event for each platform's manifest, and one for the index, which has the tag.
    for tag in [None, None, Some("v1")] {
        let event = house.github.package_event(&house.repo, "ghcr.io/Acme/App", tag);
        assert_eq!(house.github.deliver(event.unwrap()).await, 202);
    }
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("success", "success"));
    assert_eq!(shown.check.name, "hubcheck / ghcr.io/acme/app");
    assert_eq!(house.github.check_runs(&house.repo, &commit).len(), 1);
    let deliveries = house.operators_json("/api/v1/deliveries").await;
    let reasons: Vec<&str> = deliveries["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|delivery| delivery["event"] == "registry_package" && delivery["decision"] == "ignored")
        .filter_map(|delivery| delivery["reason"].as_str())
        .collect();
    assert_eq!(
        reasons,
        ["the manifest has no tag: the event of the one that has it counts"; 2]
    );
    house.close().await;
}

#[tokio::test]
async fn an_image_of_githubs_registry_that_nobody_declares_is_ignored_with_the_way_out() {
    let house = House::open().await;
    house
        .until("the index is read", async |store| {
            !store.is_indexing().await.unwrap()
        })
        .await;
    let event = house
        .github
        .package_event(&house.repo, "ghcr.io/acme/other", Some("v1"));
    house.github.deliver(event.unwrap()).await;
    let deliveries = house.operators_json("/api/v1/deliveries").await;
    let newest = &deliveries["deliveries"][0];
    assert_eq!(newest["decision"], "ignored", "{newest}");
    let reason = newest["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("no repository is bound to ghcr.io/acme/other: declare it"),
        "{reason}"
    );
    house.close().await;
}

#[tokio::test]
async fn a_repository_that_is_renamed_goes_on_under_its_new_name() {
    let house = House::with_file("images: { acme/app: {} }", |config| config.images.clear()).await;
    house.is_indexed(1).await;
    let moved: RepoName = "acme/moved".parse().unwrap();
    house.github.rename(&house.repo, &moved);
    let event = house.github.repository_event(&moved, "renamed").unwrap();
    assert_eq!(house.github.deliver(event).await, 202);
    let id = house.github.repo_id(&moved).unwrap();
    house
        .until("the new name is known", async |store| {
            let known = store.declared_by(id).await.unwrap();
            known.is_some_and(|known| known.repo.name == moved)
        })
        .await;
    let commit = house.github.commit(&moved, "after the move").unwrap();
    let image = crate::support::house::labelled(&commit, "echo fine");
    house.push("v1", &image).await;
    let seen = |github: &GitHub| {
        let checks = github.check_runs(&moved, &commit);
        checks.into_iter().find(|check| check.conclusion.is_some())
    };
    let check = house.github.wait_for(PATIENCE, seen).await.unwrap();
    assert_eq!(check.conclusion.as_deref(), Some("success"));
    let redirected = |write: &hubcheck::demo::github::Request| write.path.starts_with("/repositories/");
    assert!(
        !house.github.writes().iter().any(redirected),
        "a write took the way over the old name"
    );
    house.close().await;
}

#[tokio::test]
async fn a_repository_that_is_transferred_is_its_new_owners_installations() {
    let house = House::with_file("images: { acme/app: {} }", |config| config.images.clear()).await;
    house.is_indexed(1).await;
    let moved: RepoName = "rival/app".parse().unwrap();
    house.github.install("rival");
    house.github.rename(&house.repo, &moved);
    let event = house.github.repository_event(&moved, "transferred").unwrap();
    assert_eq!(house.github.deliver(event).await, 202);
    let id = house.github.repo_id(&moved).unwrap();
    let rival = house.github.installation("rival").unwrap();
    house
        .until("it is another installation's", async |store| {
            let known = store.declared_by(id).await.unwrap();
            known.is_some_and(|known| known.repo.name == moved && known.repo.installation == rival)
        })
        .await;
    let commit = house.github.commit(&moved, "after the move").unwrap();
    let image = crate::support::house::labelled(&commit, "echo fine");
    house.push("v1", &image).await;
    let seen = |github: &GitHub| github.check_runs(&moved, &commit).pop()?.conclusion;
    assert_eq!(house.github.wait_for(PATIENCE, seen).await.unwrap(), "success");
    let writes = house.github.writes();
    assert!(
        writes
            .iter()
            .all(|write| write.caller == Caller::Installation(rival)),
        "{writes:#?}"
    );
    house.close().await;
}

#[tokio::test]
async fn an_image_of_a_repository_that_was_deleted_is_nobodys() {
    let house = House::with_file("images: { acme/app: {} }", |config| config.images.clear()).await;
    house.is_indexed(1).await;
    let event = house.github.repository_event(&house.repo, "deleted").unwrap();
    house.github.remove(&house.repo);
    assert_eq!(house.github.deliver(event).await, 202);
    let image: ImageName = IMAGE.parse().unwrap();
    house
        .until("nobody declares the image", async |store| {
            !store.may_be_declared(&image).await.unwrap()
        })
        .await;
    assert_eq!(house.announce("v1").await["decision"], "ignored");
    house.close().await;
}

#[tokio::test]
async fn of_a_day_in_which_nobody_listened_ten_webhooks_of_each_side_are_in_after_the_start() {
    let house = House::open().await;
    house.is_compared().await;
    let mut known = Vec::new();
    for number in 0..10 {
        let (commit, image) = house.build_image(&format!("number {number}"), "echo fine");
        house.push(&format!("v{number}"), &image).await;
        known.push(commit);
    }
    for commit in &known {
        house.shown(commit, 1).await;
    }
    let images: Vec<_> = (0..10)
        .map(|number| house.build_image(&format!("missed {number}"), "echo fine"))
        .collect();
    let (repo, clock) = (house.repo.clone(), house.clock.clone());
    let house = house
        .away(async |github, registry| {
            for commit in &known {
                let check = github.check_runs(&repo, commit).pop().unwrap();
                let event = github.rerequest_check_run(check.id).unwrap();
                assert_eq!(github.deliver(event).await, 502, "nobody listens");
            }
            for (number, (_, image)) in images.iter().enumerate() {
                // Half of them move a tag that is known, the others are new.
                registry.push(IMAGE, &format!("v{}", number + 5), image).await;
            }
            clock.advance(Duration::from_hours(24));
        })
        .await;
    for commit in &known {
        assert_eq!(house.shown(commit, 2).await.conclusion(), ("success", "success"));
        assert_eq!(external_ids(&house.github, &house.repo, commit).len(), 2);
    }
    for (commit, _) in &images {
        assert_eq!(house.shown(commit, 1).await.conclusion(), ("success", "success"));
    }
    let attempts = house.github.attempts();
    let again = attempts.iter().filter(|attempt| attempt.is_redelivery);
    let answers: Vec<u16> = again.map(|attempt| attempt.status).collect();
    assert_eq!(answers, [202; 10]);
    let deliveries = house.operators_json("/api/v1/deliveries").await;
    let found: Vec<&str> = deliveries["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|delivery| delivery["sender"] == "reconciliation")
        .map(|delivery| delivery["reason"].as_str().unwrap())
        .collect();
    assert_eq!(
        found,
        ["found by reconciliation: the registry has it, and no webhook told of it"; 10]
    );
    house.close().await;
}

#[tokio::test]
async fn what_was_pushed_before_anybody_watched_is_no_missed_push() {
    let mut house = House::with(|config| config.poll = Some(Duration::from_millis(200))).await;
    let other: ImageName = "docker.io/acme/other".parse().unwrap();
    let (before, image) = house.build_image("from before", "echo fine");
    house.registry.push("acme/other", "v1", &image).await;
    let bound = ImageBinding {
        name: other.clone(),
        repo: house.repo.clone(),
        env: [].into(),
        mask: None,
    };
    house.config.images.push(bound);
    let house = house.away(async |_, _| {}).await;
    let meaning = async |store: &Store| {
        let known = store.known_tags(&other).await.unwrap()?;
        known.get(&"v1".parse().unwrap())?.digest.clone()
    };
    house
        .until("what v1 means is known", async |store| {
            meaning(store).await.is_some()
        })
        .await;
    let (after, image) = house.build_image("the tag moved", "echo fine");
    house.registry.push("acme/other", "v1", &image).await;
    house.shown(&after, 1).await;
    assert!(house.github.check_runs(&house.repo, &before).is_empty());
    house.close().await;
}

#[tokio::test]
async fn with_a_poll_no_webhook_of_a_registry_is_needed() {
    let house = House::with(|config| config.poll = Some(Duration::from_millis(200))).await;
    house.is_compared().await;
    let (first, image) = house.build_image("a new tag", "echo fine");
    house.registry.push(IMAGE, "latest", &image).await;
    assert_eq!(house.shown(&first, 1).await.conclusion(), ("success", "success"));
    let (second, image) = house.build_image("the tag moved", "exit 3");
    house.registry.push(IMAGE, "latest", &image).await;
    assert_eq!(house.shown(&second, 1).await.conclusion(), ("failure", "failure"));
    // What is known is not found again.
    assert_eq!(house.github.check_runs(&house.repo, &first).len(), 1);
    let found = house.operators_json("/api/v1/deliveries").await;
    assert_eq!(found["deliveries"].as_array().unwrap().len(), 2, "{found:#}");
    house.close().await;
}
