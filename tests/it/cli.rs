//! The program as a newcomer meets it: what it says, where it says it, and its exit codes.

use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use hubcheck::demo::github::{DEMO_PRIVATE_KEY, GitHub, SimulatedApp};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long any of it may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

pub(crate) fn hubcheck(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubcheck"));
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HUBCHECK_")) {
        command.env_remove(name);
    }
    command
}

pub(crate) async fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let done = tokio::time::timeout(PATIENCE, command.output())
        .await
        .expect("it does not end");
    let Output {
        status,
        stdout,
        stderr,
    } = done.unwrap();
    (
        status.code(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

fn folder_with(config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hubcheck.toml"), config).unwrap();
    folder
}

/// A configuration that serves, against this GitHub.
pub(crate) fn serving(github: &GitHub, listen: &str) -> String {
    let app = SimulatedApp::default();
    format!(
        "listen = \"{listen}\"\nadmin_listen = \"off\"\n[github]\napp_id = {}\nprivate_key = '''{DEMO_PRIVATE_KEY}'''\n\
         webhook_secret = [\"s\"]\napi_url = \"{}\"\n",
        app.id,
        github.url()
    )
}

#[tokio::test]
async fn serve_without_an_app_prints_a_link_and_stops_in_order_all_the_same() {
    let folder = folder_with("listen = \"127.0.0.1:0\"\nadmin_listen = \"off\"\n");
    let mut child = hubcheck(folder.path())
        .arg("serve")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let link = async {
        let mut seen = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("/setup?link=") {
                return seen;
            }
            seen += &line;
        }
        panic!("it ended: {seen}");
    };
    let said = tokio::time::timeout(PATIENCE, link).await.expect("no link");
    assert!(said.contains("no GitHub App is configured yet"), "{said}");
    assert_eq!(terminate(&mut child).await.code(), Some(0));

    let (code, stdout, stderr) = run(hubcheck(folder.path()).args(["replay", "x.json"])).await;
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
    assert!(
        stderr.contains("`hubcheck serve` leads through making one"),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_typo_names_its_line_and_the_nearest_key() {
    let folder = folder_with("[github]\napp_idd = 5\n");
    let (code, _, stderr) = run(hubcheck(folder.path()).arg("serve")).await;
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("app_idd") && stderr.contains("`app_id`") && stderr.contains(":2"),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_wrong_key_is_told_for_what_it_is_and_never_printed() {
    let folder =
        folder_with("[github]\napp_id = 5\nprivate_key = \"c3VwZXItc2VjcmV0\"\nwebhook_secret = [\"s\"]\n");
    let (code, _, stderr) = run(hubcheck(folder.path()).arg("serve")).await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(
        stderr.contains("private_key") && !stderr.contains("c3VwZXItc2VjcmV0"),
        "{stderr}"
    );
}

#[tokio::test]
async fn the_hook_url_stands_alone_on_stdout_and_stays_the_same() {
    let folder = folder_with("public_url = \"https://checks.example.org\"\n");
    let (code, first, stderr) = run(hubcheck(folder.path()).args(["hook-url", "acme/app"])).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(
        first.starts_with("https://checks.example.org/hooks/dockerhub/"),
        "{first}"
    );
    assert_eq!(first.lines().count(), 1);
    let (_, again, _) = run(hubcheck(folder.path()).args(["hook-url", "docker.io/acme/app"])).await;
    assert_eq!(first, again);
    let (code, _, stderr) = run(hubcheck(folder.path()).args(["hook-url", "Not An Image"])).await;
    assert_eq!(code, Some(2), "{stderr}");
}

#[tokio::test]
async fn the_configuration_may_stand_before_and_after_the_subcommand() {
    let folder = folder_with("public_url = \"https://one.example.org\"\n");
    std::fs::write(
        folder.path().join("two.toml"),
        "public_url = \"https://two.example.org\"\n",
    )
    .unwrap();
    for order in [
        ["--config", "two.toml", "hook-url", "acme/app"],
        ["hook-url", "acme/app", "--config", "two.toml"],
    ] {
        let (code, url, stderr) = run(hubcheck(folder.path()).args(order)).await;
        assert_eq!(code, Some(0), "{stderr}");
        assert!(url.starts_with("https://two.example.org/"), "{url}");
    }
}

#[tokio::test]
async fn the_demo_without_docker_says_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = hubcheck(folder.path());
    command
        .args(["demo", "--once"])
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let (code, _, stderr) = run(&mut command).await;
    assert_eq!(code, Some(3), "{stderr}");
    assert!(
        stderr.contains("Docker") && stderr.contains("install"),
        "{stderr}"
    );
}

#[tokio::test]
async fn the_demo_shows_three_verdicts_and_exits() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = run(hubcheck(folder.path()).args(["demo", "--once"])).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    for text in [
        "webhook answered 202 queued",
        " success ",
        " failure ",
        " action_required ",
        "no test command",
    ] {
        assert!(stdout.contains(text), "{text} in {stdout}");
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "it leaves no files behind"
    );
}

/// `serve`, once it says that it serves.
pub(crate) async fn serving_child(folder: &Path) -> Child {
    ready(hubcheck(folder).arg("serve")).await
}

/// Starts `hubcheck serve`, and waits until it serves.
pub(crate) async fn ready(serve: &mut Command) -> Child {
    let mut child = serve.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let started = async {
        let mut seen = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("hubcheck serves") {
                return;
            }
            seen += &line;
        }
        panic!("it ended: {seen}");
    };
    tokio::time::timeout(PATIENCE, started)
        .await
        .expect("it does not start");
    // What it says from now on is nobody's; it must not stop for that.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    child
}

/// Ends a child with SIGTERM.
pub(crate) async fn terminate(child: &mut Child) -> ExitStatus {
    let pid = child.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
    assert!(sent.success());
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
    ended.expect("it does not stop").unwrap()
}

#[tokio::test]
async fn serve_stops_in_order_on_sigterm_and_two_never_share_a_store() {
    let github = GitHub::start(SimulatedApp::default()).await.unwrap();
    let folder = folder_with(&serving(&github, "127.0.0.1:0"));
    let mut child = serving_child(folder.path()).await;
    let (code, _, stderr) = run(hubcheck(folder.path()).arg("serve")).await;
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("another hubcheck"), "{stderr}");
    let (code, url, _) = run(hubcheck(folder.path()).args(["hook-url", "acme/app"])).await;
    assert!(
        code == Some(0) && url.contains("/hooks/dockerhub/"),
        "it prints URLs while serve runs"
    );
    let status = terminate(&mut child).await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_key() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let github = GitHub::start(SimulatedApp::default()).await.unwrap();
    let folder = folder_with(&serving(&github, &address));
    let (code, _, stderr) = run(hubcheck(folder.path()).arg("serve")).await;
    assert_eq!(code, Some(3), "{stderr}");
    assert!(
        stderr.contains(&address) && stderr.contains("`listen`"),
        "{stderr}"
    );
}
