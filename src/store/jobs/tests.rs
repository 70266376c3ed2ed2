//! The queue against a model of it: whatever is done in whatever order, both give out the same job next, and
//! refuse the same leases.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;

#[expect(
    dead_code,
    reason = "other tests ill-treat servers; these only need a database"
)]
#[path = "../../../tests/it/support/postgres.rs"]
mod postgres;

/// Subjects of the test.
const JOBS: usize = 5;

/// Leases of the test.
const LEASE_MS: u64 = 30_000;

#[derive(Clone, Copy, Debug)]
enum Step {
    Wake(usize),
    Claim,
    /// With one of the leases that were given out, live or lost.
    With(prop::sample::Index, Deed),
    Advance(u64),
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Heartbeat,
    Complete,
    Postpone(i64),
    Retry(i64),
    Fail(i64),
    HandBack,
    Park,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let deed = prop_oneof![
        2 => Just(Deed::Heartbeat),
        4 => Just(Deed::Complete),
        1 => (0..20_000_i64).prop_map(Deed::Postpone),
        1 => (0..20_000_i64).prop_map(Deed::Retry),
        1 => (0..20_000_i64).prop_map(Deed::Fail),
        1 => Just(Deed::HandBack),
        1 => Just(Deed::Park),
    ];
    let step = prop_oneof![
        4 => (0..JOBS).prop_map(Step::Wake),
        6 => Just(Step::Claim),
        5 => (any::<prop::sample::Index>(), deed).prop_map(|(lease, deed)| Step::With(lease, deed)),
        2 => (0..LEASE_MS * 2).prop_map(Step::Advance),
    ];
    prop::collection::vec(step, 1..80)
}

/// What the queue promises, with none of its SQL.
#[derive(Debug, Default)]
struct Model {
    jobs: BTreeMap<usize, Job>,
}

#[derive(Debug, Default)]
struct Job {
    /// The order in which jobs were made: of two that are ready since the same moment, the older comes first.
    age: usize,
    run_at: i64,
    attempts: i64,
    tries: i64,
    retries: i64,
    leased: bool,
    again: bool,
    done: bool,
}

impl Model {
    fn wake(&mut self, number: usize, now: i64) {
        let age = self.jobs.len();
        let job = self.jobs.entry(number).or_insert(Job {
            age,
            run_at: now,
            ..Job::default()
        });
        job.again = job.leased;
        if job.done {
            (job.done, job.run_at, job.tries, job.retries) = (false, now, 0, 0);
        } else if !job.leased && job.tries + job.retries == 0 {
            job.run_at = job.run_at.min(now);
        }
    }

    fn claim(&mut self, now: i64) -> Option<(usize, i64, i64)> {
        let number = self
            .jobs
            .iter()
            .filter(|(_, job)| !job.done && job.run_at <= now)
            .min_by_key(|(_, job)| (job.run_at, job.age))
            .map(|(number, _)| *number)?;
        let job = self.jobs.get_mut(&number)?;
        job.attempts += 1;
        job.tries += 1;
        job.run_at = now + LEASE_MS.cast_signed();
        (job.leased, job.again) = (true, false);
        Some((number, job.attempts, job.tries))
    }

    /// Whether the lease still counts; if so, the deed is done.
    fn with(&mut self, number: usize, attempts: i64, deed: Deed, now: i64) -> bool {
        let Some(job) = self.jobs.get_mut(&number) else {
            return false;
        };
        if job.attempts != attempts || !job.leased {
            return false;
        }
        job.leased = matches!(deed, Deed::Heartbeat);
        match deed {
            Deed::Heartbeat => job.run_at = now + LEASE_MS.cast_signed(),
            Deed::Complete | Deed::Postpone(_) if job.again => {
                (job.run_at, job.tries, job.retries, job.again) = (now, 0, 0, false);
            }
            Deed::Complete => (job.done, job.tries, job.retries) = (true, 0, 0),
            Deed::Postpone(pause) => (job.run_at, job.tries, job.retries) = (now + pause, 0, 0),
            Deed::Retry(pause) => (job.run_at, job.tries, job.retries) = (now + pause, 0, job.retries + 1),
            Deed::Fail(pause) => job.run_at = now + pause,
            Deed::HandBack => (job.run_at, job.tries) = (now, job.tries - 1),
            Deed::Park => (job.done, job.again) = (true, false),
        }
        true
    }
}

async fn obey(store: &Store, held: &Lease, deed: Deed, now: i64) -> Result<(), StoreError> {
    match deed {
        Deed::Heartbeat => store.heartbeat(held, Duration::from_millis(LEASE_MS)).await,
        Deed::Complete => store.complete(held).await,
        Deed::Postpone(pause) => store.postpone(held, now + pause).await,
        Deed::Retry(pause) => store.retry(held, now + pause, "later").await,
        Deed::Fail(pause) => store.fail(held, now + pause, "failed").await,
        Deed::HandBack => store.hand_back(held).await,
        Deed::Park => store.park(held, "hopeless").await,
    }
}

