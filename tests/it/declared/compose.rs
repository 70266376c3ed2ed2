//! Docker Hub's Autotest, and images that stay up: from a push to the verdict.

use hubcheck::demo::github::NewCommit;
use hubcheck::model::CommitSha;

use super::declaring;
use crate::support::house::{House, labelled, plain};

const FILE: &str = "docker-compose.test.yml";

/// A commit on the default branch with these files.
fn commit(house: &House, files: &[(&str, &str)]) -> CommitSha {
    let new = NewCommit {
        message: "with tests",
        files,
        ..NewCommit::default()
    };
    house.github.make_commit(&house.repo, &new).unwrap()
}

#[tokio::test]
async fn a_repository_that_docker_hub_tested_needs_no_file_of_ours() {
    let house = House::open().await;
    let text = "sut:\n  build: .\n  entrypoint: [sh, -c]\n  command: ['echo tested with a database; cat /words/words; env | sort']\n  environment: [SOURCE_BRANCH, SOURCE_COMMIT, COMMIT_MSG, DOCKER_REPO, DOCKER_TAG, IMAGE_NAME, DOCKERFILE_PATH]\n  links: [db]\n  volumes: ['./tests:/words']\ndb:\n  image: acme/db:1\n";
    let commit = commit(&house, &[(FILE, text), ("tests/words", "of the repository\n")]);
    let db = plain("echo the database is up; sleep 60").build();
    house.registry.push("acme/db", "1", &db).await;
    house.push("v1", &labelled(&commit, "exit 9")).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("success", "success"), "{}", shown.summary());
    let repo = "DOCKER_REPO=index.docker.io/acme/app";
    let sha = format!("SOURCE_COMMIT={commit}");
    for line in [
        "=== db ===",
        "the database is up",
        "tested with a database",
        "of the repository",
        "SOURCE_BRANCH=main",
        &sha,
        "COMMIT_MSG=with tests",
        repo,
        "DOCKER_TAG=v1",
        "IMAGE_NAME=index.docker.io/acme/app:v1",
        "DOCKERFILE_PATH=Dockerfile",
    ] {
        assert!(shown.summary().contains(line), "{line} in {}", shown.summary());
    }
    assert!(
        shown
            .summary()
            .contains("hubcheck test --compose docker-compose.test.yml docker.io/acme/app@sha256:")
    );
    house.close().await;
}

#[tokio::test]
async fn what_sut_comes_to_is_the_verdict_whatever_else_the_files_hold() {
    let house = House::open().await;
    let files = [
        ("a-test.yml", "services: { web: { image: nginx } }"),
        (
            "b.test.yml",
            "services: { sut: { build: ., entrypoint: [sh, -c, 'echo 1..2; echo ok 1; echo not ok 2 - rejects; exit 1'] } }",
        ),
        (
            "c.test.yml",
            "services: { sut: { image: this, entrypoint: ['true'] } }",
        ),
    ];
    let commit = commit(&house, &files);
    house.push("v1", &labelled(&commit, "exit 9")).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("failure", "failure"), "{}", shown.summary());
    assert_eq!(shown.check.title.as_deref(), Some("rejects failed"));
    for text in ["has no service", "b&#46;test&#46;yml", "c&#46;test&#46;yml"] {
        assert!(shown.summary().contains(text), "{text} in {}", shown.summary());
    }
    house.close().await;
}

#[tokio::test]
async fn a_file_that_reaches_for_the_host_is_refused_by_line_and_nothing_is_run() {
    let house = House::open().await;
    let text =
        "services:\n  sut:\n    build: .\n    volumes:\n      - /var/run/docker.sock:/var/run/docker.sock\n";
    let commit = commit(&house, &[(FILE, text)]);
    house.push("v1", &labelled(&commit, "echo fine")).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    assert_eq!(
        shown.check.title.as_deref(),
        Some(
            "docker-compose.test.yml, line 5: `volumes` is refused: `/var/run/docker.sock` lies on the host, not in the repository"
        )
    );
    house.close().await;
}

#[tokio::test]
async fn a_services_image_that_is_nowhere_asks_somebody_to_act() {
    let house = House::open().await;
    let text = "services: { sut: { build: ., depends_on: [db] }, db: { image: 'acme/nothere:1' } }";
    let commit = commit(&house, &[(FILE, text)]);
    house.push("v1", &labelled(&commit, "echo fine")).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(
        shown.conclusion(),
        ("action_required", "error"),
        "{}",
        shown.summary()
    );
    let title = shown.check.title.clone().unwrap();
    assert!(title.starts_with("the services' image acme/nothere:1"), "{title}");
    house.close().await;
}

#[tokio::test]
async fn the_commit_brings_its_own_tests_where_its_file_names_the_image() {
    let house = declaring("{ tests: [{ compose: tests/sut.yml }] }").await;
    let passing = "services: { sut: { build: ., entrypoint: [echo, as on the default branch] } }";
    let before = commit(&house, &[("tests/sut.yml", passing)]);
    let new = NewCommit {
        message: "other tests",
        parents: Some(std::slice::from_ref(&before)),
        files: &[(
            "tests/sut.yml",
            "services: { sut: { build: ., entrypoint: [sh, -c, 'echo as on the branch; exit 4'] } }",
        )],
        ..NewCommit::default()
    };
    let on_branch = house.github.make_commit(&house.repo, &new).unwrap();
    house.github.set_branch(&house.repo, "feature", &on_branch);
    house.push("v1", &labelled(&on_branch, "exit 9")).await;
    let shown = house.shown(&on_branch, 1).await;
    assert_eq!(
        shown.check.title.as_deref(),
        Some("tests/sut.yml: exit code 4"),
        "{}",
        shown.summary()
    );
    assert!(shown.summary().contains("as on the branch"));
    house.close().await;
}

#[tokio::test]
async fn an_image_that_is_to_stay_up_is_watched_for_as_long_as_it_was_asked_for() {
    let house = declaring("{ tests: [{ healthy: 2s }] }").await;
    let (stays, image) = house.build_image("stays up", "echo serving; sleep 600");
    house.push("v1", &image).await;
    assert_eq!(house.shown(&stays, 1).await.conclusion(), ("success", "success"));
    let (ends, image) = house.build_image("ends", "echo no database; exit 0");
    house.push("v2", &image).await;
    let shown = house.shown(&ends, 1).await;
    assert_eq!(shown.conclusion(), ("failure", "failure"));
    let title = shown.check.title.clone().unwrap();
    assert!(
        title.starts_with("healthy: did not stay up: it ended after ")
            && title.ends_with(" with exit code 0"),
        "{title}"
    );
    assert!(shown.summary().contains("no database"));
    house.close().await;
}

#[tokio::test]
async fn the_whole_repository_can_be_seen_and_is_asked_for_once() {
    let house = House::open().await;
    let text = "services: { sut: { build: ., entrypoint: [sh, -c, 'cat /repo/folder/file-149; ls /repo/folder | busybox wc -l'], volumes: ['.:/repo'] } }";
    let paths: Vec<String> = (0..150).map(|number| format!("folder/file-{number}")).collect();
    let files: Vec<(&str, &str)> = paths
        .iter()
        .map(|path| (path.as_str(), "it is there\n"))
        .chain([(FILE, text)])
        .collect();
    let commit = commit(&house, &files);
    house.push("v1", &labelled(&commit, "exit 9")).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("success", "success"), "{}", shown.summary());
    assert!(
        shown.summary().contains("it is there\n150\n"),
        "{}",
        shown.summary()
    );
    house.close().await;
}
