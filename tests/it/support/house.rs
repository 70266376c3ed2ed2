//! The whole bot in this process, over a real registry and the real Engine; only GitHub is simulated.

use std::time::Duration;

use http::Method;
use hubcheck::clock::Clock;
use hubcheck::config::{Config, ImageBinding};
use hubcheck::demo::github::{CheckRun, GitHub, NewCommit, Request, SimulatedApp, Status};
use hubcheck::demo::images::{Image, ImageBuilder};
use hubcheck::hooks::{HookKeys, Sender};
use hubcheck::model::{CommitSha, DeliveryId, Digest, RepoName, Visibility};
use hubcheck::service::{Environment, Service};
use hubcheck::signature::Verifier;
use hubcheck::store::{PushRecord, Store};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::images::busybox_layer;
use super::registry::{PASSWORD, Registry, USERNAME};
use super::sigstore::Sigstore;

/// How long a verdict may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// The operator's token.
pub(crate) const ADMIN: &str = "the operator's own token";

/// The image, and the repository that it is bound to.
pub(crate) const IMAGE: &str = "acme/app";

/// A bot with all that surrounds it.
pub(crate) struct House {
    pub(crate) github: GitHub,
    pub(crate) registry: Registry,
    pub(crate) service: Service,
    pub(crate) url: String,
    pub(crate) repo: RepoName,
    pub(crate) client: reqwest::Client,
    /// The bot's: moving it forward moves the times of what waits.
    pub(crate) clock: Clock,
    /// Whose signatures the bot believes.
    pub(crate) sigstore: Sigstore,
    keys: HookKeys,
    folder: TempDir,
    /// Counts from the next start on.
    pub(crate) config: Box<Config>,
}

/// Tests that go on until they are stopped.
pub(crate) const ENDLESS: &str = "while true; do echo still testing; sleep 1; done";

/// What GitHub shows on a commit in the end.
pub(crate) struct Shown {
    pub(crate) check: CheckRun,
    pub(crate) status: Status,
}

impl Shown {
    pub(crate) fn conclusion(&self) -> (&str, &str) {
        (
            self.check.conclusion.as_deref().unwrap_or("none"),
            &self.status.state,
        )
    }

    pub(crate) fn summary(&self) -> &str {
        self.check.summary.as_deref().unwrap_or_default()
    }
}

impl House {
    /// A public repository and a public image.
    pub(crate) async fn open() -> Self {
        Self::with(|_| ()).await
    }

