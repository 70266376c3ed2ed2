//! `hubcheck test`, as somebody uses it who just built an image: in a folder of theirs, with `docker build`.

use std::path::Path;
use std::process::Command as Blocking;

use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{hubcheck, run};
use crate::support::house::labelled;
use crate::support::registry::{PASSWORD, Registry, USERNAME};

/// An image that was just built and never pushed, in the folder that it was built in.
struct Built {
    folder: TempDir,
    name: String,
}

impl Built {
    /// Its entrypoint is a script that gets the arguments.
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
        let busybox = busybox.into_iter().find(|path| path.exists()).unwrap();
        std::fs::copy(busybox, folder.path().join("busybox")).unwrap();
        std::fs::write(folder.path().join("tests"), format!("#!/bin/sh\n{script}\n")).unwrap();
        let dockerfile =
            "FROM scratch\nCOPY busybox /bin/sh\nCOPY tests /tests\nENTRYPOINT [\"/bin/sh\", \"/tests\"]\n";
        std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
        let name = format!("acme/built-{}:dev", uuid::Uuid::now_v7().simple());
        let built = Self { folder, name };
        // Another test may remove what a cache holds.
        built.docker(&["build", "--no-cache", "-q", "-t", &built.name, "."]);
        built
    }

    fn docker(&self, args: &[&str]) {
        let done = Blocking::new("docker")
            .args(args)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    /// Gives it a label.
    fn says(&self, label: &str) {
        let dockerfile = self.folder.path().join("Dockerfile");
        std::fs::write(&dockerfile, format!("FROM {}\nLABEL {label}\n", self.name)).unwrap();
        self.docker(&["build", "--no-cache", "-q", "-t", &self.name, "."]);
    }

    fn declares(&self, lines: &str) {
        let (name, _) = self.name.split_once(':').unwrap();
        std::fs::create_dir_all(self.folder.path().join(".github")).unwrap();
        let file = self.folder.path().join(".github/hubcheck.yml");
        std::fs::write(file, format!("images:\n  {name}: {lines}\n")).unwrap();
    }

    async fn test(&self, args: &[&str]) -> (Option<i32>, String, String) {
        run(hubcheck(self.folder.path())
            .arg("test")
            .arg(&self.name)
            .args(args))
        .await
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        self.docker(&["rmi", "-f", &self.name]);
    }
}

#[tokio::test]
async fn the_images_own_label_says_what_is_tested_until_somebody_else_does() {
    let built = Built::new("echo got: $*");
    built.says("org.label-schema.docker.cmd.test=\"--from the-label\"");
    let (code, out, err) = built.test(&[]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        format!("{out}{err}").contains("got: --from the-label"),
        "{out}{err}"
    );
    let (_, out, err) = built.test(&["by", "hand"]).await;
    assert!(format!("{out}{err}").contains("got: by hand"), "{out}{err}");
    built.says("org.label-schema.docker.cmd.test=\"docker run other/image test\"");
    let (code, _, err) = built.test(&[]).await;
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("is nowhere in it"), "{err}");
}

