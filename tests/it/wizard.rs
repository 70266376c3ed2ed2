//! From the link that `hubcheck serve` prints to a green check on a commit, in a real browser, with no file edited by hand.

use std::process::Stdio;

use hubcheck::demo::github::{GitHub, SimulatedApp};
use hubcheck::model::{RepoName, Visibility};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::cli::{hubcheck, serving_child, terminate};
use crate::support::browser::{Browser, PATIENCE, said};
use crate::support::house::{IMAGE, labelled, today};
use crate::support::registry::Registry;

/// `hubcheck serve` without an App, and the link that it prints.
async fn without_app(folder: &TempDir, github: &GitHub, registry: &Registry) -> (Child, String, String) {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}");
    let config = format!(
        "listen = \"127.0.0.1:{port}\"\npublic_url = \"{url}\"\nadmin_listen = \"off\"\n\
         [github]\napi_url = \"{0}\"\nweb_url = \"{0}\"\n[registry.\"docker.io\"]\nendpoint = \"http://{1}\"\n",
        github.url(),
        registry.host()
    );
    std::fs::write(folder.path().join("hubcheck.toml"), config).unwrap();
    let mut bot = hubcheck(folder.path())
        .arg("serve")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let link = said(bot.stderr.take().unwrap(), |line| {
        let line = line.trim();
        line.starts_with("http").then(|| line.to_owned())
    })
    .await;
    assert!(link.starts_with(&format!("{url}/setup?link=")), "{link}");
    (bot, url, link)
}

/// A GitHub where the repository is, and nobody has made the App yet.
async fn before_the_app() -> (GitHub, RepoName) {
    let github = GitHub::start(SimulatedApp::default()).await.unwrap();
    let repo: RepoName = IMAGE.parse().unwrap();
    github.add_repo(&repo, Visibility::Public);
    github.commit(&repo, "the first commit").unwrap();
    github.uninstall(repo.owner()).unwrap();
    (github, repo)
}

#[tokio::test]
async fn from_the_printed_link_to_a_green_check() {
    let (github, repo) = before_the_app().await;
    let registry = Registry::start();
    let folder = tempfile::tempdir().unwrap();
    let (mut bot, url, link) = without_app(&folder, &github, &registry).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    // Nobody is let in but by the link; a hook is told to come again.
    for path in ["/setup", "/setup?link=guessed", "/setup/created?code=x&state=y"] {
        let answer = client.get(format!("{url}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{path}");
    }
    let early = client
        .post(format!("{url}/hooks/github"))
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(early.status(), 503);

    let browser = Browser::open().await;
    browser.goto(&link).await;
    browser.reads("Step 1 of 3").await;
    assert_eq!(browser.address().await, format!("{url}/setup"));
    let second = client.get(&link).send().await.unwrap();
    assert_eq!(second.status(), 410, "it opens once");

    // A form that is cancelled at GitHub.
    browser.press("form button").await;
    browser.press("#to-github").await;
    browser.reads("Create GitHub App for octocat").await;
    browser.press("#cancel").await;
    browser.reads("GitHub Apps").await;
    browser.goto(&format!("{url}/setup")).await;
    browser.reads("came back without an App").await;
    // An answer that somebody else made up.
    browser
        .goto(&format!("{url}/setup/created?code=theirs&state=forged"))
        .await;
    browser.reads("This answer belongs to no form of ours").await;
    // A code that GitHub does not take any more.
    browser.press("main a").await;
    browser.press("form button").await;
    let action = browser.attribute("form", "action").await;
    let (_, state) = action.split_once("?state=").unwrap();
    browser
        .goto(&format!("{url}/setup/created?code=used&state={state}"))
        .await;
    browser.reads("GitHub does not know the code").await;
    // The same state does not open a second time.
    browser
        .goto(&format!("{url}/setup/created?code=used&state={state}"))
        .await;
    browser.reads("This answer belongs to no form of ours").await;

    // And now in earnest, for an organisation.
    browser.press("main a").await;
    browser.write("#organisation", "acme").await;
    browser.press("form button").await;
    browser.press("#to-github").await;
    browser.reads("Create GitHub App for acme").await;
    browser.press("#create").await;
    browser.reads("Step 2 of 3").await;
    browser.press("#install").await;
    browser.press("button[value=acme]").await;
    browser.press("a.new-file").await;
    browser.press("#commit").await;
    browser.reads("Create .github/hubcheck.yml").await;
    browser.goto(&format!("{url}/setup")).await;
    let hook = browser.text("code.hook").await;
    assert!(hook.starts_with(&format!("{url}/hooks/dockerhub/")), "{hook}");
    browser.reads("Nobody told of a push yet.").await;

    let commit = github.commit(&repo, "tested").unwrap();
    let digest = registry.push(IMAGE, "v1", &labelled(&commit, "echo fine")).await;
    let told = client
        .post(&hook)
        .body(today("v1").to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(told.status(), 202);
    let seen = |github: &GitHub| {
        let check = github.check_runs(&repo, &commit).pop()?;
        check.conclusion
    };
    let conclusion = github.wait_for(PATIENCE, seen).await.unwrap();
    assert_eq!(conclusion, "success");
    browser.press("a.run").await;
    browser.reads("Passed").await;

    // What only the owner of the App knows is kept where nobody else reads, and printed nowhere.
    use std::os::unix::fs::PermissionsExt;
    let file = std::fs::metadata(folder.path().join("hubcheck.db")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    browser.close().await;
    assert!(terminate(&mut bot).await.success());

    // A new start goes on with it.
    let mut again = serving_child(folder.path()).await;
    let page = client.get(format!("{url}/setup")).send().await.unwrap();
    assert_eq!(page.status(), 404, "to others it is closed");
    assert!(terminate(&mut again).await.success());
    let pulled = format!("{}/{IMAGE}@{digest}", registry.host());
    let removed = Command::new("docker")
        .args(["rmi", &pulled])
        .output()
        .await
        .unwrap();
    assert!(removed.status.success(), "{removed:?}");
}
