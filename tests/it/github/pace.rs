//! Questions wait where an installation's budget is low; what a verdict needs does not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, StatusCode};
use hubcheck::demo::github::{Fault, SimulatedApp, Trouble};
use hubcheck::github::{GithubError, Noting, Pace, Taking, Urgency};
use hubcheck::model::{InstallationId, Progress};

use super::Scene;

/// Lets so many questions through, and no more for half a minute.
#[derive(Default)]
struct Few {
    left: AtomicUsize,
    closed: Mutex<Vec<Duration>>,
}

impl Few {
    fn new(left: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(left),
            ..Self::default()
        })
    }
}

impl Pace for Few {
    fn question(&self, _: InstallationId, urgency: Urgency) -> Taking<'_> {
        if urgency == Urgency::Verdict {
            return Box::pin(async { Ok(()) });
        }
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        let wait = Duration::from_secs(30);
        Box::pin(async move { if left == 0 { Err(wait) } else { Ok(()) } })
    }

    fn closed(&self, _: InstallationId, wait: Duration) -> Noting<'_> {
        self.closed.lock().unwrap().push(wait);
        Box::pin(async {})
    }
}

async fn limited() -> Scene {
    let app = SimulatedApp {
        is_limited: true,
        ..SimulatedApp::default()
    };
    Scene::before(app).await
}

fn waits(told: Result<impl std::fmt::Debug, GithubError>) -> Duration {
    match told {
        Err(GithubError::RateLimited {
            retry_after,
            is_stated: true,
            ..
        }) => retry_after,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_question_beyond_the_pace_is_not_asked_and_a_verdicts_look_up_is() {
    let mut scene = limited().await;
    let repo = scene.github.repo(&scene.name).await.unwrap();
    scene.github = scene.github.paced(Few::new(1));
    scene.github.commit(&repo, &scene.sha).await.unwrap();
    let asked = scene.simulated.ledger().len();
    let other = scene.simulated.commit(&scene.name, "another").unwrap();
    let told = scene.github.commit(&repo, &other).await;
    assert_eq!(waits(told), Duration::from_secs(30));
    assert_eq!(scene.simulated.ledger().len(), asked, "GitHub was asked");

    let check = scene.check(Progress::InProgress);
    let found = scene
        .github
        .find_check(&repo, &scene.sha, check.external_id, &check.name)
        .await;
    assert_eq!(found.unwrap(), None);
    scene.create_check(&repo).await.unwrap();
}

#[tokio::test]
async fn where_github_asks_for_a_pause_nobody_asks_or_writes_until_it_is_over() {
    let (mut scene, repo) = Scene::ready().await;
    let pace = Few::new(9);
    scene.github = scene.github.paced(pace.clone());
    let id = scene.create_check(&repo).await.unwrap();
    let limit = Trouble::SecondaryLimit {
        status: StatusCode::TOO_MANY_REQUESTS,
        retry_after: Some(5),
    };
    scene.simulated.fail(Fault::on(Method::GET, "/commits", limit));
    let told = scene.github.commit(&repo, &scene.sha).await;
    assert_eq!(waits(told), Duration::from_secs(5));
    assert_eq!(
        *pace.closed.lock().unwrap(),
        [Duration::from_secs(5)],
        "all replicas are told"
    );
    assert!(scene.github.is_limited(repo.installation));

    let asked = scene.simulated.ledger().len();
    let check = scene.check(Progress::InProgress);
    assert!(waits(scene.github.update_check(&repo, id, &check).await) <= Duration::from_secs(5));
    assert!(waits(scene.github.commit(&repo, &scene.sha).await) <= Duration::from_secs(5));
    assert_eq!(scene.simulated.ledger().len(), asked, "GitHub was asked");

    tokio::time::sleep(waits(scene.github.commit(&repo, &scene.sha).await)).await;
    scene.github.update_check(&repo, id, &check).await.unwrap();
    assert_eq!(scene.simulated.asked_too_early(), []);
}

#[tokio::test]
async fn where_github_sets_no_limits_nobody_is_held() {
    let (mut scene, repo) = Scene::ready().await;
    scene.create_check(&repo).await.unwrap();
    assert!(!scene.github.is_limited(repo.installation));
    scene.github = scene.github.paced(Few::new(0));
    scene.github.commit(&repo, &scene.sha).await.unwrap();
}

#[tokio::test]
async fn the_last_tenth_of_the_hour_is_for_verdicts() {
    let scene = limited().await;
    let repo = scene.github.repo(&scene.name).await.unwrap();
    let id = scene.create_check(&repo).await.unwrap();
    // Somebody else asks as this App: the budget is one.
    scene.simulated.use_up(repo.installation, 4_500);
    let check = scene.check(Progress::InProgress);
    scene.github.update_check(&repo, id, &check).await.unwrap();
    let asked = scene.requests(&Method::GET, "/commits");
    let other = scene.simulated.commit(&scene.name, "another").unwrap();
    let told = scene.github.commit(&repo, &other).await;
    assert!(waits(told) > Duration::from_mins(50));
    assert_eq!(scene.requests(&Method::GET, "/commits"), asked);
    scene.github.update_check(&repo, id, &check).await.unwrap();
    assert_eq!(scene.simulated.broken_limits(), 0);
}
