//! Three replicas share a PostgreSQL database and an Engine. One is paused beyond its leases, one is killed: the third
//! does their work, nothing is shown twice, and the one that wakes up again has no late word.

use std::process::Command;

use tokio::process::Child;

use super::*;
use crate::support::postgres::Database;

/// Images that are announced while all three live: more than two of them can test at a time.
const IMAGES: usize = 6;

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
        let (first, own) = (scene.address(), free_address());
        std::fs::write(folder.path().join("hubcheck.toml"), config.replace(&first, &own)).unwrap();
        Self {
            process: serving_child(folder.path()).await,
            hook: scene.hook.replace(&first, &own),
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

#[tokio::test]
async fn of_three_replicas_one_is_paused_and_one_killed_and_nothing_is_done_twice() {
    let database = Database::create().await;
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::set(folder, database.url.clone()).await;
    scene.tell_over(one_is_paused_and_one_killed).await;
}

async fn one_is_paused_and_one_killed(scene: &mut Scene) {
    let [first, paused, mut killed] = [
        Replica::start(scene).await,
        Replica::start(scene).await,
        Replica::start(scene).await,
    ];
    let hooks = [&first.hook, &paused.hook, &killed.hook].map(Clone::clone);
    for number in 0..IMAGES {
        let tag = format!("shared-{number}");
        let commit = scene.github.commit(&scene.repo, &tag).unwrap();
        let image = labelled(&commit, "sleep 3; echo fine");
        scene.registry.push(IMAGE, &tag, &image).await;
        scene.hook.clone_from(&hooks[number % hooks.len()]);
        let promised = scene.burst(vec![(tag, commit)]).await;
        assert_eq!(promised.len(), 1, "every replica takes deliveries");
        scene.promised.extend(promised);
    }
    // All are at work: the third check run is begun while the first ones still test.
    let begun = |github: &GitHub| {
        let shown = |commit: &&CommitSha| !github.check_runs(&scene.repo, commit).is_empty();
        (scene.promised.iter().filter(shown).count() >= 3).then_some(())
    };
    scene.github.wait_for(PATIENCE, begun).await.unwrap();
    paused.signal("-STOP");
    killed.process.kill().await.unwrap();

    scene.all_kept().await;
    let before = scene.github.writes().len();
    paused.signal("-CONT");
    // It lives, and takes part again.
    scene.hook.clone_from(&paused.hook);
    scene.announce_one().await;
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
    assert!(
        scene.was_interrupted().await,
        "neither of the two was at a test when it was stopped"
    );
    for replica in [first, paused] {
        terminate(replica.process).await;
    }
}
