//! What the bot stands in: a simulated GitHub, a registry, the real Engine, and folders for its stores.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hubcheck::clock::Clock;
use hubcheck::config::Config;
use hubcheck::demo::github::{DEMO_PRIVATE_KEY, GitHub, SimulatedApp, Webhook};
use hubcheck::demo::images::{ImageBuilder, Layer, LayerBuilder};
use hubcheck::demo::registry::{DemoRegistry, Guard};
use hubcheck::hooks::{HookKeys, Sender};
use hubcheck::model::{CommitSha, RepoName, Visibility};
use hubcheck::runner::Runner;
use hubcheck::store::Store;
use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{Server, free_port};

/// The image, and the repository that it is bound to.
pub(crate) const IMAGE: &str = "acme/app";

/// What GitHub signs with.
pub(crate) const WEBHOOK_SECRET: &str = "the webhook secret of the bench";

/// What makes the hook's URL.
const HOOK_SECRET: &str = "the key of the hook URLs";

/// An image in the registry.
pub(crate) struct Pushed {
    /// What it was built from.
    pub(crate) commit: CommitSha,
    /// What the Engine calls it.
    pub(crate) reference: String,
}

/// A surrounding for bots; [`House::close`] removes what they left.
pub(crate) struct House {
    pub(crate) github: GitHub,
    pub(crate) registry: DemoRegistry,
    pub(crate) repo: RepoName,
    pub(crate) client: reqwest::Client,
    pub(crate) port: u16,
    folder: TempDir,
    layer: Layer,
    keys: HookKeys,
}

