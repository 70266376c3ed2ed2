//! The store in trouble: what was answered is kept, what cannot be kept is not answered, and when the trouble is
//! over the bot goes on by itself.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http::StatusCode;
use hubcheck::demo::github::{GitHub, SimulatedApp};
use sqlx::{Connection, Executor, SqliteConnection};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::cli::{hubcheck, run, serving};
use crate::kill::Scene;
use crate::support::chaos::Chaos;
use crate::support::house::{ADMIN, today};
use crate::support::postgres::{Database, Server, execute};
use crate::support::store::Shelf;
use crate::support::web::House;

const TODAY: &str = include_str!("../../../fixtures/dockerhub/today.json");

/// How long a store may take to be itself again.
const PATIENCE: Duration = Duration::from_mins(5);

/// Until a webhook is answered 202 again.
async fn recovered(house: &House) {
    let accepted = async {
        while house.post(&house.hook(), TODAY).await.status != StatusCode::ACCEPTED {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, accepted)
        .await
        .expect("it takes deliveries again");
}

#[tokio::test]
async fn database_locked_by_another_program_is_503_and_pages_are_shown_all_the_same() {
    let shelf = Shelf::on_sqlite().await;
    let file = shelf.url.trim_start_matches("sqlite://").to_owned();
    let house = House::over(shelf);
    let mut other = SqliteConnection::connect(&file).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let refused = house.post(&house.hook(), TODAY).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(
        house.look("/").await.status,
        StatusCode::OK,
        "readers never wait for a writer"
    );
    other.execute("ROLLBACK").await.unwrap();
    recovered(&house).await;
}

#[tokio::test]
async fn database_server_away_is_503_and_taken_up_again_when_it_is_back() {
    let mut server = Server::start().await;
    let database = Database::on(&server.url).await;
    let house = House::over(Shelf::at(&database.url).await);
    assert_eq!(
        house.post(&house.hook(), TODAY).await.status,
        StatusCode::ACCEPTED
    );
    server.crash();
    let refused = house.post(&house.hook(), TODAY).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!refused.header("retry-after").is_empty());
    server.resume().await;
    recovered(&house).await;
    house.shelf.store.close().await;
}

#[tokio::test]
async fn database_server_that_falls_silent_is_503_in_bounded_time_and_taken_up_again() {
    let database = Database::create().await;
    let wire = Chaos::before_url(&database.url);
    let url: url::Url = database.url.parse().unwrap();
    let through = format!("postgres://hubcheck@{}{}", wire.address(), url.path());
    let house = House::over(Shelf::at(&through).await);
    assert_eq!(
        house.post(&house.hook(), TODAY).await.status,
        StatusCode::ACCEPTED
    );
    wire.stall();
    let refused = tokio::time::timeout(Duration::from_secs(25), house.post(&house.hook(), TODAY)).await;
    let refused = refused.expect("a silent server is not waited for");
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    wire.pass();
    recovered(&house).await;
    wire.cut();
    recovered(&house).await;
    house.shelf.store.close().await;
}

/// The server crashes while images are pulled, tested and reported: every promise is kept all the same.
#[tokio::test]
async fn database_server_restarted_amid_runs_loses_none() {
    let mut server = Server::start().await;
    let database = Database::on(&server.url).await;
    let mut scene = Scene::set(tempfile::tempdir().unwrap(), database.url.clone()).await;
    let told = scene.tell_over(async |scene: &mut Scene| {
        let bot = scene.start().await;
        for _ in 0..3 {
            scene.announce_one().await;
            server.restart().await;
        }
        scene.all_kept().await;
        crate::kill::terminate(bot).await;
    });
    told.await;
}

/// A bot whose store lies on a disk of its own, of 2 MiB.
struct Cramped {
    bot: Child,
    url: String,
    hook: String,
    client: reqwest::Client,
    folder: TempDir,
    _github: GitHub,
}

