//! `hubcheck doctor`: each thing that may be wrong is told apart from all others, with its mend.

use std::time::Duration;

use hubcheck::clock::Clock;
use hubcheck::config::{self, Config};
use hubcheck::demo::github::{Access, Fault, GitHub, SimulatedApp, Trouble};
use hubcheck::doctor::{Finding, Patient, State};
use hubcheck::model::Visibility;
use hubcheck::store::Store;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::cli::{hubcheck, run};
use crate::support::desk::Desk;
use crate::support::registry::{PASSWORD, Registry, USERNAME};

const PUBLIC: &str = "https://checks.example.org";

/// A bot that nothing is wrong with, but for the age of this machine's runc.
struct Ward {
    github: GitHub,
    patient: Patient,
    folder: TempDir,
}

impl Ward {
    async fn open() -> Self {
        let github = GitHub::start(SimulatedApp::default()).await.unwrap();
        github.add_repo(&"acme/app".parse().unwrap(), Visibility::Public);
        github.hook_to(&format!("{PUBLIC}/hooks/github"));
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::defaults();
        PUBLIC.clone_into(&mut config.public_url);
        config.store = format!("sqlite://{}", folder.path().join("hubcheck.db").display());
        config.github = github.config().unwrap();
        // Nothing beyond this machine is asked.
        config.docker.network = false;
        config.docker.host = std::env::var("DOCKER_HOST").ok();
        let patient = Patient {
            config,
            docker_login_file: None,
            clock: Clock::default(),
        };
        Self {
            github,
            patient,
            folder,
        }
    }

    async fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        Box::pin(self.patient.examine(|finding| findings.push(finding))).await;
        findings.retain(|finding| finding.subject != "runc");
        findings
    }

    /// The one thing that is wrong, and its mend.
    async fn only_wrong(&self) -> (String, String, String) {
        let findings = self.findings().await;
        let mut wrong = findings.iter().filter_map(|finding| match &finding.state {
            State::Wrong { what, mend } => Some((finding.subject.clone(), what.clone(), mend.clone())),
            State::Good(_) | State::Note(_) => None,
        });
        let found = wrong
            .next()
            .unwrap_or_else(|| panic!("nothing is wrong: {findings:#?}"));
        let more: Vec<_> = wrong.collect();
        assert!(more.is_empty(), "{found:?} and {more:#?}");
        found
    }

    async fn tells(&self, subject: &str, what: &str, mend: &str) {
        let found = self.only_wrong().await;
        assert_eq!(found.0, subject, "{found:?}");
        assert!(found.1.contains(what), "{found:?}");
        assert!(found.2.contains(mend), "{found:?}");
    }
}

#[tokio::test]
async fn of_a_bot_that_is_well_all_is_good() {
    let ward = Ward::open().await;
    let findings = ward.findings().await;
    assert!(!findings.iter().any(Finding::is_wrong), "{findings:#?}");
    let subjects: Vec<&str> = findings.iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!(
        subjects,
        [
            "public address",
            "store",
            "Docker Engine",
            "metadata address",
            "GitHub App",
            "clock",
            "webhook",
            "permissions",
            "events",
            "installation acme",
        ]
    );
    assert!(ward.github.writes().is_empty());
    assert!(
        !ward.folder.path().join("hubcheck.db").exists(),
        "nothing is made by looking"
    );
}

#[tokio::test]
async fn a_wrong_app_id() {
    let mut ward = Ward::open().await;
    ward.patient.config.github.app_id = Some(7);
    let both = "one of the two is another App's";
    ward.tells("GitHub App", both, "compare `github.app_id`").await;
    ward.patient.config.github.client_id = Some(SimulatedApp::default().client_id);
    let number = "the key is that of App 424242 (hubcheck-demo), not of App 7";
    ward.tells("GitHub App", number, "set `github.app_id = 424242`")
        .await;
}

#[tokio::test]
async fn a_key_of_another_app() {
    let mut ward = Ward::open().await;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    ward.patient.config.github.private_key = Some(SecretString::from(key.serialize_pem()));
    ward.patient.config.github.client_id = Some(SimulatedApp::default().client_id);
    ward.tells("GitHub App", "the key is another App's", "make a new private key")
        .await;
}

