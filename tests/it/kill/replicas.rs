//! Three replicas share a PostgreSQL database and an Engine. One is paused beyond its leases, one is killed: the third
//! does their work, nothing is shown twice, and the one that wakes up again has no late word.

use std::process::Command;

use hubcheck::store::{Run, RunFilter, Stage};
use tokio::process::Child;

use super::*;
use crate::support::postgres::Database;

struct Replica {
    process: Child,
    hook: String,
    _folder: TempDir,
}

impl Replica {
    /// One more on the scene's store, with an address of its own.
    async fn start(scene: &Scene) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = std::fs::read_to_string(scene.folder.path().join("hubcheck.toml")).unwrap();
        let own = free_address();
        let config = config.replace(&scene.address, &own);
        std::fs::write(folder.path().join("hubcheck.toml"), config).unwrap();
        Self {
            process: serving_child(folder.path()).await,
            hook: scene.hook.replace(&scene.address, &own),
            _folder: folder,
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Scene {
    /// Pushes an image whose tests take a while, and says so to one replica.
    async fn announce_slow_one(&mut self, hook: &str) {
        let tag = format!("slow-{}", self.promised.len());
        let commit = self.github.commit(&self.repo, &tag).unwrap();
        let image = labelled(&commit, "sleep 4; echo fine");
        self.registry.push(IMAGE, &tag, &image).await;
        let usual = std::mem::replace(&mut self.hook, hook.to_owned());
        let promised = self.burst(vec![(tag, commit)]).await;
        self.hook = usual;
        assert_eq!(promised.len(), 1, "every replica takes deliveries");
        self.promised.extend(promised);
    }

    async fn runs(&self) -> (Store, Vec<Run>) {
        let store = Store::open(&self.store, Clock::default()).await.unwrap();
        let all = RunFilter {
            limit: 1000,
            ..RunFilter::default()
        };
        let runs = store.runs(&all).await.unwrap();
        (store, runs)
    }

    /// Until so many runs are being tested.
    async fn until_testing(&self, count: usize) {
        let testing = async {
            loop {
                let (store, runs) = self.runs().await;
                store.close().await;
                if runs.iter().filter(|run| run.stage == Stage::Testing).count() == count {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, testing)
            .await
            .expect("the tests begin");
    }

    /// How many runs' tests were interrupted, and taken up again.
    async fn interrupted(&self) -> usize {
        let (store, runs) = self.runs().await;
        let mut interrupted = 0;
        for run in runs {
            let events = store.events_of(run.id).await.unwrap();
            interrupted += usize::from(events.iter().any(|event| event.what.contains("interrupted")));
        }
        store.close().await;
        interrupted
    }
}

#[tokio::test]
async fn of_three_replicas_one_is_paused_and_one_killed_and_nothing_is_done_twice() {
    let database = Database::create().await;
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::set(folder, database.url.clone()).await;
    scene.tell_over(one_is_paused_and_one_killed).await;
}

async fn one_is_paused_and_one_killed(scene: &mut Scene) {
    // Each of the two is alone when its image comes, so that it is the one that tests it.
    let paused = Replica::start(scene).await;
    scene.announce_slow_one(&paused.hook).await;
    scene.until_testing(1).await;
    paused.signal("-STOP");
    let mut killed = Replica::start(scene).await;
    scene.announce_slow_one(&killed.hook).await;
    scene.until_testing(2).await;
    killed.process.kill().await.unwrap();
    let third = Replica::start(scene).await;
    scene.announce_slow_one(&third.hook).await;

    scene.all_kept().await;
    assert_eq!(
        scene.interrupted().await,
        2,
        "the third took over what the two had begun"
    );
    let before = scene.github.writes().len();
    paused.signal("-CONT");
    // It lives, and takes part again.
    scene.announce_slow_one(&paused.hook).await;
    scene.all_kept().await;
    let late = scene.github.writes().split_off(before);
    let new = scene
        .promised
        .iter()
        .find(|commit| late.iter().any(|write| write.path.contains(commit.as_str())));
    let new = new.expect("the new commit got its status");
    let statuses = late.iter().filter(|write| write.path.contains("/statuses/"));
    for write in statuses {
        assert!(write.path.contains(new.as_str()), "a late word: {write:?}");
    }
    assert_eq!(
        late.iter()
            .filter(|write| write.path.contains("/check-runs"))
            .count(),
        2,
        "{late:#?}"
    );
    for replica in [third, paused] {
        terminate(replica.process).await;
    }
}