    /// The same, with a configuration that is changed before the start.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::build(Visibility::Public, Registry::start(), change).await
    }

    /// A private repository and a public image.
    pub(crate) async fn with_private_repo() -> Self {
        Self::build(Visibility::Private, Registry::start(), |_| ()).await
    }

    /// A public repository and a private image.
    pub(crate) async fn with_private_image() -> Self {
        Self::with_private_image_and(|_| ()).await
    }

    /// The same, with a configuration that is changed before the start.
    pub(crate) async fn with_private_image_and(change: impl FnOnce(&mut Config)) -> Self {
        Self::build(Visibility::Public, Registry::start_guarded(), change).await
    }

    /// A public repository whose default branch had this `.github/hubcheck.yml` before the bot came.
    pub(crate) async fn with_file(text: &str, change: impl FnOnce(&mut Config)) -> Self {
        let files = [(".github/hubcheck.yml", text)];
        Self::furnish(Visibility::Public, Registry::start(), &files, change).await
    }

    async fn build(visibility: Visibility, registry: Registry, change: impl FnOnce(&mut Config)) -> Self {
        Self::furnish(visibility, registry, &[], change).await
    }

    async fn furnish(
        visibility: Visibility,
        registry: Registry,
        files: &[(&str, &str)],
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let github = GitHub::start(SimulatedApp::default()).await.unwrap();
        let repo: RepoName = IMAGE.parse().unwrap();
        github.add_repo(&repo, visibility);
        let first = NewCommit {
            message: "the first commit",
            files,
            ..NewCommit::default()
        };
        github.make_commit(&repo, &first).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let secret = SecretString::from("the key of the hook URLs");
        let keys = HookKeys::new(std::slice::from_ref(&secret), &[].into()).unwrap();

        let mut config = configured(&github, &registry, &folder);
        config.public_url.clone_from(&url);
        config.hooks.secret = vec![secret];
        change(&mut config);
        let (clock, sigstore) = (Clock::default(), Sigstore::new());
        github.hook_to(&format!("{url}/hooks/github"));
        let service = serve(&config, listener, (&clock, &sigstore)).await;
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_mins(2))
            .build()
            .unwrap();
        Self {
            github,
            registry,
            service,
            url,
            repo,
            client,
            clock,
            sigstore,
            keys,
            folder,
            config: Box::new(config),
        }
    }

    /// Ends the bot, lets the world go on without it, and starts it anew at the same address.
    pub(crate) async fn away(self, meanwhile: impl AsyncFnOnce(&GitHub, &Registry)) -> Self {
        let address = self.service.address();
        self.service.stop().await;
        meanwhile(&self.github, &self.registry).await;
        let listener = TcpListener::bind(address).await.unwrap();
        let service = serve(&self.config, listener, (&self.clock, &self.sigstore)).await;
        Self { service, ..self }
    }

    /// Commits, and builds an image that says so, whose entrypoint is `tests`.
    pub(crate) fn build_image(&self, message: &str, tests: &str) -> (CommitSha, Image) {
        let commit = self.github.commit(&self.repo, message).unwrap();
        let image = labelled(&commit, tests);
        (commit, image)
    }

    /// Pushes an image under a tag, and says so as Docker Hub does.
    pub(crate) async fn push(&self, tag: &str, image: &Image) -> Digest {
        let digest = self.registry.push(IMAGE, tag, image).await;
        let answer = self.announce(tag).await;
        assert_eq!(answer["decision"], "queued", "{answer}");
        digest
    }

    /// Docker Hub's webhook for a tag.
    pub(crate) async fn announce(&self, tag: &str) -> Value {
        self.post(&self.hook(), today(tag).to_string()).await
    }

    /// The URL that Docker Hub posts to.
    pub(crate) fn hook(&self) -> String {
        format!("{}/hooks/dockerhub/{}", self.url, self.token())
    }

    /// The same for another image.
    pub(crate) fn hook_of(&self, image: &str) -> String {
        let token = self.keys.token(Sender::Dockerhub, &image.parse().unwrap());
        format!("{}/hooks/dockerhub/{token}", self.url)
    }

    pub(crate) fn token(&self) -> String {
        self.keys.token(Sender::Dockerhub, &IMAGE.parse().unwrap())
    }

    pub(crate) async fn post(&self, url: &str, body: String) -> Value {
        let answer = self.client.post(url).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    /// Hands an event of the simulated GitHub's to the bot.
    pub(crate) async fn deliver(&self, event: hubcheck::demo::github::Webhook) {
        let status = event.post(&format!("{}/hooks/github", self.url)).await.unwrap();
        assert_eq!(status, 202);
    }

    /// Waits until the `count`th check run on a commit is completed and the status is final.
    pub(crate) async fn shown(&self, commit: &CommitSha, count: usize) -> Shown {
        let seen = |github: &GitHub| {
            let checks = github.check_runs(&self.repo, commit);
            let done = checks.iter().filter(|check| check.conclusion.is_some()).count();
            let check = checks.last()?.clone();
            let status = github.statuses(&self.repo, commit).into_iter().next()?;
            (done >= count && check.conclusion.is_some() && status.state != "pending")
                .then_some(Shown { check, status })
        };
        self.github
            .wait_for(PATIENCE, seen)
            .await
            .unwrap_or_else(|not_seen| {
                let checks = self.github.check_runs(&self.repo, commit);
                panic!("{not_seen}: {checks:#?}")
            })
    }

    /// Waits until the newest check run on a commit says `words` in its title.
    pub(crate) async fn told(&self, commit: &CommitSha, words: &str) -> CheckRun {
        let seen = |github: &GitHub| {
            let check = github.check_runs(&self.repo, commit).pop()?;
            check
                .title
                .as_deref()
                .is_some_and(|title| title.contains(words))
                .then_some(check)
        };
        self.github
            .wait_for(PATIENCE, seen)
            .await
            .unwrap_or_else(|not_seen| {
                let checks = self.github.check_runs(&self.repo, commit);
                panic!("no check says `{words}`: {not_seen}: {checks:#?}")
            })
    }

    /// Waits until the pushes of a delivery stand where `seen` wants them.
    pub(crate) async fn pushes(
        &self,
        delivery: &Value,
        seen: impl Fn(&PushRecord) -> bool,
    ) -> Vec<PushRecord> {
        let id: DeliveryId = delivery["delivery"].as_str().unwrap().parse().unwrap();
        let search = async {
            loop {
                let bell = self.service.store().any_bell().notified();
                let pushes = self.service.store().pushes_of(id).await.unwrap();
                if pushes.iter().all(&seen) {
                    return pushes;
                }
                // Not every change rings: look again soon.
                let _ = tokio::time::timeout(Duration::from_millis(50), bell).await;
            }
        };
        if let Ok(pushes) = tokio::time::timeout(PATIENCE, search).await {
            return pushes;
        }
        let pushes = self.service.store().pushes_of(id).await.unwrap();
        panic!("the push does not get there: {pushes:#?}")
    }

    /// Waits until the files of so many repositories were read.
    pub(crate) async fn is_indexed(&self, count: usize) {
        let installation = self.github.installation("acme").unwrap();
        self.until("the files are read", async |store| {
            store.indexed_repos(installation).await.unwrap().len() == count
                && !store.is_indexing().await.unwrap()
        })
        .await;
    }

    /// Waits until the image's tags were compared with the registry for the first time.
    pub(crate) async fn is_compared(&self) {
        let image = format!("docker.io/{IMAGE}").parse().unwrap();
        self.until("the tags are known", async |store| {
            store.known_tags(&image).await.unwrap().is_some()
        })
        .await;
    }

    /// Waits until files are being read.
    pub(crate) async fn indexing(&self) {
        self.until("files are being read", async |store| {
            store.is_indexing().await.unwrap()
        })
        .await;
    }

    /// Waits until the store is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl AsyncFn(&Store) -> bool) {
        let search = async {
            while !is_so(self.service.store()).await {
                let bell = self.service.store().any_bell().notified();
                // Not every change rings: look again soon.
                let _ = tokio::time::timeout(Duration::from_millis(20), bell).await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, search).await;
        assert!(came.is_ok(), "not in time: {what}");
    }

    pub(crate) async fn page(&self, path: &str) -> (u16, String) {
        let answer = self
            .client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub(crate) async fn operators_json(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(ADMIN);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Every byte that the bot keeps.
    pub(crate) fn stored(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder.path()).unwrap().flatten();
        files
            .flat_map(|file| std::fs::read(file.path()).unwrap())
            .collect()
    }

    /// What the operator asks for by POST: the status, and the answer.
    pub(crate) async fn order(&self, path: &str) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.url)).bearer_auth(ADMIN);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Writes that GitHub refused.
    pub(crate) fn refused_writes(&self) -> Vec<Request> {
        let mut refused = self.github.ledger();
        refused.retain(|request| {
            let is_refused = request.status.is_some_and(|status| status.is_client_error());
            is_refused && request.method != Method::GET
        });
        refused
    }

    /// Ends it all, and removes what was pulled. The story must have looked at every commit that was written to.
    pub(crate) async fn close(self) {
        self.service.stop_without_trace().await;
        let unexpected = self.github.unexpected_writes();
        assert!(unexpected.is_empty(), "{unexpected:#?}");
    }
}