impl Cramped {
    /// In a namespace of its own, where even who is not root may mount a disk.
    async fn start() -> Self {
        let github = GitHub::start(SimulatedApp::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let address = crate::kill::free_address();
        let url = format!("http://{address}");
        let config = format!(
            "public_url = \"{url}\"\nstore = \"sqlite://disk/hubcheck.db\"\n{}[hooks]\nsecret = [\"cramped\"]\n[web]\nadmin_token = \"{ADMIN}\"\n",
            serving(&github, &address)
        );
        std::fs::write(folder.path().join("hubcheck.toml"), config).unwrap();
        std::fs::create_dir(folder.path().join("disk")).unwrap();
        let (_, hook, _) = run(hubcheck(folder.path()).args(["hook-url", "acme/app"])).await;
        let script = "mount -t tmpfs -o size=2m none disk && head -c 600k /dev/zero > disk/ballast && exec \"$0\" serve";
        let bot = Command::new("unshare")
            .args([
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                script,
                env!("CARGO_BIN_EXE_hubcheck"),
            ])
            .current_dir(folder.path())
            // Nothing is to be tested here: no Engine, no runs, and the disk fills by deliveries alone.
            .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .unwrap();
        let cramped = Self {
            bot,
            url,
            hook: hook.trim().to_owned(),
            client,
            folder,
            _github: github,
        };
        cramped.until_ready(200).await;
        cramped
    }

    async fn until_ready(&self, status: u16) {
        let ready = async {
            while self.status("/readyz").await != Some(status) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready)
            .await
            .unwrap_or_else(|_| panic!("/readyz never answers {status}"));
    }

    async fn status(&self, path: &str) -> Option<u16> {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await;
        answer.ok().map(|answer| answer.status().as_u16())
    }

    async fn announce(&self, tag: &str) -> reqwest::Response {
        let mut body = today(tag);
        body["repository"]["full_description"] = "x".repeat(8 << 10).into();
        self.client
            .post(&self.hook)
            .body(body.to_string())
            .send()
            .await
            .unwrap()
    }

    /// The disk as the bot sees it.
    fn disk(&self) -> std::path::PathBuf {
        let root = format!("/proc/{}/root", self.bot.id().unwrap());
        Path::new(&root)
            .join(self.folder.path().strip_prefix("/").unwrap())
            .join("disk")
    }
}

#[tokio::test]
async fn disk_full_is_503_and_never_a_lost_delivery_and_it_recovers_without_a_restart() {
    let cramped = Cramped::start().await;
    let mut taken = Vec::new();
    let refused = loop {
        assert!(taken.len() < 2000, "the disk never fills");
        let answer = cramped.announce(&format!("v{}", taken.len())).await;
        if answer.status() != 202 {
            break answer;
        }
        let answer: serde_json::Value = answer.json().await.unwrap();
        taken.push(answer["delivery"].as_str().unwrap().to_owned());
    };
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    cramped.until_ready(503).await;

    std::fs::remove_file(cramped.disk().join("ballast")).unwrap();
    cramped.until_ready(200).await;
    let answer: serde_json::Value = cramped.announce("after").await.json().await.unwrap();
    taken.push(answer["delivery"].as_str().unwrap().to_owned());
    assert!(taken.len() > 10, "{}", taken.len());
    for delivery in taken {
        let request = cramped
            .client
            .get(format!("{}/api/v1/deliveries/{delivery}", cramped.url));
        let kept = request.bearer_auth(ADMIN).send().await.unwrap();
        assert_eq!(kept.status(), 200, "what was answered is kept");
    }
}

#[tokio::test]
async fn database_newer_than_the_program_is_refused_on_either_engine() {
    for shelf in [Shelf::on_sqlite().await, Shelf::on_postgres().await] {
        shelf.store.close().await;
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     VALUES (99990101000000, 'of the future', TRUE, '', 0)";
        if let Some(file) = shelf.url.strip_prefix("sqlite://") {
            let mut connection = SqliteConnection::connect(file).await.unwrap();
            connection.execute(newer).await.unwrap();
        } else {
            execute(&shelf.url, newer.to_owned()).await.unwrap();
        }
        let refused = shelf.try_reopen().await.unwrap_err().to_string();
        assert!(refused.contains("written by a newer hubcheck"), "{refused}");
        assert!(
            refused.contains("run that version, or restore a copy"),
            "{refused}"
        );
    }
}

/// What `serve` says of a store that it cannot use, and that it ends with exit code 3.
async fn said_of(store: &str) -> String {
    let github = GitHub::start(SimulatedApp::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = format!("store = \"{store}\"\n{}", serving(&github, "127.0.0.1:0"));
    std::fs::write(folder.path().join("hubcheck.toml"), config).unwrap();
    let (code, _, stderr) = run(hubcheck(folder.path()).arg("serve")).await;
    assert_eq!(code, Some(3), "{stderr}");
    stderr
}

#[tokio::test]
async fn database_corrupt_is_refused_and_left_as_it_is() {
    let shelf = Shelf::on_sqlite().await;
    shelf.store.close().await;
    let file = shelf.url.trim_start_matches("sqlite://");
    let mut bytes = std::fs::read(file).unwrap();
    for byte in &mut bytes[100..3000] {
        *byte ^= 0x5a;
    }
    std::fs::write(file, &bytes).unwrap();
    let said = said_of(&shelf.url).await;
    assert!(said.contains(file) && said.contains("restore a copy"), "{said}");
    assert_eq!(std::fs::read(file).unwrap(), bytes, "it is left as it was");
}

#[tokio::test]
async fn database_that_cannot_be_written_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    // Who is root may write anywhere, but not into a folder that is not there.
    let store = format!("sqlite://{}/missing/hubcheck.db", folder.path().display());
    let said = said_of(&store).await;
    assert!(said.contains("check that its folder exists"), "{said}");
    let taken = folder.path().join("folder.db");
    std::fs::create_dir(&taken).unwrap();
    let said = said_of(&format!("sqlite://{}", taken.display())).await;
    assert!(said.contains("this user may write there"), "{said}");
}

#[tokio::test]
async fn database_server_that_cannot_be_used_is_named_with_what_to_do_and_without_the_password() {
    let nobody = crate::kill::free_address();
    let said = said_of(&format!("postgres://bot:hush@{nobody}/checks")).await;
    let port = nobody.rsplit(':').next().unwrap();
    assert!(
        said.contains("check that PostgreSQL runs") && said.contains(port),
        "{said}"
    );
    assert!(!said.contains("hush"), "{said}");

    let database = Database::create().await;
    let server = database.url.rsplit_once('/').unwrap().0;
    let said = said_of(&format!("{server}/absent")).await;
    assert!(said.contains("createdb --owner hubcheck absent"), "{said}");
}
