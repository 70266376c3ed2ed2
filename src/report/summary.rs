//! The summary of a check run: Markdown within GitHub's 65,535 bytes.
//!
//! Its sections are written in the order of their worth, each only if it has room, and the log gets
//! what is left: whatever an image says of itself, the verdict stands.

use crate::model::{
    Bytes, Cause, Elapsed, FailedTest, JudgedClaim, Limits, Outcome, Plan, SourcePlace, StepResult, Tag,
    Verdict,
};

use super::changes::{TestChanges, of_image};
use super::limited::limited_bytes;
use super::log::{LAST_LINES, last_lines_block};
use super::markdown::{code_block, code_cell, code_span, prose};
use super::mend::Mend;
use super::reproduce::{Subject, reproduce_line};
use super::siblings::{Sibling, Together};
use super::text::{Log, Standing, Story};
use super::words::{binding_in_words, evidence_in_words, fate_in_words, outcome_in_words};

/// GitHub's bound.
const MAX_BYTES: usize = 65_535;

/// Rows of a table that are shown.
const MAX_ROWS: usize = 30;

/// Bytes of a stranger's text in one place of the summary, before it is escaped.
const MAX_TEXT: usize = 200;

/// Bytes of what a report tells of a test.
const MAX_DETAIL: usize = 4000;

/// Bytes of a note: it may name a few keys and images.
const MAX_NOTE: usize = 600;

/// What need not be built anew need not be pushed anew.
const ONCE_MENDED: &str = "What is mended elsewhere than in the image, as in `.github/hubcheck.yml`, needs no other push: run this check again.\n\n";

/// The summary of `story`.
pub(super) fn write(story: &Story<'_>) -> String {
    let verdict = match story.standing {
        Standing::Judged { verdict, .. } => Some(verdict),
        Standing::Queued | Standing::Running | Standing::Retrying { .. } | Standing::Awaiting { .. } => None,
    };
    let headline = headline(story);
    let facts = facts(story);
    let mut room = MAX_BYTES.saturating_sub(headline.len() + facts.len());
    let mut fitting = |section: Option<String>| {
        let section = section
            .filter(|section| section.len() <= room)
            .unwrap_or_default();
        room -= section.len();
        section
    };
    let notes = fitting(notes(story.notes));
    let siblings = fitting(siblings(story.siblings));
    let compared = story
        .previous
        .zip(verdict)
        .and_then(|(previous, now)| TestChanges::between(previous.verdict, now));
    let news = |step: &str, test: &str| {
        let compared = compared.as_ref();
        compared.is_some_and(|changes| changes.newly_failing.contains(&(step, test)))
    };
    let failure = fitting(verdict.and_then(|verdict| first_failure(verdict, &news)));
    let command = fitting(verdict.and_then(|verdict| reproduce(story, verdict)));
    let further = fitting(verdict.and_then(|verdict| further_failures(verdict, &news)));
    let changes = fitting(verdict.and_then(|_| changes(story, compared.as_ref())));
    let problems = fitting(verdict.and_then(report_problems));
    let steps = fitting(story.plan.map(|plan| steps(plan, verdict)));
    let claims = fitting(claims(story.claims));
    let mend = fitting(story.mend.map(mend));
    let log = match verdict {
        Some(_) => log(story.log, room),
        None => String::new(),
    };
    [
        headline, notes, facts, siblings, steps, failure, further, problems, changes, log, command, claims,
        mend,
    ]
    .concat()
}

