//! `hubcheck demo`: the whole loop on this machine, with no account.
//!
//! A simulated GitHub and a small registry in this process; the real bot, the real Engine, real containers.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};

use super::{Failure, stop_signal};
use crate::config::{Config, DOCKER_HOST, ImageBinding, Registry};
use crate::demo::github::{GitHub, SimulatedApp};
use crate::demo::registry::{DemoRegistry, Guard};
use crate::demo::scene::{Act, Scene};
use crate::hooks::Sender;
use crate::model::RunId;
use crate::service::{Environment, Service, hook_keys};
use crate::store::RunFilter;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// `hubcheck demo`
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Exit when all verdicts are there: 0 if each is the expected one
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let stopped = stop_signal()?;
    let stage = Stage::build().await?;
    let played = tokio::select! {
        played = stage.play(options.once) => played,
        () = stopped => Ok(()),
    };
    stage.strike().await;
    played
}

/// Everything that the demo stands on.
struct Stage {
    github: GitHub,
    scene: Scene,
    service: Service,
    hooks: Vec<String>,
    public_url: String,
    begun: Instant,
    /// Read from as long as the bot may pull.
    _registry: DemoRegistry,
    _folder: TempDir,
}

impl Stage {
    async fn build() -> Result<Self, Failure> {
        let outside = |error: io::Error| Failure::Outside(format!("cannot set the demo up: {error}"));
        let begun = Instant::now();
        let folder = TempDir::new().map_err(outside)?;
        let github = GitHub::start(SimulatedApp::default()).await.map_err(outside)?;
        let registry = DemoRegistry::start(Guard::Open).await.map_err(outside)?;
        let scene = Scene::set(&github, &registry).map_err(outside)?;
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(outside)?;
        let public_url = format!("http://{}", listener.local_addr().map_err(outside)?);
        let config = config(&github, &registry, &scene, &folder, &public_url)?;
        let environment = Environment {
            listener: Some(listener),
            ..Environment::default()
        };
        let hook_config = config.clone();
        let service = Service::start(config, environment).await?;
        if let Err(error) = service.runner().health().await {
            service.stop().await;
            return Err(Failure::Outside(format!(
                "the demo runs real containers: {error}"
            )));
        }
        let keys = hook_keys(&hook_config, service.store()).await?;
        let hook = |act: &Act| {
            format!(
                "{public_url}/hooks/dockerhub/{}",
                keys.token(Sender::Dockerhub, &act.image)
            )
        };
        let hooks = scene.acts.iter().map(hook).collect();
        Ok(Self {
            github,
            scene,
            service,
            hooks,
            public_url,
            begun,
            _registry: registry,
            _folder: folder,
        })
    }

    async fn play(&self, once: bool) -> Result<(), Failure> {
        say("hubcheck demo: a push becomes a verdict on its commit\n");
        say(&format!("  pages             {}", self.public_url));
        for act in &self.scene.acts {
            say(&format!(
                "  commit {}    {}  ({}: {})",
                act.commit.short(),
                self.commit_page(act),
                act.image.short(),
                act.about
            ));
        }
        say("");
        for (act, hook) in self.scene.acts.iter().zip(&self.hooks) {
            self.push(act, hook).await?;
        }
        let deadline = Instant::now() + PATIENCE;
        let seen = timeout_at(deadline, self.narrate()).await;
        let verdicts = match seen {
            Ok(told) => {
                told?;
                self.verdicts().await
            }
            Err(_) => Err(Failure::No(format!(
                "not all verdicts were there after {} s",
                PATIENCE.as_secs()
            ))),
        };
        if once || verdicts.is_err() {
            return verdicts;
        }
        say("\nThe pages stay up until Ctrl-C.");
        std::future::pending().await
    }

    fn commit_page(&self, act: &Act) -> String {
        self.github.commit_page(&self.scene.repo, &act.commit)
    }

    /// Posts what Docker Hub would post.
    async fn push(&self, act: &Act, hook: &str) -> Result<(), Failure> {
        let (status, decision) = act
            .announce(hook)
            .await
            .map_err(|error| Failure::Outside(format!("the webhook got no answer: {error}")))?;
        self.tell(
            &act.image.short(),
            &format!("webhook answered {status} {decision}"),
        );
        Ok(())
    }

