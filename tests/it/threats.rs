//! What somebody might try who wants a green tick that is not deserved, or what is not theirs. One test to a threat;
//! each is numbered as in the table of `docs/threats.md`.

use hubcheck::demo::github::NewCommit;
use hubcheck::demo::images::Image;
use hubcheck::model::{CommitSha, RepoName, Visibility};
use hubcheck::plan::File;
use hubcheck::store::{PushRecord, PushStage};
use serde_json::Value;

use crate::declared::{FILE, declaring, unbound};
use crate::support::house::{House, IMAGE, PATIENCE, labelled, plain, today};
use crate::support::sigstore::{GITHUB, Workflow};

/// The image of somebody who is no friend of `acme/app`.
const EVIL: &str = "evil/x";

/// Docker Hub's webhook for a tag of that image.
async fn announce_evil(house: &House, tag: &str) -> Value {
    let mut body = today(tag).to_string();
    body = body.replace("acme/app", EVIL).replace("\"acme\"", "\"evil\"");
    body = body.replace("\"app\"", "\"x\"");
    let url = house.hook_of(EVIL);
    house.post(&url, body).await
}

/// An image that says that it was built from a commit of `acme/app`.
fn impostor(house: &House, commit: &CommitSha, tests: &str) -> Image {
    plain(tests)
        .label(
            "org.opencontainers.image.source",
            &format!("{}/acme/app", house.github.url()),
        )
        .label("org.opencontainers.image.revision", commit.as_str())
        .build()
}

/// Nobody may speak for the image: the registry is not even asked.
fn ignored(answer: &Value) {
    assert_eq!(answer["decision"], "ignored", "{answer}");
    let why = answer["reason"].as_str().unwrap();
    assert!(
        why.contains("no repository is bound to docker.io/evil/x"),
        "{why}"
    );
}

/// The end of the pushes of a delivery that lead to no run.
async fn unmapped(house: &House, delivery: &Value) -> String {
    let pushes = house
        .pushes(delivery, |push: &PushRecord| push.stage == PushStage::Unmapped)
        .await;
    pushes[0].reason.clone().unwrap()
}

#[tokio::test]
async fn t01_an_image_that_names_somebody_elses_commit_turns_nothing_green() {
    let house = House::open().await;
    let commit = house
        .github
        .commit(&house.repo, "the head of a pull request")
        .unwrap();
    house
        .registry
        .push(EVIL, "v1", &impostor(&house, &commit, "exit 0"))
        .await;
    ignored(&announce_evil(&house, "v1").await);
    assert!(house.github.writes().is_empty());
    house.close().await;
}

#[tokio::test]
async fn t02_an_image_of_its_own_repository_makes_no_noise_on_anothers_commit() {
    let house = unbound().await;
    let evil: RepoName = EVIL.parse().unwrap();
    house.github.add_repo(&evil, Visibility::Public);
    let new = NewCommit {
        message: "this is mine",
        files: &[(FILE, "images:\n  evil/x:\n")],
        ..NewCommit::default()
    };
    house.github.make_commit(&evil, &new).unwrap();
    house.deliver(house.github.install("evil")).await;
    house
        .until("the file is read", async |store| {
            let evil = house.github.repo_id(&evil).unwrap();
            store.declared_by(evil).await.unwrap().is_some()
        })
        .await;
    let commit = house.github.commit(&house.repo, "not theirs").unwrap();
    house
        .registry
        .push(EVIL, "v1", &impostor(&house, &commit, "exit 1"))
        .await;
    let why = unmapped(&house, &announce_evil(&house, "v1").await).await;
    assert!(why.contains("another repository"), "{why}");
    assert!(house.github.writes().is_empty());
    house.close().await;
}

#[tokio::test]
async fn t03_a_spoofed_webhook_needs_the_images_own_address_and_changes_no_verdict() {
    let house = House::open().await;
    let (commit, image) = house.build_image("pushed once", "echo fine");
    house.push("v1", &image).await;
    house.shown(&commit, 1).await;
    let writes = house.github.writes().len();

    let elsewhere = house.hook_of(EVIL);
    let refused = house.client.post(&elsewhere).body(today("v1").to_string()).send();
    assert_eq!(refused.await.unwrap().status(), 403);
    for _ in 0..20 {
        let answer = house.announce("v1").await;
        house
            .pushes(&answer, |push| push.stage != PushStage::Received)
            .await;
    }
    assert_eq!(house.github.check_runs(&house.repo, &commit).len(), 1);
    assert_eq!(house.github.writes().len(), writes, "nothing is said anew");
    house.close().await;
}

