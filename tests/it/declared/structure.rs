//! container-structure-test files: from a push to the verdict.

use hubcheck::demo::github::NewCommit;
use hubcheck::model::CommitSha;

use super::declaring;
use crate::support::house::{House, IMAGE, labelled};

const FILE: &str = "tests/structure.yaml";

fn commit(house: &House, text: &str) -> CommitSha {
    let declared = format!("images: {{ {IMAGE}: {{ tests: [{{ structure: {FILE} }}, {{ run: test }}] }} }}");
    commit_of(house, &[(FILE, text), (".github/hubcheck.yml", &declared)])
}

fn commit_of(house: &House, files: &[(&str, &str)]) -> CommitSha {
    let new = NewCommit {
        message: "with tests",
        files,
        ..NewCommit::default()
    };
    house.github.make_commit(&house.repo, &new).unwrap()
}

#[tokio::test]
async fn an_assertion_that_fails_is_named_and_stands_beside_its_line() {
    let house = declaring("{ tests: [{ run: test }] }").await;
    let text = "schemaVersion: 2.0.0\nfileExistenceTests:\n  - name: the tests\n    path: /tests\n  - name: a licence\n    path: /LICENSE\n";
    let commit = commit(&house, text);
    house.push("v1", &labelled(&commit, "echo fine")).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("failure", "failure"), "{}", shown.summary());
    assert_eq!(
        shown.check.title.as_deref(),
        Some("File Existence Test: a licence failed")
    );
    let line = format!("hubcheck test --structure {FILE} docker.io/{IMAGE}@sha256:");
    assert!(shown.summary().contains(&line), "{}", shown.summary());
    let [annotation] = shown.check.annotations.as_slice() else {
        panic!("{:?}", shown.check.annotations)
    };
    assert_eq!(
        (&annotation["path"], &annotation["start_line"]),
        (&FILE.into(), &5.into())
    );
    assert_eq!(annotation["message"], "/LICENSE is not there");
    house.close().await;
}

#[tokio::test]
async fn what_the_configuration_says_is_judged_without_any_layer() {
    let house = declaring(&format!("{{ tests: [{{ structure: {FILE} }}] }}")).await;
    let text = "schemaVersion: 2.0.0\nmetadataTest: { labels: [{ key: org.opencontainers.image.revision, value: '^[0-9a-f]{40}$', isRegex: true }] }\n";
    let commit = commit_of(&house, &[(FILE, text)]);
    let image = labelled(&commit, "exit 9");
    house.registry.push(IMAGE, "v1", &image).await;
    house.registry.forget_layers(IMAGE, &image).await;
    house.announce("v1").await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("success", "success"), "{}", shown.summary());
    assert!(shown.summary().contains("Metadata Test"), "{}", shown.summary());
    house.close().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_read_names_its_line_and_nothing_is_run() {
    let house = declaring("{ tests: [{ run: test }] }").await;
    let text = "schemaVersion: 2.0.0\ncommandTests:\n  - name: x\n    cmd: echo\n";
    let commit = commit(&house, text);
    house.push("v1", &labelled(&commit, "echo fine")).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("action_required", "error"));
    let title = shown.check.title.unwrap();
    assert!(
        title
            .starts_with("tests/structure.yaml, line 4, column 5, at `commandTests[0].cmd`: there is no key"),
        "{title}"
    );
    house.close().await;
}