fn headline(story: &Story<'_>) -> String {
    let (word, text) = match story.standing {
        Standing::Queued => ("Queued", "waiting for its turn".to_owned()),
        Standing::Running => ("In progress", "the image's tests are running".to_owned()),
        Standing::Retrying { trouble } => ("Trying again", bounded_prose(trouble)),
        Standing::Awaiting { what } => ("Waiting", bounded_prose(what)),
        Standing::Judged { verdict, .. } => match story.beside_siblings(verdict) {
            Together::Own(own) => (outcome_in_words(own.outcome), bounded_prose(&own.title)),
            Together::Another(sibling, worse) => (
                outcome_in_words(worse.outcome),
                format!(
                    "{}: {}\n\nThis digest itself: **{}**: {}",
                    code_span(&sibling.name()),
                    bounded_prose(&worse.title),
                    outcome_in_words(verdict.outcome),
                    bounded_prose(&verdict.title)
                ),
            ),
            Together::Open(sibling) => (
                "In progress",
                format!(
                    "this digest itself: **{}**, and {} is not done yet",
                    outcome_in_words(verdict.outcome),
                    code_span(&sibling.name())
                ),
            ),
        },
    };
    let mut headline = format!("**{word}**: {text}\n\n");
    if let Standing::Judged {
        successor_url: Some(url),
        ..
    } = story.standing
    {
        headline.extend(["[The run that took its place](", url, ")\n\n"]);
    } else if let Standing::Judged { verdict, .. } = story.standing
        && verdict.outcome == Outcome::ActionRequired
        && story.mend.is_none()
        && !story.is_unread
    {
        headline.push_str(ONCE_MENDED);
    }
    if story.attempt > 1 {
        let attempt = story.attempt.to_string();
        headline.extend(["This is attempt ", &attempt, ": the run was started again.\n\n"]);
    }
    headline
}

/// How the commit would be better known.
fn mend(mend: &Mend) -> String {
    let workflow = code_block(&mend.workflow, "yaml");
    format!(
        "**How the commit would be known better**: {}\n\n{workflow}\n",
        mend.why
    )
}

/// What was asked for in vain.
fn notes(notes: &[String]) -> Option<String> {
    if notes.is_empty() {
        return None;
    }
    let lines = notes.iter().take(MAX_ROWS).map(|note| {
        let note = prose(&limited_bytes(note, MAX_NOTE));
        format!("- {note}\n")
    });
    Some(lines.chain(["\n".to_owned()]).collect())
}

/// Names, digests and tags are checked by their types: none can hold a backtick or a `|`.
fn facts(story: &Story<'_>) -> String {
    let (evidence, binding) = (story.source.evidence, story.source.binding);
    let limits = story.plan.map(|plan| {
        let Limits {
            timeout,
            memory_bytes,
            ..
        } = plan.limits;
        format!("{} and {} for each step", Elapsed(timeout), Bytes(memory_bytes))
    });
    let image = match story.digest {
        Some(digest) => format!("{}@{digest}", story.image),
        None => story.image.to_string(),
    };
    let rows = [
        ("Image", code_span(&image)),
        ("Tags", tag_list(story.tags)),
        ("Platform", code_span(&story.platform.to_string())),
        ("Limits", limits.unwrap_or_default()),
        ("Commit", code_span(story.source.commit.as_str())),
        (
            "**Evidence**",
            format!("**{evidence}**: {}", evidence_in_words(evidence)),
        ),
        (
            "**Binding**",
            format!("**{binding}**: {}", binding_in_words(binding)),
        ),
    ];
    let rows = rows
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| [*name, value.as_str()]);
    table(["", ""], rows)
}