#[tokio::test]
async fn an_image_that_was_just_built_is_tested_in_a_clean_folder() {
    let built = Built::new("echo \"it is $1\"; printf '\\033[31mred\\033[0m\\n'; [ \"$1\" != bad ]");
    let (code, stdout, stderr) = built.test(&[]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    for text in ["it is test\nred\n", "passed: 1 passed", &built.name] {
        assert!(stdout.contains(text), "{text} in {stdout}");
    }
    assert!(
        !stdout.contains('\x1b'),
        "no colours where there is no terminal: {stdout:?}"
    );

    let (code, stdout, _) = built.test(&["bad", "--really"]).await;
    assert_eq!(code, Some(1), "{stdout}");
    assert!(
        stdout.contains("it is bad") && stdout.contains("bad --really: exit code 1"),
        "{stdout}"
    );
}

#[tokio::test]
async fn the_repositorys_file_says_what_is_tested_and_programs_can_read_what_came_of_it() {
    let built = Built::new("echo \"$1 in ${MODE:-none}\"; [ \"$1\" != bad ]");
    built.declares(
        "{ profile: strict, tests: [{ run: good, env: { MODE: ci } }, { run: bad, name: \"a <bad> one\" }] }",
    );
    let (code, stdout, stderr) = built.test(&["--json", "--junit", "report.xml"]).await;
    assert_eq!(code, Some(1), "{stderr}");
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(told["outcome"], "failed");
    assert_eq!(told["title"], "a <bad> one: exit code 1, 1 passed");
    assert_eq!(told["steps"][0]["log"], "good in ci\n");
    assert_eq!(told["steps"][1]["cause"], "exit code 1");
    assert!(
        stderr.contains("good in ci"),
        "people read along on stderr: {stderr}"
    );

    let report = std::fs::read_to_string(built.folder.path().join("report.xml")).unwrap();
    for text in [
        "tests=\"2\"",
        "failures=\"1\"",
        "a &lt;bad&gt; one",
        "exit code 1",
    ] {
        assert!(report.contains(text), "{text} in {report}");
    }
}

#[tokio::test]
async fn what_could_not_be_run_is_told_apart_from_tests_that_failed() {
    let built = Built::new("exit 0");
    built.declares("{ tests: [{ run: x, entrypoint: /no/such/program }] }");
    let (code, stdout, stderr) = built.test(&[]).await;
    assert_eq!(code, Some(3), "{stdout}{stderr}");
    assert!(
        stdout.contains("could not be tested: x: no test command"),
        "{stdout}"
    );

    built.declares("{ tets: [] }");
    let (code, _, stderr) = built.test(&[]).await;
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains(".github/hubcheck.yml, line 2, column") && stderr.contains("did you mean `tests`?"),
        "{stderr}"
    );

    let folder = tempfile::tempdir().unwrap();
    let mut absent = hubcheck(folder.path());
    let (code, _, stderr) = run(absent.args(["test", "acme/never-built", "--pull", "never"])).await;
    assert_eq!(code, Some(3));
    assert!(stderr.contains("does not hold acme/never-built"), "{stderr}");

    let mut unreachable = hubcheck(folder.path());
    unreachable.env("DOCKER_HOST", "unix:///no/docker.sock");
    let (code, _, stderr) = run(unreachable.args(["test", "acme/app"])).await;
    assert_eq!(code, Some(3));
    assert!(stderr.contains("apt-get install docker.io"), "{stderr}");
}

#[tokio::test]
async fn an_image_in_a_registry_is_pulled_first() {
    let registry = Registry::start();
    let commit = "a".repeat(40).parse().unwrap();
    let digest = registry
        .push("acme/pulled", "v1", &labelled(&commit, "echo pulled and run"))
        .await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[registry.\"docker.io\"]\nendpoint = \"http://{}\"\n",
        registry.host()
    );
    std::fs::write(folder.path().join("hubcheck.toml"), config).unwrap();
    let mut command = hubcheck(folder.path());
    let (code, stdout, stderr) = run(command.args(["test", "acme/pulled:v1"])).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    for text in ["pulling acme/pulled:v1", "pulled and run"] {
        assert!(stdout.contains(text), "{text} in {stdout}");
    }
    let pulled = format!("{}/acme/pulled@{digest}", registry.host());
    let removed = Blocking::new("docker").args(["rmi", &pulled]).output().unwrap();
    assert!(removed.status.success(), "{removed:?}");
}

