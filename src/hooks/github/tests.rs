//! Events as GitHub sends them.

use std::path::Path;

use super::*;

/// The example of GitHub's documentation.
const VECTOR: (&str, &str, &str) = (
    "It's a Secret to Everybody",
    "Hello, World!",
    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
);

#[test]
fn the_signature_is_that_of_the_documentation() {
    let (secret, body, header) = VECTOR;
    let secrets = ["another".into(), secret.into()];
    let signature = Signature::read(header).unwrap();
    assert!(signature.signs(&secrets, body.as_bytes()));
    assert!(!signature.signs(&secrets, b"Hello, World?"));
    assert!(!signature.signs(&secrets[..1], body.as_bytes()));
    assert!(!signature.signs(&[], body.as_bytes()));
    let digits = &header["sha256=".len()..];
    for wrong in [
        "",
        "sha256=",
        digits,
        &header[..header.len() - 2],
        &format!("{header}00"),
        &format!("sha1={digits}"),
        &format!("SHA256={digits}"),
        &format!("sha256={}", digits.to_uppercase()),
        &format!("sha256= {}", &digits[1..]),
        &format!("sha256={}", "ä".repeat(32)),
    ] {
        assert!(Signature::read(wrong).is_none(), "{wrong}");
    }
}

fn repo(id: i64, name: &str) -> RepoRef {
    RepoRef {
        id: RepoId(id),
        name: name.parse().unwrap(),
    }
}

#[test]
fn a_check_run_that_somebody_wants_again_leads_back_to_its_run() {
    let run = RunId::new();
    let body = format!(
        r#"{{"action":"rerequested","check_run":{{"id":7,"external_id":"{run}","head_sha":"{sha}","name":"x"}},
            "repository":{{"id":5,"name":"app","full_name":"acme/app"}},"installation":{{"id":9}}}}"#,
        sha = "ab".repeat(20)
    );
    let event = parse("check_run", body.as_bytes()).unwrap();
    let wanted = GithubEvent::CheckRunRerequested {
        repo: repo(5, "acme/app"),
        installation: InstallationId(9),
        external_id: Some(run),
        check_run: 7,
        head_sha: "ab".repeat(20).parse().unwrap(),
    };
    assert_eq!(event, wanted);
    let stored = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<GithubEvent>(&stored).unwrap(), wanted);

    let foreign = body.replace(&run.to_string(), "somebody else's");
    let event = parse("check_run", foreign.as_bytes()).unwrap();
    assert!(matches!(
        event,
        GithubEvent::CheckRunRerequested {
            external_id: None,
            ..
        }
    ));
}

#[test]
fn repositories_come_and_go_with_their_installation() {
    let changed = |event: &str, body: &str| match parse(event, body.as_bytes()).unwrap() {
        GithubEvent::InstallationChanged { added, removed, .. } => (added, removed),
        other => panic!("{other:?}"),
    };
    let list = r#"[{"id":1,"name":"a","full_name":"acme/a"}]"#;
    let one = || vec![repo(1, "acme/a")];
    for (event, body, wanted) in [
        (
            "installation",
            format!(r#"{{"action":"created","installation":{{"id":9}},"repositories":{list}}}"#),
            (one(), vec![]),
        ),
        (
            "installation",
            format!(r#"{{"action":"deleted","installation":{{"id":9}},"repositories":{list}}}"#),
            (vec![], one()),
        ),
        (
            "installation",
            r#"{"action":"suspend","installation":{"id":9},"repositories":null}"#.to_owned(),
            (vec![], vec![]),
        ),
        (
            "installation_repositories",
            format!(
                r#"{{"action":"added","installation":{{"id":9}},"repositories_added":{list},"repositories_removed":[]}}"#
            ),
            (one(), vec![]),
        ),
        (
            "installation_repositories",
            format!(
                r#"{{"action":"removed","installation":{{"id":9}},"repositories_added":[],"repositories_removed":{list}}}"#
            ),
            (vec![], one()),
        ),
    ] {
        assert_eq!(changed(event, &body), wanted, "{body}");
    }
}

#[test]
fn what_github_may_send_one_day_is_let_through_unread() {
    for (event, body, action) in [
        (
            "check_run",
            r#"{"action":"completed","check_run":5}"#,
            Some("completed"),
        ),
        (
            "merge_group",
            r#"{"action":"destroyed","reason":"merged"}"#,
            Some("destroyed"),
        ),
        ("push", r#"{"ref":"refs/heads/main"}"#, None),
        ("tea_time", "{}", None),
    ] {
        let wanted = GithubEvent::Other {
            event: event.to_owned(),
            action: action.map(str::to_owned),
        };
        assert_eq!(parse(event, body.as_bytes()).unwrap(), wanted);
    }
    let error = parse("check_run", br#"{"action":"rerequested","check_run":{"id":"x"}}"#).unwrap_err();
    assert!(error.to_string().contains("`check_run.id`"), "{error}");
    assert!(parse("push", b"no JSON").is_err());
}

/// Real payloads, where they are at hand: they are not part of the project.
#[test]
fn real_payloads_are_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/github-webhooks");
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: there are no real payloads beside the project");
        return;
    };
    for file in files {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut words = name.split('.');
        let (event, action) = (words.next().unwrap(), words.next().unwrap());
        let parsed =
            parse(event, &std::fs::read(&path).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let fits = match (event, action) {
            ("ping", _) => parsed == GithubEvent::Ping,
            ("installation" | "installation_repositories", _) => {
                matches!(&parsed, GithubEvent::InstallationChanged { action: said, .. } if said == action)
            }
            // A button of whatever App's.
            ("check_run", "requested_action") => matches!(parsed, GithubEvent::Other { .. }),
            ("check_run", "rerequested") => matches!(parsed, GithubEvent::CheckRunRerequested { .. }),
            ("check_suite", "rerequested") => matches!(parsed, GithubEvent::CheckSuiteRerequested { .. }),
            ("repository", "privatized" | "publicized") => {
                matches!(parsed, GithubEvent::VisibilityChanged { .. })
            }
            ("repository", "renamed" | "transferred" | "archived" | "unarchived" | "deleted") => {
                matches!(parsed, GithubEvent::RepositoryChanged { .. })
            }
            ("registry_package", _) => matches!(
                parsed,
                GithubEvent::PackagePushed { .. } | GithubEvent::PackageIgnored { .. }
            ),
            // Of whatever branch, and in a repository where the App may not be.
            ("push", _)
            | ("check_suite", "requested")
            | ("pull_request", "opened" | "synchronize" | "reopened")
            | ("merge_group", "checks_requested") => matches!(
                parsed,
                GithubEvent::CommitArrived { .. } | GithubEvent::Other { .. }
            ),
            _ => matches!(parsed, GithubEvent::Other { .. }),
        };
        assert!(fits, "{name}: {parsed:?}");
        assert!(serde_json::to_string(&parsed).unwrap().len() < 2_000, "{name}");
    }
}