    /// Tells what happens to each run, until every one has its verdict.
    async fn narrate(&self) -> Result<(), Failure> {
        let store = self.service.store();
        let outside = |error: crate::store::StoreError| Failure::Outside(error.to_string());
        let mut told: HashMap<RunId, usize> = HashMap::new();
        loop {
            let bell = store.any_bell().notified();
            tokio::pin!(bell);
            bell.as_mut().enable();
            let filter = RunFilter {
                private_too: true,
                limit: 10,
                ..RunFilter::default()
            };
            let runs = store.runs(&filter).await.map_err(outside)?;
            let mut finished = 0;
            for run in &runs {
                finished += usize::from(run.verdict.is_some());
                let events = store.events_of(run.id).await.map_err(outside)?;
                let count = told.entry(run.id).or_default();
                for event in events.iter().skip(*count) {
                    self.tell(&run.image.short(), &event.what);
                }
                *count = events.len();
            }
            if finished == self.scene.acts.len() {
                return Ok(());
            }
            // A note rings no bell: a short wait lets it be seen in time.
            let _ = tokio::time::timeout(Duration::from_millis(50), bell).await;
        }
    }

    /// What GitHub shows in the end, and whether it is what was to come.
    async fn verdicts(&self) -> Result<(), Failure> {
        say("\nWhat GitHub shows now:\n");
        let mut unexpected = Vec::new();
        for act in &self.scene.acts {
            let shown = self
                .github
                .wait_for(PATIENCE, |github| shown(github, &self.scene, act))
                .await;
            let Ok((conclusion, title, state, description)) = shown else {
                unexpected.push(format!("{} has no final check run and status", act.image.short()));
                continue;
            };
            say(&format!("  {}  {}", act.commit.short(), self.commit_page(act)));
            say(&format!(
                "           check run  hubcheck / {:<20} {conclusion:<16} {title}",
                act.image.short()
            ));
            say(&format!(
                "           status     hubcheck/{:<22} {state:<16} {description}",
                act.image.short()
            ));
            if (conclusion.as_str(), state.as_str()) != (act.conclusion, act.state) {
                unexpected.push(format!(
                    "{}: {} and {} were to come",
                    act.image.short(),
                    act.conclusion,
                    act.state
                ));
            }
        }
        if unexpected.is_empty() {
            Ok(())
        } else {
            Err(Failure::No(unexpected.join("; ")))
        }
    }

    fn tell(&self, who: &str, what: &str) {
        say(&format!(
            "{:>8.3}s  {who:<20} {what}",
            self.begun.elapsed().as_secs_f64()
        ));
    }

    /// Leaves nothing behind, the images that the demo pulled included.
    async fn strike(self) {
        self.service.stop_without_trace().await;
    }
}

type Shown = (String, String, String, String);

/// Conclusion and title of the final check run, state and description of the final status.
fn shown(github: &GitHub, scene: &Scene, act: &Act) -> Option<Shown> {
    let check = github.check_runs(&scene.repo, &act.commit).pop()?;
    let status = github.statuses(&scene.repo, &act.commit).into_iter().next()?;
    let conclusion = check.conclusion?;
    (status.state != "pending").then(|| {
        (
            conclusion,
            check.title.unwrap_or_default(),
            status.state,
            status.description.unwrap_or_default(),
        )
    })
}

fn config(
    github: &GitHub,
    registry: &DemoRegistry,
    scene: &Scene,
    folder: &TempDir,
    public_url: &str,
) -> Result<Config, Failure> {
    let url = |error: url::ParseError| Failure::Outside(error.to_string());
    let mut config = Config::defaults();
    public_url.clone_into(&mut config.public_url);
    "off".clone_into(&mut config.admin_listen);
    config.docker.host = std::env::var(DOCKER_HOST).ok();
    config.store = format!("sqlite://{}", folder.path().join("demo.db").display());
    config.shutdown_grace = Duration::from_secs(1);
    config.github = github.config().map_err(url)?;
    config.images = scene
        .acts
        .iter()
        .map(|act| ImageBinding {
            name: act.image.clone(),
            repo: scene.repo.clone(),
            env: [].into(),
            mask: None,
        })
        .collect();
    let endpoint = format!("http://{}", registry.host()).parse().map_err(url)?;
    let docker_hub = Registry {
        endpoint: Some(endpoint),
        ..Registry::default()
    };
    config.registries.insert("docker.io".to_owned(), docker_hub);
    Ok(config)
}

fn say(line: &str) {
    // A reader that went away ends the demo no sooner than its verdicts would.
    let _ = writeln!(io::stdout(), "{line}");
}
