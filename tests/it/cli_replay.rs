//! `hubcheck replay`: what a registry sent goes through the pipeline again, for real or for show.

use hubcheck::demo::images::Image;
use hubcheck::model::CommitSha;

use crate::cli::{hubcheck, run, serving_child, terminate};
use crate::support::desk::Desk;
use crate::support::house::{labelled, today};

impl Desk {
    /// An image in the registry, its commit, and the body that said that it was pushed.
    async fn pushed(&self, tests: &str) -> CommitSha {
        let commit = self.github.commit(&self.repo, "to be replayed").unwrap();
        let image: Image = labelled(&commit, tests);
        self.registry.push("acme/app", "v1", &image).await;
        std::fs::write(self.folder.path().join("body.json"), today("v1").to_string()).unwrap();
        commit
    }

    async fn replay(&self, args: &[&str]) -> (Option<i32>, String, String) {
        run(hubcheck(self.folder.path()).arg("replay").args(args)).await
    }

    fn conclusions(&self, commit: &CommitSha) -> Vec<Option<String>> {
        let checks = self.github.check_runs(&self.repo, commit);
        checks.into_iter().map(|check| check.conclusion).collect()
    }
}

fn delivery_of(stderr: &str) -> &str {
    let line = stderr.lines().find_map(|line| line.strip_prefix("delivery "));
    line.and_then(|line| line.split(':').next()).unwrap()
}

#[tokio::test]
async fn a_dry_run_tests_the_image_prints_the_requests_and_sends_none() {
    let desk = Desk::bound().await;
    let commit = desk.pushed("exit 3").await;
    let (code, stdout, stderr) = desk.replay(&["body.json", "--dry-run"]).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stderr.contains("Failed: "), "{stderr}");
    for text in [
        "POST /repos/acme/app/check-runs\n",
        &format!("POST /repos/acme/app/statuses/{commit}\n"),
        "PATCH /repos/acme/app/check-runs/1\n",
        "\"conclusion\": \"failure\"",
        "\"state\": \"failure\"",
    ] {
        assert!(stdout.contains(text), "{text} in {stdout}");
    }
    assert!(desk.github.writes().is_empty(), "{:#?}", desk.github.writes());
    let left: Vec<_> = std::fs::read_dir(desk.folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "the configuration and the body: {left:?}");
}

#[tokio::test]
async fn a_saved_body_becomes_a_verdict_and_its_delivery_can_be_replayed() {
    let desk = Desk::bound().await;
    let commit = desk.pushed("echo fine").await;
    let (code, stdout, stderr) = desk.replay(&["body.json"]).await;
    assert_eq!((code, stdout.as_str()), (Some(0), ""), "{stderr}");
    assert!(
        stderr.contains(&format!("was built from acme/app@{}. Passed: ", commit.short())),
        "{stderr}"
    );
    assert_eq!(desk.conclusions(&commit), [Some("success".to_owned())]);

    // The digest has its verdict: the tag joins the run that there is.
    let written = desk.github.writes().len();
    let (code, _, stderr) = desk.replay(&[delivery_of(&stderr)]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("Passed: "), "{stderr}");
    assert_eq!(desk.conclusions(&commit).len(), 1);
    assert_eq!(desk.github.writes().len(), written);
}

#[tokio::test]
async fn what_is_replayed_while_a_bot_serves_is_the_bots_to_do() {
    let desk = Desk::bound().await;
    let commit = desk.pushed("echo fine").await;
    let mut serving = serving_child(desk.folder.path()).await;
    let (code, _, stderr) = desk.replay(&["body.json"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(desk.conclusions(&commit), [Some("success".to_owned())]);
    assert_eq!(terminate(&mut serving).await.code(), Some(0));
}

#[tokio::test]
async fn what_cannot_be_replayed_is_told_with_the_mend() {
    let desk = Desk::with(true, "").await;
    desk.pushed("echo fine").await;
    std::fs::write(desk.folder.path().join("broken.json"), "{\"push_data\":").unwrap();
    std::fs::write(
        desk.folder.path().join("rerequested.json"),
        r#"{"action":"rerequested","check_run":{"id":1,"head_sha":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","external_id":"x"},
            "repository":{"id":1,"full_name":"acme/app"},"installation":{"id":1}}"#,
    )
    .unwrap();
    for (args, code, words) in [
        (&["body.json"][..], 1, "no repository is bound to"),
        (&["body.json", "--dry-run"], 1, "no repository is bound to"),
        (
            &["nothing.json"],
            2,
            "give the path of a saved body, or the id of a delivery",
        ),
        (&["broken.json"], 2, "cannot read broken.json"),
        (
            &["0199aa00-0000-7000-8000-000000000000"],
            2,
            "the store has no delivery",
        ),
        (
            &["rerequested.json", "--event", "check_run", "--dry-run"],
            2,
            "--dry-run takes what registries send",
        ),
        (&["body.json", "--sender", "quay"], 2, "no such sender"),
    ] {
        let (ended, stdout, stderr) = desk.replay(args).await;
        assert_eq!((ended, stdout.as_str()), (Some(code), ""), "{args:?}: {stderr}");
        assert!(stderr.contains(words), "{words} in {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
    assert!(desk.github.writes().is_empty());
}
