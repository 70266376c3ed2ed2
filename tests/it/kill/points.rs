//! Crash points: the program is killed at every step of a run that can be seen from outside. Each request that
//! it sends, to the registry or to GitHub, and each thing that becomes of its container, is one.

use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bollard::Docker;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{FutureExt, StreamExt};
use http::{Method, StatusCode};
use rand::SeedableRng;
use rand::rngs::StdRng;
use regex::Regex;
use tokio::process::Child;
use tokio::sync::Notify;

use super::*;

/// More points than a run ever has: then something never ends.
const ENOUGH: usize = 80;

/// Requests of a kind that count one by one: of known tags, each start asks what all of them mean, and there are more of
/// them each time.
const OF_A_KIND: usize = 4;

/// What passes a gate at most: an image's layer.
const MAX_BODY: usize = 64 << 20;

/// What the program asks GitHub whether or not there is a run.
const LOOKS_AROUND: &str = "/app";

/// A point at which the program can be killed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Point {
    /// The request, without what differs from run to run.
    request: String,
    /// Counts the requests of its kind in a run.
    nth: usize,
    /// The request gets through first, and the program does not live to see the answer.
    answered: bool,
}

/// Everything that the program sends passes here. It is killed at each point that it was not killed at before.
#[derive(Default)]
struct Gate {
    watch: Mutex<Watch>,
    sprung: Notify,
}

#[derive(Default)]
struct Watch {
    victim: Option<Child>,
    is_dead: bool,
    /// How many requests of a kind there were since the victim was set.
    seen: HashMap<String, usize>,
    killed_at: HashSet<Point>,
}

impl Gate {
    fn set(&self, victim: Child) {
        let mut watch = self.watch.lock().unwrap();
        watch.victim = Some(victim);
        watch.is_dead = false;
        watch.seen.clear();
        // Of the victim before: it may have been killed when nobody waited for that any more.
        let _ = self.sprung.notified().now_or_never();
    }

    /// Notes a request, and gives its number among those of its kind.
    fn note(&self, request: &str) -> usize {
        let mut watch = self.watch.lock().unwrap();
        let seen = watch.seen.entry(request.to_owned()).or_default();
        *seen += 1;
        (*seen).min(OF_A_KIND)
    }

    /// Kills the victim, if it was not killed at this point before.
    fn spring(&self, point: Point) -> bool {
        let mut watch = self.watch.lock().unwrap();
        if watch.is_dead || watch.killed_at.contains(&point) {
            return false;
        }
        let Some(victim) = &mut watch.victim else {
            return false;
        };
        victim.start_kill().unwrap();
        watch.is_dead = true;
        watch.killed_at.insert(point);
        self.sprung.notify_one();
        true
    }

    /// Gives the victim back, and says whether it was killed.
    fn release(&self) -> (Child, bool) {
        let mut watch = self.watch.lock().unwrap();
        (watch.victim.take().unwrap(), watch.is_dead)
    }
}

/// A request without what differs from run to run: digests, commits, tags and numbers.
fn kind(method: &Method, path: &str) -> String {
    static DIFFERS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("[0-9a-f]{40,}|k[0-9]+-[0-9]+|[0-9]{2,}").unwrap());
    format!("{method} {}", DIFFERS.replace_all(path, "*"))
}

/// One side of the gate: what is behind it.
#[derive(Clone)]
struct Side {
    gate: Arc<Gate>,
    behind: String,
    client: reqwest::Client,
}

impl Side {
    /// Serves on a port of its own, and returns where.
    async fn open(gate: Arc<Gate>, behind: String, client: reqwest::Client) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = Router::new()
            .fallback(pass)
            .with_state(Self { gate, behind, client });
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }
}

async fn pass(State(side): State<Side>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().unwrap().to_string();
    let point = |answered| {
        let request = kind(&parts.method, &path);
        let nth = if answered { 0 } else { side.gate.note(&request) };
        Point {
            request,
            nth,
            answered,
        }
    };
    if path != LOOKS_AROUND && side.gate.spring(point(false)) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let body = to_bytes(body, MAX_BODY).await.unwrap();
    let sent = side
        .client
        .request(parts.method.clone(), format!("{}{path}", side.behind))
        .headers(parts.headers.clone())
        .body(body)
        .send()
        .await;
    // Of what changes something it matters too whether it was done.
    let writes = parts.method == Method::POST || parts.method == Method::PATCH;
    if writes && side.gate.spring(point(true)) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let Ok(answer) = sent else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let mut response = Response::builder().status(answer.status());
    *response.headers_mut().unwrap() = answer.headers().clone();
    response.body(Body::from_stream(answer.bytes_stream())).unwrap()
}

