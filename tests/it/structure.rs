//! container-structure-test files: what each comes to, and what each assertion of those that can be judged does.

use std::fs;
use std::path::{Path, PathBuf};

use hubcheck::config::Config;
use hubcheck::demo::images::{ImageBuilder, Layer, LayerBuilder};
use hubcheck::model::structure::{Judged, Suite};
use hubcheck::model::{Cause, ImageName, Network, Plan, Profile, StepKind};
use hubcheck::plan::{self, Chosen, Planned, Said, Sources};
use hubcheck::runner::{LocalImage, StepEnd};
use tar::{EntryType, Header};
use tokio_util::sync::CancellationToken;

use crate::support::engine::{Bench, busybox, on_engine, plan as plan_of};

/// The files whose names begin so.
fn files(start: &[&str]) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/structure");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| start.iter().any(|start| name(path).starts_with(start)))
        .filter(|path| path.extension().is_some_and(|end| end != "txt"))
        .collect();
    files.sort();
    files
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// What a repository with this file comes to.
fn planned(file: &str, text: &str) -> Planned {
    let image: ImageName = "acme/app".parse().unwrap();
    let mut sources = Sources::default();
    sources.files.insert(file.to_owned(), Some(text.to_owned()));
    let chosen = Chosen::Structure {
        files: vec![file.to_owned()],
        compat: file.starts_with("compat"),
    };
    let said = Said {
        sources: &sources,
        chosen: Some(&chosen),
        ..Said::default()
    };
    plan::plan(&Config::defaults().docker, &image, said).unwrap()
}

fn suite(file: &str, text: &str) -> Suite {
    let Planned { plan, problem, .. } = planned(file, text);
    let step = plan.steps.into_iter().next();
    match step.map(|step| step.kind) {
        Some(StepKind::Structure { suite }) => suite,
        other => panic!("{file}: {problem:?}, {other:?}"),
    }
}

/// Something of everything that can lie in an image.
fn layer() -> Layer {
    let header = |kind: EntryType, mode: u32, (uid, gid): (u64, u64)| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(uid);
        header.set_gid(gid);
        header.set_mtime(0);
        header
    };
    let mut hard = header(EntryType::Link, 0o755, (0, 0));
    hard.set_link_name("app/run.sh").unwrap();
    let mut device = header(EntryType::Char, 0o666, (0, 0));
    device.set_device_major(1).unwrap();
    device.set_device_minor(3).unwrap();
    LayerBuilder::default()
        .file("/etc/app.conf", 0o644, "listen 8080\nname=acme\n")
        .file(
            "/etc/passwd",
            0o644,
            "root:x:0:0::/:/bin/sh\napp:x:1000:1001::/app:/bin/sh\n",
        )
        .file("/etc/group", 0o644, "root:x:0:\napp:x:1001:\n")
        .file("/app/run.sh", 0o755, "#!/bin/sh\necho it runs\n")
        .file("/app/owner-only", 0o700, "#!/bin/sh\n")
        .file("/app/suid", 0o4755, "x")
        .file("/app/sgid", 0o2755, "x")
        .file("/app/empty", 0o644, "")
        .file("/app/bytes", 0o644, &b"start \xff\xfe end"[..])
        .link("/app/link", "/etc/app.conf")
        .link("/app/relative", "../etc/app.conf")
        .link("/app/dangling", "/nowhere")
        .link("/app/folder-link", "/etc")
        .other(
            "/app/secret",
            header(EntryType::Regular, 0o600, (1000, 1001)),
            "for the owner",
        )
        .other("/app/pipe", header(EntryType::Fifo, 0o644, (0, 0)), "")
        .other("/app/device", device, "")
        .other("/app/same-as-run.sh", hard, "")
        .other("/var/tmp", header(EntryType::Directory, 0o1777, (0, 0)), "")
        .other("/tmp", header(EntryType::Directory, 0o1777, (0, 0)), "")
        .file("/licenses/good", 0o644, "The MIT License")
        .file("/licenses/bad", 0o644, "under the agpl, version 3")
        .file("/usr/share/doc/one/copyright", 0o644, "MIT")
        .file("/usr/share/doc/two/README", 0o644, "AGPL is only named here")
        .link("/usr/share/doc/two/copyright", "../one/copyright")
        .file("/usr/share/doc/libgnutls30/copyright", 0o644, "not AGPL")
        .link("/usr/share/doc/linked", "one")
        .build()
}

