//! A real application: Python from Debian's packages, PostgreSQL beside it, and a suite of pytest's with its reports.
//! Built with `docker build`, pushed with `docker push`, and judged on a pull request, where a person looks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hubcheck::demo::github::NewCommit;
use tempfile::TempDir;

use crate::declared::declaring;
use crate::support::house::{House, IMAGE, Shown};

const APP: &str = r#"import psycopg2


def greeting(name):
    return f"Hello, {name}!"


class Visits:
    """Counts who came, in PostgreSQL."""

    def __init__(self, host):
        self.connection = psycopg2.connect(host=host, user="postgres", dbname="postgres")
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS visits (name text PRIMARY KEY, count int NOT NULL)")

    def count(self, name):
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO visits VALUES (%s, 1) ON CONFLICT (name)"
                " DO UPDATE SET count = visits.count + 1 RETURNING count",
                (name,),
            )
            return cursor.fetchone()[0]
"#;

const TEST_GREETING: &str = r#"from app import greeting


def test_greets_by_name():
    assert greeting("Ada") == "Hello, Ada!"


def test_greets_nobody():
    assert greeting("") == "Hello, !"
"#;

const TEST_VISITS: &str = r#"import os

import pytest

from app import Visits


@pytest.fixture
def visits():
    return Visits(os.environ["DB_HOST"])


def test_first_visit(visits):
    assert visits.count("Ada") == 1


def test_counts_each_visit(visits):
    visits.count("Grace")
    assert visits.count("Grace") == 2
"#;

const COMPOSE: &str = r#"services:
  sut:
    build: .
    command: [python3, -m, pytest, -q, -p, "no:cacheprovider", tests/test_visits.py, --junitxml=/reports/visits.xml]
    environment: [DB_HOST=db]
    depends_on: { db: { condition: service_healthy } }
  db:
    image: acme/db:1
    healthcheck: { test: [CMD, pg_isready, -h, 127.0.0.1], interval: 500ms, timeout: 10s, retries: 100 }
"#;

