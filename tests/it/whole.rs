//! The loop, whole: a push to a real registry ends as a check run and a status on the right commit.

use hubcheck::demo::github::{Fault, Trouble};
use hubcheck::demo::images::Image;
use hubcheck::model::{CommitSha, Digest};
use reqwest::Method;

use crate::support::house::{ENDLESS, House, IMAGE, PATIENCE, labelled, of_2014, plain, today};

#[tokio::test]
async fn both_generations_of_docker_hubs_body_lead_to_a_verdict_on_every_path() {
    let house = House::open().await;
    let paths = [
        house.hook(),
        format!("{}/dockerhub-webhook/{}/notify", house.url, house.token()),
        format!("{}/dockerhub-webhook/{}", house.url, house.token()),
    ];
    for (number, url) in paths.iter().enumerate() {
        let (commit, image) = house.build_image(&format!("today {number}"), "echo fine");
        let tag = format!("v{number}");
        house.registry.push(IMAGE, &tag, &image).await;
        let answer = house.post(url, today(&tag).to_string()).await;
        assert_eq!(
            (&answer["decision"], &answer["images"][0]["tag"]),
            (&"queued".into(), &tag.into())
        );
        assert_eq!(
            house.shown(&commit, 1).await.conclusion(),
            ("success", "success"),
            "{url}"
        );

        let (commit, image) = house.build_image(&format!("2014 {number}"), "exit 3");
        house.registry.push(IMAGE, "latest", &image).await;
        let answer = house.post(url, of_2014().to_string()).await;
        assert_eq!(answer["images"][0]["tag"], "latest");
        assert!(answer["reason"].as_str().unwrap().contains("latest"), "{answer}");
        let shown = house.shown(&commit, 1).await;
        assert_eq!(shown.conclusion(), ("failure", "failure"), "{url}");
        assert_eq!(shown.check.title.as_deref(), Some("test: exit code 3"));
    }
    house.close().await;
}

#[tokio::test]
async fn a_check_and_a_status_say_what_was_tested_and_how_that_is_known() {
    let house = House::open().await;
    let (commit, image) = house.build_image("a good one", "echo it works as $*");
    let digest = house.push("v1", &image).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.check.name, "hubcheck / acme/app");
    assert_eq!(shown.status.context, "hubcheck/acme/app");
    let details = shown.check.details_url.clone().unwrap();
    assert_eq!(shown.status.target_url.as_deref(), Some(details.as_str()));
    assert_eq!(
        details,
        format!("{}/runs/{}", house.url, shown.check.external_id.clone().unwrap())
    );
    for text in [
        digest.as_str(),
        "v1",
        "Evidence",
        "claimed",
        "Binding",
        "operator",
        "it works as test",
        "docker run",
    ] {
        assert!(shown.summary().contains(text), "{text} in {}", shown.summary());
    }
    let (status, page) = house.page(details.strip_prefix(&house.url).unwrap()).await;
    assert_eq!(status, 200);
    assert!(
        page.contains(digest.as_str()) && page.contains("it works as test"),
        "{page}"
    );
    let writes = house.github.writes();
    assert_eq!(
        writes.len(),
        4,
        "a check and a status, begun and ended: {writes:#?}"
    );
    house.close().await;
}

#[tokio::test]
async fn a_rerun_tests_the_same_digest_in_a_new_check_run_also_after_the_tag_has_moved() {
    let house = House::open().await;
    let (commit, image) = house.build_image("flaky", "echo one; exit 1");
    let digest = house.push("latest", &image).await;
    let first = house.shown(&commit, 1).await.check;
    let (other, moved) = house.build_image("the next one", "echo two");
    house.push("latest", &moved).await;
    house.shown(&other, 1).await;

    house
        .deliver(house.github.rerequest_check_run(first.id).unwrap())
        .await;
    let second = house.shown(&commit, 2).await;
    assert_ne!(second.check.id, first.id);
    assert_eq!(second.conclusion(), ("failure", "failure"));
    assert!(second.summary().contains(digest.as_str()), "{}", second.summary());
    assert_ne!(second.check.external_id, first.external_id);

    house
        .deliver(house.github.rerequest_check_suite(&house.repo, &commit).unwrap())
        .await;
    let third = house.shown(&commit, 3).await;
    assert!(third.summary().contains(digest.as_str()));
    house.close().await;
}