/// The bot.
async fn serve(config: &Config, listener: TcpListener, (clock, sigstore): (&Clock, &Sigstore)) -> Service {
    let environment = Environment {
        listener: Some(listener),
        clock: clock.clone(),
        verifier: Verifier::trusting(&sigstore.root()).unwrap(),
        ..Environment::default()
    };
    Service::start(config.clone(), environment).await.unwrap()
}

/// The configuration of a bot over these, whose operator bound the image.
fn configured(github: &GitHub, registry: &Registry, folder: &TempDir) -> Config {
    let mut config = Config::defaults();
    "off".clone_into(&mut config.admin_listen);
    config.store = format!("sqlite://{}", folder.path().join("hubcheck.db").display());
    config.shutdown_grace = Duration::from_millis(100);
    config.github = github.config().unwrap();
    config.web.admin_token = Some(SecretString::from(ADMIN));
    config.docker.host = std::env::var("DOCKER_HOST").ok();
    config.images = vec![ImageBinding {
        name: IMAGE.parse().unwrap(),
        repo: IMAGE.parse().unwrap(),
        env: [].into(),
        mask: None,
    }];
    let mirror = hubcheck::config::Registry {
        endpoint: Some(format!("http://{}", registry.host()).parse().unwrap()),
        username: registry.is_guarded().then(|| USERNAME.to_owned()),
        password: registry.is_guarded().then(|| SecretString::from(PASSWORD)),
        allow: Vec::new(),
    };
    config.registries.insert("docker.io".to_owned(), mirror);
    config
}