/// A helper as Docker's own: asked for a server on its standard input, it answers with an account as JSON.
fn helper(folder: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join("docker-credential-tests");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(folder.join("config.json"), r#"{"credsStore": "tests"}"#).unwrap();
}

#[tokio::test]
async fn a_private_image_is_pulled_with_the_account_that_a_credential_helper_keeps() {
    let registry = Registry::start_guarded();
    let commit = "a".repeat(40).parse().unwrap();
    let digest = registry
        .push("acme/private", "v1", &labelled(&commit, "echo let in"))
        .await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[registry.\"docker.io\"]\nendpoint = \"http://{}\"\n",
        registry.host()
    );
    std::fs::write(folder.path().join("hubcheck.toml"), config).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let test = || {
        let mut command = hubcheck(folder.path());
        command.env("PATH", &path).env("DOCKER_CONFIG", folder.path());
        command.args(["test", "acme/private:v1"]);
        command
    };

    helper(
        folder.path(),
        "echo credentials not found in native keychain; exit 1",
    );
    let (code, _, stderr) = run(&mut test()).await;
    assert_eq!(code, Some(3));
    assert!(
        stderr.contains("credential helper") && stderr.contains("keeps none"),
        "{stderr}"
    );

    helper(folder.path(), "echo a secret word; exit 1");
    let (code, _, stderr) = run(&mut test()).await;
    assert_eq!(code, Some(3));
    assert!(
        stderr.contains("docker-credential-tests failed") && !stderr.contains("a secret word"),
        "{stderr}"
    );

    let account = format!(r#"{{"ServerURL":"s","Username":"{USERNAME}","Secret":"{PASSWORD}"}}"#);
    let asked = format!(
        "[ \"$1\" = get ] && [ \"$(cat)\" = {} ] && echo '{account}'",
        registry.host()
    );
    helper(folder.path(), &asked);
    let (code, stdout, stderr) = run(&mut test()).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("let in"), "{stdout}");
    let pulled = format!("{}/acme/private@{digest}", registry.host());
    let removed = Blocking::new("docker").args(["rmi", &pulled]).output().unwrap();
    assert!(removed.status.success(), "{removed:?}");
}

#[tokio::test]
async fn a_structure_file_is_judged_and_told_as_its_readers_know_it() {
    let built = Built::new("echo never run");
    let folder = built.folder.path();
    let text = "schemaVersion: 2.0.0\ncommandTests:\n  - { name: shell, command: sh, args: [-c, 'echo hi; echo ho >&2'], expectedOutput: ['^hi'] }\nfileExistenceTests:\n  - { name: tests, path: /tests }\n  - { name: nothing, path: /nothere }\n";
    std::fs::write(folder.join("one.yaml"), text).unwrap();
    let holds = "schemaVersion: 2.0.0\nmetadataTest: { entrypoint: [/bin/sh, /tests] }\n";
    std::fs::write(folder.join("two.json"), holds).unwrap();
    let (code, out, err) = built.test(&["--structure", "./one.yaml"]).await;
    assert_eq!(code, Some(1), "{out}{err}");
    for line in [
        "=== RUN: File Existence Test: nothing",
        "Error: /nothere is not there",
        "Passes:      2",
        "File Existence Test: nothing failed",
    ] {
        assert!(out.contains(line), "{line} in {out}{err}");
    }
    let args = [
        "--structure",
        "one.yaml",
        "--structure",
        "two.json",
        "--json",
        "--junit",
        "out.xml",
    ];
    let (code, out, err) = built.test(&args).await;
    assert_eq!(code, Some(1), "{out}{err}");
    let result: Value = serde_json::from_str(&out).unwrap();
    assert_eq!([&result["Pass"], &result["Fail"], &result["Total"]], [3, 1, 4]);
    let first = &result["Results"][0];
    assert_eq!(first["Name"], "Command Test: shell");
    assert_eq!((&first["Pass"], &first["Stdout"]), (&true.into(), &"hi\n".into()));
    assert_eq!(first["Stderr"], "ho\n");
    assert!(first["Duration"].as_u64().unwrap() > 1_000_000);
    assert_eq!(result["Results"][2]["Errors"][0], "/nothere is not there");
    assert_eq!(result["outcome"], "failed");
    let junit = std::fs::read_to_string(folder.join("out.xml")).unwrap();
    for text in [
        "<testsuite name=\"container-structure-test.test\" tests=\"4\"",
        "failures=\"1\"",
        "<testcase name=\"Metadata Test\"",
        "/nothere is not there",
    ] {
        assert!(junit.contains(text), "{text} in {junit}");
    }
    let (code, _, err) = built.test(&["--structure", "nothere.yaml"]).await;
    assert_eq!(code, Some(1), "{err}");
    assert!(
        err.contains("nothere.yaml: there is no such file in the repository"),
        "{err}"
    );
    let (code, _, err) = built.test(&["--compat"]).await;
    assert_eq!(code, Some(2), "{err}");
}

#[tokio::test]
async fn docker_hubs_tests_run_in_the_folder_that_the_image_was_built_in() {
    let built = Built::new("echo \"a service: $*\"");
    let file = built.folder.path().join("docker-compose.test.yml");
    let text = "services:\n  sut:\n    build: .\n    entrypoint: [/bin/sh, -c]\n    command: ['read -r line < /data/words; echo \"$$line\"; exit ${CODE:-0}']\n    depends_on: [db]\n    volumes: ['./data:/data']\n  db:\n    image: ${IMAGE_NAME}\n    command: [database]\n";
    std::fs::write(&file, text).unwrap();
    std::fs::create_dir(built.folder.path().join("data")).unwrap();
    std::fs::write(built.folder.path().join("data/words"), "of this folder\n").unwrap();
    // Nobody needs to name the file.
    let (code, out, err) = built.test(&["--json"]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    let result: Value = serde_json::from_str(&out).unwrap();
    let log = result["steps"][0]["log"].as_str().unwrap();
    assert!(
        log.contains("a service: database") && log.contains("of this folder"),
        "{log}"
    );
    // It may be named, and a variable comes from the folder's own `.env`.
    std::fs::write(built.folder.path().join(".env"), "CODE=5\n").unwrap();
    let (code, out, err) = built.test(&["--compose", "docker-compose.test.yml"]).await;
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("docker-compose.test.yml: exit code 5"), "{out}{err}");
    std::fs::write(&file, "services: { sut: { build: ., privileged: true } }").unwrap();
    let (code, _, err) = built.test(&[]).await;
    assert_eq!(code, Some(1), "{err}");
    assert!(
        err.contains("docker-compose.test.yml, line 1: `privileged` of service `sut` is refused"),
        "{err}"
    );
}
