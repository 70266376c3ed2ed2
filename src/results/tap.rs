//! TAP 13 and 14 on the standard output, subtests included.
//! <https://testanything.org/tap-version-14-specification.html>

use crate::model::{FailedTest, TestResults};

use super::{Collector, DETAIL_BYTES, full_name, place};

/// Subtests within subtests that are told apart; deeper ones are only heard of by what they belong to.
const DEEPEST: usize = 16;
/// Columns by which each level stands further to the right.
const INDENT: usize = 4;

/// Reads TAP line by line.
#[derive(Debug, Default)]
pub(super) struct Tap {
    /// The suite, and the subtests under way within it.
    levels: Vec<Level>,
    has_version: bool,
    bailed_out: Option<String>,
    /// Inside a YAML block of the level at this depth.
    yaml: Option<usize>,
}

/// The tests of one level, since the last one that they belonged to.
#[derive(Debug, Default)]
struct Level {
    plan: Option<u64>,
    seen: u64,
    found: Collector,
    /// Did the last one fail, so that what follows tells of it?
    last_failed: bool,
}

/// A line that says how a test ended.
struct Point<'l> {
    is_ok: bool,
    name: &'l str,
    /// `SKIP` or `TODO`, in lower case.
    directive: String,
}

impl Tap {
    pub(super) fn line(&mut self, line: &[u8]) {
        let column = line.iter().take_while(|byte| **byte == b' ').count();
        // Nearly all lines of nearly all programs end here.
        if !matches!(
            line.get(column),
            Some(b'o' | b'n' | b'0'..=b'9' | b'T' | b'B' | b'#' | b'-' | b'.')
        ) && self.yaml.is_none()
        {
            return;
        }
        let text = String::from_utf8_lossy(&line[column..]);
        if self.in_yaml(column, &text) {
            return;
        }
        let depth = column / INDENT;
        if text.starts_with("TAP version ") {
            self.has_version |= depth == 0;
        } else if let Some(why) = text.strip_prefix("Bail out!") {
            self.bailed_out.get_or_insert_with(|| why.trim().to_owned());
        } else if depth > DEEPEST {
        } else if let Some(plan) = planned(&text) {
            self.level(depth).plan = Some(plan);
        } else if let Some(point) = point(&text) {
            self.point(depth, &point);
        } else if text == "---" && self.levels.get(depth).is_some() {
            self.yaml = Some(depth);
        } else if let Some(said) = text.strip_prefix('#') {
            self.tell(depth, said.strip_prefix(' ').unwrap_or(said));
        }
    }

    pub(super) fn finish(mut self) -> TestResults {
        while self.levels.len() > 1 {
            self.close();
        }
        let suite = self.levels.pop().unwrap_or_default();
        // `ok` alone is a word that many programs print.
        if !self.has_version && suite.plan.is_none() && self.bailed_out.is_none() {
            return TestResults::default();
        }
        let Level {
            plan,
            seen,
            mut found,
            ..
        } = suite;
        let broken = match (self.bailed_out, plan) {
            (Some(why), _) if self.has_version || seen > 0 => Some(format!("bailed out: {why}")),
            (None, Some(plan)) if plan != seen => Some(format!("{plan} tests were planned, {seen} were run")),
            (None, None) if seen > 0 => Some("the plan is missing: the tests broke off".to_owned()),
            _ => None,
        };
        if let Some(message) = broken {
            found.fail(FailedTest {
                name: "TAP".to_owned(),
                message,
                ..FailedTest::default()
            });
        }
        for failed in &mut found.0.failures {
            failed.place = place::find(&failed.detail);
        }
        found.0
    }

    /// Did the line belong to a YAML block?
    fn in_yaml(&mut self, column: usize, text: &str) -> bool {
        let Some(depth) = self.yaml else { return false };
        if column < depth * INDENT + 2 && point(text).is_some() {
            // The block's end is missing.
            self.yaml = None;
            return false;
        }
        if text == "..." {
            self.yaml = None;
            return true;
        }
        if let Some(message) = text.strip_prefix("message:")
            && let Some(failed) = self.last_failed(depth)
            && failed.message.is_empty()
        {
            message
                .trim()
                .trim_matches(['"', '\''])
                .clone_into(&mut failed.message);
        }
        self.tell(depth, text);
        true
    }

    fn level(&mut self, depth: usize) -> &mut Level {
        while self.levels.len() <= depth {
            self.levels.push(Level::default());
        }
        &mut self.levels[depth]
    }

    fn point(&mut self, depth: usize, point: &Point<'_>) {
        self.level(depth);
        while self.levels.len() > depth + 2 {
            self.close();
        }
        let children = (self.levels.len() > depth + 1)
            .then(|| self.levels.pop())
            .flatten()
            .filter(|children| children.seen > 0);
        let level = &mut self.levels[depth];
        level.seen += 1;
        level.last_failed = false;
        // What is expected to fail does not fail, whatever is in it.
        if point.directive == "skip" || (point.directive == "todo" && !point.is_ok) {
            level.found.skip();
            return;
        }
        let failed_within = children
            .as_ref()
            .map_or(0, |children| children.found.0.counts.failed);
        if let Some(children) = children {
            level.found.take(children, point.name);
            if point.is_ok || failed_within > 0 {
                return;
            }
        }
        if point.is_ok {
            level.found.pass();
        } else {
            level.last_failed = true;
            level.found.fail(FailedTest {
                name: point.name.to_owned(),
                ..FailedTest::default()
            });
        }
    }

