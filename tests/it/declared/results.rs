//! What the tests say of themselves: by name in the check, and beside the lines of the source.

use hubcheck::demo::github::{Fault, NewCommit, Trouble};
use hubcheck::model::CommitSha;
use reqwest::Method;

use super::declaring;
use crate::support::house::{House, labelled, plain};

const REPORTS: &str = "{ tests: [{ run: test, reports: [\"/reports/*.xml\"] }] }";

/// A script that writes these cases as a report, and ends with `code`.
fn writing(cases: &str, code: i32) -> String {
    format!(
        "mkdir -p /reports\ncat > /reports/unit.xml <<'EOF'\n<testsuites><testsuite name=\"unit\">{cases}</testsuite></testsuites>\nEOF\nexit {code}"
    )
}

fn failing(name: &str, line: usize) -> String {
    format!(
        "<testcase classname=\"tests.test_api\" name=\"{name}\"><failure message=\"assert 500 == 200\">E assert 500 == 200\n\ntests/test_api.py:{line}: AssertionError</failure></testcase>"
    )
}

/// A commit that holds the tests, in a folder that the container does not have.
fn commit(house: &House) -> CommitSha {
    let new = NewCommit {
        message: "with tests",
        files: &[("backend/tests/test_api.py", "def test_login(): …")],
        ..NewCommit::default()
    };
    house.github.make_commit(&house.repo, &new).unwrap()
}

#[tokio::test]
async fn the_one_failing_test_is_the_title_and_stands_beside_its_line() {
    let house = declaring(REPORTS).await;
    let commit = commit(&house);
    let passing = "<testcase classname=\"tests.test_api\" name=\"test_ok\"/>";
    let script = writing(&[passing, &failing("test_login", 12)].concat(), 1);
    house.push("v1", &labelled(&commit, &script)).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("failure", "failure"));
    let title = "tests.test_api › test_login failed";
    assert_eq!(shown.check.title.as_deref(), Some(title));
    assert!(shown.status.description.as_deref().unwrap().starts_with(title));
    for text in ["assert 500", "backend/tests/test_api.py:12", "1 failed, 1 passed"] {
        let plain = shown.summary().replace("&#61;", "=");
        assert!(plain.contains(text), "{text} in {plain}");
    }
    let [annotation] = shown.check.annotations.as_slice() else {
        panic!("{:?}", shown.check.annotations)
    };
    assert_eq!(annotation["path"], "backend/tests/test_api.py");
    assert_eq!(annotation["start_line"], 12);
    assert_eq!(annotation["annotation_level"], "failure");
    assert_eq!(annotation["title"], "tests.test_api › test_login");
    assert_eq!(annotation["message"], "assert 500 == 200");
    house.close().await;
}

#[tokio::test]
async fn what_changed_since_the_tags_digest_before_is_told() {
    let house = declaring(REPORTS).await;
    let (first, second) = (commit(&house), commit_beside(&house));
    let cases = |names: &[&str]| names.iter().map(|name| failing(name, 1)).collect::<String>();
    let image = |commit: &CommitSha, names: &[&str]| {
        plain(&writing(&cases(names), 1)).label("org.opencontainers.image.revision", commit.as_str())
    };
    let before = image(&first, &["old", "stays"])
        .env("OLD_NAME", "a-secret-value")
        .build();
    house.push("v1", &before).await;
    let shown = house.shown(&first, 1).await;
    assert!(!shown.summary().contains("Since"), "{}", shown.summary());
    // Another tag's digests are not what this one is compared with.
    let now = image(&second, &["stays", "new_1", "new_2"])
        .env("NEW_NAME", "a-secret-value")
        .working_dir("/tmp")
        .exposed_ports(&["8080/tcp"])
        .file("/more", 0o644, vec![7; 5000])
        .build();
    house.push("v1", &now).await;
    let shown = house.shown(&second, 1).await;
    let summary = shown.summary();
    for text in [
        ": 2 newly failing, 1 fixed\n",
        "`tests.test_api › new_1` (newly failing): ",
        "- size: ",
        "- working directory: none → `/tmp`",
        "- new variables: `NEW_NAME`",
        "- gone variables: `OLD_NAME`",
        "- new ports: `8080/tcp`",
        "- layers: ",
    ] {
        assert!(summary.contains(text), "{text} in {summary}");
    }
    assert!(
        !summary.contains("a-secret-value") && !summary.contains("stays` (newly"),
        "{summary}"
    );
    assert!(
        summary.contains(&format!("sha256:{}", before.digest().short())),
        "{summary}"
    );
    house.close().await;
}

/// Another commit, on a branch of its own.
fn commit_beside(house: &House) -> CommitSha {
    let new = NewCommit {
        message: "something else",
        ..NewCommit::default()
    };
    house.github.make_commit(&house.repo, &new).unwrap()
}

