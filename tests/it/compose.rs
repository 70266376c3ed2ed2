//! Compose files by Docker Hub's convention: what each comes to, and how those end that can be run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hubcheck::config::Config;
use hubcheck::model::compose::Project;
use hubcheck::model::{Cause, ImageName, Network, Plan, StepKind};
use hubcheck::plan::{self, Chosen, Needed, Said, Sources};
use hubcheck::runner::{Beside, LocalImage, LogSink, RepositoryFile, RepositoryFiles, StepEnd, StepTask};
use tokio_util::sync::CancellationToken;

use crate::support::engine::{Bench, busybox, on_engine, plan as plan_of};

const FILE: &str = "docker-compose.test.yml";

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/compose");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    cases
}

fn name(case: &Path) -> &str {
    case.file_name().unwrap().to_str().unwrap()
}

/// The plan that a repository with these files comes to: a project, or a sentence.
fn planned(case: &Path) -> Result<Project, String> {
    let image: ImageName = "acme/app".parse().unwrap();
    let commit = "c0ffee".repeat(7)[..40].parse().unwrap();
    let tag = "v1".parse().unwrap();
    let mut sources = Sources {
        variables: plan::variables(&image, &tag, &commit, "main", "A message"),
        ..Sources::default()
    };
    loop {
        let chosen = Chosen::Compose(FILE.to_owned());
        let said = Said {
            sources: &sources,
            chosen: Some(&chosen),
            ..Said::default()
        };
        match plan::plan(&Config::defaults().docker, &image, said) {
            Ok(planned) => {
                return match planned.problem {
                    Some(why) => Err(why),
                    None => match planned.plan.steps.into_iter().next().unwrap().kind {
                        StepKind::Compose { project } => Ok(project),
                        other => panic!("{other:?}"),
                    },
                };
            }
            Err(Needed { file: Some(path), .. }) => {
                let text = fs::read_to_string(case.join(&path)).ok();
                sources.files.insert(path, text);
            }
            Err(needed) => panic!("{needed:?}"),
        }
    }
}

