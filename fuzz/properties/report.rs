//! Texts of strangers on their way to GitHub and to the pages.

use std::collections::BTreeMap;
use std::time::Duration;

use hubcheck::model::{
    Binding, Cause, Claim, CommitSha, Counts, Digest, Evidence, FailedTest, Fate, ImageFacts, ImageName,
    InstallationId, JudgedClaim, Limits, Network, Outcome, Place, Plan, Platform, Profile, Repo, RepoId,
    RunId, Source, SourcePlace, Step, StepKind, StepResult, Tag, TestResults, Verdict, Visibility,
};
use hubcheck::report::{
    Log, Previous, Sibling, Standing, Story, check_state, plain_text, shortened, status_state,
};

use super::{assert_sentence, text, text_line};

/// GitHub's bounds.
const MAX_SUMMARY: usize = 65_535;
const MAX_DESCRIPTION: usize = 140;

/// As plain as it can be: plain again it is the same, and nothing in it moves a cursor, names a link or
/// turns the direction of writing.
pub(super) fn plain_text_is_plain(input: &[u8]) {
    let written = text(input);
    let plain = plain_text(&written);
    assert_eq!(plain_text(&plain), plain);
    let acts = |char: char| (char.is_control() && char != '\n') || ('\u{202a}'..='\u{202e}').contains(&char);
    assert!(!plain.contains(acts), "{plain:?}");
    assert_eq!(
        plain.matches('\n').count(),
        written.matches('\n').count(),
        "no line is lost or made"
    );
}

/// A title, a step's name, a claim's text, and a log, wherever they can stand in a report: the report keeps
/// GitHub's bounds, its lines stay lines, and outside of code nobody is called and no markup begins.
pub(super) fn a_report_fits_and_nothing_in_it_comes_alive(input: &[u8]) {
    let (title, rest) = text_line(input);
    let (step, rest) = text_line(rest);
    let (claim, log) = text_line(rest);
    let words = Words {
        title,
        step,
        claim,
        log: text(log),
    };
    let verdict = Verdict {
        outcome: Outcome::Failed,
        title: words.title.clone(),
        steps: vec![
            StepResult {
                name: words.step.clone(),
                cause: Cause::CommandNotFound {
                    command: words.claim.clone(),
                },
                duration: Duration::from_secs(1),
                tests: TestResults::default(),
            },
            StepResult {
                name: words.title.clone(),
                cause: Cause::ExitCode { code: 1 },
                duration: Duration::from_secs(1),
                tests: tests(&words),
            },
        ],
        superseded_by: None,
    };
    let only_tests = Verdict::of_steps(verdict.steps[1..].to_vec());
    let tests_failed = Standing::Judged {
        verdict: &only_tests,
        completed_at_ms: 2_000,
        successor_url: None,
    };
    let passed = Verdict::without_steps(Outcome::Passed, words.title.clone());
    let beside_a_worse_one = Standing::Judged {
        verdict: &passed,
        completed_at_ms: 2_000,
        successor_url: None,
    };
    let judged = Standing::Judged {
        verdict: &verdict,
        completed_at_ms: 2_000,
        successor_url: None,
    };
    for standing in [
        judged,
        tests_failed,
        beside_a_worse_one,
        Standing::Retrying {
            trouble: &words.claim,
        },
        Standing::Awaiting { what: &words.claim },
        Standing::Running,
    ] {
        told(&words, standing);
    }
}

/// The page of the run beside.
const SIBLING: &str = "https://checks.example.org/runs/2";

struct Words {
    title: String,
    step: String,
    claim: String,
    log: String,
}

fn facts(words: &Words) -> ImageFacts {
    ImageFacts {
        user: words.title.clone(),
        cmd: vec![words.claim.clone(), words.log.clone()],
        ports: vec![words.step.clone()],
        ..ImageFacts::default()
    }
}

fn claim(words: &Words) -> JudgedClaim {
    JudgedClaim {
        claim: Claim {
            place: Place::OciLabel,
            source: Some(words.claim.clone()),
            revision: Some(words.title.clone()),
            problem: None,
        },
        fate: Fate::Ignored(words.step.clone()),
    }
}

