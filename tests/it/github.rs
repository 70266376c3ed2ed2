//! The client for GitHub against the simulated one: what it reads and writes.

mod pace;
mod trouble;

use std::time::Duration;

use futures_util::future::join_all;
use http::{Method, StatusCode};
use hubcheck::clock::Clock;
use hubcheck::config::Net;
use hubcheck::demo::github::{Access, Caller, Fault, GitHub as Simulated, SimulatedApp, Trouble};
use hubcheck::github::{CheckRunId, GitHub, GithubError, KeyError, Refused, SetupError};
use hubcheck::model::{
    CheckState, CommitSha, Conclusion, Progress, Repo, RepoName, RunId, StatusState, StatusValue, Visibility,
};
use hubcheck::net::Trust;
use secrecy::SecretString;

/// The simulated GitHub with one repository and one commit, and a client of it.
struct Scene {
    simulated: Simulated,
    github: GitHub,
    name: RepoName,
    sha: CommitSha,
}

impl Scene {
    async fn new() -> Self {
        Self::before(SimulatedApp::default()).await
    }

    /// The same, at a GitHub that knows this App.
    async fn before(app: SimulatedApp) -> Self {
        let simulated = Simulated::start(app).await.unwrap();
        let name: RepoName = "acme/app".parse().unwrap();
        simulated.add_repo(&name, Visibility::Private);
        let sha = simulated.commit(&name, "Add the app").unwrap();
        let github = GitHub::new(&simulated.config().unwrap(), &trust()).unwrap();
        Self {
            simulated,
            github,
            name,
            sha,
        }
    }

    /// The same, with the repository already looked up.
    async fn ready() -> (Self, Repo) {
        let scene = Self::new().await;
        let repo = scene.github.repo(&scene.name).await.unwrap();
        (scene, repo)
    }

    fn check(&self, progress: Progress) -> CheckState {
        CheckState {
            name: "hubcheck / acme/app".to_owned(),
            head_sha: self.sha.clone(),
            external_id: RunId::new(),
            details_url: "http://127.0.0.1:8080/runs/1".to_owned(),
            progress,
            title: "Pulling".to_owned(),
            summary: "As it should be.".to_owned(),
            started_at_ms: 1_700_000_000_123,
            completed_at_ms: matches!(progress, Progress::Completed(_)).then_some(1_700_000_060_000),
            annotations: Vec::new(),
        }
    }

    fn status(&self, state: StatusValue) -> StatusState {
        StatusState {
            context: "hubcheck/acme/app".to_owned(),
            state,
            description: "1 passed in 4.2s".to_owned(),
            target_url: format!("http://127.0.0.1:8080/commits/{}", self.sha),
        }
    }

    async fn create_check(&self, repo: &Repo) -> Result<CheckRunId, GithubError> {
        self.github
            .create_check(repo, &self.check(Progress::InProgress))
            .await
    }

    /// How many requests of this method had this in their path.
    fn requests(&self, method: &Method, path: &str) -> usize {
        let ledger = self.simulated.ledger();
        let alike = ledger
            .iter()
            .filter(|request| request.method == *method && request.path.contains(path));
        alike.count()
    }
}

#[tokio::test]
async fn the_app_proves_its_key_and_number() {
    let scene = Scene::new().await;
    let app = scene.github.app().await.unwrap();
    assert_eq!((app.id, app.slug.as_str()), (424_242, "hubcheck-demo"));
    assert_eq!(app.permissions["checks"], "write");

    let mut config = scene.simulated.config().unwrap();
    config.app_id = Some(7);
    let stranger = GitHub::new(&config, &trust()).unwrap();
    assert!(matches!(stranger.app().await, Err(GithubError::Unauthorized(_))));
}

#[tokio::test]
async fn a_clock_that_is_off_is_set_right_by_the_first_refusal() {
    let app = SimulatedApp::default();
    let simulated = Simulated::start(app.clone()).await.unwrap();
    let clock = Clock::default();
    let github = GitHub::with_clock(&simulated.config().unwrap(), &trust(), clock.clone()).unwrap();
    github.app().await.unwrap();
    for jump in [&app.clock, &clock, &clock] {
        jump.advance(Duration::from_hours(2));
        github.app().await.unwrap();
        github.app().await.unwrap();
    }
    let answers: Vec<u16> = simulated
        .ledger()
        .iter()
        .map(|request| request.status.unwrap().as_u16())
        .collect();
    assert_eq!(answers, [200, 401, 200, 200, 401, 200, 200, 401, 200, 200]);
}