    /// The innermost subtests belong to none that was told of.
    fn close(&mut self) {
        if let Some(level) = self.levels.pop()
            && let Some(outer) = self.levels.last_mut()
        {
            outer.seen += u64::from(level.seen > 0);
            outer.found.take(level, "");
        }
    }

    fn last_failed(&mut self, depth: usize) -> Option<&mut FailedTest> {
        let level = self.levels.get_mut(depth).filter(|level| level.last_failed)?;
        level.found.0.failures.last_mut()
    }

    /// What is said after a test that failed is said of it.
    fn tell(&mut self, depth: usize, said: &str) {
        if let Some(failed) = self.last_failed(depth) {
            let room = DETAIL_BYTES.saturating_sub(failed.detail.len() + 1);
            failed.detail.push_str(&said[..said.floor_char_boundary(room)]);
            failed.detail.push('\n');
        }
    }
}

impl Collector {
    /// Takes in the tests of a level below, which belong to `name`.
    fn take(&mut self, below: Level, name: &str) {
        let mut below = below.found.0;
        for failed in &mut below.failures {
            failed.name = full_name(name, &failed.name);
        }
        self.0 = super::together(std::mem::take(&mut self.0), below);
    }
}

/// `1..5`, also with a reason behind it.
fn planned(text: &str) -> Option<u64> {
    let plan = text.strip_prefix("1..")?;
    let plan = plan.split_once('#').map_or(plan, |(plan, _)| plan);
    plan.trim().parse().ok()
}

fn point(text: &str) -> Option<Point<'_>> {
    let (is_ok, rest) = match text.strip_prefix("not ok") {
        Some(rest) => (false, rest),
        None => (true, text.strip_prefix("ok")?),
    };
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let rest = rest
        .trim_start()
        .trim_start_matches(|char: char| char.is_ascii_digit());
    let (name, directive) = match rest.rfind('#').filter(|at| !rest[..*at].ends_with('\\')) {
        Some(at) => (&rest[..at], directive(&rest[at + 1..])),
        None => (rest, None),
    };
    let name = if directive.is_some() { name } else { rest };
    let name = name.trim().trim_start_matches("- ").trim_end_matches(" {").trim();
    Some(Point {
        is_ok,
        name: if name == "-" { "" } else { name },
        directive: directive.unwrap_or_default(),
    })
}

/// `SKIP why`, `skipped`, `TODO: why`.
fn directive(text: &str) -> Option<String> {
    let word: String = text
        .trim_start()
        .chars()
        .take(4)
        .collect::<String>()
        .to_ascii_lowercase();
    matches!(word.as_str(), "skip" | "todo").then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> TestResults {
        let mut tap = Tap::default();
        text.lines().for_each(|line| tap.line(line.as_bytes()));
        tap.finish()
    }

    #[test]
    fn what_is_not_tap_says_nothing() {
        for text in [
            "",
            "ok\nok\n",
            "okay\n",
            "not ok at all\nok 1",
            "# 1..2",
            "nothing",
            "1..2 are numbers",
        ] {
            assert!(read(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_plan_that_is_not_kept_is_a_failure() {
        for (text, message) in [
            ("1..3\nok\nok", "3 tests were planned, 2 were run"),
            ("TAP version 13\nok 1", "the plan is missing: the tests broke off"),
            ("1..2\nok 1\nBail out! no database", "bailed out: no database"),
            ("1..1\nok\nok", "1 tests were planned, 2 were run"),
        ] {
            let results = read(text);
            assert_eq!(results.counts.failed, 1, "{text}");
            assert_eq!(results.failures[0].message, message);
        }
    }

    #[test]
    fn directives_and_descriptions_may_hold_a_hash() {
        let results = read(
            "1..5\nok 1 - issue #12\nok 2 # SKIP no root\nnot ok 3 later # TODO\nok # todo: x\nnot ok 5 - c\\# 7",
        );
        assert_eq!(results.counts.to_string(), "1 failed, 2 passed, 2 skipped");
        assert_eq!(results.failures[0].name, "c\\# 7");
    }

    #[test]
    fn the_innermost_tests_are_counted_and_named_with_what_they_belong_to() {
        let text = "TAP version 14\n# Subtest: api\n    1..2\n    ok 1 - get\n    not ok 2 - post\n      ---\n      message: \"got 500\"\n      at: /app/api.js:7\n      ...\nnot ok 1 - api\nok 2 - other\n1..2\n";
        let results = read(text);
        assert_eq!(results.counts.to_string(), "1 failed, 2 passed");
        let failed = &results.failures[0];
        assert_eq!(
            (failed.name.as_str(), failed.message.as_str()),
            ("api › post", "got 500")
        );
        assert_eq!(failed.place.as_ref().map(|place| place.line), Some(7));
    }

    #[test]
    fn what_bats_says_of_a_failure_is_kept() {
        let text =
            "1..2\nnot ok 1 greets\n# (in test file test/run.bats, line 7)\n#   `false' failed\nok 2 parts\n";
        let results = read(text);
        assert!(results.failures[0].detail.ends_with("`false' failed\n"));
        let place = results.failures[0].place.clone().unwrap();
        assert_eq!((place.path.as_str(), place.line), ("test/run.bats", 7));
    }
}