impl House {
    pub(crate) async fn build() -> Result<Self> {
        let app = SimulatedApp {
            webhook_secret: WEBHOOK_SECRET.into(),
            ..SimulatedApp::default()
        };
        let github = GitHub::start(app).await?;
        let repo: RepoName = IMAGE.parse()?;
        github.add_repo(&repo, Visibility::Public);
        // Unlike every other: nothing that is on the Engine already makes a pull shorter.
        let layer = LayerBuilder::default()
            .program("/bin/busybox")
            .context("busybox is missing")?
            .link("/bin/sh", "busybox")
            .file("/unique", 0o644, uuid::Uuid::now_v7().to_string());
        Ok(Self {
            github,
            registry: DemoRegistry::start(Guard::Open).await?,
            repo,
            client: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(30))
                .build()?,
            port: free_port()?,
            folder: TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?,
            layer: layer.build(),
            keys: HookKeys::new(&[SecretString::from(HOOK_SECRET)], &[].into())?,
        })
    }

    /// The folder of the store of this name.
    pub(crate) fn folder(&self, store: &str) -> PathBuf {
        self.folder.path().join(store)
    }

    /// The file of the store of this name.
    pub(crate) fn store(&self, store: &str) -> PathBuf {
        self.folder(store).join("hubcheck.db")
    }

    /// Starts the bot on the store of this name, and waits until it is ready.
    pub(crate) async fn serve(&self, store: &str) -> Result<Server> {
        let folder = self.folder(store);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("hubcheck.toml"), self.configuration())?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubcheck"));
        command
            .args(["--quiet", "serve"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log"))?);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HUBCHECK_")) {
            command.env_remove(name);
        }
        let log = folder.join("log");
        Server::start(command, self.port, "/readyz")
            .await
            .with_context(|| std::fs::read_to_string(log).unwrap_or_default())
    }

    fn configuration(&self) -> String {
        format!(
            "listen = \"127.0.0.1:{port}\"\npublic_url = \"http://127.0.0.1:{port}\"\nadmin_listen = \"off\"\n\
             shutdown_grace = \"1s\"\n\
             [hooks]\nsecret = [\"{HOOK_SECRET}\"]\n\
             [github]\napp_id = {app}\nprivate_key = '''{DEMO_PRIVATE_KEY}'''\n\
             webhook_secret = [\"{WEBHOOK_SECRET}\"]\napi_url = \"{github}\"\n\
             [[image]]\nname = \"{IMAGE}\"\nrepo = \"{repo}\"\n\
             [registry.\"docker.io\"]\nendpoint = \"http://{registry}\"\n",
            port = self.port,
            app = SimulatedApp::default().id,
            github = self.github.url(),
            repo = self.repo,
            registry = self.registry.host(),
        )
    }

    /// An address of the bot.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Where Docker Hub posts to.
    pub(crate) fn hook(&self) -> Result<String> {
        let token = self.keys.token(Sender::Dockerhub, &IMAGE.parse()?);
        Ok(self.url(&format!("/hooks/dockerhub/{token}")))
    }

    /// Commits, and puts an image of that commit into the registry, whose `test` says that all is well.
    pub(crate) fn push(&self, tag: &str) -> Result<Pushed> {
        let commit = self
            .github
            .commit(&self.repo, tag)
            .context("there is no repository")?;
        let image = ImageBuilder::for_this_host()
            .layer(self.layer.clone())
            .script("/tests", "#!/bin/sh\necho \"fine: $*\"\n")
            .entrypoint(&["/tests"])
            .label("org.opencontainers.image.revision", commit.as_str())
            .build();
        let digest = self.registry.put(IMAGE, tag, &image);
        let reference = format!("{}/{IMAGE}@{digest}", self.registry.host());
        Ok(Pushed { commit, reference })
    }

    /// A file of this name, with this text.
    pub(crate) fn file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text)?;
        Ok(file)
    }

    /// Says that a tag was pushed, as Docker Hub does.
    pub(crate) async fn announce(&self, tag: &str) -> Result<()> {
        let answer = self
            .client
            .post(self.hook()?)
            .body(dockerhub_body(tag)?)
            .send()
            .await?;
        ensure!(
            answer.status() == 202,
            "the webhook was answered with {}",
            answer.status()
        );
        Ok(())
    }

    /// Hands an event of GitHub's to the bot.
    pub(crate) async fn deliver(&self, event: Webhook) -> Result<()> {
        let request = self
            .client
            .post(self.url("/hooks/github"))
            .header("x-github-event", event.event)
            .header("x-github-delivery", event.delivery.to_string())
            .header("x-hub-signature-256", event.signature)
            .body(event.body);
        let answer = request.send().await?;
        ensure!(
            answer.status() == 202,
            "GitHub's event was answered with {}",
            answer.status()
        );
        Ok(())
    }

    /// Waits until GitHub shows the `count`th verdict on a commit, as check run and as status.
    pub(crate) async fn verdict(&self, commit: &CommitSha, count: usize, patience: Duration) -> Result<()> {
        let shown = |github: &GitHub| {
            let checks = github.check_runs(&self.repo, commit);
            let statuses = github.statuses(&self.repo, commit);
            let judged = checks.iter().filter(|check| check.conclusion.is_some()).count();
            let last = statuses.iter().filter(|status| status.state != "pending").count();
            (judged >= count && last >= count).then(|| checks.last()?.conclusion.clone())?
        };
        let conclusion = self.github.wait_for(patience, shown).await?;
        ensure!(conclusion == "success", "the run came to {conclusion}");
        Ok(())
    }

    /// Ends it all, and removes from the Engine what bots left there.
    pub(crate) async fn close(self) -> Result<()> {
        let stores = std::fs::read_dir(self.folder.path())?
            .filter_map(|entry| Some(entry.ok()?.path().join("hubcheck.db")))
            .filter(|file| file.exists());
        for store in stores {
            clean_up(&store)
                .await
                .with_context(|| format!("cannot clean up after {}", store.display()))?;
        }
        Ok(())
    }
}

/// What Docker Hub posts when a tag was pushed.
pub(crate) fn dockerhub_body(tag: &str) -> Result<String> {
    let mut body: Value = serde_json::from_str(include_str!("../../fixtures/dockerhub/today.json"))?;
    body["push_data"]["tag"] = tag.into();
    Ok(serde_json::to_string_pretty(&body)?)
}

async fn clean_up(store: &Path) -> Result<()> {
    let store = Store::open(&format!("sqlite://{}", store.display()), Clock::default()).await?;
    let runner = Runner::connect(
        &Config::defaults().docker,
        store.instance().await?,
        Clock::default(),
    )?;
    runner.reap(|_, _| false).await?;
    runner.shutdown().await?;
    let pulled = store.images_on(runner.engine_id().await?).await?;
    runner.keep_images_within(&pulled, 0).await?;
    store.close().await;
    Ok(())
}
