//! The table of verdicts, row by row, and stories that want more room than there is.

mod siblings;

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::model::{
    Binding, Cause, Claim, Evidence, Fate, InstallationId, Limits, Network, Place, Profile, Repo, RepoId,
    Step, StepKind, StepResult, TestResults, Visibility,
};

const PAGE: &str = "https://checks.example.org/runs/1";

/// What a story is told about, owned.
struct Scene {
    image: ImageName,
    digest: Digest,
    tags: Vec<Tag>,
    platform: Platform,
    source: Source,
    claims: Vec<JudgedClaim>,
    plan: Plan,
}

impl Scene {
    fn new() -> Self {
        Self {
            image: "acme/app".parse().unwrap(),
            digest: format!("sha256:{}", "ab".repeat(32)).parse().unwrap(),
            tags: vec!["v1".parse().unwrap(), "latest".parse().unwrap()],
            platform: "linux/amd64".parse().unwrap(),
            source: Source {
                repo: Repo {
                    id: RepoId(1),
                    name: "acme/app".parse().unwrap(),
                    visibility: Visibility::Public,
                    default_branch: "main".to_owned(),
                    installation: InstallationId(1),
                },
                commit: "c0ffee00".repeat(5).parse().unwrap(),
                evidence: Evidence::Claimed,
                binding: Binding::Operator,
            },
            claims: vec![claim("https://github.com/acme/app", Fate::Taken)],
            plan: Plan {
                steps: vec![step("test", &["test"])],
                profile: Profile::Compatible,
                network: Network::None,
                limits: Limits {
                    timeout: Duration::from_mins(15),
                    idle_timeout: Duration::from_mins(5),
                    memory_bytes: 2 << 30,
                    nano_cpus: 2_000_000_000,
                    pids: 512,
                    disk_bytes: 5 << 30,
                },
            },
        }
    }

    fn story<'a>(&'a self, standing: Standing<'a>) -> Story<'a> {
        Story {
            notes: &[],
            mend: None,
            run: RunId::new(),
            page_url: PAGE,
            image: &self.image,
            variant: None,
            digest: Some(&self.digest),
            tags: &self.tags,
            platform: &self.platform,
            source: &self.source,
            claims: &self.claims,
            plan: Some(&self.plan),
            standing,
            siblings: &[],
            facts: None,
            previous: None,
            log: Log::Tail("1 of 2 passed\n@octocat broke it\n"),
            started_at_ms: 1_000,
            attempt: 1,
            is_unread: false,
        }
    }
}

fn claim(source: &str, fate: Fate) -> JudgedClaim {
    JudgedClaim {
        claim: Claim {
            place: Place::OciLabel,
            source: Some(source.to_owned()),
            revision: Some("c0ffee00".repeat(5)),
            problem: None,
        },
        fate,
    }
}

fn step(name: &str, args: &[&str]) -> Step {
    Step {
        name: name.to_owned(),
        kind: StepKind::Run {
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            entrypoint: None,
            env: BTreeMap::new(),
        },
        timeout: None,
        reports: Vec::new(),
    }
}

fn ended(cause: Cause) -> Verdict {
    Verdict::of_steps(vec![StepResult {
        name: "test".to_owned(),
        cause,
        duration: Duration::from_secs(12),
        tests: TestResults::default(),
    }])
}

fn judged(verdict: &Verdict) -> Standing<'_> {
    Standing::Judged {
        verdict,
        completed_at_ms: 13_000,
        successor_url: None,
    }
}

/// Opened and closed in turn, with nothing left open.
fn fences_are_closed(markdown: &str) -> bool {
    let mut open: Option<usize> = None;
    for line in markdown.lines() {
        let run = line.len() - line.trim_start_matches('`').len();
        open = match open {
            None if run >= 3 => Some(run),
            Some(fence) if run >= fence && line.len() == run => None,
            as_before => as_before,
        };
    }
    open.is_none()
}

/// Is `verdict` shown as `conclusion` and `status`, with a line that starts with `title`?
fn assert_shown_as(verdict: &Verdict, conclusion: Conclusion, status: StatusValue, title: &str) {
    let scene = Scene::new();
    let story = scene.story(judged(verdict));
    let check = check_state(&story);
    assert_eq!(check.progress, Progress::Completed(conclusion), "{title}");
    assert!(check.title.starts_with(title), "{}", check.title);
    assert_eq!(
        (check.name.as_str(), check.details_url.as_str()),
        ("hubcheck / acme/app", PAGE)
    );
    assert_eq!(
        (check.started_at_ms, check.completed_at_ms),
        (1_000, Some(13_000))
    );
    assert_eq!(check.external_id, story.run);
    for said in [
        "**Evidence**",
        "**claimed**",
        "**Binding**",
        "**operator**",
        "`docker.io/acme/app@sha256:abab",
    ] {
        assert!(check.summary.contains(said), "{said}: {}", check.summary);
    }
    assert!(fences_are_closed(&check.summary));

    let shown = status_state(&story).unwrap();
    assert_eq!(
        (shown.context.as_str(), shown.target_url.as_str()),
        ("hubcheck/acme/app", PAGE)
    );
    assert_eq!(shown.state, status, "{title}");
    assert!(shown.description.starts_with(title) && shown.description.chars().count() <= 140);
    assert!(
        shown.description.ends_with("(evidence: claimed)"),
        "{}",
        shown.description
    );
}

