//! Several digests of one image on one commit: the worst counts.

use super::*;
use crate::model::Verdict;
use crate::report::outcome_in_words;

/// How GitHub shows a digest with this verdict, beside another one.
fn shown(own: &Verdict, other: Option<&Verdict>) -> (CheckState, StatusState) {
    let scene = Scene::new();
    let digest = Digest::of(b"the other one");
    let tags = ["v2-alpine".parse().unwrap()];
    let siblings = [Sibling {
        page_url: "https://checks.example.org/runs/2",
        digest: &digest,
        tags: &tags,
        verdict: other,
    }];
    let story = Story {
        siblings: &siblings,
        ..scene.story(judged(own))
    };
    (check_state(&story), status_state(&story).unwrap())
}

fn verdict(outcome: Outcome) -> Verdict {
    Verdict::without_steps(outcome, format!("it is {}", outcome.as_str()))
}

#[test]
fn none_is_green_while_another_is_not() {
    use Conclusion::{ActionRequired, Cancelled, Failure, Success, TimedOut};
    for (own, other, conclusion, state) in [
        (Outcome::Passed, Outcome::Passed, Success, StatusValue::Success),
        (Outcome::Passed, Outcome::Failed, Failure, StatusValue::Failure),
        (Outcome::Failed, Outcome::Passed, Failure, StatusValue::Failure),
        (Outcome::Passed, Outcome::TimedOut, TimedOut, StatusValue::Failure),
        (
            Outcome::Passed,
            Outcome::ActionRequired,
            ActionRequired,
            StatusValue::Error,
        ),
        (
            Outcome::ActionRequired,
            Outcome::Failed,
            Failure,
            StatusValue::Failure,
        ),
        (
            Outcome::Failed,
            Outcome::ActionRequired,
            Failure,
            StatusValue::Failure,
        ),
        (Outcome::Passed, Outcome::Trouble, TimedOut, StatusValue::Error),
        (Outcome::Passed, Outcome::Cancelled, Cancelled, StatusValue::Error),
    ] {
        let (check, status) = shown(&verdict(own), Some(&verdict(other)));
        assert_eq!(
            check.progress,
            Progress::Completed(conclusion),
            "{own:?} and {other:?}"
        );
        assert_eq!(status.state, state, "{own:?} and {other:?}");
    }
}

#[test]
fn the_worse_one_is_named_and_linked_and_the_own_verdict_still_told() {
    let (check, status) = shown(&verdict(Outcome::Passed), Some(&verdict(Outcome::Failed)));
    let name = format!("v2-alpine (sha256:{})", Digest::of(b"the other one").short());
    assert_eq!(check.title, format!("{name}: it is failed"));
    assert!(
        status.description.starts_with(&check.title),
        "{}",
        status.description
    );
    assert_eq!(status.target_url, "https://checks.example.org/runs/2");
    assert_eq!(check.details_url, PAGE);
    for words in [
        "**Failed**: `v2-alpine",
        "This digest itself: **Passed**: it is passed",
        "(https://checks.example.org/runs/2) | `v2-alpine` | Failed: it is failed |",
    ] {
        assert!(check.summary.contains(words), "{words} in {}", check.summary);
    }
}

#[test]
fn one_that_passed_waits_for_the_others_and_one_that_failed_does_not() {
    let (check, status) = shown(&verdict(Outcome::Passed), None);
    assert_eq!(
        (check.progress, check.completed_at_ms),
        (Progress::InProgress, None)
    );
    assert!(
        check.title.starts_with("Passed, waiting for v2-alpine ("),
        "{}",
        check.title
    );
    assert!(check.summary.contains("| not done yet |"), "{}", check.summary);
    assert_eq!(status.state, StatusValue::Pending);

    let (check, status) = shown(&verdict(Outcome::Failed), None);
    assert_eq!(check.progress, Progress::Completed(Conclusion::Failure));
    assert_eq!(status.state, StatusValue::Failure);
}

#[test]
fn what_another_digest_took_the_place_of_is_told_for_itself() {
    let cancelled = Verdict {
        superseded_by: Some(RunId::new()),
        ..verdict(Outcome::Cancelled)
    };
    let failed = verdict(Outcome::Failed);
    let scene = Scene::new();
    let digest = Digest::of(b"the other one");
    let siblings = [Sibling {
        page_url: PAGE,
        digest: &digest,
        tags: &[],
        verdict: Some(&failed),
    }];
    let story = Story {
        siblings: &siblings,
        ..scene.story(judged(&cancelled))
    };
    assert_eq!(
        check_state(&story).progress,
        Progress::Completed(Conclusion::Cancelled)
    );
    assert_eq!(status_state(&story), None);
}

/// How GitHub shows a digest with this verdict that lost its tags to another one, and was tested after that.
fn overtaken(own: &Verdict, other: Option<&Verdict>) -> CheckState {
    let scene = Scene::new();
    let digest = Digest::of(b"the other one");
    let siblings = [Sibling {
        page_url: PAGE,
        digest: &digest,
        tags: &[],
        verdict: other,
    }];
    let standing = Standing::Judged {
        verdict: own,
        completed_at_ms: 2_000,
        successor_url: Some(PAGE),
    };
    check_state(&Story {
        siblings: &siblings,
        ..scene.story(standing)
    })
}

#[test]
fn what_lost_its_tags_counts_for_nothing_whatever_its_tests_say() {
    use Outcome::{Failed, Passed};
    for own in [Passed, Failed] {
        for (other, conclusion) in [(Passed, Conclusion::Success), (Failed, Conclusion::Failure)] {
            let check = overtaken(&verdict(own), Some(&verdict(other)));
            assert_eq!(
                check.progress,
                Progress::Completed(conclusion),
                "{own:?} {other:?}"
            );
            assert!(check.title.starts_with("sha256:"), "{}", check.title);
            let itself = format!("This digest itself: **{}**", outcome_in_words(own));
            assert!(check.summary.contains(&itself), "{}", check.summary);
        }
        let check = overtaken(&verdict(own), None);
        assert_eq!(check.progress, Progress::InProgress, "{own:?}");
        assert!(
            check.title.starts_with("Superseded, waiting for sha256:"),
            "{}",
            check.title
        );
    }
}
