//! From the link that `hubcheck serve` prints to a green check on a commit, in a real browser, with no file edited by hand.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use http::{Method, StatusCode};
use hubcheck::app_manifest::AppManifest;
use hubcheck::demo::github::{Fault, GitHub, SimulatedApp, Trouble};
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

/// A client that looks where it is led, and does not go.
fn leads_nowhere() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy();
    client
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// Where GitHub leads whoever agrees to its form.
async fn agreed(client: &reqwest::Client, github: &GitHub, state: &str, manifest: &str) -> String {
    let form = [
        ("manifest", manifest),
        ("state", state),
        ("owner", "octocat"),
        ("name", "made by hand"),
    ];
    let made = client
        .post(format!("{}/settings/apps/made", github.url()))
        .form(&form);
    let made = made.send().await.unwrap();
    made.headers()["location"].to_str().unwrap().to_owned()
}

/// The bot without an App, the browser that sets it up, and what both of them reach.
struct SetUp {
    github: GitHub,
    repo: RepoName,
    registry: Registry,
    folder: TempDir,
    bot: Child,
    url: String,
    link: String,
    client: reqwest::Client,
    browser: Browser,
}

impl SetUp {
    async fn begin() -> Self {
        let (github, repo) = before_the_app().await;
        let registry = Registry::start();
        let folder = tempfile::tempdir().unwrap();
        let (bot, url, link) = without_app(&folder, &github, &registry).await;
        Self {
            github,
            repo,
            registry,
            folder,
            bot,
            url,
            link,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            browser: Browser::open().await,
        }
    }

    /// Nobody is let in but by the link, which opens once; a hook is told to come again.
    async fn is_open_to_the_link_alone(&self) {
        let Self {
            url, client, browser, ..
        } = self;
        for path in ["/setup", "/setup?link=guessed", "/setup/created?code=x&state=y"] {
            let answer = client.get(format!("{url}{path}")).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{path}");
        }
        let early = client.post(format!("{url}/hooks/github")).body("{}");
        assert_eq!(early.send().await.unwrap().status(), 503);

        browser.goto(&self.link).await;
        browser.reads("Step 1 of 3").await;
        assert_eq!(browser.address().await, format!("{url}/setup"));
        let second = client.get(&self.link).send().await.unwrap();
        assert_eq!(second.status(), 410, "it opens once");
    }

    async fn says_what_became_of_a_form_that_came_to_nothing(&self) {
        let Self { url, browser, .. } = self;
        // A form that is cancelled at GitHub.
        browser.press("form button").await;
        browser.press("#to-github").await;
        browser.reads("Create GitHub App for octocat").await;
        browser.press("#cancel").await;
        browser.reads("GitHub Apps").await;
        browser.goto(&format!("{url}/setup")).await;
        browser.reads("came back without an App").await;
        // An answer that somebody else made up.
        let forged = format!("{url}/setup/created?code=theirs&state=forged");
        browser.goto(&forged).await;
        browser.reads("This answer belongs to no form of ours").await;
        // A code that somebody has turned into keys before.
        browser.press("main a").await;
        browser.press("form button").await;
        let used = self.code_that_was_used().await;
        browser.goto(&used).await;
        browser.reads("GitHub does not know the code").await;
        // The same state does not open a second time.
        browser.goto(&used).await;
        browser.reads("This answer belongs to no form of ours").await;
        browser.press("main a").await;
    }

    /// Where GitHub leads after the form that the browser is at; its code is used up on the way.
    async fn code_that_was_used(&self) -> String {
        let (github, browser) = (self.github.url(), &self.browser);
        let action = browser.attribute("form", "action").await;
        let (_, state) = action.split_once("?state=").unwrap();
        let manifest = browser.attribute("input[name=manifest]", "value").await;
        let stays = leads_nowhere();
        let leads = agreed(&stays, &self.github, state, &manifest).await;
        let (_, code) = leads.split_once("code=").unwrap();
        let (code, _) = code.split_once('&').unwrap();
        let conversion = format!("{github}/app-manifests/{code}/conversions");
        let turned = stays.post(conversion).header("user-agent", "somebody");
        assert_eq!(turned.send().await.unwrap().status(), 201);
        leads
    }

