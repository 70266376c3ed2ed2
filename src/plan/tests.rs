use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;
use crate::config::Config;

#[test]
fn processors_are_counted_in_billionths() {
    assert_eq!(nano_cpus(2.0), 2_000_000_000);
    assert_eq!(nano_cpus(0.5), 500_000_000);
}

/// A repository with files under names that nobody looks for.
fn repository() -> Sources {
    let compose = "services: { sut: { build: ., command: [check] } }".to_owned();
    Sources {
        root: Some(vec!["Dockerfile".to_owned()]),
        files: [
            ("tests/compose.yml".to_owned(), Some(compose)),
            ("tests/structure.yaml".to_owned(), Some(structure("2.0.0"))),
            ("tests/old.yaml".to_owned(), Some(structure("1.0.0"))),
            ("nothere.yml".to_owned(), None),
        ]
        .into(),
        ..Sources::default()
    }
}

fn structure(version: &str) -> String {
    format!("schemaVersion: {version}\ncommandTests:\n  - {{ name: there, command: $HOME/app }}\n")
}

/// What a file comes to for `docker.io/acme/app`, under the defaults of the configuration.
fn outcome(text: &str) -> String {
    let file = match File::parse(text) {
        Ok(file) => file,
        Err(error) => return error.to_string(),
    };
    let image = "acme/app".parse().unwrap();
    let Some(declared) = file.of(&image) else {
        return "says nothing of docker.io/acme/app".to_owned();
    };
    let docker = Config::defaults().docker;
    let said = Said {
        on_default: Some(&file),
        at_commit: Some(&file),
        sources: &repository(),
        ..Said::default()
    };
    let tag = |name: &str| name.parse().unwrap();
    let about = |declared: &Declaration, name: &str| {
        json!({
            "declined": declared.declines(&tag(name)),
            "ref": declared.reference(&tag(name)),
            "require": declared.require(&tag(name)),
            "variant": declared.variant(&tag(name)),
        })
    };
    // Those of which the file says something.
    let tags = ["latest", "1.2.3", "v1", "pr-7", "1.2-alpine", "buildcache"]
        .into_iter()
        .map(|name| (name.to_owned(), about(declared, name)))
        .filter(|(name, told)| *told != about(&Declaration::default(), name));
    let planned = plan(&docker, &image, said).unwrap();
    let shown = json!({
        "tags": tags.collect::<serde_json::Map<_, _>>(),
        "platforms": declared.platforms(),
        "when_unsure": declared.when_unsure(),
        "report": declared.report(),
        "publish_private_logs": declared.publishes_private_logs(),
        "plan": planned.plan,
        "problem": planned.problem,
        "notes": planned.notes,
    });
    serde_json::to_string_pretty(&shown).unwrap()
}