/// An image with something of everything.
fn image() -> ImageBuilder {
    busybox()
        .layer(layer())
        .env("PATH", "/usr/bin:/bin")
        .env("HOME_DIR", "/app")
        .env("GREETING", "hello world")
        .env("EMPTY", "")
        .label("version", "1.2.3")
        .label("nothing", "")
        .entrypoint(&["/bin/echo", "entry"])
        .cmd(&["serve", "--port"])
        .working_dir("/app")
        .user("root")
        .exposed_ports(&["8080/tcp", "53/udp"])
        .volume("/data")
}

/// Judges a suite: what came of each assertion, of the whole, and what was printed.
async fn judge(bench: &Bench, image: &LocalImage, suite: Suite, plan: Plan) -> (Vec<Judged>, Cause, String) {
    let mut plan = plan;
    plan.steps[0].kind = StepKind::Structure { suite };
    match bench.end(image, &plan, &CancellationToken::new()).await {
        StepEnd::Done(done) => {
            let log = String::from_utf8_lossy(&done.log.to_bytes()).into_owned();
            (done.assertions, done.result.cause, log)
        }
        StepEnd::Cancelled => panic!("nobody cancelled it"),
    }
}

#[tokio::test]
async fn every_assertion_comes_to_what_its_name_says() {
    on_engine(async |bench| {
        let image = bench.pull(image()).await;
        let mut wrong = Vec::new();
        let mut count = 0;
        for path in files(&[
            "commands.",
            "global",
            "compat",
            "run-options",
            "existence",
            "content",
            "json",
        ]) {
            let suite = suite(name(&path), &fs::read_to_string(&path).unwrap());
            let (judged, ..) = judge(&bench, &image, suite, plan_of(&[])).await;
            count += judged.len();
            for assertion in judged {
                let expected = assertion.name.split(": ").nth(1).unwrap();
                let holds = assertion.errors.is_empty();
                if !expected.starts_with(if holds { "holds" } else { "fails" }) {
                    wrong.push(format!("{}: {assertion:#?}", name(&path)));
                }
            }
        }
        for path in files(&["metadata", "licenses", "commands-without"]) {
            let suite = suite(name(&path), &fs::read_to_string(&path).unwrap());
            let (judged, cause, _) = judge(&bench, &image, suite, plan_of(&[])).await;
            count += judged.len();
            let all_hold = judged.iter().all(|judged| judged.errors.is_empty());
            let none_holds = judged.iter().all(|judged| !judged.errors.is_empty());
            let is_right = if name(&path).contains("holds") || name(&path).contains("hold.") {
                all_hold && cause == Cause::Passed
            } else {
                none_holds
            };
            if !is_right {
                wrong.push(format!("{}: {judged:#?}", name(&path)));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(count >= 120, "{count} assertions");
        bench.runner.drain().await;
        assert_eq!(bench.left().await, [0, 0, 0]);
        assert_eq!(bench.made_images().await, 0);
    })
    .await;
}

#[test]
fn files_that_cannot_be_judged_say_why_and_where() {
    let mut wrong = Vec::new();
    let refused = files(&["refused"]);
    assert!(refused.len() >= 15);
    for path in refused {
        let planned = planned(name(&path), &fs::read_to_string(&path).unwrap());
        let said = planned.problem.unwrap_or_else(|| "it is taken".to_owned()) + "\n";
        let result = path.with_extension("txt");
        if std::env::var_os("WRITE_FIXTURES").is_some() {
            fs::write(&result, &said).unwrap();
        }
        if fs::read_to_string(&result).ok().as_deref() != Some(&said) {
            wrong.push(said);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_dollar_that_stays_is_told_where_it_may_surprise() {
    let text = |command: &str| format!("schemaVersion: 2.0.0\ncommandTests:\n  - {{ name: x, {command} }}\n");
    let notes = |command: &str| planned("a.yaml", &text(command)).notes;
    assert_eq!(
        notes("command: $JAVA_HOME/bin/java"),
        [
            "a.yaml, line 3: a `$` in a command stays as it is written; with `compat: true` it is replaced as \
          container-structure-test does"
        ]
    );
    assert_eq!(notes("command: echo, args: [$HOME]").len(), 1);
    assert!(notes("command: /bin/bash, args: [-c, 'echo $HOME']").is_empty());
    let compat = text("command: $JAVA_HOME/bin/java");
    assert!(planned("compat.yaml", &compat).notes.is_empty());
}

#[tokio::test]
async fn what_is_printed_reads_like_the_original() {
    on_engine(async |bench| {
        let image = bench.pull(image()).await;
        let text = "schemaVersion: 2.0.0\ncommandTests:\n  - { name: greets, command: echo, args: [hi], expectedOutput: [hello] }\n  - { name: is missing, command: nosuch }\nfileExistenceTests:\n  - { name: root, path: / }\n";
        let (_, cause, log) = judge(&bench, &image, suite("a.yaml", text), plan_of(&[])).await;
        assert_eq!(cause.to_string(), "2 failed, 1 passed");
        for line in [
            "=== RUN: Command Test: is missing\n--- FAIL",
            "Error: `nosuch` is not in the image",
            "Test file: a.yaml",
            "=== RUN: Command Test: greets\n--- FAIL",
            "Error: `hello` is not in the output: `hi`",
            "stdout: hi",
            "=== RUN: File Existence Test: root\n--- PASS",
            "Passes:      1\nFailures:    2\nTotal tests: 3\n\nFAIL\n",
        ] {
            assert!(log.contains(line), "{line} in {log}");
        }
    })
    .await;
}

#[tokio::test]
async fn commands_are_held_like_any_step_and_a_limit_is_told() {
    on_engine(async |bench| {
        let image = bench.pull(image()).await;
        let text = "schemaVersion: 2.0.0\ncommandTests:\n  - { name: quick, command: 'true' }\n  - { name: hangs, command: sleep, args: ['600'] }\n";
        let mut plan = plan_of(&[]);
        plan.limits.timeout = std::time::Duration::from_secs(3);
        let (judged, cause, log) = judge(&bench, &image, suite("a.yaml", text), plan).await;
        assert_eq!(cause.to_string(), "timed out after 3.0s", "{log}");
        assert_eq!(judged[1].errors, ["timed out after 3.0s"]);

        let text = "schemaVersion: 2.0.0\ncommandTests:\n  - { name: writes, command: touch, args: [/etc/x] }\n  - { name: looks up, command: wget, args: ['http://example.invalid/'] }\n";
        let mut plan = plan_of(&[]);
        plan.profile = Profile::Strict;
        plan.network = Network::None;
        let (judged, ..) = judge(&bench, &image, suite("a.yaml", text), plan).await;
        assert!(judged[0].stderr.contains("Read-only file system"), "{judged:#?}");
        let why = judged[1].errors.last().unwrap();
        assert!(why.contains("needs the network: set `network: bridge`"), "{judged:#?}");
    })
    .await;
}

#[tokio::test]
async fn the_configuration_is_judged_of_an_image_that_is_not_on_the_engine() {
    on_engine(async |bench| {
        let here = bench.pull(image()).await;
        let nowhere = LocalImage {
            id: format!("sha256:{}", "0".repeat(64)),
            ..here
        };
        let text = "schemaVersion: 2.0.0\nmetadataTest: { workdir: /app, user: root }\n";
        let (_, cause, log) = judge(&bench, &nowhere, suite("a.yaml", text), plan_of(&[])).await;
        assert_eq!(cause, Cause::Passed, "{log}");
    })
    .await;
}

#[tokio::test]
async fn an_image_that_a_crash_left_behind_is_reaped_and_nobody_elses_is() {
    on_engine(async |bench| {
        let image = bench.pull(image()).await;
        let container = bench.leave_container(&image, bench.instance, &bench.owner).await;
        bench.commit(&container).await;
        bench.remove(&container).await;
        assert_eq!(bench.made_images().await, 1);
        let reaped = bench.runner.reap(|_, _| true).await.unwrap();
        assert_eq!(reaped.images, 0, "its attempt is alive");
        bench.runner.remove_run(bench.owner.run).await.unwrap();
        assert_eq!(bench.made_images().await, 0);
        assert!(bench.runner.local_image(&image.id).await.unwrap().is_some());
    })
    .await;
}
