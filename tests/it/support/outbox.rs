//! The whole bot, with runs in its store and nothing else to do than to show them on the simulated GitHub. The
//! Engine is away: a run that has no verdict yet waits for it, and ends as trouble when patience does.

use std::time::Duration;

use http::Method;
use hubcheck::clock::Clock;
use hubcheck::config::Config;
use hubcheck::demo::github::{CheckRun, DEMO_PRIVATE_KEY, GitHub, Request, SimulatedApp, Status, Webhook};
use hubcheck::model::{CommitSha, Digest, Outcome, Repo, RepoId, RepoName, RunId, Verdict, Visibility};
use hubcheck::service::{Environment, Service};
use hubcheck::store::{Admission, Intake, JobKind, Store, Taken};
use secrecy::ExposeSecret;
use sqlx::SqlitePool;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

use super::chaos::Chaos;
use super::store::{LEASE, delivery, new_run};

/// Far more than anything here takes, on a busy machine too.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

pub(crate) struct Outbox {
    pub(crate) github: GitHub,
    /// Between the bot and GitHub.
    pub(crate) wire: Chaos,
    pub(crate) clock: Clock,
    pub(crate) repo: RepoName,
    pub(crate) url: String,
    repo_id: RepoId,
    service: Option<Service>,
    database: OnceCell<SqlitePool>,
    config: Config,
    _folder: TempDir,
}

/// A run, and the commit that it is to be shown on.
#[derive(Clone, Debug)]
pub(crate) struct Paper {
    pub(crate) run: RunId,
    pub(crate) commit: CommitSha,
}

impl Drop for Outbox {
    /// The story must have looked at every commit that was written to.
    fn drop(&mut self) {
        let unexpected = self.github.unexpected_writes();
        assert!(
            std::thread::panicking() || unexpected.is_empty(),
            "{unexpected:#?}"
        );
    }
}

impl Outbox {
    /// A bot that is not started yet.
    pub(crate) async fn new() -> Self {
        Self::before(SimulatedApp::default()).await
    }

    /// At a GitHub that holds its installations to its limits, by the same clock. The Engine is given up soon.
    pub(crate) async fn limited() -> Self {
        let app = SimulatedApp {
            is_limited: true,
            ..SimulatedApp::default()
        };
        let clock = app.clock.clone();
        let mut outbox = Self::before(app).await;
        outbox.clock = clock;
        outbox.config.docker.give_up = Duration::from_mins(1);
        outbox
    }