#[tokio::test]
async fn a_clock_that_is_off_is_set_right_for_all_who_ask_at_once() {
    let app = SimulatedApp::default();
    let simulated = Simulated::start(app.clone()).await.unwrap();
    let github = GitHub::new(&simulated.config().unwrap(), &trust()).unwrap();
    app.clock.advance(Duration::from_hours(2));
    let asked = futures_util::future::join_all((0..8).map(|_| github.app())).await;
    assert!(asked.iter().all(Result::is_ok), "{asked:?}");
}

#[tokio::test]
async fn setting_up_names_what_is_missing() {
    let scene = Scene::new().await;
    let config = || scene.simulated.config().unwrap();
    let refused = |config| GitHub::new(&config, &trust()).unwrap_err();
    let mut without_id = config();
    without_id.app_id = None;
    assert!(matches!(refused(without_id), SetupError::NoAppId));
    let mut without_key = config();
    without_key.private_key = None;
    assert!(matches!(refused(without_key), SetupError::NoKey));
    let mut path_for_key = config();
    path_for_key.private_key = Some(SecretString::from("/etc/hubcheck/app.pem"));
    assert!(matches!(refused(path_for_key), SetupError::Key(KeyError::Path)));
    let mut odd_url = config();
    odd_url.api_url = "unix:/run/github.sock".parse().unwrap();
    assert!(matches!(refused(odd_url), SetupError::ApiUrl(_)));
}

#[tokio::test]
async fn a_repository_is_described_as_it_is_now() {
    let scene = Scene::new().await;
    let repo = scene.github.repo(&"ACME/App".parse().unwrap()).await.unwrap();
    assert_eq!(repo.name.to_string(), "acme/app");
    assert_eq!(
        (repo.visibility, repo.default_branch.as_str()),
        (Visibility::Private, "main")
    );
    assert_eq!(Some(repo.installation), scene.simulated.installation("acme"));
}

#[tokio::test]
async fn an_app_that_is_not_installed_is_told_apart() {
    let scene = Scene::new().await;
    let elsewhere: RepoName = "rival/app".parse().unwrap();
    let refused = scene.github.repo(&elsewhere).await;
    assert_eq!(refused, Err(GithubError::NotInstalled(elsewhere)));
}

#[tokio::test]
async fn many_at_once_share_one_token() {
    let (scene, repo) = Scene::ready().await;
    scene.simulated.revoke_tokens();
    let github = GitHub::new(&scene.simulated.config().unwrap(), &trust()).unwrap();
    let before = scene.requests(&Method::POST, "access_tokens");
    let asked = (0..10).map(|_| github.commit(&repo, &scene.sha));
    assert!(join_all(asked).await.into_iter().all(|found| found.is_ok()));
    assert_eq!(scene.requests(&Method::POST, "access_tokens") - before, 1);
}

#[tokio::test]
async fn a_check_run_is_made_updated_and_found_again() {
    let (scene, repo) = Scene::ready().await;
    let mut check = scene.check(Progress::InProgress);
    let find = async |check: &CheckState| {
        let found = scene
            .github
            .find_check(&repo, &scene.sha, check.external_id, &check.name);
        found.await.unwrap()
    };
    assert_eq!(find(&check).await, None);
    let id = scene.github.create_check(&repo, &check).await.unwrap();
    assert!(
        find(&check)
            .await
            .is_some_and(|found| found.id == id && !found.completed)
    );

    check.progress = Progress::Completed(Conclusion::ActionRequired);
    check.completed_at_ms = Some(1_700_000_060_000);
    scene.github.update_check(&repo, id, &check).await.unwrap();
    assert!(
        find(&check)
            .await
            .is_some_and(|found| found.id == id && found.completed)
    );

    let shown = scene.simulated.check_runs(&scene.name, &scene.sha).remove(0);
    assert_eq!(shown.conclusion.as_deref(), Some("action_required"));
    assert_eq!(shown.external_id, Some(check.external_id.to_string()));
    assert_eq!(shown.started_at, "2023-11-14T22:13:20Z");
    assert_eq!(shown.completed_at.as_deref(), Some("2023-11-14T22:14:20Z"));
    assert_eq!(
        (shown.title, shown.summary),
        (Some(check.title), Some(check.summary))
    );
    assert_eq!(scene.simulated.writes().len(), 2);
}