#[tokio::test]
async fn one_push_under_three_tags_is_one_run_and_so_is_the_same_push_twice() {
    let house = House::open().await;
    let (commit, image) = house.build_image("three tags", "echo fine");
    for tag in ["latest", "v1", "v1.2"] {
        house.registry.push(IMAGE, tag, &image).await;
    }
    let mut deliveries = Vec::new();
    for tag in ["latest", "v1", "v1.2", "v1.2"] {
        deliveries.push(house.announce(tag).await);
    }
    house.shown(&commit, 1).await;
    let mut runs = Vec::new();
    for delivery in &deliveries {
        runs.extend(
            house
                .pushes(delivery, |push| push.run().is_some())
                .await
                .iter()
                .map(|push| push.run().unwrap()),
        );
    }
    assert!(
        runs.len() == 4 && runs.iter().all(|run| *run == runs[0]),
        "{runs:?}"
    );
    let run = house.operators_json(&format!("/api/v1/runs/{}", runs[0])).await;
    let tags: Vec<_> = run["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["tag"].as_str().unwrap())
        .collect();
    assert_eq!(tags.len(), 3, "{tags:?}");
    assert_eq!(house.github.check_runs(&house.repo, &commit).len(), 1);
    house.close().await;
}

#[tokio::test]
async fn of_two_digests_of_one_tag_the_older_is_cancelled_with_a_link() {
    let house = House::open().await;
    let (commit, endless) = house.build_image("rebuilt", ENDLESS);
    house.push("latest", &endless).await;
    let under_way = |github: &hubcheck::demo::github::GitHub| github.check_runs(&house.repo, &commit).pop();
    house.github.wait_for(PATIENCE, under_way).await.unwrap();
    house.push("latest", &labelled(&commit, "echo quick")).await;
    let last = house.shown(&commit, 2).await;
    assert_eq!(last.conclusion(), ("success", "success"));
    let older = house.github.check_runs(&house.repo, &commit).remove(0);
    assert_eq!(older.conclusion.as_deref(), Some("cancelled"));
    assert!(
        older.summary.unwrap().contains(&last.check.details_url.unwrap()),
        "it links to its successor"
    );
    house.close().await;
}

/// An image whose label says how it is tested, and whose entrypoint prints what it is given.
fn self_describing(commit: &CommitSha, label: &str) -> Image {
    plain("echo got: $*; [ \"$*\" = \"--self check\" ]")
        .label("org.opencontainers.image.revision", commit.as_str())
        .label("org.label-schema.docker.cmd.test", label)
        .build()
}

#[tokio::test]
async fn an_image_that_says_itself_how_it_is_tested_is_tested_so() {
    let house = House::open().await;
    let commit = house.github.commit(&house.repo, "described").unwrap();
    let line = "docker run --rm --privileged acme/app:latest --self check";
    house.push("v1", &self_describing(&commit, line)).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("success", "success"), "{}", shown.summary());
    for told in [
        "got: --self check",
        "--privileged",
        "only what follows the image is taken",
    ] {
        assert!(
            shown.summary().contains(told),
            "no `{told}` in {}",
            shown.summary()
        );
    }

    let commit = house.github.commit(&house.repo, "described badly").unwrap();
    house.push("v2", &self_describing(&commit, "say 'hello")).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    let title = shown.check.title.as_deref().unwrap();
    assert!(
        title.contains("docker.cmd.test has a quote that is not closed"),
        "{title}"
    );
    house.close().await;
}

#[tokio::test]
async fn an_image_without_tests_asks_somebody_to_act() {
    let house = House::open().await;
    let commit = house.github.commit(&house.repo, "no entrypoint").unwrap();
    // A `test` that is a file: the image has no entrypoint, and the shell's own test runs.
    let image = plain("unused")
        .entrypoint(&[])
        .label("org.opencontainers.image.revision", commit.as_str())
        .build();
    house.push("v1", &image).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    assert!(
        shown.check.title.as_deref().unwrap().contains("no test command"),
        "{:?}",
        shown.check.title
    );
    house.close().await;
}

#[tokio::test]
async fn claims_that_differ_are_never_green() {
    let house = House::open().await;
    let (commit, _) = house.build_image("the annotated one", "");
    let other = house.github.commit(&house.repo, "the labelled one").unwrap();
    let image = plain("echo fine")
        .annotation("org.opencontainers.image.revision", commit.as_str())
        .label("org.opencontainers.image.revision", other.as_str())
        .build();
    house.push("v1", &image).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    assert!(house.github.check_runs(&house.repo, &other).is_empty());
    house.close().await;
}

#[tokio::test]
async fn an_image_that_names_no_commit_is_unmapped_and_says_why() {
    let house = House::open().await;
    house.github.commit(&house.repo, "unlabelled").unwrap();
    let image = plain("echo fine").label("version", "1").build();
    house.registry.push(IMAGE, "v1", &image).await;
    let answer = house.announce("v1").await;
    let pushes = house
        .pushes(&answer, |push| push.stage != hubcheck::store::PushStage::Received)
        .await;
    assert!(
        pushes[0]
            .reason
            .as_deref()
            .unwrap()
            .contains("org.opencontainers.image.revision"),
        "{pushes:?}"
    );
    let delivery = house
        .operators_json(&format!(
            "/api/v1/deliveries/{}",
            answer["delivery"].as_str().unwrap()
        ))
        .await;
    assert_eq!(
        (&delivery["images"][0]["stage"], &delivery["runs"]),
        (&"unmapped".into(), &serde_json::json!([]))
    );
    assert!(
        house
            .github
            .writes()
            .iter()
            .all(|write| write.path.contains("access_tokens")),
        "nothing is written"
    );
    house.close().await;
}

