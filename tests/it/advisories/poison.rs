//! A row that nobody can work on.

use std::time::Duration;

use hubcheck::clock::Clock;
use hubcheck::config::Config;
use hubcheck::demo::github::{GitHub, SimulatedApp};
use hubcheck::hooks::github::GithubEvent;
use hubcheck::model::{Decision, DeliveryId, InstallationId};
use hubcheck::service::{Environment, Service};
use hubcheck::store::{Intake, JobKind, NewDelivery, ServingLock, Store, Taken};
use tempfile::TempDir;

use crate::support::store::LEASE;

/// How often a job is tried.
const MOST_TRIES: i64 = 10;

struct Scene {
    github: GitHub,
    folder: TempDir,
    clock: Clock,
}

impl Scene {
    async fn set() -> Self {
        Self {
            github: GitHub::start(SimulatedApp::default()).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::default(),
        }
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.folder.path().join("hubcheck.db").display())
    }

    async fn store(&self) -> Store {
        Store::open(&self.url(), self.clock.clone()).await.unwrap()
    }

    /// The bot, without an Engine: none of its work here needs one.
    async fn service(&self) -> Service {
        let mut config = Config::defaults();
        "127.0.0.1:0".clone_into(&mut config.listen);
        "off".clone_into(&mut config.admin_listen);
        config.store = self.url();
        config.shutdown_grace = Duration::from_millis(100);
        config.github = self.github.config().unwrap();
        config.docker.host = Some(format!(
            "unix://{}",
            self.folder.path().join("none.sock").display()
        ));
        let environment = Environment {
            clock: self.clock.clone(),
            ..Environment::default()
        };
        Service::start(config, environment).await.unwrap()
    }
}

/// An event of GitHub's, with this in the column that a handler reads.
fn event(body: String) -> NewDelivery {
    let id = DeliveryId::new();
    NewDelivery {
        id,
        sender: "github",
        event: "installation".to_owned(),
        event_id: Some(id.to_string()),
        body,
        decision: Decision::Queued,
        reason: "the installation changed".to_owned(),
        pushes: Vec::new(),
        acts: true,
    }
}

fn good() -> NewDelivery {
    let event_of_github = GithubEvent::InstallationChanged {
        installation: InstallationId(9),
        action: "suspend".to_owned(),
        added: Vec::new(),
        removed: Vec::new(),
    };
    event(serde_json::to_string(&event_of_github).unwrap())
}

/// CVE-2026-40886: one malformed annotation kept Argo's controller in a loop of crashes, and with it all
/// others' work.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_given_up_and_takes_no_other_with_it() {
    let scene = Scene::set().await;
    let service = scene.service().await;
    let store = service.store().clone();
    let intake = Intake::start(store.clone());
    let poison = event("{\"kind\":\"poison\"".to_owned());
    assert_eq!(intake.take(poison).await, Taken::Stored);
    let given_up = async {
        loop {
            let depth = store.depth(JobKind::GithubEvent).await.unwrap();
            if depth.parked == 1 && depth.open == 0 {
                return;
            }
            // The pause before the next try is over, and what comes meanwhile rings the bell.
            scene.clock.advance(Duration::from_mins(1));
            assert_eq!(intake.take(good()).await, Taken::Stored);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), given_up)
        .await
        .expect("it is tried for ever, or what is good waits for it");
    drop(intake);
    service.stop().await;
    // Nor does a start begin with it again.
    let service = scene.service().await;
    let depth = service.store().depth(JobKind::GithubEvent).await.unwrap();
    assert_eq!((depth.parked, depth.open), (1, 0));
    service.stop().await;
}

/// The same, where the row does not fail but ends the process each time that it is worked on.
#[tokio::test]
async fn a_row_that_ends_the_process_is_not_begun_for_ever() {
    let scene = Scene::set().await;
    let store = scene.store().await;
    let intake = Intake::start(store.clone());
    assert_eq!(intake.take(event("{}".to_owned())).await, Taken::Stored);
    for attempt in 1..=MOST_TRIES {
        let lease = store.claim(JobKind::GithubEvent, LEASE).await.unwrap().unwrap();
        assert_eq!(lease.tries, attempt);
        // The process ends here, and its successor takes the lease from it.
        let lock = ServingLock::take(&scene.url()).unwrap();
        store.take_over(&lock).await.unwrap();
        if attempt > 1 {
            let at_once = store.claim(JobKind::GithubEvent, LEASE).await.unwrap();
            assert_eq!(at_once, None, "the one to blame waits");
        }
        scene.clock.advance(Duration::from_mins(2));
    }
    drop(intake);
    store.close().await;
    let service = scene.service().await;
    let parked = async {
        while service.store().depth(JobKind::GithubEvent).await.unwrap().parked == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), parked)
        .await
        .expect("it is begun once more");
    service.stop().await;
}