#[test]
fn what_the_tests_say_is_green_or_red() {
    let (after, limit_bytes) = (Duration::from_mins(15), 2 << 30);
    for (cause, conclusion, title) in [
        (
            Cause::ExitCode { code: 3 },
            Conclusion::Failure,
            "test: exit code 3",
        ),
        (
            Cause::NeedsNetwork { code: 1 },
            Conclusion::Failure,
            "test: exit code 1: needs the network",
        ),
        (
            Cause::OutOfMemory { limit_bytes },
            Conclusion::Failure,
            "test: out of memory (limit 2 GiB)",
        ),
        (
            Cause::TooMuchOutput { limit_bytes },
            Conclusion::Failure,
            "test: printed too much (limit 2 GiB)",
        ),
        (
            Cause::DiskFull { limit_bytes },
            Conclusion::Failure,
            "test: wrote too much to disk (limit 2 GiB)",
        ),
        (
            Cause::TimedOut { after },
            Conclusion::TimedOut,
            "test: timed out after 15m",
        ),
        (
            Cause::Silent { after },
            Conclusion::TimedOut,
            "test: no output for 15m",
        ),
    ] {
        assert_shown_as(&ended(cause), conclusion, StatusValue::Failure, title);
    }
    assert_shown_as(
        &ended(Cause::Passed),
        Conclusion::Success,
        StatusValue::Success,
        "1 passed in 12s",
    );
}

#[test]
fn where_the_tests_say_nothing_the_check_is_never_green() {
    let act_now = Conclusion::ActionRequired;
    for cause in [Cause::ExecFormat, Cause::ShellTestBuiltin] {
        assert_shown_as(&ended(cause), act_now, StatusValue::Error, "test: no");
    }
    for (outcome, conclusion, title) in [
        (
            Outcome::ActionRequired,
            act_now,
            "evidence inferred is weaker than claimed",
        ),
        (
            Outcome::ActionRequired,
            act_now,
            "cannot pull: credentials missing",
        ),
        (
            Outcome::Trouble,
            Conclusion::TimedOut,
            "the registry could not be reached for 1h",
        ),
        (
            Outcome::Cancelled,
            Conclusion::Cancelled,
            "cancelled by the operator",
        ),
    ] {
        let verdict = Verdict::without_steps(outcome, title);
        assert_shown_as(&verdict, conclusion, StatusValue::Error, title);
    }
}

#[test]
fn before_the_verdict_a_check_says_what_it_waits_for() {
    let scene = Scene::new();
    let trouble = "the registry does not answer";
    for (standing, progress, title) in [
        (Standing::Queued, Progress::Queued, "Waiting for its turn"),
        (
            Standing::Running,
            Progress::InProgress,
            "Testing sha256:abababababab",
        ),
        (
            Standing::Retrying { trouble },
            Progress::InProgress,
            "Trying again: the registry does not answer",
        ),
        (
            Standing::Awaiting { what: "a signature" },
            Progress::InProgress,
            "Waiting: a signature",
        ),
    ] {
        let check = check_state(&scene.story(standing));
        assert_eq!((check.progress, check.title.as_str()), (progress, title));
        assert_eq!(check.completed_at_ms, None);
        assert!(
            !check.summary.contains("octocat"),
            "a log is shown once it is whole"
        );
        let status = status_state(&scene.story(standing)).unwrap();
        assert_eq!(
            (status.state, status.description.as_str()),
            (StatusValue::Pending, title)
        );
    }
}

#[test]
fn a_superseded_run_leads_to_its_successor_and_leaves_it_the_status() {
    let verdict = Verdict {
        superseded_by: Some(RunId::new()),
        ..Verdict::without_steps(Outcome::Cancelled, "superseded by a newer push of v1")
    };
    let scene = Scene::new();
    let story = scene.story(Standing::Judged {
        verdict: &verdict,
        completed_at_ms: 13_000,
        successor_url: Some("https://checks.example.org/runs/2"),
    });
    let check = check_state(&story);
    assert_eq!(check.progress, Progress::Completed(Conclusion::Cancelled));
    assert!(
        check.summary.contains("(https://checks.example.org/runs/2)"),
        "{}",
        check.summary
    );
    assert_eq!(status_state(&story), None);
}