#[tokio::test]
async fn a_private_repositorys_page_is_nowhere_without_its_key() {
    let house = House::with_private_repo().await;
    let (commit, image) = house.build_image("secret", "echo the secret plan");
    house.push("v1", &image).await;
    let shown = house.shown(&commit, 1).await;
    let details = shown.check.details_url.clone().unwrap();
    let with_key = details.strip_prefix(&house.url).unwrap();
    let (bare, _) = with_key
        .split_once("?key=")
        .expect("a private repository's link carries its key");
    let id = shown.check.external_id.unwrap();
    let nothing = house.page("/runs/01900000-0000-7000-8000-000000000000").await;
    assert_eq!(nothing.0, 404);
    for path in [
        bare.to_owned(),
        format!("{bare}/log"),
        format!("/api/v1/runs/{id}"),
        format!("{bare}?key=wrong"),
    ] {
        assert_eq!(house.page(&path).await, nothing, "{path}");
    }
    let opened = house
        .client
        .get(format!("{}{with_key}", house.url))
        .send()
        .await
        .unwrap();
    assert!(opened.status().is_redirection());
    assert_eq!(opened.headers()["location"], bare);
    let cookie = opened.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let page = house
        .client
        .get(format!("{}{bare}", house.url))
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("the secret plan"));
    house.close().await;
}

#[tokio::test]
async fn a_private_image_on_a_public_repository_shows_no_log_anywhere() {
    let house = House::with_private_image().await;
    let (commit, image) = house.build_image("closed source", "echo the secret recipe; exit 1");
    house.push("v1", &image).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("failure", "failure"));
    let id = shown.check.external_id.clone().unwrap();
    let told = format!("{:?}{:?}", shown.check, shown.status);
    assert!(!told.contains("the secret recipe"), "{told}");
    for path in [
        format!("/runs/{id}"),
        format!("/runs/{id}/log"),
        format!("/api/v1/runs/{id}"),
    ] {
        let (_, text) = house.page(&path).await;
        assert!(!text.contains("the secret recipe"), "{path}");
    }
    assert_eq!(house.page(&format!("/runs/{id}/log")).await.0, 404);
    let log = house
        .client
        .get(format!("{}/runs/{id}/log", house.url))
        .bearer_auth(crate::support::house::ADMIN);
    assert!(
        log.send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains("the secret recipe"),
        "the operator sees all"
    );
    house.close().await;
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_not_done_twice() {
    let house = House::open().await;
    house.github.fail(Fault::on(
        Method::POST,
        "/check-runs",
        Trouble::ErrorAfter(reqwest::StatusCode::BAD_GATEWAY),
    ));
    house
        .github
        .fail(Fault::on(Method::POST, "/statuses", Trouble::DropAfter));
    let (commit, image) = house.build_image("lost answers", "echo fine");
    house.push("v1", &image).await;
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("success", "success"));
    assert_eq!(house.github.check_runs(&house.repo, &commit).len(), 1);
    let finals = house.github.statuses(&house.repo, &commit);
    assert_eq!(
        finals.iter().filter(|status| status.state == "success").count(),
        1
    );
    house.close().await;
}

#[tokio::test]
async fn the_digest_is_what_the_tag_meant_when_the_registry_was_asked() {
    let house = House::open().await;
    let (commit, image) = house.build_image("moving", "echo fine");
    let digest: Digest = house.push("latest", &image).await;
    let shown = house.shown(&commit, 1).await;
    let run = house
        .operators_json(&format!("/api/v1/runs/{}", shown.check.external_id.unwrap()))
        .await;
    assert_eq!(run["digest"], digest.as_str());
    assert_eq!(
        (&run["outcome"], &run["evidence"]),
        (&"passed".into(), &"claimed".into())
    );
    house.close().await;
}

/// A process that was killed may have asked for a container that the Engine makes only after the next one cleaned up.
#[tokio::test]
async fn what_the_engine_made_for_a_dead_attempt_is_gone_after_the_stop() {
    let house = House::open().await;
    let (commit, image) = house.build_image("judged", "echo fine");
    let digest = house.push("v1", &image).await;
    let run = house.shown(&commit, 1).await.check.external_id.unwrap();
    let instance = house.service.store().instance().await.unwrap();
    let late = std::process::Command::new("docker")
        .arg("create")
        .args(["--label", "hubcheck.managed=true"])
        .args(["--label", &format!("hubcheck.instance={instance}")])
        .args(["--label", &format!("hubcheck.run={run}")])
        .args(["--label", "hubcheck.attempt=1"])
        .args(["--label", "hubcheck.deadline=4102444800"])
        .arg(format!("{}/{IMAGE}@{digest}", house.registry.host()))
        .output()
        .unwrap();
    assert!(late.status.success(), "{late:?}");
    let id = String::from_utf8(late.stdout).unwrap();

    house.close().await;
    let asked = std::process::Command::new("docker")
        .args(["inspect", id.trim()])
        .output()
        .unwrap();
    assert!(!asked.status.success(), "it is still there");
}