/// Each `*.yml` of `fixtures/hubcheck-yml` with what it comes to beside it: the plan, or the exact message.
#[test]
fn each_file_comes_to_what_stands_beside_it() {
    let mut wrong = Vec::new();
    let files = fixtures();
    for (name, text) in &files {
        let expected = fs::read_to_string(folder().join(format!("{name}.txt"))).unwrap_or_default();
        let found = outcome(text);
        if found.trim_end() != expected.trim_end() {
            if std::env::var_os("WRITE_FIXTURES").is_some() {
                fs::write(folder().join(format!("{name}.txt")), format!("{found}\n")).unwrap();
            }
            wrong.push(format!("{name}:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(files.len() >= 60);
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hubcheck-yml")
}

/// Names and texts.
fn fixtures() -> Vec<(String, String)> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|end| end == "yml"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// What no schema can say: what is in a name or a number with its unit, and what stands twice.
const BEYOND_THE_SCHEMA: &[&str] = &[
    "bad-compat-beside-run",
    "bad-compose-absolute",
    "bad-compose-outside",
    "bad-entrypoint-beside-healthy",
    "bad-env-beside-compose",
    "bad-env-name",
    "bad-everything",
    "bad-expect-branch",
    "bad-expect-namespace",
    "bad-expect-too-long",
    "bad-expect-zero",
    "bad-image-in-capitals",
    "bad-image-twice",
    "bad-image-with-tag",
    "bad-library-image",
    "bad-library-namespace",
    "bad-memory-too-little",
    "bad-memory-unit",
    "bad-name-empty",
    "bad-name-twice",
    "bad-part-of-a-name",
    "bad-platform",
    "bad-refs-impossible-ref",
    "bad-refs-no-ref",
    "bad-refs-star-too-many",
    "bad-reports-beside-structure",
    "bad-reports-no-folder",
    "bad-reports-relative",
    "bad-run-quote",
    "bad-step-without-run",
    "bad-tag-pattern",
    "bad-timeout",
    "bad-timeout-zero",
    "bad-two-kinds-of-test",
    "bad-variant-name",
    "bad-whole-registry",
];

#[test]
fn the_published_schema_agrees_with_the_parser() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("hubcheck.schema.json");
    let made = serde_json::to_string_pretty(&File::schema()).unwrap() + "\n";
    if std::env::var_os("WRITE_FIXTURES").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        made,
        "WRITE_FIXTURES=1 writes it anew"
    );
    let mut beyond = Vec::new();
    let schema = jsonschema::validator_for(&File::schema()).unwrap();
    for (name, text) in fixtures() {
        let Ok(value) = serde_saphyr::from_str::<serde_json::Value>(&text) else {
            continue;
        };
        let parses = File::parse(&text).is_ok();
        if schema.is_valid(&value) != parses {
            beyond.push(name);
        }
    }
    beyond.sort_unstable();
    assert_eq!(beyond, BEYOND_THE_SCHEMA);
}

fn file(text: &str) -> File {
    File::parse(text).unwrap()
}

fn planned(docker: &Docker, on_default: &str, at_commit: &str, of_fork: bool) -> Planned {
    let (on_default, at_commit) = (file(on_default), file(at_commit));
    let said = Said {
        on_default: Some(&on_default),
        at_commit: Some(&at_commit),
        of_fork,
        sources: &repository(),
        ..Said::default()
    };
    plan(docker, &"acme/app".parse().unwrap(), said).unwrap()
}

fn names(planned: &Planned) -> Vec<&str> {
    planned.plan.steps.iter().map(|step| step.name.as_str()).collect()
}

#[test]
fn tests_are_those_of_the_commit_and_all_else_of_the_default_branch() {
    let docker = Config::defaults().docker;
    let on_default = "images:\n  acme/app: { limits: { pids: 64 }, tests: [{ run: old }] }";
    let at_commit = "images:\n  acme/app: { profile: compatible, network: bridge, limits: { pids: 500 }, tests: [{ run: new }] }\n  evil/x: {}";
    let planned_here = planned(&docker, on_default, at_commit, false);
    assert_eq!(names(&planned_here), ["new"]);
    assert_eq!(
        (planned_here.plan.network, planned_here.plan.limits.pids),
        (Network::None, 64)
    );
    assert_eq!(
        planned_here.notes,
        [
            ".github/hubcheck.yml at this commit declares `docker.io/evil/x` and differs in `profile`, `limits`, `network`: that is read on the default branch alone, and has no effect here"
        ]
    );
    // A commit whose file names other images alone has its tests from the default branch; one whose file names the
    // image without tests has those that are discovered.
    for (at_commit, steps) in [
        ("images:\n  acme/other:", ["old"]),
        ("images:\n  acme/app:", ["test"]),
    ] {
        assert_eq!(names(&planned(&docker, on_default, at_commit, false)), steps);
    }
}

#[test]
fn what_the_operator_holds_tightly_no_repository_loosens() {
    let mut docker = Config::defaults().docker;
    docker.profile = Profile::Strict;
    docker.network = false;
    let wish = "images:\n  acme/app: { profile: compatible, network: bridge }";
    let planned = planned(&docker, wish, wish, false);
    assert_eq!(
        (planned.plan.profile, planned.plan.network),
        (Profile::Strict, Network::None)
    );
    assert_eq!(planned.notes.len(), 2, "{:?}", planned.notes);
}

#[test]
fn a_forks_commit_is_held_tightly() {
    let docker = Config::defaults().docker;
    let wish = "images:\n  acme/app: { profile: compatible }";
    let planned = planned(&docker, wish, wish, true);
    assert_eq!(planned.plan.profile, Profile::Strict);
    assert!(planned.notes[0].contains("fork"), "{:?}", planned.notes);
}