#[test]
fn the_summary_names_the_failure_shows_the_log_and_how_to_repeat_it() {
    let mut scene = Scene::new();
    scene.plan.steps = vec![step("unit", &["test"]), step("api", &["npm", "run", "api test"])];
    let StepKind::Run { entrypoint, env, .. } = &mut scene.plan.steps[1].kind else {
        panic!("another step");
    };
    *entrypoint = Some(vec!["sh".to_owned(), "-c".to_owned()]);
    env.insert("NPM_TOKEN".to_owned(), "hunter2".to_owned());
    let result = |name: &str, cause| StepResult {
        name: name.to_owned(),
        cause,
        duration: Duration::from_secs(4),
        tests: TestResults::default(),
    };
    let verdict = Verdict::of_steps(vec![
        result("unit", Cause::Passed),
        result("api", Cause::ExitCode { code: 3 }),
    ]);
    let summary = check_state(&Story {
        attempt: 2,
        ..scene.story(judged(&verdict))
    })
    .summary;
    let digest = "ab".repeat(32);
    for said in [
        "**Failed**: api&#58; exit code 3, 1 passed",
        "attempt 2",
        "| Limits | 15m and 2 GiB for each step |",
        "| <code>unit</code> | passed | 4.0s |",
        "**First failure**: `api`: exit code 3",
        "```text\n1 of 2 passed\n@octocat broke it\n```",
        "docker run --rm --init --platform linux/amd64 --network none --memory 2g --memory-swap 2g --cpus 2 \
         --pids-limit 512 --security-opt no-new-privileges:true --cap-drop ALL --cap-add CHOWN",
        &format!(
            "--env NPM_TOKEN --entrypoint sh docker.io/acme/app@sha256:{digest} -c npm run 'api test'\n"
        ),
        "| OCI label | <code>https&#58;//github&#46;com/acme/app</code> |",
    ] {
        assert!(summary.contains(said), "{said}\n\n{summary}");
    }
    assert!(!summary.contains("hunter2"));
}

#[test]
fn a_withheld_log_is_not_shown() {
    let scene = Scene::new();
    let verdict = ended(Cause::ExitCode { code: 1 });
    let check = check_state(&Story {
        log: Log::Withheld,
        ..scene.story(judged(&verdict))
    });
    assert!(
        check.summary.contains("The log is not shown"),
        "{}",
        check.summary
    );
    let check = check_state(&Story {
        log: Log::Empty,
        ..scene.story(judged(&verdict))
    });
    assert!(!check.summary.contains("**Log**"));
}

#[test]
fn variants_have_names_of_their_own() {
    let image: ImageName = "ghcr.io/acme/app".parse().unwrap();
    assert_eq!(
        check_name(&image, Some("alpine")),
        "hubcheck / ghcr.io/acme/app (alpine)"
    );
    assert_eq!(
        status_context(&image, Some("linux/arm64")),
        "hubcheck/ghcr.io/acme/app (linux/arm64)"
    );
}

#[test]
fn whatever_the_image_says_the_verdict_lands_within_the_bounds() {
    let mut scene = Scene::new();
    let hostile = "`|<@octocat>\u{202e}#1\u{1b}[31m".repeat(400);
    scene.tags = (0..500)
        .map(|n| format!("{}{n}", "_".repeat(120)).parse().unwrap())
        .collect();
    scene.claims = (0..500)
        .map(|_| claim(&hostile, Fate::Ignored(hostile.clone())))
        .collect();
    scene.plan.steps = (0..500)
        .map(|n| step(&format!("{hostile}{n}"), &[&hostile]))
        .collect();
    let results = scene.plan.steps.iter().map(|step| StepResult {
        name: step.name.clone(),
        cause: Cause::CommandNotFound {
            command: hostile.clone(),
        },
        duration: Duration::from_secs(1),
        tests: TestResults::default(),
    });
    let mut verdict = Verdict::of_steps(results.collect());
    verdict.title.clone_from(&hostile);
    for log in [
        "`".repeat(200_000),
        "x\n".repeat(200_000),
        "```\n".repeat(90),
        hostile.repeat(10),
    ] {
        let story = Story {
            log: Log::Tail(&log),
            ..scene.story(judged(&verdict))
        };
        let check = check_state(&story);
        assert!(check.summary.len() <= 65_535, "{}", check.summary.len());
        assert!(check.summary.starts_with("**Action required**: "));
        assert!(check.summary.contains("**Evidence**"));
        assert!(fences_are_closed(&check.summary));
        assert!(check.title.len() <= 250 && !check.title.contains('\u{1b}'));
        assert!(status_state(&story).unwrap().description.chars().count() <= 140);
    }
}
