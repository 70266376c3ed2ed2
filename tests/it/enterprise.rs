//! GitHub Enterprise Server as companies run it: below `/api/v3`, with no limits, behind a proxy, and certified by an
//! authority that the system does not know.

use std::path::Path;

use hubcheck::demo::github::{Caller, DEMO_PRIVATE_KEY, GitHub, SimulatedApp};
use hubcheck::model::{RepoName, Visibility};
use tempfile::TempDir;
use tokio::process::Command;

use crate::cli::{hubcheck, ready, run, terminate};
use crate::kill::free_address;
use crate::support::corporate::Corporate;
use crate::support::house::{IMAGE, PATIENCE, labelled, today};
use crate::support::registry::Registry;

const HOST: &str = "ghe.example.test";

/// Repositories beside the one: their list has a second page.
const OTHERS: usize = 100;

struct Company {
    github: GitHub,
    network: Corporate,
    registry: Registry,
    repo: RepoName,
    folder: TempDir,
    address: String,
}

impl Company {
    async fn new() -> Self {
        let app = SimulatedApp {
            enterprise: Some(format!("https://{HOST}")),
            ..SimulatedApp::default()
        };
        let github = GitHub::start(app).await.unwrap();
        let repo: RepoName = IMAGE.parse().unwrap();
        github.add_repo(&repo, Visibility::Private);
        for number in 0..OTHERS {
            let other = format!("acme/other-{number}").parse().unwrap();
            github.add_repo(&other, Visibility::Private);
        }
        let network = Corporate::network(HOST, github.url()).await;
        let (registry, folder, address) = (Registry::start(), tempfile::tempdir().unwrap(), free_address());
        let app = SimulatedApp::default();
        let config = format!(
            "listen = \"{address}\"\npublic_url = \"http://{address}\"\nadmin_listen = \"off\"\n\
             [net]\nca_file = \"corp-ca.pem\"\n\
             [github]\napp_id = {}\nprivate_key = '''{DEMO_PRIVATE_KEY}'''\nwebhook_secret = [\"s\"]\n\
             api_url = \"https://{HOST}/api/v3\"\nweb_url = \"https://{HOST}\"\n\
             [[image]]\nname = \"{IMAGE}\"\nrepo = \"{repo}\"\n\
             [registry.\"docker.io\"]\nendpoint = \"http://{}\"\n",
            app.id,
            registry.host()
        );
        std::fs::write(folder.path().join("hubcheck.toml"), config).unwrap();
        std::fs::write(folder.path().join("corp-ca.pem"), &network.authority).unwrap();
        Self {
            github,
            network,
            registry,
            repo,
            folder,
            address,
        }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The program as its administrator starts it.
    fn hubcheck(&self) -> Command {
        let mut command = hubcheck(self.folder());
        command
            .env("HTTPS_PROXY", self.network.proxy())
            .env("HTTP_PROXY", self.network.proxy())
            .env("NO_PROXY", "127.0.0.1")
            .env("HUBCHECK_DOCKER__NETWORK", "false");
        command
    }
}

#[tokio::test]
async fn a_push_is_told_on_an_enterprise_server_behind_a_proxy_and_a_private_authority() {
    let company = Company::new().await;
    let mut serve = company.hubcheck();
    let mut bot = ready(serve.arg("serve")).await;
    let (_, hook, _) = run(company.hubcheck().args(["hook-url", IMAGE])).await;

    let commit = company.github.commit(&company.repo, "built inside").unwrap();
    let image = labelled(&commit, "echo fine");
    let digest = company.registry.push(IMAGE, "v1", &image).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let told = client.post(hook.trim()).body(today("v1").to_string());
    assert_eq!(told.send().await.unwrap().status(), 202);
    let seen = |github: &GitHub| {
        let check = github.check_runs(&company.repo, &commit).pop()?;
        let status = github.statuses(&company.repo, &commit).into_iter().next()?;
        Some((
            check.conclusion?,
            Some(status.state).filter(|state| state != "pending")?,
        ))
    };
    let shown = company.github.wait_for(PATIENCE, seen).await;
    // Pages after the first are asked for with the same token, below the same path.
    let second_page = |github: &GitHub| {
        let mut pages = github.ledger();
        pages.retain(|request| request.path.contains("/installation/repositories"));
        (pages.len() >= 2).then_some(pages)
    };
    let pages = company.github.wait_for(PATIENCE, second_page).await;
    // All is over before anything is judged, so that nothing is left on the Engine.
    assert!(terminate(&mut bot).await.success());
    let pulled = format!("{}/{IMAGE}@{digest}", company.registry.host());
    let removed = Command::new("docker")
        .args(["rmi", &pulled])
        .output()
        .await
        .unwrap();
    assert!(removed.status.success(), "{removed:?}");

    assert_eq!(shown.unwrap(), ("success".to_owned(), "success".to_owned()));
    for page in &pages.unwrap() {
        assert!(matches!(page.caller, Caller::Installation(_)), "{page:?}");
        assert_eq!(page.status.unwrap(), 200, "{page:?}");
    }
    let ledger = company.github.ledger();
    assert!(
        ledger.iter().all(|request| request.path.starts_with("/api/v3/")),
        "{ledger:#?}"
    );
    assert_eq!(
        company.network.asked_for(),
        [format!("CONNECT {HOST}:443 HTTP/1.1")],
        "the registry on this machine is reached without the proxy"
    );
    assert!(company.github.unexpected_writes().is_empty());
}

#[tokio::test]
async fn a_repository_that_is_renamed_is_followed_below_the_same_path() {
    let company = Company::new().await;
    let moved: RepoName = "acme/moved".parse().unwrap();
    company.github.rename(&company.repo, &moved);
    let commit = company.github.commit(&moved, "built inside").unwrap();
    let image = labelled(&commit, "echo fine");
    company.registry.push(IMAGE, "v1", &image).await;
    let (code, stdout, stderr) = run(company.hubcheck().args(["explain", &format!("{IMAGE}:v1")])).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains(commit.as_str()), "{stdout}");
    let ledger = company.github.ledger();
    assert!(
        ledger
            .iter()
            .any(|request| request.path.starts_with("/api/v3/repositories/")),
        "{ledger:#?}"
    );
}

#[tokio::test]
async fn the_doctor_finds_nothing_wrong_with_it_and_says_what_is_missing_without() {
    let company = Company::new().await;
    company
        .github
        .hook_to(&format!("http://{}/hooks/github", company.address));
    let (_, stdout, stderr) = run(company.hubcheck().arg("doctor")).await;
    for line in [
        "ok     GitHub App: hubcheck-demo (424242)",
        "ok     installation acme: its requests are not limited",
    ] {
        assert!(stdout.contains(line), "{stdout}{stderr}");
    }
    // Without the company's authority nobody there is believed.
    let mut without = company.hubcheck();
    std::fs::write(company.folder().join("corp-ca.pem"), other_authority().await).unwrap();
    let (code, stdout, _) = run(without.arg("doctor")).await;
    assert_eq!(code, Some(1));
    assert!(
        stdout.contains("WRONG  GitHub App: ") && stdout.contains("certificate"),
        "{stdout}"
    );
    assert_eq!(company.github.writes().len(), 0);
}

/// The certificate of an authority that has certified nobody here.
async fn other_authority() -> String {
    Corporate::network(HOST, "http://127.0.0.1:9")
        .await
        .authority
        .clone()
}