fn told(words: &Words, standing: Standing<'_>) {
    let (image, digest, platform): (ImageName, _, Platform) = (
        "acme/app".parse().unwrap(),
        Digest::of(b""),
        "linux/amd64".parse().unwrap(),
    );
    let (source, plan, tags) = (source(), plan(words), ["v1".parse::<Tag>().unwrap()]);
    let claims = [claim(words)];
    let (other, worse) = (
        Digest::of(b"the other one"),
        Verdict::without_steps(Outcome::Failed, words.title.clone()),
    );
    let before = Verdict::of_steps(Vec::new());
    let story = Story {
        notes: std::slice::from_ref(&words.claim),
        mend: None,
        run: RunId::new(),
        page_url: "https://checks.example.org/runs/1",
        image: &image,
        variant: None,
        digest: Some(&digest),
        tags: &tags,
        platform: &platform,
        source: &source,
        claims: &claims,
        plan: Some(&plan),
        standing,
        siblings: &[Sibling {
            page_url: SIBLING,
            digest: &other,
            tags: &tags,
            verdict: Some(&worse),
        }],
        facts: Some(&ImageFacts::default()),
        previous: Some(Previous {
            page_url: SIBLING,
            digest: &other,
            verdict: &before,
            image: Some(&facts(words)),
        }),
        log: Log::Tail(&words.log),
        started_at_ms: 1_000,
        attempt: 1,
        is_unread: false,
    };
    let check = check_state(&story);
    for check in [shortened(&check), check] {
        assert_sentence(&check.title, 250);
        assert!(
            check.summary.len() <= MAX_SUMMARY,
            "{} bytes",
            check.summary.len()
        );
        inert(&check.summary);
    }
    let status = status_state(&story).expect("nothing took its place");
    assert_sentence(&status.description, 4 * MAX_DESCRIPTION);
    assert!(status.description.chars().count() <= MAX_DESCRIPTION);
}

/// Reads Markdown as GitHub does, as far as it matters: blocks of code, tables, spans, and what is left.
fn inert(summary: &str) {
    let mut fence: Option<&str> = None;
    for line in summary.lines() {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        let run = &line[..line.len() - line.trim_start_matches('`').len()];
        match fence {
            // A line of nothing but backticks, as many as opened the block or more.
            Some(open) if run.len() >= open.len() && run.len() == line.trim_end().len() => fence = None,
            Some(_) => {}
            None if run.len() >= 3 && !line[run.len()..].contains('`') => fence = Some(run),
            None => prose(line),
        }
    }
    assert_eq!(fence, None, "a block is left open: {summary}");
}

/// A line outside of blocks: without its spans of code, nothing in it is alive but our own marks.
fn prose(line: &str) {
    let mut rest = line;
    let mut outside = String::new();
    while let Some(start) = rest.find('`') {
        let run = rest[start..].len() - rest[start..].trim_start_matches('`').len();
        let inside = &rest[start + run..];
        let end = closing(inside, run).unwrap_or_else(|| panic!("a span is left open: {line:?}"));
        outside.push_str(&rest[..start]);
        rest = &inside[end + run..];
    }
    outside.push_str(rest);
    let outside = outside.replace("<code>", "").replace("</code>", "");
    // The one link of ours, around a digest.
    let outside = outside.replace(&format!("[]({SIBLING})"), "");
    assert!(
        !outside.contains(['<', '>', '@', '[', ']', '!', '\\']),
        "{line:?}"
    );
    if line.starts_with('|') {
        let columns = line.matches('|').count() - 1;
        assert!((2..=4).contains(&columns), "{columns} columns: {line:?}");
    }
}

/// Where the next run of exactly `run` backticks begins.
fn closing(text: &str, run: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(start) = text[at..].find('`').map(|start| at + start) {
        let length = text[start..].len() - text[start..].trim_start_matches('`').len();
        if length == run {
            return Some(start);
        }
        at = start + length;
    }
    None
}

fn source() -> Source {
    Source {
        repo: Repo {
            id: RepoId(7),
            name: "acme/app".parse().unwrap(),
            visibility: Visibility::Public,
            default_branch: "main".to_owned(),
            installation: InstallationId(42),
        },
        commit: "a".repeat(40).parse::<CommitSha>().unwrap(),
        evidence: Evidence::Claimed,
        binding: Binding::Operator,
    }
}

/// Tests that failed with these words wherever words can stand.
fn tests(words: &Words) -> TestResults {
    let place = Some(SourcePlace {
        path: words.claim.clone(),
        line: 7,
    });
    let failed = FailedTest {
        name: words.title.clone(),
        message: words.claim.clone(),
        detail: words.log.clone(),
        place: place.clone(),
        source: place.clone(),
    };
    TestResults {
        counts: Counts {
            passed: 1,
            failed: 60,
            skipped: 0,
        },
        failures: vec![failed; 60],
        remarks: Vec::new(),
        problems: vec![words.step.clone()],
    }
}

fn plan(words: &Words) -> Plan {
    Plan {
        steps: vec![Step {
            name: words.step.clone(),
            kind: StepKind::Run {
                args: vec![words.title.clone(), words.claim.clone()],
                entrypoint: Some(vec![words.step.clone()]),
                env: BTreeMap::new(),
            },
            timeout: None,
            reports: Vec::new(),
        }],
        profile: Profile::Compatible,
        network: Network::None,
        limits: Limits {
            timeout: Duration::from_mins(1),
            idle_timeout: Duration::from_secs(30),
            memory_bytes: 64 << 20,
            nano_cpus: 1_000_000_000,
            pids: 64,
            disk_bytes: 64 << 20,
        },
    }
}
