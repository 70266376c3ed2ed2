//! Requests without a token, a signature, or any sense.

use std::fs;
use std::path::{Path, PathBuf};

use axum::body::Body;
use http::StatusCode;
use hubcheck::model::ImageName;
use hubcheck::store::JobKind;
use regex::Regex;

use crate::support::house::today;
use crate::support::web::{Answer, House, OLD_SECRET, post, signature};

/// Nobody's request was stored, and no job came of any.
async fn assert_no_work(house: &House) {
    assert!(house.shelf.store.deliveries(None, 1).await.unwrap().is_empty());
    for kind in JobKind::ALL {
        assert_eq!(house.shelf.store.depth(kind).await.unwrap().open, 0, "{kind:?}");
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// CVE-2022-45385: Jenkins' Docker Hub plugin started the builds of whoever asked.
#[tokio::test]
async fn without_a_token_nothing_is_started() {
    let house = House::open().await;
    for (path, status) in [
        ("/hooks/dockerhub", StatusCode::NOT_FOUND),
        ("/hooks/dockerhub/", StatusCode::NOT_FOUND),
        ("/hooks", StatusCode::NOT_FOUND),
        ("/dockerhub-webhook", StatusCode::NOT_FOUND),
        ("/dockerhub-webhook/", StatusCode::NOT_FOUND),
        // The plugin's own path has no token in it: its last word is taken for one.
        ("/dockerhub-webhook/notify", StatusCode::FORBIDDEN),
        ("/dockerhub-webhook//notify", StatusCode::FORBIDDEN),
        ("/hooks/dockerhub/%20", StatusCode::FORBIDDEN),
        ("/hooks/dockerhub/undefined", StatusCode::FORBIDDEN),
    ] {
        let answer = house.post(path, today("v1").to_string()).await;
        assert_eq!(answer.status, status, "{path}");
    }
    assert_no_work(&house).await;
}

/// CVE-2023-40034: Woodpecker wrote what a webhook said before it knew whose it was.
#[tokio::test]
async fn not_a_byte_is_written_before_the_signature_holds() {
    let house = House::open().await;
    let stored = || {
        let mut files: Vec<_> = fs::read_dir(house.shelf.folder()).unwrap().collect();
        files.sort_by_key(|file| file.as_ref().unwrap().path());
        let written = |path: &Path| !path.to_string_lossy().ends_with("-shm");
        let paths = files.into_iter().map(|file| file.unwrap().path());
        paths
            .filter(|path| written(path))
            .map(|path| (fs::read(&path).unwrap(), path))
            .collect::<Vec<_>>()
    };
    let before = stored();
    let body =
        r#"{"action":"deleted","installation":{"id":9},"repositories":[{"id":7,"full_name":"acme/app"}]}"#;
    for signature in [
        None,
        Some(signature("guessed", body)),
        Some(signature(OLD_SECRET, "{}")),
    ] {
        let mut request = post("/hooks/github")
            .header("x-github-event", "installation")
            .header("x-github-delivery", "guid");
        if let Some(signature) = signature {
            request = request.header("x-hub-signature-256", signature);
        }
        let answer = house.ask(request.body(body.into()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    assert!(stored() == before, "the files of the store have changed");
    // With the signature they do change, so that the files are the right ones.
    assert_eq!(
        house.event("installation", "guid", body).await.status,
        StatusCode::ACCEPTED
    );
    assert!(stored() != before);
}

/// What strangers may send: all that the fuzzer found worth keeping, and all fixtures.
fn rubbish() -> Vec<Vec<u8>> {
    let folders = [
        "fuzz/corpus/docker_hub",
        "fuzz/corpus/github_event",
        "fixtures/dockerhub",
    ];
    let files = folders
        .iter()
        .flat_map(|folder| fs::read_dir(root().join(folder)).unwrap());
    files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect()
}

fn refused(answer: &Answer, at: &str) {
    assert!(answer.status.is_client_error(), "{at}: {}", answer.status);
    assert!(!answer.error().contains("panic"), "{at}: {}", answer.error());
}

/// CVE-2023-50728: a malformed request without a signature ended every process that used GitHub's own
/// library. CVE-2025-59537 and CVE-2025-59538: one ended Argo CD.
#[tokio::test]
async fn no_malformed_request_of_a_stranger_ends_anything() {
    let house = House::open().await;
    for (number, body) in rubbish().into_iter().enumerate() {
        let unsigned = |signature: &str| {
            post("/hooks/github")
                .header("x-github-event", "check_run")
                .header("x-hub-signature-256", signature.to_owned())
        };
        for header in [
            "",
            "sha256",
            "sha256=",
            "sha256=zz",
            "=",
            "sha1=00",
            "sha256=\u{e9}",
        ] {
            let request = unsigned(header).body(Body::from(body.clone())).unwrap();
            refused(&house.ask(request).await, &format!("{number} {header}"));
        }
        refused(&house.post("/hooks/dockerhub/x", body).await, "dockerhub");
    }
    assert_no_work(&house).await;
    let good = house.post(&house.hook(), today("v1").to_string()).await;
    assert_eq!(good.status, StatusCode::ACCEPTED, "the next good one is taken");
}

/// CVE-2025-59531: whoever spoke as a provider that Argo CD was not set up for reached that one's parser.
#[tokio::test]
async fn a_sender_that_nobody_set_up_is_not_there() {
    let house = House::open().await;
    for sender in [
        "quay",
        "harbor",
        "acr",
        "gar",
        "ecr",
        "registry",
        "bitbucket",
        "gogs",
        "DockerHub",
        "github",
    ] {
        for (name, value) in [
            ("x-event-key", "repo:refs_changed"),
            ("x-gogs-event", "push"),
            ("x-vss-activityid", "1"),
            ("x-gitlab-event", "Push Hook"),
        ] {
            let request = post(&format!("/hooks/{sender}/token")).header(name, value);
            let answer = house
                .ask(request.body("{\"changes\":[{}]}".into()).unwrap())
                .await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{sender} {name}");
        }
    }
    assert_no_work(&house).await;
}

/// CVE-2022-36885: Jenkins' GitHub plugin compared signatures with `==`, whose time tells how much is right.
#[test]
fn no_secret_is_compared_in_a_time_that_tells_of_it() {
    let guarded = [
        "src/hooks/github.rs",
        "src/hooks/token.rs",
        "src/access.rs",
        "src/web/viewer.rs",
    ];
    let secret = r"(?i)\b\w*(signature|mac|token|secret|password|key|digest)\w*(\(\)|\.0|\[[^\]]*\])*";
    let compared = Regex::new(&format!(r"{secret}\s*[!=]=\s|\s[!=]=\s*[&*]?{secret}")).unwrap();
    for file in guarded {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        assert!(
            code.contains("verify_slice(") || code.contains("ct_eq("),
            "{file} compares nothing"
        );
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            // The name of a parameter or of a cookie is no secret.
            let of_name = line.contains("== \"key\"") || line.contains("cookie == name");
            assert!(of_name || !compared.is_match(line), "{file}: {line}");
        }
    }
    // Nobody else makes or checks a MAC, the simulated GitHub aside, whose secrets open nothing.
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("demo") {
                folders.push(path);
            } else if path.is_file() {
                let known = guarded.iter().any(|file| path.ends_with(file)) || path.ends_with("tests.rs");
                let text = fs::read_to_string(&path).unwrap();
                assert!(
                    known || !text.contains("Hmac"),
                    "{} has MACs of its own",
                    path.display()
                );
            }
        }
    }
}

/// CVE-2022-20617: Jenkins' Docker plugin handed an image's name to a shell.
#[tokio::test]
async fn an_images_name_is_never_an_option_or_a_command() {
    let house = House::open().await;
    for hostile in [
        "--privileged",
        "-v/:/host",
        "acme/app --privileged",
        "acme/app;id",
        "acme/$(id)",
        "acme/`id`",
        "acme/app\n--privileged",
        "acme/app|sh",
        "acme/app&&id",
        "acme/app@sha256:../../x",
        "acme/../../etc",
        "acme/'app'",
        "acme/app\u{0}",
        "acme/\u{ff0d}\u{ff0d}app",
    ] {
        assert!(hostile.parse::<ImageName>().is_err(), "{hostile:?}");
        let mut body = today("v1");
        body["repository"]["repo_name"] = hostile.into();
        let answer = house.post("/hooks/dockerhub/every-image", body.to_string()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{hostile:?}");
        assert!(
            answer.error().contains("repository.repo_name"),
            "{}",
            answer.error()
        );
        let mut body = today("v1");
        body["push_data"]["tag"] = hostile.into();
        let answer = house.post("/hooks/dockerhub/every-image", body.to_string()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{hostile:?}");
    }
    assert_no_work(&house).await;
    // And there is no command line for it to get into: the Engine is asked by its API. A credential helper is told
    // a registry on its standard input, and its own name stands in the operator's file.
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("demo") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let is_helper = path.ends_with("registry/helper.rs") && text.matches(".arg").count() == 1;
                let starts = text.contains("process::Command") && !is_helper;
                assert!(!starts, "{} starts a process", path.display());
            }
        }
    }
}
