//! What suites say of their tests: `JUnit` files, TAP and `go test -json` on the standard output, and GitHub's workflow
//! commands there. Everything is a stranger's bytes: read as a stream, once, and bounded whatever they hold. Pure.

mod archive;
mod commands;
mod go_json;
mod junit;
mod place;
mod stdout;
mod structure;
mod tap;

pub use archive::read_archive;
pub use junit::read_junit;
pub use place::SourceTree;
pub use stdout::Stdout;
pub use structure::of_structure;

use crate::model::terminal;
use crate::model::{Counts, FailedTest, Remark, SourcePlace, TestResults};

/// Tests that failed, of which more is kept than that they did.
const MOST_FAILURES: usize = 200;
/// Of so many, what the report tells beside the message is kept.
const MOST_DETAILS: usize = 30;
/// Remarks that are kept: GitHub takes fifty in a request.
const MOST_REMARKS: usize = 50;
/// Sentences about reports that could not be read.
const MOST_PROBLEMS: usize = 10;
/// Bytes of a test's name.
const NAME_BYTES: usize = 300;
/// Bytes of a message.
const MESSAGE_BYTES: usize = 600;
/// Bytes of what is told beside it.
const DETAIL_BYTES: usize = 4096;
/// Bytes of a path.
const PATH_BYTES: usize = 1024;

/// Collects what reports say, within the bounds.
#[derive(Clone, Debug, Default)]
struct Collector(TestResults);

impl Collector {
    fn pass(&mut self) {
        self.0.counts.passed += 1;
    }

    fn skip(&mut self) {
        self.0.counts.skipped += 1;
    }

    fn fail(&mut self, failed: FailedTest) {
        self.0.counts.failed += 1;
        let kept = self.0.failures.len();
        if kept < MOST_FAILURES {
            let mut failed = bounded(failed);
            if kept >= MOST_DETAILS {
                failed.detail.clear();
            }
            self.0.failures.push(failed);
        }
    }

    fn remark(&mut self, remark: Remark) {
        if self.0.remarks.len() < MOST_REMARKS {
            self.0.remarks.push(Remark {
                title: one_line(&remark.title, NAME_BYTES),
                message: cut(&remark.message, DETAIL_BYTES),
                ..remark
            });
        }
    }

    fn problem(&mut self, why: &str) {
        if self.0.problems.len() < MOST_PROBLEMS {
            self.0.problems.push(one_line(why, MESSAGE_BYTES));
        }
    }

    fn has_tests(&self) -> bool {
        self.0.counts != Counts::default()
    }
}

/// Both together, within the bounds; `first` comes first.
pub fn together(first: TestResults, then: TestResults) -> TestResults {
    let mut all = Collector(first);
    let passed_over = then.counts.failed - then.failures.len() as u64;
    all.0.counts.passed += then.counts.passed;
    all.0.counts.skipped += then.counts.skipped;
    all.0.counts.failed += passed_over;
    then.failures.into_iter().for_each(|failed| all.fail(failed));
    then.remarks.into_iter().for_each(|remark| all.remark(remark));
    then.problems
        .into_iter()
        .for_each(|problem| all.problem(&problem));
    all.0
}

/// The same with every text as `change` makes it.
#[must_use]
pub fn with_texts(mut results: TestResults, change: impl Fn(&str) -> String) -> TestResults {
    for failed in &mut results.failures {
        for text in [&mut failed.name, &mut failed.message, &mut failed.detail] {
            *text = change(text);
        }
        if let Some(place) = &mut failed.place {
            place.path = change(&place.path);
        }
    }
    for remark in &mut results.remarks {
        for text in [&mut remark.title, &mut remark.message, &mut remark.place.path] {
            *text = change(text);
        }
    }
    for problem in &mut results.problems {
        *problem = change(problem);
    }
    results
}

fn bounded(failed: FailedTest) -> FailedTest {
    let name = match failed.name.trim() {
        "" => "a test without a name",
        name => name,
    };
    FailedTest {
        name: one_line(name, NAME_BYTES),
        message: one_line(&failed.message, MESSAGE_BYTES),
        detail: cut(&failed.detail, DETAIL_BYTES),
        place: failed.place.filter(is_possible),
        source: failed.source,
    }
}

fn is_possible(place: &SourcePlace) -> bool {
    place.line > 0 && (1..=PATH_BYTES).contains(&place.path.len()) && !place.path.contains(char::is_control)
}

/// A name with what it belongs to, which may already stand in it.
fn full_name(group: &str, name: &str) -> String {
    match (group.trim(), name.trim()) {
        ("", name) => name.to_owned(),
        (group, "") => group.to_owned(),
        (group, name) if name.starts_with(group) || name.ends_with(group) => name.to_owned(),
        (group, name) => format!("{group} › {name}"),
    }
}

/// `text` on one line, as a terminal shows it, in at most `max` bytes.
fn one_line(text: &str, max: usize) -> String {
    let text = &text[..text.floor_char_boundary(max * 4)];
    let shown: Vec<String> = text.replace('\t', " ").lines().map(terminal::shown).collect();
    let words: Vec<&str> = shown.iter().flat_map(|line| line.split_whitespace()).collect();
    cut(&words.join(" "), max)
}

/// `text` in at most `max` bytes, with a sign that something is missing.
fn cut(text: &str, max: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= max {
        return text.to_owned();
    }
    format!("{}{MARK}", &text[..text.floor_char_boundary(max - MARK.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_what_they_belong_to_once() {
        assert_eq!(full_name("api", "login"), "api › login");
        assert_eq!(full_name("", "login"), "login");
        assert_eq!(full_name("api login", "api login works"), "api login works");
        assert_eq!(full_name("api", ""), "api");
    }

    #[test]
    fn however_many_fail_they_are_all_counted_and_a_few_are_kept() {
        let mut many = Collector::default();
        for number in 0..1000 {
            many.fail(FailedTest {
                name: format!("test {number}"),
                detail: "x".repeat(100_000),
                ..FailedTest::default()
            });
        }
        let all = together(many.0.clone(), many.0);
        assert_eq!((all.counts.failed, all.failures.len()), (2000, MOST_FAILURES));
        let bytes: usize = all.failures.iter().map(|failed| failed.detail.len()).sum();
        assert!(bytes <= MOST_DETAILS * DETAIL_BYTES);
    }

    #[test]
    fn a_message_is_one_line_as_a_terminal_shows_it() {
        assert_eq!(
            one_line("\u{1b}[31mExpected\u{1b}[0m\n   2,\tgot 3\n", 100),
            "Expected 2, got 3"
        );
        assert_eq!(one_line(&"ä".repeat(100), 20).len(), 19);
    }
}