async fn wake(store: &Store, number: usize) {
    let mut tx = store.db.begin().await.unwrap();
    let job = NewJob {
        kind: JobKind::Report,
        subject: number.to_string(),
    };
    store.wake(&mut tx, job).await.unwrap();
    tx.commit().await.unwrap();
}

/// Does the steps in both worlds, and compares after each.
async fn play(store: &Store, steps: &[Step]) -> Result<(), TestCaseError> {
    store.db.execute("DELETE FROM jobs", args![]).await.unwrap();
    let mut model = Model::default();
    let mut leases: Vec<Lease> = Vec::new();
    for step in steps {
        let now = store.clock.now();
        match *step {
            Step::Wake(number) => {
                wake(store, number).await;
                model.wake(number, now);
            }
            Step::Claim => {
                let lease = Duration::from_millis(LEASE_MS);
                let claimed = store.claim(JobKind::Report, lease).await.unwrap();
                let seen = claimed
                    .as_ref()
                    .map(|held| (held.subject.parse().unwrap(), held.attempts, held.tries));
                prop_assert_eq!(seen, model.claim(now));
                leases.extend(claimed);
            }
            Step::With(_, _) if leases.is_empty() => {}
            Step::With(which, deed) => {
                let held = which.get(&leases);
                let counted = model.with(held.subject.parse().unwrap(), held.attempts, deed, now);
                let done = obey(store, held, deed, now).await;
                // The rest give up silently what is no longer theirs.
                let tells = matches!(
                    deed,
                    Deed::Heartbeat | Deed::Complete | Deed::Postpone(_) | Deed::Retry(_)
                );
                prop_assert_eq!(done.is_ok(), counted || !tells, "{:?}: {:?}", deed, done);
            }
            Step::Advance(by) => store.clock.advance(Duration::from_millis(by)),
        }
        let open = model.jobs.values().filter(|job| !job.done).count();
        let depth = store.depth(JobKind::Report).await.unwrap();
        prop_assert_eq!(depth.open, i64::try_from(open).unwrap());
    }
    Ok(())
}

fn agrees_with_the_model(url: &str, cases: u32) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // A clock that stands still between the steps, so that both worlds see the same moment.
    let store = runtime.block_on(Store::open(url, Clock::standing())).unwrap();
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let told = runner.run(&steps(), |steps| runtime.block_on(play(&store, &steps)));
    runtime.block_on(store.close());
    told.unwrap();
}

fn in_a_file(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join("queue.db").display())
}

#[test]
fn the_queue_agrees_with_its_model_on_sqlite() {
    let folder = TempDir::new().unwrap();
    agrees_with_the_model(&in_a_file(&folder), 48);
}

#[test]
fn the_queue_agrees_with_its_model_on_postgres() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(postgres::Database::create());
    agrees_with_the_model(&database.url, 24);
}

/// Many workers of several replicas do all jobs, each as often as it was woken, and never two of one subject.
async fn share_the_work(url: &str, replicas: usize) {
    const SUBJECTS: usize = 12;
    const ROUNDS: usize = 5;
    const WORKERS: usize = 4;
    let first = Store::open(url, Clock::default()).await.unwrap();
    for number in 0..SUBJECTS {
        wake(&first, number).await;
    }
    let busy: Arc<Mutex<HashSet<String>>> = Arc::default();
    let done: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..replicas {
        let store = Store::open(url, Clock::default()).await.unwrap();
        for _ in 0..WORKERS {
            let (store, busy, done) = (store.clone(), busy.clone(), done.clone());
            workers.spawn(async move {
                while done.lock().unwrap().len() < SUBJECTS * ROUNDS {
                    let Some(held) = store
                        .claim(JobKind::Report, Duration::from_mins(1))
                        .await
                        .unwrap()
                    else {
                        tokio::time::sleep(Duration::from_millis(2)).await;
                        continue;
                    };
                    let subject = held.subject.clone();
                    assert!(
                        busy.lock().unwrap().insert(subject.clone()),
                        "{subject} is taken twice"
                    );
                    let before = done.lock().unwrap().iter().filter(|one| **one == subject).count();
                    if before + 1 < ROUNDS {
                        // Somebody wants it once more while we are at it.
                        wake(&store, subject.parse().unwrap()).await;
                    }
                    busy.lock().unwrap().remove(&subject);
                    done.lock().unwrap().push(subject);
                    store.complete(&held).await.unwrap();
                }
            });
        }
    }
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    let done = done.lock().unwrap().clone();
    for number in 0..SUBJECTS {
        let times = done.iter().filter(|one| **one == number.to_string()).count();
        assert_eq!(times, ROUNDS, "{number}");
    }
    assert_eq!(first.depth(JobKind::Report).await.unwrap().open, 0);
    first.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_workers_of_one_process_share_the_work_without_overlap() {
    let folder = TempDir::new().unwrap();
    share_the_work(&in_a_file(&folder), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_share_the_work_without_overlap() {
    let database = postgres::Database::create().await;
    share_the_work(&database.url, 3).await;
}
