//! A store that goes away with its test, on either engine, and what to put into it.

use std::path::Path;
use std::time::Duration;

use hubcheck::clock::Clock;
use hubcheck::model::{
    Binding, Decision, DeliveryId, Evidence, InstallationId, Limits, Network, Plan, Platform, Policy,
    Profile, Push, Repo, RepoId, RunId, Source, Step, StepKind, Visibility,
};
use hubcheck::store::{
    Admission, Intake, JobKind, Lease, NewDelivery, NewRun, OpenPushes, Store, StoreError, Taken,
};
use tempfile::TempDir;

use super::postgres::Database;

/// How long a test's leases last.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// A store of its own for one test.
pub(crate) struct Shelf {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) intake: Intake,
    pub(crate) url: String,
    _place: Place,
}

/// What holds the store, for as long as the test lasts.
enum Place {
    Folder { _folder: TempDir },
    Database { _database: Database },
    Elsewhere,
}

/// Tells each story once on either engine.
macro_rules! on_both_engines {
    ($($story:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $story() {
                super::$story($crate::support::store::Shelf::on_sqlite().await).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $story() {
                super::$story($crate::support::store::Shelf::on_postgres().await).await;
            })+
        }
    };
}
pub(crate) use on_both_engines;

impl Shelf {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite://{}", folder.path().join("hubcheck.db").display());
        Self::made_at(url, Place::Folder { _folder: folder }).await
    }

    pub(crate) async fn on_postgres() -> Self {
        let database = Database::create().await;
        Self::made_at(database.url.clone(), Place::Database { _database: database }).await
    }

    /// In a place that the test holds itself.
    pub(crate) async fn at(url: &str) -> Self {
        Self::made_at(url.to_owned(), Place::Elsewhere).await
    }

    async fn made_at(url: String, place: Place) -> Self {
        let clock = Clock::default();
        let store = Store::open(&url, clock.clone()).await.unwrap();
        Self {
            intake: Intake::start(store.clone()),
            store,
            clock,
            url,
            _place: place,
        }
    }

    /// Where the file of a store on SQLite lies.
    pub(crate) fn folder(&self) -> &Path {
        let file = self.url.strip_prefix("sqlite://").expect("it is a file");
        Path::new(file).parent().unwrap()
    }

    /// The same store as another process would have it.
    pub(crate) async fn reopen(&self) -> Store {
        self.reopen_at(self.clock.clone()).await
    }

    /// The same, if it can be opened at all.
    pub(crate) async fn try_reopen(&self) -> Result<Store, StoreError> {
        Store::open(&self.url, self.clock.clone()).await
    }

    /// The same, by a clock of its own.
    pub(crate) async fn reopen_at(&self, clock: Clock) -> Store {
        Store::open(&self.url, clock).await.unwrap()
    }

    /// Pushes a tag that means the digest that `digit` fills, and says what became of it.
    pub(crate) async fn admit(&self, tag: &str, digit: char, seen_at: i64) -> Admission {
        let (pushes, held) = self.push("acme/app", tag).await;
        let new = new_run(tag, digit, seen_at);
        self.store.admit(&held, &pushes, &[new]).await.unwrap().remove(0)
    }

    /// The same, where a run is made of it.
    pub(crate) async fn made(&self, tag: &str, digit: char, seen_at: i64) -> RunId {
        match self.admit(tag, digit, seen_at).await {
            Admission::Made { run, .. } => run,
            other => panic!("no run was made: {other:?}"),
        }
    }

    /// Leases the job of a run's tests.
    pub(crate) async fn testing(&self) -> Lease {
        self.claim(JobKind::Test).await
    }

    /// Leases the next job of a kind.
    pub(crate) async fn claim(&self, kind: JobKind) -> Lease {
        self.store
            .claim(kind, LEASE)
            .await
            .unwrap()
            .expect("a job is ready")
    }

    /// Takes in a delivery that speaks of `image:tag`, and leases the job that resolves it.
    pub(crate) async fn push(&self, image: &str, tag: &str) -> (OpenPushes, Lease) {
        assert_eq!(self.intake.take(delivery(image, tag)).await, Taken::Stored);
        let lease = self.claim(JobKind::Resolve).await;
        let pushes = self.open(&lease).await;
        assert!(pushes.image == image.parse().unwrap() && pushes.tag.as_str() == tag);
        (pushes, lease)
    }

    /// The pushes that a leased job has to look at.
    pub(crate) async fn open(&self, lease: &Lease) -> OpenPushes {
        self.store
            .open_pushes(lease)
            .await
            .unwrap()
            .expect("the tag has an open push")
    }
}

/// A delivery of Docker Hub's.
pub(crate) fn delivery(image: &str, tag: &str) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::new(),
        sender: "dockerhub",
        event: "push".to_owned(),
        event_id: None,
        body: "{}".to_owned(),
        decision: Decision::Queued,
        reason: "it will be tested".to_owned(),
        pushes: vec![Push {
            image: image.parse().unwrap(),
            tag: tag.parse().unwrap(),
            digest: None,
        }],
        acts: false,
    }
}

/// `docker run IMAGE test` with small limits.
pub(crate) fn plan() -> Plan {
    Plan {
        steps: vec![Step {
            name: "test".to_owned(),
            kind: StepKind::Run {
                args: vec!["test".to_owned()],
                entrypoint: None,
                env: [].into(),
            },
            timeout: None,
            reports: Vec::new(),
        }],
        profile: Profile::Compatible,
        network: Network::None,
        limits: Limits {
            timeout: Duration::from_mins(1),
            idle_timeout: Duration::from_secs(30),
            memory_bytes: 64 << 20,
            nano_cpus: 1_000_000_000,
            pids: 64,
            disk_bytes: 64 << 20,
        },
    }
}

/// A run of `docker.io/acme/app` on the commit `aaaa…` of `acme/app`, of the digest that `digit` fills.
pub(crate) fn new_run(tag: &str, digit: char, seen_at: i64) -> NewRun {
    NewRun {
        source: Source {
            repo: Repo {
                id: RepoId(7),
                name: "acme/app".parse().unwrap(),
                visibility: Visibility::Public,
                default_branch: "main".to_owned(),
                installation: InstallationId(42),
            },
            commit: "a".repeat(40).parse().unwrap(),
            evidence: Evidence::Claimed,
            binding: Binding::Operator,
        },
        image: "acme/app".parse().unwrap(),
        image_visibility: Visibility::Public,
        digest: format!("sha256:{}", digit.to_string().repeat(64))
            .parse()
            .unwrap(),
        pushed: format!("sha256:{}", digit.to_string().repeat(64))
            .parse()
            .unwrap(),
        platform: Platform {
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            variant: None,
        },
        claims: Vec::new(),
        plan: plan(),
        policy: Policy::default(),
        context: "acme/app".to_owned(),
        tag: tag.parse().unwrap(),
        seen_at,
        facts: None,
        settled: None,
    }
}