const DECLARED: &str = r#"images:
  acme/app:
    tests:
      - name: unit
        run: [python3, -m, pytest, -q, -p, "no:cacheprovider", tests/test_greeting.py, --junitxml=/reports/unit.xml]
        reports: [/reports/*.xml]
      - compose: docker-compose.test.yml
        reports: [/reports/*.xml]
"#;

/// What there is at one commit.
fn files(app: &str) -> [(&'static str, String); 5] {
    [
        ("app.py", app.to_owned()),
        ("tests/test_greeting.py", TEST_GREETING.to_owned()),
        ("tests/test_visits.py", TEST_VISITS.to_owned()),
        ("docker-compose.test.yml", COMPOSE.to_owned()),
        (".github/hubcheck.yml", DECLARED.to_owned()),
    ]
}

fn do_all(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {done:?}");
}

/// Where images are built. What was built is removed with it.
struct Workshop {
    folder: TempDir,
    registry: String,
}

impl Workshop {
    fn new(house: &House) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            registry: house.registry.host().to_owned(),
        }
    }

    /// A folder with the files of Debian's packages, and a Dockerfile that begins with them.
    fn debian(&self, name: &str, packages: &[&str], dockerfile: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        let packer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/debian-root");
        do_all(Command::new(packer).arg(folder.join("root.tar")).args(packages));
        let text = format!("FROM scratch\nADD root.tar /\n{dockerfile}");
        fs::write(folder.join("Dockerfile"), text).unwrap();
        folder
    }

    /// Builds what lies in the folder, and pushes it.
    fn push(&self, folder: &Path, (image, tag): (&str, &str), options: &[&str]) {
        let name = format!("{}/{image}:{tag}", self.registry);
        let mut build = Command::new("docker");
        do_all(build.args(["build", "-q", "-t", &name]).args(options).arg(folder));
        do_all(Command::new("docker").args(["push", "-q", &name]));
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let images = format!("{}/acme/*", self.registry);
        let listed = Command::new("docker").args(["images", "-q", &images]).output();
        let ids = listed.map(|listed| String::from_utf8_lossy(&listed.stdout).into_owned());
        // Fails where nothing was built.
        let _ = Command::new("docker")
            .args(["rmi", "-f"])
            .args(ids.unwrap_or_default().split_whitespace())
            .output();
    }
}

/// The database's image.
fn push_database(workshop: &Workshop) {
    let versions = fs::read_dir("/usr/lib/postgresql").unwrap();
    let versions = versions.filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let version = versions.max().expect("PostgreSQL is not installed: run `./test`");
    let dockerfile = format!(
        "COPY passwd /etc/passwd\nCOPY --chown=5432:5432 data /data\n\
         ENV PATH=/usr/lib/postgresql/{version}/bin:/usr/bin:/bin\nUSER 5432\n\
         CMD [\"sh\", \"-c\", \"initdb -D /data/db --auth=trust --no-sync && \
         exec postgres -D /data/db -k /data -c hba_file=/data/hba.conf -h '*' -F\"]\n"
    );
    let package = format!("postgresql-{version}");
    let folder = workshop.debian("db", &[&package, "dash"], &dockerfile);
    fs::write(folder.join("passwd"), "postgres:x:5432:5432::/data:/bin/sh\n").unwrap();
    fs::create_dir(folder.join("data")).unwrap();
    fs::write(folder.join("data/hba.conf"), "host all all all trust\n").unwrap();
    workshop.push(&folder, ("acme/db", "1"), &[]);
}

/// A pull request.
struct Pull<'h> {
    house: &'h House,
    workshop: Workshop,
    /// Its working copy.
    folder: PathBuf,
    number: Option<u64>,
}

impl Pull<'_> {
    /// Commits the files to its branch, builds them, and pushes the image. What the check on its head says.
    async fn push(&mut self, app: &str) -> Shown {
        let (house, folder) = (self.house, &self.folder);
        let files = files(app);
        for (path, text) in &files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let committed: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let new = NewCommit {
            message: "Count visits",
            files: &committed,
            ..NewCommit::default()
        };
        let head = house.github.make_commit(&house.repo, &new).unwrap();
        let opened = || house.github.open_pull(&house.repo, &head, false);
        let number = *self.number.get_or_insert_with(opened);
        house.github.move_pull(&house.repo, number, &head);
        let label = format!("org.opencontainers.image.revision={head}");
        let tag = format!("pr-{number}");
        self.workshop.push(folder, (IMAGE, &tag), &["--label", &label]);
        house.announce(&tag).await;
        house.shown(&head, 1).await
    }
}

#[tokio::test]
async fn a_pull_request_turns_red_by_its_database_red_by_its_code_and_green() {
    let house = declaring("{}").await;
    let workshop = Workshop::new(&house);
    push_database(&workshop);
    let dockerfile = "COPY app.py /srv/app/\nCOPY tests /srv/app/tests\nENV PATH=/usr/bin:/bin PYTHONPATH=/srv/app\nWORKDIR /srv/app\n";
    let packages = ["python3-pytest", "python3-psycopg2", "dash"];
    let folder = workshop.debian("app", &packages, dockerfile);
    let mut pull = Pull {
        house: &house,
        workshop,
        folder,
        number: None,
    };

    let forgets = APP.replace("visits.count + 1", "visits.count");
    let shown = pull.push(&forgets).await;
    assert_eq!(shown.conclusion(), ("failure", "failure"), "{}", shown.summary());
    let failed = "tests.test_visits › test_counts_each_visit failed";
    assert_eq!(shown.check.title.as_deref(), Some(failed), "{}", shown.summary());
    let [annotation] = shown.check.annotations.as_slice() else {
        panic!("{:?}", shown.check.annotations)
    };
    assert_eq!(annotation["path"], "tests/test_visits.py");
    let line = TEST_VISITS
        .lines()
        .position(|line| line.contains("== 2"))
        .unwrap()
        + 1;
    assert_eq!(annotation["start_line"], line);
    for text in [
        "=== db ===",
        "database system is ready",
        "2 passed",
        "1 failed, 1 passed",
    ] {
        assert!(shown.summary().contains(text), "{text} in {}", shown.summary());
    }

    let rude = APP.replace("Hello, ", "Hey, ");
    let shown = pull.push(&rude).await;
    assert_eq!(shown.conclusion(), ("failure", "failure"), "{}", shown.summary());
    let title = shown.check.title.clone().unwrap();
    assert!(title.starts_with("2 failed, 2 passed in "), "{title}");
    assert!(
        shown.summary().contains(": 2 newly failing, 1 fixed\n"),
        "{}",
        shown.summary()
    );

    let shown = pull.push(APP).await;
    assert_eq!(shown.conclusion(), ("success", "success"), "{}", shown.summary());
    let title = shown.check.title.clone().unwrap();
    assert!(title.starts_with("4 passed in "), "{title}");
    assert!(shown.summary().contains(": 2 fixed\n"), "{}", shown.summary());
    drop(pull);
    house.close().await;
}
