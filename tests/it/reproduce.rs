//! The line with which a check says how to see it for oneself: pasted into a shell, in the repository's folder, it ends
//! as the tests ended.

use std::path::Path;
use std::process::Command;

use hubcheck::demo::github::NewCommit;
use tempfile::TempDir;

use crate::declared::declaring;
use crate::support::house::{House, IMAGE, Shown, labelled};

/// A check, and what its line comes to.
struct Case {
    /// What the repository declares of the image.
    declared: &'static str,
    /// Files of the commit.
    files: &'static [(&'static str, &'static str)],
    /// What the image's entrypoint does.
    script: &'static str,
    /// How the line begins.
    begins: &'static str,
    /// The exit code of the step, or of `hubcheck`.
    code: i32,
}

const RUN: &str = "docker run --rm ";

const CASES: [Case; 13] = [
    Case {
        declared: "{ tests: [{ run: test }] }",
        files: &[],
        script: "exit 0",
        begins: RUN,
        code: 0,
    },
    Case {
        declared: "{ tests: [{ run: ok }, { run: [\"it's 'not' ok\"] }] }",
        files: &[],
        script: "[ \"$1\" = ok ] || exit 3",
        begins: RUN,
        code: 3,
    },
    Case {
        declared: "{ tests: [{ run: ['exit $CODE'], entrypoint: [/bin/sh, -c], env: { CODE: '7', QUOTED: \"a 'b' $c\" } }] }",
        files: &[],
        script: "exit 0",
        begins: RUN,
        code: 7,
    },
    Case {
        declared: "{ tests: [{ run: nothere, entrypoint: [''] }] }",
        files: &[],
        script: "exit 0",
        begins: RUN,
        code: 127,
    },
    Case {
        declared: "{ tests: [{ run: test }], limits: { memory: 32MiB } }",
        files: &[],
        script: "exec busybox tail /dev/zero",
        begins: RUN,
        code: 137,
    },
    Case {
        declared: "{ tests: [{ run: test }], limits: { pids: 8 } }",
        files: &[],
        script: "for i in 1 2 3 4 5 6 7 8 9; do sleep 30 & done",
        begins: RUN,
        code: 2,
    },
    Case {
        declared: "{ tests: [{ run: test }], profile: strict }",
        files: &[],
        script: "echo x > /tmp/x && touch /made || exit 9",
        begins: RUN,
        code: 9,
    },
    Case {
        declared: "{ tests: [{ run: test }] }",
        files: &[],
        script: "[ -e /sys/class/net/eth0 ] || exit 6",
        begins: RUN,
        code: 6,
    },
    Case {
        declared: "{ tests: [{ run: test, name: told }] }",
        files: &[],
        script: "echo 'TAP version 13'; echo 1..1; echo not ok 1 - told",
        begins: "hubcheck test docker.io/",
        code: 1,
    },
    Case {
        declared: "{ tests: [{ healthy: 2s }] }",
        files: &[],
        script: "exit 0",
        begins: "hubcheck test docker.io/",
        code: 1,
    },
    Case {
        declared: "{ tests: [{ compose: tests/sut.yml }] }",
        files: &[(
            "tests/sut.yml",
            "services: { sut: { build: .., entrypoint: [sh, -c, exit 5] } }",
        )],
        script: "exit 0",
        begins: "hubcheck test --compose tests/sut.yml docker.io/",
        code: 1,
    },
    Case {
        declared: "{ tests: [{ structure: it.yaml, compat: true }], profile: strict }",
        files: &[(
            "it.yaml",
            "schemaVersion: 2.0.0\ncommandTests: [{ name: x, command: echo, args: [$PATH], expectedOutput: ['[$]PATH'] }]",
        )],
        script: "exit 0",
        begins: "hubcheck test --structure it.yaml --compat --profile strict docker.io/",
        code: 1,
    },
    Case {
        declared: "{ tests: [{ structure: it.yaml }] }",
        files: &[(
            "it.yaml",
            "schemaVersion: 2.0.0\nfileExistenceTests: [{ name: x, path: /tests }]",
        )],
        script: "exit 9",
        begins: "hubcheck test --structure it.yaml docker.io/",
        code: 0,
    },
];

#[tokio::test]
async fn lines_of_docker_end_as_the_tests_ended() {
    for case in CASES.iter().filter(|case| case.begins == RUN) {
        paste(case).await;
    }
}

#[tokio::test]
async fn lines_of_hubcheck_say_what_the_check_says() {
    for case in CASES.iter().filter(|case| case.begins != RUN) {
        paste(case).await;
    }
}

/// Pushes the image, and pastes the line of its check.
async fn paste(case: &Case) {
    let house = declaring(case.declared).await;
    let new = NewCommit {
        message: "with tests",
        files: case.files,
        ..NewCommit::default()
    };
    let commit = house.github.make_commit(&house.repo, &new).unwrap();
    house.push("v1", &labelled(&commit, case.script)).await;
    let shown = house.shown(&commit, 1).await;
    let line = line_of(&shown);
    assert!(line.starts_with(case.begins), "{line}");
    let folder = repository(&house, case);
    // Docker Hub is on this machine here, under another name.
    let here = house.registry.image(IMAGE).to_string();
    let line = line.replace(&format!("docker.io/{IMAGE}"), &here);
    let bin = Path::new(env!("CARGO_BIN_EXE_hubcheck")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let pasted = Command::new("sh")
        .args(["-c", &line])
        .current_dir(folder.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let code = pasted.status.code();
    assert_eq!(code, Some(case.code), "{line}\n{pasted:?}\n{}", shown.summary());
    assert_eq!(
        code == Some(0),
        shown.conclusion().0 == "success",
        "{}",
        shown.summary()
    );
    house.close().await;
}

/// The line in the summary's last block.
fn line_of(shown: &Shown) -> String {
    let (_, after) = shown.summary().split_once("**Reproduce**").unwrap();
    let mut lines = after.lines().skip_while(|line| !line.starts_with("```"));
    lines.next().unwrap();
    lines.next().unwrap().to_owned()
}

/// The repository's folder, as somebody has it who looks into the check.
fn repository(house: &House, case: &Case) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = house.registry.image(IMAGE);
    let declared = format!("images: {{ \"{here}\": {} }}\n", case.declared);
    for (path, text) in case
        .files
        .iter()
        .copied()
        .chain([(".github/hubcheck.yml", declared.as_str())])
    {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}