/// The tags on one line, as far as they are shown.
fn tag_list(tags: &[Tag]) -> String {
    let mut shown: Vec<String> = tags
        .iter()
        .take(MAX_ROWS)
        .map(|tag| code_span(tag.as_str()))
        .collect();
    if let Some(more @ 1..) = tags.len().checked_sub(MAX_ROWS) {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}

/// Digests of the same image on the same commit, each with what came of it.
fn siblings(siblings: &[Sibling<'_>]) -> Option<String> {
    if siblings.is_empty() {
        return None;
    }
    let rows: Vec<[String; 3]> = siblings
        .iter()
        .take(MAX_ROWS)
        .map(|sibling| {
            let result = sibling.verdict.map_or_else(
                || "not done yet".to_owned(),
                |verdict| {
                    let word = outcome_in_words(verdict.outcome);
                    format!("{word}: {}", bounded_prose(&verdict.title))
                },
            );
            let digest = code_span(&format!("sha256:{}", sibling.digest.short()));
            [
                format!("[{digest}]({})", sibling.page_url),
                tag_list(sibling.tags),
                result,
            ]
        })
        .collect();
    let rows = rows.iter().map(|row| row.each_ref().map(String::as_str));
    let mut text =
        "Other digests of this image on this commit; the worst result of all counts:\n\n".to_owned();
    text += &table(["Digest", "Tags", "Result"], rows);
    Some(text)
}

fn steps(plan: &Plan, verdict: Option<&Verdict>) -> String {
    let rows = plan.steps.iter().take(MAX_ROWS).map(|step| {
        let result = verdict.and_then(|verdict| verdict.steps.iter().find(|result| result.name == step.name));
        let (outcome, time) = match (result, verdict) {
            (Some(result), _) => (result_of(result), Elapsed(result.duration).to_string()),
            (None, Some(_)) => ("not run".to_owned(), String::new()),
            (None, None) => (String::new(), String::new()),
        };
        [code_cell(&limited_bytes(&step.name, MAX_TEXT)), outcome, time]
    });
    let rows: Vec<_> = rows.collect();
    let mut steps = table(
        ["Step", "Result", "Time"],
        rows.iter().map(|row| row.each_ref().map(String::as_str)),
    );
    if let Some(more @ 1..) = plan.steps.len().checked_sub(MAX_ROWS) {
        steps.extend(["and ", &more.to_string(), " more\n\n"]);
    }
    steps
}

/// How a step ended, with its tests in numbers.
fn result_of(result: &StepResult) -> String {
    let counts = result.tests.counts;
    match &result.cause {
        Cause::Passed if counts.total() > 0 => counts.to_string(),
        cause => bounded_prose(&cause.to_string()),
    }
}

/// What became of the tests and of the image since the tag's digest before.
fn changes(story: &Story<'_>, compared: Option<&TestChanges<'_>>) -> Option<String> {
    let previous = story.previous?;
    let digest = code_span(&format!("sha256:{}", previous.digest.short()));
    let words = compared.map(|changes| format!(": {}", changes.in_words()));
    let mut section = format!(
        "**Since [{digest}]({})**{}\n\n",
        previous.page_url,
        words.unwrap_or_default()
    );
    let images = previous.image.zip(story.facts);
    for change in images.map_or_else(Vec::new, |(before, now)| of_image(before, now)) {
        let names: Vec<String> = change
            .names
            .iter()
            .map(|name| match name.as_str() {
                "" => "none".to_owned(),
                name => code_span(&limited_bytes(name, MAX_TEXT)),
            })
            .collect();
        let between = if change.is_move { " → " } else { ", " };
        section.extend(["- ", &change.what, " ", &names.join(between), "\n"]);
    }
    Some(section + "\n")
}

/// The step or the test that failed first, and why. `is_new`: did it not fail before?
fn first_failure(verdict: &Verdict, is_new: &impl Fn(&str, &str) -> bool) -> Option<String> {
    let step = verdict.steps.iter().find(|step| step.cause != Cause::Passed)?;
    let Some(test) = step.tests.failures.first() else {
        let name = code_span(&limited_bytes(&step.name, MAX_TEXT));
        let cause = bounded_prose(&step.cause.to_string());
        return Some(format!("**First failure**: {name}: {cause}\n\n"));
    };
    let news = is_new(&step.name, &test.name);
    let mut section = format!("**First failure**: {}\n\n", failed_test(test, news));
    let detail = beginning(&test.detail);
    if !detail.trim().is_empty() {
        section.extend([code_block(detail, "text").as_str(), "\n"]);
    }
    Some(section)
}

/// The tests that failed after the first one.
fn further_failures(verdict: &Verdict, is_new: &impl Fn(&str, &str) -> bool) -> Option<String> {
    let failed = verdict.steps.iter().flat_map(|step| {
        let tests = step.tests.failures.iter();
        tests.map(|test| (test, is_new(&step.name, &test.name)))
    });
    let total: u64 = verdict.steps.iter().map(|step| step.tests.counts.failed).sum();
    let listed = failed.skip(1).take(MAX_ROWS);
    let mut lines: Vec<String> = listed
        .map(|(test, is_new)| format!("- {}\n", failed_test(test, is_new)))
        .collect();
    if lines.is_empty() {
        return None;
    }
    let more = total.saturating_sub(lines.len() as u64 + 1);
    if more > 0 {
        lines.push(format!("- and {more} more\n"));
    }
    Some(format!("**Other tests that failed**\n\n{}\n", lines.concat()))
}

/// A test by name, why it failed, and where.
fn failed_test(test: &FailedTest, is_new: bool) -> String {
    let mut line = code_span(&limited_bytes(&test.name, MAX_TEXT));
    if is_new {
        line.push_str(" (newly failing)");
    }
    if !test.message.is_empty() {
        line.extend([": ", &bounded_prose(&test.message)]);
    }
    if let Some(SourcePlace { path, line: number }) = test.source.as_ref().or(test.place.as_ref()) {
        line.extend([
            " (",
            &code_span(&format!("{}:{number}", limited_bytes(path, MAX_TEXT))),
            ")",
        ]);
    }
    line
}

/// What of the reports could not be read.
fn report_problems(verdict: &Verdict) -> Option<String> {
    let problems = verdict.steps.iter().flat_map(|step| &step.tests.problems);
    let lines: Vec<String> = problems
        .take(MAX_ROWS)
        .map(|problem| format!("- {}\n", prose(&limited_bytes(problem, MAX_NOTE))))
        .collect();
    (!lines.is_empty()).then(|| format!("**Test reports**\n\n{}\n", lines.concat()))
}

/// The beginning of what a report tells of a test: whole lines where there are some.
fn beginning(detail: &str) -> &str {
    if detail.len() <= MAX_DETAIL {
        return detail;
    }
    let start = &detail[..detail.floor_char_boundary(MAX_DETAIL)];
    start.rsplit_once('\n').map_or(start, |(lines, _)| lines)
}

fn log(log: Log<'_>, room: usize) -> String {
    let heading = format!("**Log**, the last {LAST_LINES} lines at most\n\n");
    match log {
        Log::Empty => String::new(),
        Log::Withheld => {
            let withheld = "The log is not shown: the image is private and the repository is public.\n\n";
            if withheld.len() <= room {
                withheld.to_owned()
            } else {
                String::new()
            }
        }
        Log::Tail(tail) => room
            .checked_sub(heading.len() + 1)
            .and_then(|room| last_lines_block(tail, room))
            .map_or_else(String::new, |block| format!("{heading}{block}\n")),
    }
}

fn reproduce(story: &Story<'_>, verdict: &Verdict) -> Option<String> {
    let subject = Subject {
        image: story.image,
        digest: story.digest?,
        platform: story.platform,
    };
    let command = reproduce_line(&subject, story.plan?, Some(verdict))?;
    Some(format!("**Reproduce**\n\n{}\n", code_block(&command, "sh")))
}

fn claims(claims: &[JudgedClaim]) -> Option<String> {
    if claims.is_empty() {
        return None;
    }
    let cell = |text: &Option<String>| {
        text.as_deref()
            .map(|text| code_cell(&limited_bytes(text, MAX_TEXT)))
            .unwrap_or_default()
    };
    let rows: Vec<[String; 4]> = claims
        .iter()
        .take(MAX_ROWS)
        .map(|JudgedClaim { claim, fate }| {
            [
                claim.place.to_string(),
                cell(&claim.source),
                cell(&claim.revision),
                bounded_prose(&fate_in_words(fate)),
            ]
        })
        .collect();
    let table = table(
        ["Found in", "Source", "Revision", "What came of it"],
        rows.iter().map(|row| row.each_ref().map(String::as_str)),
    );
    Some(format!("**What the image says of its source**\n\n{table}"))
}

fn table<'a, const COLUMNS: usize>(
    head: [&str; COLUMNS],
    rows: impl Iterator<Item = [&'a str; COLUMNS]>,
) -> String {
    let mut table = row(head);
    table.push_str(&row(["---"; COLUMNS]));
    table.extend(rows.map(row));
    table.push('\n');
    table
}

fn row<const COLUMNS: usize>(cells: [&str; COLUMNS]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn bounded_prose(text: &str) -> String {
    prose(&limited_bytes(text, MAX_TEXT))
}
