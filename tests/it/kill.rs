//! Nothing is lost: the program is killed again and again, and every delivery that it answered ends in one
//! verdict.

mod points;
mod replicas;
mod weather;

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
};
use futures_util::FutureExt;
use hubcheck::clock::Clock;
use hubcheck::config::Config;
use hubcheck::demo::github::{GitHub, SimulatedApp};
use hubcheck::model::{CommitSha, RepoName, Visibility};
use hubcheck::runner::Runner;
use hubcheck::store::Store;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use crate::cli::{self, hubcheck, run, serving, serving_child};
use crate::support::house::{IMAGE, labelled, today};
use crate::support::postgres::Database;
use crate::support::registry::Registry;

/// How often the program is killed, unless the environment asks for more: `./bench kills` does.
const KILLS: u32 = 16;

/// Where more kills are asked for.
const KILLS_ASKED: &str = "KILLS";

/// Kills between two looks at what was promised.
const ROUND: u32 = 40;

/// Images pushed before a kill, at most.
const BURST: u32 = 3;

/// The latest moment of a kill, counted from the start of the burst.
const LATEST_KILL: Duration = Duration::from_millis(900);

/// How long the verdicts may take once nobody kills any more.
const PATIENCE: Duration = Duration::from_mins(5);

pub(crate) struct Scene {
    github: GitHub,
    registry: Registry,
    repo: RepoName,
    folder: TempDir,
    store: String,
    /// Where the program listens.
    address: String,
    hook: String,
    client: reqwest::Client,
    kills: u32,
    /// What was answered 202.
    promised: HashSet<CommitSha>,
}

#[tokio::test]
async fn on_sqlite_every_delivery_that_was_answered_ends_in_one_verdict_over_many_kills() {
    Scene::in_a_file().await.tell("SQLite").await;
}

#[tokio::test]
async fn on_postgres_every_delivery_that_was_answered_ends_in_one_verdict_over_many_kills() {
    let database = Database::create().await;
    let folder = tempfile::tempdir().unwrap();
    Scene::set(folder, database.url.clone())
        .await
        .tell("PostgreSQL")
        .await;
}

impl Scene {
    async fn tell(mut self, store: &str) {
        self.tell_over(Self::play).await;
        println!(
            "| {store} | {} | {} | 0 | 0 | 0 |",
            self.kills,
            self.promised.len()
        );
    }

    /// Tells a story, and sees that nothing of it is left behind, however it ends.
    pub(crate) async fn tell_over(&mut self, story: impl AsyncFnOnce(&mut Self)) {
        let told = AssertUnwindSafe(story(self)).catch_unwind().await;
        let left = self.clean_up().await;
        if let Err(panic) = told {
            std::panic::resume_unwind(panic);
        }
        assert_eq!(left, Vec::<String>::new());
    }

    /// Starts the program.
    pub(crate) async fn start(&self) -> tokio::process::Child {
        serving_child(self.folder.path()).await
    }