#[tokio::test]
async fn a_permission_that_an_account_did_not_grant() {
    let ward = Ward::open().await;
    ward.github.grant("acme", "statuses", None);
    ward.github.grant("acme", "checks", Some(Access::Read));
    ward.tells(
        "installation acme",
        "it did not grant checks: write, statuses: write",
        "accepts the new permissions",
    )
    .await;
}

#[tokio::test]
async fn a_permission_that_the_app_does_not_ask_for() {
    let ward = Ward::open().await;
    ward.github
        .change_app(|app| app.permissions.retain(|name, _| name != "contents"));
    ward.tells("permissions", "does not ask for contents: read", "settings page")
        .await;
}

#[tokio::test]
async fn an_event_that_the_app_is_not_told_of() {
    let ward = Ward::open().await;
    ward.github
        .change_app(|app| app.events.retain(|event| event != "push"));
    ward.tells("events", "is not told of push", "subscribe to it")
        .await;
}

#[tokio::test]
async fn an_event_that_an_account_has_not_agreed_to() {
    let ward = Ward::open().await;
    ward.github.keep_from("acme", "merge_group");
    ward.tells(
        "installation acme",
        "is not told of its merge_group",
        "accept what changed",
    )
    .await;
}

#[tokio::test]
async fn addresses_of_two_githubs_are_noted() {
    let mut ward = Ward::open().await;
    ward.patient.config.github.web_url = "https://github.com".parse().unwrap();
    let findings = ward.findings().await;
    let noted = findings.iter().find(|finding| finding.subject == "addresses");
    let State::Note(what) = &noted.unwrap().state else {
        panic!("{noted:?}")
    };
    assert!(what.contains("github.web_url is https://github.com/"), "{what}");
    assert!(!findings.iter().any(Finding::is_wrong), "{findings:#?}");
}

#[tokio::test]
async fn a_webhook_of_another_host() {
    let ward = Ward::open().await;
    ward.github.hook_to("https://former.example.org/hooks/github");
    ward.tells(
        "webhook",
        "https://former.example.org/hooks/github, not to https://checks.example.org/hooks/github",
        "change the webhook URL",
    )
    .await;
}

#[tokio::test]
async fn a_clock_that_is_ten_minutes_off() {
    for (ahead, words) in [(true, "s ahead of GitHub's"), (false, "s behind GitHub's")] {
        let mut ward = Ward::open().await;
        let late = Clock::default();
        late.advance(Duration::from_mins(10));
        if ahead {
            ward.patient.clock = late;
        } else {
            ward.github.change_app(|app| app.clock = late);
        }
        ward.tells("clock", words, "timedatectl set-ntp true").await;
    }
}

#[tokio::test]
async fn no_docker() {
    let mut ward = Ward::open().await;
    let socket = ward.folder.path().join("docker.sock");
    ward.patient.config.docker.host = Some(format!("unix://{}", socket.display()));
    ward.tells("Docker Engine", "docker.sock", "start Docker").await;
}

#[tokio::test]
async fn an_engine_that_is_too_old() {
    let mut ward = Ward::open().await;
    let engine = TcpListener::bind("127.0.0.1:0").await.unwrap();
    ward.patient.config.docker.host = Some(format!("tcp://{}", engine.local_addr().unwrap()));
    let serving = tokio::spawn(old_engine(engine));
    ward.tells("Docker Engine", "18.09.9, API 1.39 is too old", "20.10")
        .await;
    serving.abort();
}

/// Answers as an Engine of 2019 does.
async fn old_engine(listener: TcpListener) {
    let version =
        r#"{"Version":"18.09.9","ApiVersion":"1.39","MinAPIVersion":"1.12","Os":"linux","Arch":"amd64"}"#;
    let info = r#"{"ID":"old","DockerRootDir":"/var/lib/docker","Runtimes":{"runc":{"path":"runc"}}}"#;
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => request.push(byte),
                    Err(_) => return,
                }
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let body = if request.contains("/version") {
                version
            } else {
                info
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        });
    }
}