    async fn before(app: SimulatedApp) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let github = GitHub::start(app).await.unwrap();
        let repo: RepoName = "acme/app".parse().unwrap();
        let repo_id = github.add_repo(&repo, Visibility::Public);
        let wire = Chaos::before_url(github.url());
        let mut config = Config::defaults();
        "off".clone_into(&mut config.admin_listen);
        config.store = format!("sqlite://{}", folder.path().join("hubcheck.db").display());
        config.shutdown_grace = Duration::from_secs(5);
        config.github = github.config().unwrap();
        config.github.api_url = format!("http://{}", wire.address()).parse().unwrap();
        config.docker.host = Some(format!(
            "unix://{}",
            folder.path().join("no-engine.sock").display()
        ));
        Self {
            github,
            wire,
            clock: Clock::default(),
            repo,
            url: String::new(),
            repo_id,
            service: None,
            database: OnceCell::new(),
            config,
            _folder: folder,
        }
    }

    /// Without the wire: GitHub's own address, to which its redirects lead.
    pub(crate) async fn without_a_wire() -> Self {
        let mut outbox = Self::new().await;
        outbox.config.github.api_url = outbox.github.url().parse().unwrap();
        outbox
    }

    /// Starts the bot.
    pub(crate) async fn open(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.url = format!("http://{}", listener.local_addr().unwrap());
        let mut config = self.config.clone();
        config.public_url.clone_from(&self.url);
        let environment = Environment {
            listener: Some(listener),
            clock: self.clock.clone(),
            ..Environment::default()
        };
        self.service = Some(Service::start(config, environment).await.unwrap());
    }

    /// Stops the bot.
    pub(crate) async fn shut(&mut self) {
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
    }

    pub(crate) fn store(&self) -> &Store {
        self.service.as_ref().expect("the bot is started").store()
    }

    /// A run that has passed, on a commit of its own. Not while the bot runs.
    pub(crate) async fn judged(&self) -> Paper {
        let passed = Verdict::without_steps(Outcome::Passed, "It works");
        self.lay(Some(passed)).await
    }

    /// A run that waits for the Engine, on a commit of its own. Not while the bot runs.
    pub(crate) async fn waiting(&self) -> Paper {
        self.lay(None).await
    }

    /// So many of those that have passed.
    pub(crate) async fn judged_crowd(&self, count: usize) -> Vec<Paper> {
        let passed = Verdict::without_steps(Outcome::Passed, "It works");
        self.crowd(count, Some(&passed)).await
    }

    /// So many of those that wait.
    pub(crate) async fn waiting_crowd(&self, count: usize) -> Vec<Paper> {
        self.crowd(count, None).await
    }

    async fn lay(&self, settled: Option<Verdict>) -> Paper {
        self.crowd(1, settled.as_ref()).await.remove(0)
    }

    async fn crowd(&self, count: usize, settled: Option<&Verdict>) -> Vec<Paper> {
        let store = Store::open(&self.config.store, self.clock.clone()).await.unwrap();
        let mut papers = Vec::new();
        for _ in 0..count {
            papers.push(self.lay_in(&store, settled.cloned()).await);
        }
        store.close().await;
        papers
    }

    /// The same bot as a file has it, for a program that listens at `address`. The Engine is given up soon.
    pub(crate) fn as_file(&self, address: &str) -> String {
        let github = &self.config.github;
        format!(
            "listen = \"{address}\"\npublic_url = \"http://{address}\"\nadmin_listen = \"off\"\nstore = \"{}\"\n\
             shutdown_grace = \"1s\"\n[github]\napp_id = {}\nprivate_key = '''{DEMO_PRIVATE_KEY}'''\n\
             webhook_secret = [\"{}\"]\napi_url = \"{}\"\n[docker]\nhost = \"{}\"\ngive_up = \"20s\"\n",
            self.config.store,
            github.app_id.unwrap(),
            github.webhook_secret[0].expose_secret(),
            github.api_url,
            self.config.docker.host.as_deref().unwrap_or_default(),
        )
    }

    async fn lay_in(&self, store: &Store, settled: Option<Verdict>) -> Paper {
        assert!(self.service.is_none(), "the bot would take the push for itself");
        let commit = self.github.commit(&self.repo, "a good one").unwrap();
        let id = uuid::Uuid::now_v7().simple().to_string();
        let intake = Intake::start(store.clone());
        assert_eq!(intake.take(delivery("acme/app", &id)).await, Taken::Stored);
        let lease = store.claim(JobKind::Resolve, LEASE).await.unwrap().unwrap();
        let pushes = store.open_pushes(&lease).await.unwrap().unwrap();
        let mut new = new_run(&id, '1', self.clock.now());
        new.source.repo = Repo {
            id: self.repo_id,
            name: self.repo.clone(),
            installation: self.github.installation("acme").unwrap(),
            ..new.source.repo
        };
        new.source.commit = commit.clone();
        new.digest = Digest::of(id.as_bytes());
        "hubcheck/acme/app".clone_into(&mut new.context);
        new.settled = settled;
        let run = match store.admit(&lease, &pushes, &[new]).await.unwrap().remove(0) {
            Admission::Made { run, .. } => run,
            other => panic!("no run was made: {other:?}"),
        };
        Paper { run, commit }
    }

    /// Lets time go by.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.advance(time);
        for kind in JobKind::ALL {
            self.store().bell(kind).notify_waiters();
        }
    }

    /// What is seen at last of a check run and a status that say the end.
    pub(crate) async fn shown(&self, paper: &Paper) -> (CheckRun, Status) {
        let seen = |_: &GitHub| {
            let check = self.check(paper)?;
            let status = self.status(paper)?;
            (check.conclusion.is_some() && status.state != "pending").then_some((check, status))
        };
        self.seen(seen).await
    }

    /// Waits until something is seen at GitHub.
    pub(crate) async fn seen<T>(&self, seen: impl Fn(&GitHub) -> Option<T>) -> T {
        let seen = self.github.wait_for(PATIENCE, seen).await;
        seen.unwrap_or_else(|not_seen| panic!("{not_seen}"))
    }

    /// The one check run on the paper's commit.
    pub(crate) fn check(&self, paper: &Paper) -> Option<CheckRun> {
        let mut checks = self.github.check_runs(&self.repo, &paper.commit);
        assert!(checks.len() <= 1, "shown twice: {checks:#?}");
        checks.pop()
    }

    /// The newest status on the paper's commit.
    pub(crate) fn status(&self, paper: &Paper) -> Option<Status> {
        self.github.statuses(&self.repo, &paper.commit).into_iter().next()
    }

    /// Requests of a method to paths with these words, in order.
    pub(crate) fn requests(&self, method: &Method, words: &str) -> Vec<Request> {
        let mut ledger = self.github.ledger();
        ledger.retain(|request| request.method == *method && request.path.contains(words));
        ledger
    }

    /// Waits until the writer to GitHub has put itself off, and says for how long and why.
    pub(crate) async fn put_off(&self) -> (Duration, String) {
        self.rest().await.expect("the writer has nothing left to do")
    }

    /// Waits until the writer has nothing left to do.
    pub(crate) async fn done(&self) {
        let ending = async {
            while let Some((left, _)) = self.rest().await {
                tokio::time::sleep(left.min(Duration::from_millis(50))).await;
            }
        };
        let ended = tokio::time::timeout(PATIENCE, ending).await;
        assert!(ended.is_ok(), "the writer does not come to an end");
    }

    /// Lets time go by until the writer has nothing left to do, and says how long it waited each time.
    pub(crate) async fn pass_until_done(&self) -> Vec<Duration> {
        let mut waits = Vec::new();
        while let Some((left, _)) = self.rest().await {
            waits.push(left);
            self.pass(left);
        }
        waits
    }

    /// Waits until the writer rests: for so long, or, at `None`, because nothing is left.
    pub(crate) async fn rest(&self) -> Option<(Duration, String)> {
        let search = async {
            loop {
                let row: Option<(i64, String, bool)> = sqlx::query_as(
                    "SELECT run_at, COALESCE(error, ''), done_at IS NOT NULL FROM jobs
                     WHERE kind = 'report' AND owner IS NULL",
                )
                .fetch_optional(self.database().await)
                .await
                .unwrap();
                match row {
                    Some((_, _, true)) => return None,
                    Some((at, why, false)) if at > self.clock.now() => {
                        let left = u64::try_from(at - self.clock.now()).unwrap_or(0);
                        return Some((Duration::from_millis(left), why));
                    }
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let rest = tokio::time::timeout(PATIENCE, search).await;
        rest.unwrap_or_else(|_| panic!("it never rests: {:#?}", self.github.ledger()))
    }

    /// Waits until this is on the page of the paper's run.
    pub(crate) async fn noted(&self, paper: &Paper, words: &str) {
        let search = async {
            loop {
                let events = self.store().events_of(paper.run).await.unwrap();
                if events.iter().any(|event| event.what.contains(words)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        assert!(
            found.is_ok(),
            "{words}: {:?}",
            self.store().events_of(paper.run).await
        );
    }

    /// Waits until the paper's run meets the trouble that it waits for: its patience is counted from then on.
    pub(crate) async fn troubled(&self, paper: &Paper) {
        self.noted(paper, "cannot reach the Docker Engine").await;
    }

    /// The database itself, for what the store would never do.
    pub(crate) async fn database(&self) -> &SqlitePool {
        let open = || async { SqlitePool::connect(&self.config.store).await.unwrap() };
        self.database.get_or_init(open).await
    }

    /// Hands an event of the simulated GitHub's to the bot.
    pub(crate) async fn deliver(&self, event: Webhook) {
        let status = event.post(&format!("{}/hooks/github", self.url)).await.unwrap();
        assert_eq!(status, 202);
    }

    /// A page's status and text.
    pub(crate) async fn page(&self, path: &str) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("{}{path}", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Is this what is left of such a wait?
    pub(crate) fn is_put_off_until(left: Duration, wait: Duration) -> bool {
        // What the story took since is less than a tenth.
        (wait.mul_f64(0.9)..=wait.mul_f64(1.25)).contains(&left)
    }
}