#[tokio::test]
async fn t04_who_may_only_push_images_cannot_vouch_for_a_commit_where_that_takes_a_signature() {
    let house = declaring("{ require: verified }").await;
    let commit = house.github.commit(&house.repo, "nobody reviewed it").unwrap();
    house.push("v1", &labelled(&commit, "echo fine")).await;
    house.told(&commit, "signatures are looked for").await;
    house.clock.advance(std::time::Duration::from_mins(6));
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    assert!(shown.summary().contains("claimed"), "{}", shown.summary());
    house.close().await;
}

#[tokio::test]
async fn t05_a_pull_request_binds_no_image() {
    let house = declaring("{}").await;
    let main = house.github.commit(&house.repo, "on the default branch").unwrap();
    let new = NewCommit {
        message: "bind my own image",
        files: &[(FILE, "images:\n  evil/x: { when_unsure: pass }\n")],
        parents: Some(&[main]),
        ..NewCommit::default()
    };
    let commit = house.github.make_commit(&house.repo, &new).unwrap();
    house.github.open_pull(&house.repo, &commit, false);
    house
        .registry
        .push(EVIL, "v1", &impostor(&house, &commit, "exit 0"))
        .await;
    ignored(&announce_evil(&house, "v1").await);
    assert!(house.github.writes().is_empty());
    house.close().await;
}

#[test]
fn t06_a_declaration_names_images_or_one_namespace_and_never_everything() {
    for foreign in [
        "\"*\"",
        "\"*/app\"",
        "app",
        "library/*",
        "docker.io/library/*",
        "ghcr.io/*",
        "a*/app",
        "acme/*/x",
    ] {
        let refused = File::parse(&format!("images:\n  {foreign}:\n"))
            .unwrap_err()
            .to_string();
        assert!(refused.contains("line 2"), "{foreign}: {refused}");
    }
    let own = File::parse("images:\n  acme/app:\n  ghcr.io/acme/*:\n").unwrap();
    let names: Vec<String> = own.images().map(ToString::to_string).collect();
    assert_eq!(names, ["docker.io/acme/app", "ghcr.io/acme/*"]);
}

#[tokio::test]
async fn t07_who_registers_the_former_name_of_a_repository_gets_nothing_of_its_images() {
    let house = declaring("{}").await;
    let (commit, image) = house.build_image("before the move", "echo fine");
    let moved: RepoName = "acme/moved".parse().unwrap();
    house.github.rename(&house.repo, &moved);
    // The old name is somebody else's now, who pushes there.
    house.github.add_repo(&house.repo, Visibility::Public);
    let squatted = house
        .github
        .make_commit(&house.repo, &NewCommit::default())
        .unwrap();
    house
        .deliver(house.github.push_event(&house.repo, "main").unwrap())
        .await;
    house.push("v1", &image).await;
    let checks = house
        .github
        .wait_for(PATIENCE, |github| {
            let checks = github.check_runs(&moved, &commit);
            let is_done = checks.iter().any(|check| check.conclusion.is_some());
            is_done.then_some(checks)
        })
        .await
        .unwrap();
    assert_eq!(checks[0].conclusion.as_deref(), Some("success"));
    for commit in [&commit, &squatted] {
        assert!(house.github.check_runs(&house.repo, commit).is_empty());
    }
    house.close().await;
}

#[tokio::test]
async fn t08_a_commit_that_stands_on_nothing_of_the_repositorys_gets_no_answer() {
    let house = declaring("{}").await;
    let main = house.github.commit(&house.repo, "on the default branch").unwrap();
    let new = NewCommit {
        message: "of some fork: GitHub shows it here as well",
        parents: Some(&[main]),
        ..NewCommit::default()
    };
    let commit = house.github.make_commit(&house.repo, &new).unwrap();
    let image = labelled(&commit, "exit 0");
    house.registry.push(IMAGE, "v1", &image).await;
    let answer = house.announce("v1").await;
    let waits = |push: &PushRecord| {
        push.reason
            .as_ref()
            .is_some_and(|why| why.contains("is on no branch"))
    };
    house.pushes(&answer, waits).await;
    house.clock.advance(std::time::Duration::from_mins(3));
    unmapped(&house, &answer).await;
    assert!(house.github.writes().is_empty());
    house.close().await;
}

