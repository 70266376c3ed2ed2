//! `hubcheck explain`: the commit of an image, every claim with its fate, and what to do where there is none.

use hubcheck::demo::images::Image;
use hubcheck::model::CommitSha;
use serde_json::Value;

use crate::cli::{hubcheck, run};
use crate::support::desk::Desk;
use crate::support::house::plain;

impl Desk {
    async fn explain(&self, tag: &str, image: &Image, args: &[&str]) -> (Option<i32>, String, String) {
        self.registry.push("acme/app", tag, image).await;
        let mut command = hubcheck(self.folder.path());
        command.arg("explain").arg(format!("acme/app:{tag}")).args(args);
        run(&mut command).await
    }
}

fn claiming(commit: &CommitSha) -> Image {
    plain("echo fine")
        .label("org.opencontainers.image.revision", commit.as_str())
        .label("org.label-schema.vcs-ref", "unknown")
        .build()
}

#[tokio::test]
async fn an_image_is_explained_for_people_and_for_programs() {
    let desk = Desk::bound().await;
    let commit = desk.github.commit(&desk.repo, "explained").unwrap();
    let (code, stdout, stderr) = desk.explain("v1", &claiming(&commit), &[]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    for text in [
        "acme/app",
        commit.as_str(),
        "claimed: ",
        "operator: ",
        "OCI label",
        "taken",
        "label-schema label",
        "ignored: it holds a placeholder",
    ] {
        assert!(stdout.contains(text), "{text} in {stdout}");
    }

    let (code, stdout, _) = desk.explain("v1", &claiming(&commit), &["--json"]).await;
    assert_eq!(code, Some(0));
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (
            &told["mapped"],
            &told["repository"],
            &told["commit"],
            &told["evidence"],
            &told["binding"]
        ),
        (
            &true.into(),
            &"acme/app".into(),
            &commit.as_str().into(),
            &"claimed".into(),
            &"operator".into()
        )
    );
    assert_eq!(told["claims"][0]["fate"], "taken");
    assert_eq!(told["claims"][1]["fate"], "ignored");
    assert!(desk.github.writes().is_empty());
}

#[tokio::test]
async fn what_leads_nowhere_is_said_with_the_mend() {
    let desk = Desk::bound().await;
    let absent = "ab".repeat(20).parse().unwrap();
    let (code, stdout, _) = desk.explain("v1", &claiming(&absent), &[]).await;
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("not in acme/app"), "{stdout}");

    let (code, stdout, _) = desk.explain("v2", &plain("echo fine").build(), &[]).await;
    assert_eq!(code, Some(1), "{stdout}");
    for text in [
        "org.opencontainers.image.revision",
        "the image says nothing of its source",
    ] {
        assert!(stdout.contains(text), "{text} in {stdout}");
    }

    let unbound = Desk::with(true, "").await;
    let (code, stdout, _) = unbound.explain("v1", &claiming(&absent), &[]).await;
    assert_eq!(code, Some(1), "{stdout}");
    assert!(
        stdout.contains("no repository is bound to docker.io/acme/app"),
        "{stdout}"
    );
}

#[tokio::test]
async fn without_an_app_it_stops_before_github_and_says_so() {
    let desk = Desk::with(false, "").await;
    let commit = desk.github.commit(&desk.repo, "unasked").unwrap();
    let (code, stdout, _) = desk.explain("v1", &claiming(&commit), &[]).await;
    assert_eq!(code, Some(1), "{stdout}");
    for text in [commit.as_str(), "no GitHub App is configured", "OCI label"] {
        assert!(stdout.contains(text), "{text} in {stdout}");
    }
    let bound = Desk::with(false, "[[image]]\nname = \"acme/app\"\nrepo = \"acme/app\"").await;
    let (code, stdout, _) = bound.explain("v1", &claiming(&commit), &[]).await;
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("nothing was looked up at GitHub"), "{stdout}");
    for desk in [desk, bound] {
        assert!(desk.github.ledger().is_empty());
    }
}
