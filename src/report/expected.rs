//! The wait for an image as GitHub shows it: the check run and the status that stand there before any run does.

use super::limited::{limited_bytes, limited_chars};
use super::markdown::{code_span, prose};
use super::text::{check_name, status_context};
use crate::model::{
    Arrival, CheckState, Conclusion, Elapsed, Expected, Progress, StatusState, StatusValue, WaitEnd,
};

/// GitHub's bound of a status' description, in characters.
const MAX_DESCRIPTION: usize = 140;

/// GitHub says of no bound for titles; longer ones are cut by its pages.
const MAX_TITLE: usize = 255;

/// Bytes of a sentence about a push, which may quote it.
const MAX_SENTENCE: usize = 400;

/// The check run of an image that is waited for.
pub fn expected_check(expected: &Expected, page_url: &str) -> CheckState {
    let completed_at_ms = expected.end.as_ref().map(|(_, at)| *at);
    CheckState {
        name: check_name(&expected.image, expected.suffix.as_deref()),
        head_sha: expected.commit.clone(),
        external_id: expected.id,
        details_url: page_url.to_owned(),
        progress: match &expected.end {
            None => Progress::Queued,
            Some((WaitEnd::NeverCame { .. }, _)) => Progress::Completed(Conclusion::TimedOut),
            Some((WaitEnd::Skipped { .. }, _)) => Progress::Completed(Conclusion::Skipped),
            Some((WaitEnd::Cancelled { .. }, _)) => Progress::Completed(Conclusion::Cancelled),
        },
        title: limited_bytes(&expected_title(expected), MAX_TITLE).into_owned(),
        summary: summary(expected),
        started_at_ms: expected.since_ms,
        completed_at_ms,
        annotations: Vec::new(),
    }
}

/// The commit status of an image that is waited for.
pub fn expected_status(expected: &Expected, page_url: &str) -> StatusState {
    StatusState {
        context: status_context(&expected.image, expected.suffix.as_deref()),
        state: match &expected.end {
            None => StatusValue::Pending,
            Some((WaitEnd::NeverCame { .. }, _)) => StatusValue::Failure,
            Some((WaitEnd::Skipped { .. }, _)) => StatusValue::Success,
            Some((WaitEnd::Cancelled { .. }, _)) => StatusValue::Error,
        },
        description: limited_chars(&expected_title(expected), MAX_DESCRIPTION).into_owned(),
        target_url: page_url.to_owned(),
    }
}

/// One line: how the wait stands.
pub fn expected_title(expected: &Expected) -> String {
    let image = &expected.image;
    match &expected.end {
        None => format!("waiting for {image}"),
        Some((WaitEnd::NeverCame { .. }, _)) => {
            format!("{image} did not come within {}", Elapsed(expected.patience()))
        }
        Some((WaitEnd::Skipped { why } | WaitEnd::Cancelled { why }, _)) => why.clone(),
    }
}

/// How the commit came to be, as the end of a sentence. A branch's name is a stranger's text.
pub fn arrival_in_words(arrival: &Arrival) -> String {
    match arrival {
        Arrival::Branch { name } => format!("was pushed to {}", code_span(name)),
        Arrival::PullRequest { number, is_fork } => {
            let whose = if *is_fork { ", which comes from a fork" } else { "" };
            format!("is the head of pull request {number}{whose}")
        }
        Arrival::MergeGroup { base } => format!("was put together by the merge queue of {}", code_span(base)),
    }
}

fn summary(expected: &Expected) -> String {
    let arrived = arrival_in_words(&expected.arrival);
    let image = code_span(&expected.image.to_string());
    match &expected.end {
        None => format!(
            "This commit {arrived}. {image} is to be built from it, and is tested here as soon as it is pushed. It is waited for \
             {} in all.\n",
            Elapsed(expected.patience())
        ),
        Some((WaitEnd::Skipped { why } | WaitEnd::Cancelled { why }, _)) => format!(
            "This commit {arrived}. Nothing is waited for, and nothing was tested: {}.\n",
            prose(why)
        ),
        Some((WaitEnd::NeverCame { instead }, _)) => format!(
            "This commit {arrived}, and no image {image} that was built from it came within {}. Nothing was tested.\n\n{}\n{}",
            Elapsed(expected.patience()),
            pushed_instead(instead),
            WHAT_TO_DO.replace("IMAGE", &expected.image.to_string())
        ),
    }
}

fn pushed_instead(instead: &[String]) -> String {
    if instead.is_empty() {
        return "Nobody told of any push of the image meanwhile.\n".to_owned();
    }
    let lines = instead
        .iter()
        .map(|line| format!("- {}\n", prose(&limited_bytes(line, MAX_SENTENCE))));
    format!(
        "What was pushed of the image meanwhile:\n\n{}",
        lines.collect::<String>()
    )
}

const WHAT_TO_DO: &str = "What to look at:

1. The build of this commit: it may have failed, or still be running. An image that comes later is tested all the same, \
with a check of its own.
2. The registry's webhook: `hubcheck hook-url IMAGE` prints its address, and the operator's page `/deliveries` shows what came.
3. What the image says of its commit: `hubcheck explain IMAGE:TAG`.

*Rerun* waits once more. For commits of which no image is built, say so with `expect` in `.github/hubcheck.yml`.
";