    async fn in_a_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite://{}", folder.path().join("hubcheck.db").display());
        Self::set(folder, store).await
    }

    /// Puts other addresses in the place of those in the configuration.
    fn rewire(&self, wires: &[(&str, &str)]) {
        let file = self.folder.path().join("hubcheck.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        let rewired = wires
            .iter()
            .fold(config, |config, (from, to)| config.replace(from, to));
        std::fs::write(file, rewired).unwrap();
    }

    pub(crate) async fn set(folder: TempDir, store: String) -> Self {
        let github = GitHub::start(SimulatedApp::default()).await.unwrap();
        let repo: RepoName = IMAGE.parse().unwrap();
        github.add_repo(&repo, Visibility::Public);
        let registry = Registry::start();
        // The same port over all starts.
        let address = free_address();
        let config = format!(
            "public_url = \"http://{address}\"\nstore = \"{store}\"\nshutdown_grace = \"1s\"\n{}\
             [[image]]\nname = \"{IMAGE}\"\nrepo = \"{repo}\"\n[registry.\"docker.io\"]\nendpoint = \"http://{}\"\n",
            serving(&github, &address),
            registry.host(),
        );
        std::fs::write(folder.path().join("hubcheck.toml"), config).unwrap();
        let (code, hook, stderr) = run(hubcheck(folder.path()).args(["hook-url", IMAGE])).await;
        assert_eq!(code, Some(0), "{stderr}");
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_mins(1))
            .build()
            .unwrap();
        let hook = hook.trim().to_owned();
        Self {
            github,
            registry,
            repo,
            folder,
            store,
            address,
            hook,
            client,
            kills: 0,
            promised: HashSet::new(),
        }
    }

    async fn play(&mut self) {
        let kills = std::env::var(KILLS_ASKED).map_or(KILLS, |asked| asked.parse().unwrap());
        let seed = rand::random();
        println!("the moments of the kills come from the seed {seed}");
        let mut moments = StdRng::seed_from_u64(seed);
        while self.kills < kills {
            for _ in 0..ROUND.min(kills - self.kills) {
                self.kill_once(&mut moments).await;
            }
            assert!(!self.promised.is_empty(), "nothing was answered at all");
            let bot = self.start().await;
            self.all_kept().await;
            terminate(bot).await;
            println!("{} kills, {} promises, all kept", self.kills, self.promised.len());
        }
    }

    /// Starts the program, has images announced, and kills it at a moment that nobody knows before: amid the
    /// answers, the pulls, the tests or the reports.
    async fn kill_once(&mut self, moments: &mut StdRng) {
        let pushed = self.prepare(moments.random_range(1..=BURST)).await;
        let mut bot = serving_child(self.folder.path()).await;
        let kill_after = LATEST_KILL.mul_f64(moments.random());
        let mut burst = Box::pin(self.burst(pushed));
        let answered = tokio::time::timeout(kill_after, &mut burst).await;
        if answered.is_ok() {
            tokio::time::sleep(kill_after).await;
        }
        bot.kill().await.unwrap();
        let answered = match answered {
            Ok(answered) => answered,
            Err(_) => burst.as_mut().await,
        };
        drop(burst);
        self.promised.extend(answered);
        self.kills += 1;
    }

    /// Pushes an image and says so; whether the answer arrives is for the story to decide.
    pub(crate) async fn announce_one(&mut self) {
        let pushed = self.prepare(1).await;
        self.kills += 1;
        // It may be killed before it has answered.
        let promised = self.burst(pushed).await;
        self.promised.extend(promised);
    }

    /// The name by which the Engine knows what is of this store.
    async fn instance(&self) -> uuid::Uuid {
        let store = Store::open(&self.store, Clock::default()).await.unwrap();
        let instance = store.instance().await.unwrap();
        store.close().await;
        instance
    }

    /// Pushes some images, each built from a commit of its own.
    async fn prepare(&self, images: u32) -> Vec<(String, CommitSha)> {
        let mut pushed = Vec::new();
        for number in 0..images {
            let tag = format!("k{}-{number}", self.kills);
            let commit = self.github.commit(&self.repo, &tag).unwrap();
            self.registry
                .push(IMAGE, &tag, &labelled(&commit, "echo fine"))
                .await;
            pushed.push((tag, commit));
        }
        pushed
    }

    /// Says at once that they were pushed, twice of each, and returns the commits of those that were answered.
    async fn burst(&self, pushed: Vec<(String, CommitSha)>) -> Vec<CommitSha> {
        let said = pushed.into_iter().map(async |(tag, commit)| {
            let mut promised = false;
            for _ in 0..2 {
                let answer = self
                    .client
                    .post(&self.hook)
                    .body(today(&tag).to_string())
                    .send()
                    .await;
                promised |= answer.is_ok_and(|answer| answer.status() == 202);
            }
            promised.then_some(commit)
        });
        futures_util::future::join_all(said)
            .await
            .into_iter()
            .flatten()
            .collect()
    }

    /// Exactly one final check run and one final status on every promised commit, and nothing pending.
    pub(crate) async fn all_kept(&self) {
        let kept = |github: &GitHub| {
            let done = |commit: &&CommitSha| {
                let checks = github.check_runs(&self.repo, commit);
                let status = github.statuses(&self.repo, commit).into_iter().next();
                checks.iter().any(|check| check.conclusion.is_some())
                    && status.is_some_and(|status| status.state != "pending")
            };
            self.promised.iter().all(|commit| done(&commit)).then_some(())
        };
        self.github
            .wait_for(PATIENCE, kept)
            .await
            .unwrap_or_else(|_| panic!("not every promise is kept"));
        let mut states: HashMap<(String, String), u32> = HashMap::new();
        for commit in &self.promised {
            let checks = self.github.check_runs(&self.repo, commit);
            assert_eq!(checks.len(), 1, "{commit}: {checks:#?}");
            let statuses = self.github.statuses(&self.repo, commit);
            let finals = statuses.iter().filter(|status| status.state != "pending").count();
            assert_eq!(finals, 1, "{commit}: {statuses:#?}");
            if checks[0].conclusion.as_deref() != Some("success") {
                println!("{commit}: {:?}", checks[0].title);
            }
            let state = (checks[0].conclusion.clone().unwrap(), statuses[0].state.clone());
            *states.entry(state).or_default() += 1;
        }
        states.remove(&("success".to_owned(), "success".to_owned()));
        assert!(states.is_empty(), "{states:?}");
    }

    /// Removes what was pulled, and names what else carries the store's name on the Engine.
    pub(crate) async fn clean_up(&self) -> Vec<String> {
        let store = Store::open(&self.store, Clock::default()).await.unwrap();
        let instance = store.instance().await.unwrap();
        let docker = Config::defaults().docker;
        let runner = Runner::connect(&docker, instance, Clock::default()).unwrap();
        let pulled = store.images_on(runner.engine_id().await.unwrap()).await.unwrap();
        runner.keep_images_within(&pulled, 0).await.unwrap();
        store.close().await;

        let docker = Docker::connect_with_defaults().unwrap();
        let ours = HashMap::from([("label".to_owned(), vec![format!("hubcheck.instance={instance}")])]);
        let containers = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&ours)
            .build();
        let containers = docker.list_containers(Some(containers)).await.unwrap();
        let networks = ListNetworksOptionsBuilder::default().filters(&ours).build();
        let networks = docker.list_networks(Some(networks)).await.unwrap();
        let volumes = ListVolumesOptionsBuilder::default().filters(&ours).build();
        let volumes = docker
            .list_volumes(Some(volumes))
            .await
            .unwrap()
            .volumes
            .unwrap_or_default();
        let containers = containers.into_iter().filter_map(|container| container.id);
        let networks = networks.into_iter().filter_map(|network| network.name);
        containers
            .chain(networks)
            .chain(volumes.into_iter().map(|volume| volume.name))
            .collect()
    }
}

/// Free now, and nobody else's by all likelihood.
pub(crate) fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Asks a process to end, and sees that it does so in order.
pub(crate) async fn terminate(mut bot: tokio::process::Child) {
    assert_eq!(cli::terminate(&mut bot).await.code(), Some(0));
}