#[tokio::test]
async fn each_of_many_annotations_stands_there_once_though_an_answer_is_lost_between_them() {
    let house = declaring(REPORTS).await;
    let commit = commit(&house);
    let cases: String = (1..=120)
        .map(|line| failing(&format!("test_{line}"), line))
        .collect();
    house
        .github
        .fail(Fault::on(Method::PATCH, "/check-runs/", Trouble::DropAfter));
    house.push("v1", &labelled(&commit, &writing(&cases, 1))).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.check.conclusion.as_deref(), Some("failure"));
    assert!(
        shown
            .check
            .title
            .as_deref()
            .unwrap()
            .starts_with("120 failed, 0 passed in "),
        "{:?}",
        shown.check.title
    );
    let lines: Vec<u64> = shown
        .check
        .annotations
        .iter()
        .map(|annotation| annotation["start_line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, (1..=120).collect::<Vec<u64>>());
    house.close().await;
}

#[tokio::test]
async fn reports_that_tell_of_failures_are_believed_whatever_the_exit_code() {
    let house = declaring(REPORTS).await;
    let commit = commit(&house);
    house
        .push("v1", &labelled(&commit, &writing(&failing("test_login", 12), 0)))
        .await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("failure", "failure"));
    assert!(
        shown.summary().contains("though the exit code is 0"),
        "{}",
        shown.summary()
    );
    house.close().await;
}

#[tokio::test]
async fn a_report_that_is_missing_is_told_and_the_exit_code_decides() {
    let house = declaring(REPORTS).await;
    let commit = commit(&house);
    house
        .push("v1", &labelled(&commit, "echo no reports today"))
        .await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("success", "success"));
    assert!(
        shown
            .summary()
            .contains("there is no report /reports/&#42;&#46;xml"),
        "{}",
        shown.summary()
    );
    house.close().await;
}

#[tokio::test]
async fn tap_and_workflow_commands_on_the_standard_output_need_no_declaration() {
    let house = House::open().await;
    let commit = commit(&house);
    let script = "echo 'TAP version 13'; echo 1..2; echo ok 1 - opens; echo not ok 2 - rejects\n\
                  echo '::warning file=backend/tests/test_api.py,line=3,title=Slow::takes 9 s'\n\
                  echo '::error file=/etc/passwd,line=1::not in the repository'";
    house.push("v1", &labelled(&commit, script)).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("failure", "failure"));
    assert_eq!(shown.check.title.as_deref(), Some("rejects failed"));
    let [annotation] = shown.check.annotations.as_slice() else {
        panic!("{:?}", shown.check.annotations)
    };
    assert_eq!(
        (
            &annotation["annotation_level"],
            &annotation["title"],
            &annotation["message"]
        ),
        (&"warning".into(), &"Slow".into(), &"takes 9 s".into())
    );
    house.close().await;
}

#[tokio::test]
async fn under_the_strict_profile_reports_leave_through_a_volume_that_is_gone_afterwards() {
    let house = declaring(
        "{ profile: strict, tests: [{ run: test, reports: [\"/reports/*.xml\", \"/nothing/*.xml\"] }] }",
    )
    .await;
    let commit = commit(&house);
    let script = writing(&failing("test_login", 12), 1).replace("mkdir -p /reports", "touch /x && exit 9");
    house.push("v1", &labelled(&commit, &script)).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(
        shown.check.title.as_deref(),
        Some("tests.test_api › test_login failed"),
        "{}",
        shown.summary()
    );
    house.close().await;
}

#[tokio::test]
async fn of_a_private_image_no_tests_name_is_told_on_a_public_repository() {
    let house = House::with_private_image().await;
    let commit = commit(&house);
    let script = "echo 1..2; echo ok 1; echo 'not ok 2 - the secret plan'; echo '::error file=backend/tests/test_api.py,line=1::secret plan'";
    house.push("v1", &labelled(&commit, script)).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.conclusion(), ("failure", "failure"));
    assert!(
        shown
            .check
            .title
            .as_deref()
            .unwrap()
            .starts_with("1 failed, 1 passed")
    );
    assert!(shown.check.annotations.is_empty());
    assert!(!shown.summary().contains("secret plan"));
    let page = house
        .page(&format!("/runs/{}", shown.check.external_id.clone().unwrap()))
        .await
        .1;
    assert!(!page.contains("secret plan"));
    house.close().await;
}

#[tokio::test]
async fn secrets_are_hidden_in_what_reports_say_too() {
    let house = House::with(|config| {
        config.web.admin_token = Some("correct horse battery".to_owned().into());
    })
    .await;
    let commit = commit(&house);
    let script = "echo 1..1; echo 'not ok 1 - correct horse battery'";
    house.push("v1", &labelled(&commit, script)).await;
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.check.title.as_deref(), Some("*** failed"));
    assert!(!String::from_utf8_lossy(&house.stored()).contains("correct horse"));
    house.close().await;
}