#[tokio::test]
async fn a_run_survives_a_kill_at_each_of_its_requests() {
    let mut scene = Scene::in_a_file().await;
    let gate = Arc::<Gate>::default();
    let github = scene.github.url().to_owned();
    let to_github = Side::open(gate.clone(), github.clone(), scene.client.clone()).await;
    let registry = format!("http://{}", scene.registry.host());
    let to_registry = Side::open(gate.clone(), registry.clone(), scene.client.clone()).await;
    scene.rewire(&[
        (&github, &format!("http://{to_github}")),
        (&registry, &format!("http://{to_registry}")),
    ]);
    scene
        .tell_over(async |scene: &mut Scene| kill_at_each_request(scene, &gate).await)
        .await;
}

async fn kill_at_each_request(scene: &mut Scene, gate: &Gate) {
    for _ in 0..ENOUGH {
        gate.set(scene.start().await);
        scene.announce_one().await;
        tokio::select! {
            () = gate.sprung.notified() => {}
            () = scene.all_kept() => {}
        }
        let (mut bot, was_killed) = gate.release();
        if was_killed {
            bot.wait().await.unwrap();
            bot = scene.start().await;
        }
        scene.all_kept().await;
        terminate(bot).await;
        if !was_killed {
            return all_points_were_met(gate);
        }
    }
    panic!("there is always one point more");
}

fn all_points_were_met(gate: &Gate) {
    let watch = gate.watch.lock().unwrap();
    let points = &watch.killed_at;
    println!("killed at {} points: {points:#?}", points.len());
    for (request, answered) in [
        ("HEAD /v2/acme/app/manifests/*", false),
        ("GET /v2/acme/app/blobs/", false),
        ("POST /app/installations/*/access_tokens", true),
        ("GET /installation/repositories", false),
        ("GET /repositories/*/contents/.github/hubcheck.yml?ref=*", false),
        ("GET /repos/acme/app/commits/*", false),
        ("GET /repos/acme/app/commits/*/branches-where-head", false),
        ("POST /repos/acme/app/check-runs", true),
        ("PATCH /repos/acme/app/check-runs/*", true),
        ("POST /repos/acme/app/statuses/*", true),
    ] {
        let met = |point: &Point| point.request.starts_with(request) && point.answered == answered;
        assert!(points.iter().any(met), "the kills missed {request}");
    }
}

#[tokio::test]
async fn a_run_survives_a_kill_at_each_step_of_its_container() {
    let mut scene = Scene::in_a_file().await;
    scene.tell_over(kill_at_each_step).await;
}

async fn kill_at_each_step(scene: &mut Scene) {
    let docker = Docker::connect_with_defaults().unwrap();
    let ours = format!("hubcheck.instance={}", scene.instance().await);
    for step in ["create", "start", "die", "destroy"] {
        let filters = HashMap::from([
            ("label", vec![ours.as_str()]),
            ("type", vec!["container"]),
            ("event", vec![step]),
        ]);
        let options = EventsOptionsBuilder::default().filters(&filters).build();
        let mut events = docker.events(Some(options));
        // The stream begins with its first poll.
        let seen = tokio::spawn(async move { events.next().await });
        let mut bot = scene.start().await;
        scene.announce_one().await;
        let seen = tokio::time::timeout(PATIENCE, seen).await;
        seen.unwrap_or_else(|_| panic!("no container came to `{step}`"))
            .unwrap()
            .expect("the Engine tells of it")
            .unwrap();
        bot.kill().await.unwrap();
        let bot = scene.start().await;
        scene.all_kept().await;
        terminate(bot).await;
    }
}

/// A process that is killed while it makes its store, again and again, leaves one that the next can use.
#[tokio::test]
async fn a_migration_that_was_killed_is_taken_up_by_the_next_start() {
    let scene = Scene::in_a_file().await;
    let mut moments = StdRng::seed_from_u64(rand::random());
    for _ in 0..12 {
        // `hook-url` made a store already: each of these begins with none.
        for file in ["hubcheck.db", "hubcheck.db-wal", "hubcheck.db-shm"] {
            let _ = std::fs::remove_file(scene.folder.path().join(file));
        }
        let mut bot = hubcheck(scene.folder.path()).arg("serve").spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(120).mul_f64(moments.random())).await;
        bot.kill().await.unwrap();
        terminate(scene.start().await).await;
    }
}