#[tokio::test]
async fn t09_the_beginning_of_a_sha_is_never_enough_unasked() {
    let house = declaring("{}").await;
    let commit = house
        .github
        .commit(&house.repo, "seven digits are cheap to grind")
        .unwrap();
    let image = plain("exit 0")
        .label("org.opencontainers.image.revision", commit.short())
        .build();
    house.push("v1", &image).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    assert!(shown.summary().contains("inferred"), "{}", shown.summary());
    house.close().await;
}

#[tokio::test]
async fn t10_what_a_private_image_prints_is_not_published_unasked() {
    let house = House::with_private_image().await;
    let (commit, image) = house.build_image("closed source", "echo the secret recipe; exit 1");
    house.push("v1", &image).await;
    let shown = house.shown(&commit, 1).await;
    let told = format!("{:?}{:?}", shown.check, shown.status);
    assert!(!told.contains("the secret recipe"), "{told}");
    house.close().await;
}

#[tokio::test]
async fn t11_a_label_cannot_ask_which_private_repositories_there_are() {
    let house = declaring("{}").await;
    let secret: RepoName = "other/secret".parse().unwrap();
    house.github.add_repo(&secret, Visibility::Private);
    let mut told = Vec::new();
    for name in ["other/secret", "other/absent"] {
        let commit = house.github.commit(&house.repo, name).unwrap();
        let image = plain("exit 0")
            .label(
                "org.opencontainers.image.source",
                &format!("{}/{name}", house.github.url()),
            )
            .label("org.opencontainers.image.revision", commit.as_str())
            .build();
        house.registry.push(IMAGE, "v1", &image).await;
        let why = unmapped(&house, &house.announce("v1").await).await;
        told.push(why.replace(commit.as_str(), "COMMIT").replace(name, "NAME"));
    }
    assert_eq!(told[0], told[1], "one answer to both");
    house.close().await;
}

#[test]
fn t12_a_registry_sends_nobodys_account_elsewhere() {
    use hubcheck::registry::foreign::token_address;
    for realm in [
        "https://evil.example/token",
        "https://auth.docker.io.evil.example/token",
        "http://auth.docker.io/token",
        "https://user:password@auth.docker.io/token",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
    ] {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"registry.docker.io\"");
        let asked = token_address("docker.io", challenge.parse().unwrap());
        assert_eq!(asked, None, "{realm}");
    }
    let own = "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\"";
    assert!(token_address("docker.io", own.parse().unwrap()).is_some());
}

#[tokio::test]
async fn t13_what_a_label_holds_does_nothing_in_a_check() {
    let house = House::open().await;
    let commit = house.github.commit(&house.repo, "harmless").unwrap();
    let image = plain("exit 0")
        .label("org.opencontainers.image.revision", commit.as_str())
        .label(
            "org.opencontainers.image.source",
            "https://x.example/<script>alert(1)</script>|`**@acme/all** \u{1b}[31m![](https://x.example/y.png)",
        )
        .build();
    house.push("v1", &image).await;
    let shown = house.shown(&commit, 1).await;
    let outside_code: String = shown.summary().split('`').step_by(2).collect();
    for alive in ["<script>", "@acme/all", "![](", "\u{1b}"] {
        assert!(!outside_code.contains(alive), "`{alive}` in {}", shown.summary());
    }
    house.close().await;
}

#[tokio::test]
async fn t14_a_signature_of_another_repositorys_workflow_vouches_for_nothing() {
    let house = declaring("{ require: verified }").await;
    let (commit, image) = house.build_image("signed by somebody", "exit 0");
    let own = house.github.repo_id(&house.repo).unwrap();
    let workflow = Workflow {
        issuer: GITHUB,
        repo: hubcheck::model::RepoId(own.0 + 1),
        // A name can be had by anybody once it is free: the number cannot.
        source: "https://github.com/acme/app",
        commit: &commit,
    };
    let bundle = house.sigstore.bundle(&workflow, image.digest());
    house.github.attest(&house.repo, image.digest(), &bundle, true);
    house.push("v1", &image).await;
    house.told(&commit, "signatures are looked for").await;
    house.clock.advance(std::time::Duration::from_mins(6));
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    assert!(
        shown
            .summary()
            .contains("a workflow of another repository made it"),
        "{}",
        shown.summary()
    );
    house.close().await;
}