/// An image that says that it was built from `commit`, whose entrypoint is `tests`.
pub(crate) fn labelled(commit: &CommitSha, tests: &str) -> Image {
    plain(tests)
        .label("org.opencontainers.image.revision", commit.as_str())
        .build()
}

/// An image with busybox, whose entrypoint is `tests`; unlike every other, so that no test removes another's.
pub(crate) fn plain(tests: &str) -> ImageBuilder {
    ImageBuilder::for_this_host()
        .layer(busybox_layer().expect("busybox-static is not installed: run `./test`, which installs it"))
        .script("/tests", &format!("#!/bin/sh\n{tests}\n"))
        .entrypoint(&["/tests"])
        .label("unique", &uuid::Uuid::now_v7().to_string())
}

/// What Docker Hub posts today.
pub(crate) fn today(tag: &str) -> Value {
    json!({
        "callback_url": "https://registry.hub.docker.com/u/acme/app/hook/2f1a/",
        "push_data": { "pusher": "wile", "pushed_at": 1_790_000_000, "tag": tag, "images": [],
            "media_type": "application/vnd.oci.image.manifest.v1+json" },
        "repository": { "status": "Active", "namespace": "acme", "name": "app", "repo_name": "acme/app",
            "repo_url": "https://hub.docker.com/r/acme/app", "description": "", "full_description": null,
            "star_count": 0, "is_private": false, "is_trusted": false, "is_official": false, "owner": "acme",
            "date_created": 1_780_000_000 },
    })
}

/// What Docker Hub posted in 2014: images, and no tag.
pub(crate) fn of_2014() -> Value {
    json!({
        "push_data": { "pushed_at": 1.429e9, "images": ["27d47432a69b", "acb1cc4e1b6c"], "pusher": "wile" },
        "callback_url": "https://registry.hub.docker.com/u/acme/app/hook/9c0d/",
        "repository": { "status": "Active", "description": "", "is_trusted": true, "full_description": null,
            "repo_url": "https://registry.hub.docker.com/u/acme/app/", "owner": "acme", "is_official": false,
            "is_private": false, "name": "app", "namespace": "acme", "star_count": "0", "comment_count": "0",
            "date_created": 1.41e9, "dockerfile": "FROM scratch", "repo_name": "acme/app" },
    })
}