    /// The App is made for an organisation, installed, and told of by a file; the hook's URL, in the end.
    async fn goes_through(&self) -> String {
        let Self { url, browser, .. } = self;
        browser.write("#organisation", "acme").await;
        browser.press("form button").await;
        browser.press("#to-github").await;
        browser.reads("Create GitHub App for acme").await;
        // GitHub fails at the last moment; its code is still good.
        let fails = Trouble::ErrorBefore(StatusCode::BAD_GATEWAY);
        self.github.fail(Fault::on(Method::POST, "/conversions", fails));
        browser.press("#create").await;
        browser.reads("The App could not be taken over").await;
        let same = browser.address().await;
        browser.goto(&same).await;
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
        hook
    }

    /// A push to the hook turns its commit green; where the image is on the Engine.
    async fn turns_a_commit_green(&self, hook: &str) -> String {
        let Self { github, repo, .. } = self;
        let commit = github.commit(repo, "tested").unwrap();
        let image = labelled(&commit, "echo fine");
        let digest = self.registry.push(IMAGE, "v1", &image).await;
        let told = self.client.post(hook).body(today("v1").to_string());
        assert_eq!(told.send().await.unwrap().status(), 202);
        let seen = |github: &GitHub| github.check_runs(repo, &commit).pop()?.conclusion;
        let conclusion = github.wait_for(PATIENCE, seen).await.unwrap();
        assert_eq!(conclusion, "success");
        self.browser.reads("told by its webhook").await;
        self.browser.press("a.run").await;
        self.browser.reads("Passed").await;
        format!("{}/{IMAGE}@{digest}", self.registry.host())
    }
}

#[tokio::test]
async fn from_the_printed_link_to_a_green_check() {
    let mut setup = SetUp::begin().await;
    setup.is_open_to_the_link_alone().await;
    setup.says_what_became_of_a_form_that_came_to_nothing().await;
    let hook = setup.goes_through().await;
    let pulled = setup.turns_a_commit_green(&hook).await;

    // What only the owner of the App knows is kept where nobody else reads.
    let file = std::fs::metadata(setup.folder.path().join("hubcheck.db")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    setup.browser.close().await;
    assert!(terminate(&mut setup.bot).await.success());

    // A new start goes on with it.
    let mut again = serving_child(setup.folder.path()).await;
    let page = setup.client.get(format!("{}/setup", setup.url)).send();
    assert_eq!(page.await.unwrap().status(), 404, "to others it is closed");
    assert!(terminate(&mut again).await.success());
    let remove = Command::new("docker").args(["rmi", &pulled]).output();
    let removed = remove.await.unwrap();
    assert!(removed.status.success(), "{removed:?}");
}

#[tokio::test]
async fn once_the_app_is_made_the_form_answers_nobody_any_more() {
    let (github, _) = before_the_app().await;
    let registry = Registry::start();
    let folder = tempfile::tempdir().unwrap();
    let (mut bot, url, link) = without_app(&folder, &github, &registry).await;
    let client = leads_nowhere();
    let opened = client.get(&link).send().await.unwrap();
    let cookie = opened.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let form = client.post(format!("{url}/setup")).header("cookie", &cookie);
    let form = form.form(&[("organisation", "")]).send().await.unwrap();
    let form = form.text().await.unwrap();
    let (_, state) = form.split_once("?state=").unwrap();
    let (state, _) = state.split_once('"').unwrap();
    let manifest = AppManifest::at(&url);
    let manifest = serde_json::to_string(&manifest).unwrap();
    let back = agreed(&client, &github, state, &manifest).await;

    let made = client.get(&back).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(made.status(), StatusCode::SEE_OTHER);
    assert_eq!(made.headers()["location"], "/setup");
    assert_eq!(
        made.headers()["connection"],
        "close",
        "the next request is for the bot"
    );
    let next = client.get(format!("{url}/setup")).header("cookie", &cookie);
    let next = next.send().await.unwrap().text().await.unwrap();
    assert!(next.contains("Step 2 of 3"), "{next}");
    assert!(terminate(&mut bot).await.success());
}