#[test]
fn each_file_comes_to_what_stands_beside_it() {
    let cases = cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let said = match planned(case) {
            Ok(project) => serde_json::to_string_pretty(&project).unwrap() + "\n",
            Err(why) => format!("{why}\n"),
        };
        let result = case.join("result.txt");
        if std::env::var_os("WRITE_FIXTURES").is_some() {
            fs::write(&result, &said).unwrap();
        }
        if fs::read_to_string(&result).ok().as_deref() != Some(&said) {
            wrong.push(format!("{}: {said}", name(case)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What the services see of the repository.
fn repository(case: &Path, project: &Project) -> RepositoryFiles {
    fn collect(root: &Path, path: &str, files: &mut BTreeMap<String, RepositoryFile>) {
        let place = root.join(path);
        if place.is_dir() {
            for entry in fs::read_dir(&place).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                collect(root, &format!("{path}/{name}"), files);
            }
        } else if place.is_file() {
            let file = RepositoryFile {
                bytes: fs::read(&place).unwrap().into(),
                executable: false,
            };
            files.insert(path.to_owned(), file);
        }
    }
    let mut files = BTreeMap::new();
    for path in project.repository_paths() {
        collect(case, path, &mut files);
    }
    RepositoryFiles(files)
}

#[tokio::test]
async fn those_that_can_be_run_end_as_stands_beside_them() {
    on_engine(async |bench| {
        let image = bench.pull(busybox()).await;
        let other = bench.pull(busybox()).await;
        let runs: Vec<PathBuf> = cases()
            .into_iter()
            .filter(|case| case.join("run.txt").exists())
            .collect();
        assert!(runs.len() >= 25, "{}", runs.len());
        let mut wrong = Vec::new();
        for case in runs {
            let project = planned(&case).unwrap_or_else(|why| panic!("{}: {why}", name(&case)));
            let beside = Beside {
                images: project
                    .other_images()
                    .into_iter()
                    .map(|reference| (reference.to_owned(), other.clone()))
                    .collect(),
                files: repository(&case, &project),
            };
            let mut plan = plan_of(&[]);
            plan.steps[0].kind = StepKind::Compose { project };
            let task = StepTask {
                owner: &bench.owner,
                image: &image,
                plan: &plan,
                step: &plan.steps[0],
                beside: &beside,
            };
            let never = CancellationToken::new();
            let end = bench
                .runner
                .run_step(&task, &LogSink::none(), &never)
                .await
                .unwrap();
            let StepEnd::Done(done) = end else {
                panic!("{end:?}")
            };
            let result = &done.result;
            let log = String::from_utf8_lossy(&done.log.to_bytes()).into_owned();
            let expected = fs::read_to_string(case.join("run.txt")).unwrap();
            let mut expected = expected.lines();
            let is_right = expected.next() == Some(result.cause.to_string().as_str())
                && expected.all(|line| log.lines().any(|printed| printed.ends_with(line)));
            if !is_right {
                wrong.push(format!("{}: {}\n{log}", name(&case), result.cause));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    })
    .await;
}

#[tokio::test]
async fn services_reach_each_other_and_neither_the_world_nor_the_host() {
    on_engine(async |bench| {
        let image = bench.pull(busybox()).await;
        // Whatever the host listens on for everybody.
        let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answering = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        let script = format!(
            "gateway=$(ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p'); for host in $gateway HOST; do nc -w 2 $host {port} </dev/null && echo reached $host; done; echo done"
        );
        // The address by which the host would send something into the world.
        let probe = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        let own = probe.connect("192.0.2.1:9").and_then(|()| probe.local_addr());
        let script = script.replace("HOST", &own.map_or_else(|_| String::new(), |own| own.ip().to_string()));
        for (network, reached) in [(Network::None, false), (Network::Bridge, true)] {
            let text = format!("services: {{ sut: {{ build: ., command: [sh, -c, {:?}] }} }}", script.replace('$', "$$"));
            let (cause, log) = run_text(&bench, &image, &text, network).await;
            assert_eq!(cause.to_string(), "passed", "{log}");
            assert_eq!(log.contains("reached"), reached, "{network:?}: {log}");
        }
        answering.abort();
    })
    .await;
}

#[tokio::test]
async fn a_step_that_is_cancelled_or_takes_too_long_leaves_no_service_network_or_volume() {
    on_engine(async |bench| {
        let image = bench.pull(busybox()).await;
        let text = "services:\n  sut: { build: ., depends_on: [db], command: sleep 60, volumes: ['data:/data'] }\n  db: { build: ., command: sleep 60, volumes: ['data:/data'] }\nvolumes: { data: {} }\n";
        let mut plan = plan_of(&[]);
        plan.limits.timeout = std::time::Duration::from_secs(3);
        let (cause, log) = run_plan(&bench, &image, text, plan).await;
        // On a busy machine the time is over before both are started.
        let said = cause.to_string();
        assert!(
            ["timed out after 3.0s", "the service `db` was not started within 3.0s"].contains(&said.as_str()),
            "{said}: {log}"
        );
        bench.runner.drain().await;
        assert_eq!(bench.left().await, [0, 0, 0]);

        let mut plan = plan_of(&[]);
        plan.steps[0].kind = StepKind::Compose { project: project_of(text) };
        let cancel = CancellationToken::new();
        let (end, ()) = tokio::join!(bench.end(&image, &plan, &cancel), async {
            bench.running().await;
            cancel.cancel();
        });
        assert_eq!(end, StepEnd::Cancelled);
        bench.runner.drain().await;
        assert_eq!(bench.left().await, [0, 0, 0]);
    })
    .await;
}

/// What a Compose file with this text comes to.
fn project_of(text: &str) -> Project {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), text).unwrap();
    planned(folder.path()).unwrap()
}

async fn run_text(bench: &Bench, image: &LocalImage, text: &str, network: Network) -> (Cause, String) {
    let mut plan = plan_of(&[]);
    plan.network = network;
    run_plan(bench, image, text, plan).await
}

async fn run_plan(bench: &Bench, image: &LocalImage, text: &str, mut plan: Plan) -> (Cause, String) {
    plan.steps[0].kind = StepKind::Compose {
        project: project_of(text),
    };
    bench.run(image, &plan).await
}