#[tokio::test]
async fn a_check_run_is_found_on_a_later_page() {
    let (scene, repo) = Scene::ready().await;
    let first = scene.check(Progress::Queued);
    let id = scene.github.create_check(&repo, &first).await.unwrap();
    for _ in 0..65 {
        scene.create_check(&repo).await.unwrap();
    }
    let found = scene
        .github
        .find_check(&repo, &scene.sha, first.external_id, &first.name);
    assert_eq!(found.await.unwrap().map(|found| found.id), Some(id));
    assert_eq!(scene.requests(&Method::GET, "check-runs?filter=all"), 3);
}

#[tokio::test]
async fn the_latest_status_of_a_context_is_read_without_regard_to_case() {
    let (scene, repo) = Scene::ready().await;
    let latest = async |context| {
        scene
            .github
            .latest_status(&repo, &scene.sha, context)
            .await
            .unwrap()
    };
    assert_eq!(latest("hubcheck/acme/app").await, None);
    for state in [StatusValue::Pending, StatusValue::Success] {
        let status = scene.status(state);
        scene
            .github
            .create_status(&repo, &scene.sha, &status)
            .await
            .unwrap();
    }
    assert_eq!(
        latest("HubCheck/acme/App").await,
        Some(scene.status(StatusValue::Success))
    );
    assert_eq!(
        scene.simulated.combined_status(&scene.name, &scene.sha),
        "success"
    );
}

#[tokio::test]
async fn a_commit_is_read_or_known_to_be_missing() {
    let (scene, repo) = Scene::ready().await;
    let child = scene.simulated.commit(&scene.name, "Second").unwrap();
    let commit = scene.github.commit(&repo, &child).await.unwrap().unwrap();
    assert_eq!(
        (commit.message.as_str(), commit.parents),
        ("Second", vec![scene.sha.clone()])
    );
    assert!(commit.committed_at.is_some());
    let nowhere = "a".repeat(40).parse().unwrap();
    assert_eq!(scene.github.commit(&repo, &nowhere).await, Ok(None));
}

#[tokio::test]
async fn the_app_is_registered_as_its_manifest_says() {
    let manifest: serde_json::Value =
        serde_json::from_str(include_str!("../../app-manifest/manifest.json")).unwrap();
    let simulated = Simulated::start(SimulatedApp::default()).await.unwrap();
    simulated.add_repo(&"acme/app".parse().unwrap(), Visibility::Public);
    let client = GitHub::new(&simulated.config().unwrap(), &trust()).unwrap();
    let app = client.app().await.unwrap();
    assert_eq!(
        serde_json::json!(app.permissions),
        manifest["default_permissions"]
    );
    assert_eq!(serde_json::json!(app.events), manifest["default_events"]);
}

#[tokio::test]
async fn pages_after_the_first_are_asked_for_with_the_same_token() {
    let scene = Scene::new().await;
    for number in 0..101 {
        let name = format!("acme/repo-{number}").parse().unwrap();
        scene.simulated.add_repo(&name, Visibility::Private);
    }
    let installation = scene.simulated.installation("acme").unwrap();
    let repos = scene.github.repos_of(installation).await.unwrap();
    assert_eq!(repos.len(), 102);
    let mut pages = scene.simulated.ledger();
    pages.retain(|request| request.path.starts_with("/installation/repositories"));
    let callers: Vec<_> = pages.iter().map(|request| request.caller).collect();
    assert_eq!(callers, [Caller::Installation(installation); 2]);
}

fn trust() -> Trust {
    Trust::new(&Net::default()).unwrap()
}