#[tokio::test]
async fn a_registry_that_refuses_the_credentials() {
    let mut ward = Ward::open().await;
    let registry = Registry::start_guarded();
    let account = |password: &str| config::Registry {
        endpoint: Some(format!("http://{}", registry.host()).parse().unwrap()),
        username: Some(USERNAME.to_owned()),
        password: Some(SecretString::from(password.to_owned())),
        allow: Vec::new(),
    };
    let registries = &mut ward.patient.config.registries;
    registries.insert("docker.io".to_owned(), account("not the password"));
    ward.tells(
        "registry docker.io",
        "was refused",
        "check `username` and `password`",
    )
    .await;

    ward.patient
        .config
        .registries
        .insert("docker.io".to_owned(), account(PASSWORD));
    let findings = ward.findings().await;
    assert!(!findings.iter().any(Finding::is_wrong), "{findings:#?}");
}

#[tokio::test]
async fn a_database_that_is_newer_than_the_binary() {
    let ward = Ward::open().await;
    let url = &ward.patient.config.store;
    Store::open(url, Clock::default()).await.unwrap().close().await;
    let findings = ward.findings().await;
    let good = State::Good("of this version, and can be written to".to_owned());
    assert!(
        findings
            .iter()
            .any(|finding| finding.subject == "store" && finding.state == good)
    );

    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (99990101000000, 'of a later year', TRUE, x'00', 0)";
    let database = sqlx::SqlitePool::connect(url).await.unwrap();
    sqlx::query(newer).execute(&database).await.unwrap();
    database.close().await;
    ward.tells("store", "written by a newer hubcheck", "run that version")
        .await;
}

#[tokio::test]
async fn a_suspended_installation_and_one_that_has_spent_its_hour() {
    let ward = Ward::open().await;
    ward.github.suspend("acme", true);
    ward.tells("installation acme", "it is suspended", "takes it up again")
        .await;
    ward.github.suspend("acme", false);
    let gone = Trouble::Refusal(StatusCode::BAD_GATEWAY, "Bad Gateway".to_owned());
    ward.github.fail(Fault::on(Method::GET, "/rate_limit", gone));
    ward.tells("installation acme", "502 Bad Gateway", "try again")
        .await;

    ward.github.change_app(|app| app.is_limited = true);
    assert!(!ward.findings().await.iter().any(Finding::is_wrong));
    let installation = ward.github.installation("acme").unwrap();
    ward.github.use_up(installation, 4_600);
    ward.tells(
        "installation acme",
        "of 5000 requests are left",
        "writes wait by themselves",
    )
    .await;
}

#[tokio::test]
async fn the_command_says_what_is_wrong_and_ends_with_one() {
    let desk = Desk::bound().await;
    let (code, stdout, stderr) = run(hubcheck(desk.folder.path())
        .arg("doctor")
        .env("HUBCHECK_DOCKER__NETWORK", "false"))
    .await;
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert!(
        stdout.starts_with("ok     configuration: could be read\n"),
        "{stdout}"
    );
    assert!(stdout.contains("WRONG  public address: "), "{stdout}");
    assert!(
        stdout.contains("\n       mend: set `public_url` to the address that the world reaches"),
        "{stdout}"
    );
    assert!(
        stdout.contains("ok     GitHub App: hubcheck-demo (424242)"),
        "{stdout}"
    );
    assert!(stderr.contains("to be mended"), "{stderr}");
}

#[tokio::test]
async fn the_manifest_is_what_github_takes() {
    let desk = Desk::with(false, "").await;
    let mut command = hubcheck(desk.folder.path());
    command.arg("manifest").env("HUBCHECK_PUBLIC_URL", PUBLIC);
    let (code, stdout, stderr) = run(&mut command).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let manifest: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(manifest["url"], PUBLIC);
    assert_eq!(
        manifest["hook_attributes"]["url"],
        format!("{PUBLIC}/hooks/github")
    );
    assert_eq!(manifest["default_permissions"]["checks"], "write");
}
