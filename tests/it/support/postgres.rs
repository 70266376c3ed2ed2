//! PostgreSQL: a server for all tests, with a database for each; and servers of a test's own, to be ill-treated.

use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

/// Where `./test` says that its server is.
const SHARED: &str = "TEST_DATABASE_URL";

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_mins(5);

/// A database of a test's own, dropped with it.
pub(crate) struct Database {
    pub(crate) url: String,
    server: String,
    name: String,
    /// Ends after the database is dropped.
    own: Option<Server>,
}

impl Database {
    /// On the server of all tests. Without one, as when a test is run by hand, on one of its own.
    pub(crate) async fn create() -> Self {
        if let Ok(server) = std::env::var(SHARED) {
            return Self::on(&server).await;
        }
        let own = Server::start().await;
        let mut database = Self::on(&own.url).await;
        database.own = Some(own);
        database
    }

    /// On a server: `postgres://USER@HOST:PORT`.
    pub(crate) async fn on(server: &str) -> Self {
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        execute(server, format!("CREATE DATABASE {name}")).await.unwrap();
        Self {
            url: format!("{server}/{name}"),
            server: server.to_owned(),
            name,
            own: None,
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            // A server that a test ended takes its databases along.
            let _ = runtime.block_on(execute(&server, format!("DROP DATABASE {name} WITH (FORCE)")));
        });
        let _ = dropped.join();
    }
}

/// One statement on a server's own database, or on the one that `url` names.
pub(crate) async fn execute(url: &str, sql: String) -> Result<(), sqlx::Error> {
    let url = match url.rsplit_once('/') {
        Some((rest, _)) if rest.ends_with('/') => format!("{url}/postgres"),
        _ => url.to_owned(),
    };
    let mut connection = PgConnection::connect(&url).await?;
    connection.execute(AssertSqlSafe(sql)).await?;
    connection.close().await
}

/// A server of its own, gone with its data when it is dropped.
pub(crate) struct Server {
    /// `postgres://USER@HOST:PORT`
    pub(crate) url: String,
    pub(crate) port: u16,
    process: Child,
    folder: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = serve(&folder, port);
        let mut server = Self {
            url: format!("postgres://hubcheck@127.0.0.1:{port}"),
            port,
            process,
            folder,
        };
        server.wait().await;
        server
    }

    /// Ends it as a crash would, and starts it again on the same data and port.
    pub(crate) async fn restart(&mut self) {
        self.crash();
        self.resume().await;
    }

    /// Ends it as a crash would.
    pub(crate) fn crash(&mut self) {
        // Immediate shutdown: no session is asked, nothing is put in order.
        self.signal("-QUIT");
        self.process.wait().unwrap();
    }

    /// Starts it again after a crash.
    pub(crate) async fn resume(&mut self) {
        self.process = serve(&self.folder, self.port);
        self.wait().await;
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        Command::new("kill").args([signal, &pid]).status().unwrap();
    }

    /// Until a session is answered: it listens before it takes any.
    async fn wait(&mut self) {
        let begun = Instant::now();
        while execute(&self.url, "SELECT 1".to_owned()).await.is_err() {
            if let Some(status) = self.process.try_wait().unwrap() {
                let mut said = String::new();
                let stderr = self.process.stderr.as_mut().unwrap();
                stderr.read_to_string(&mut said).unwrap();
                panic!("PostgreSQL ended with {status}: {said}");
            }
            assert!(begun.elapsed() < PATIENCE, "PostgreSQL does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal("-QUIT");
        let _ = self.process.wait();
    }
}

fn serve(folder: &TempDir, port: u16) -> Child {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres"))
        .arg(folder.path())
        .arg(port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}
