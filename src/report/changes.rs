//! What changed against the digest that the tag meant before: in the tests, and in the image.

use std::collections::BTreeSet;

use crate::model::{Bytes, Cause, Digest, ImageFacts, StepResult, Verdict};

/// Names of a list that a sentence tells.
const MOST_NAMES: usize = 8;

/// The last judged run of another digest under the same tag.
#[derive(Clone, Copy, Debug)]
pub struct Previous<'a> {
    /// Its page: absolute, with the key where the repository is private.
    pub page_url: &'a str,
    /// What it tested.
    pub digest: &'a Digest,
    /// What came of it.
    pub verdict: &'a Verdict,
    /// The image, where it may be shown.
    pub image: Option<&'a ImageFacts>,
}

/// A test by the names of its step and its own; a step that tells of no tests is one itself.
type Name<'a> = (&'a str, &'a str);

/// What changed in the tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TestChanges<'a> {
    /// They fail, and did not before.
    pub(super) newly_failing: BTreeSet<Name<'a>>,
    /// They failed, and do not any more.
    pub(super) fixed: usize,
}

impl<'a> TestChanges<'a> {
    /// From `before` to `now`; `None` where not all names are known, or nothing was judged.
    pub(super) fn between(before: &'a Verdict, now: &'a Verdict) -> Option<Self> {
        if !before.outcome.is_judgement() || !now.outcome.is_judgement() {
            return None;
        }
        let (failed_before, failed_now) = (failing(before)?, failing(now)?);
        let ran = |name: &str, verdict: &'a Verdict| verdict.steps.iter().find(|step| step.name == name);
        // What a step would have said that came to no end is not known.
        let told = |name: &Name<'_>, verdict: &'a Verdict| {
            ran(name.0, verdict)
                .is_some_and(|step| matches!(step.cause, Cause::Passed | Cause::TestsFailed { .. }))
        };
        Some(Self {
            newly_failing: failed_now
                .iter()
                .filter(|name| !failed_before.contains(*name) && ran(name.0, before).is_some())
                .copied()
                .collect(),
            fixed: failed_before
                .iter()
                .filter(|name| !failed_now.contains(*name) && told(name, now))
                .count(),
        })
    }

    /// `2 newly failing, 1 fixed`
    pub(super) fn in_words(&self) -> String {
        let counted = [(self.newly_failing.len(), "newly failing"), (self.fixed, "fixed")];
        let words: Vec<String> = counted
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if words.is_empty() {
            "the same tests pass and fail".to_owned()
        } else {
            words.join(", ")
        }
    }
}

/// All that failed, by name; `None` where some of the names were not kept.
fn failing(verdict: &Verdict) -> Option<BTreeSet<Name<'_>>> {
    let mut names = BTreeSet::new();
    for step in &verdict.steps {
        let StepResult {
            name, cause, tests, ..
        } = step;
        if tests.counts.failed != tests.failures.len() as u64 {
            return None;
        }
        names.extend(
            tests
                .failures
                .iter()
                .map(|test| (name.as_str(), test.name.as_str())),
        );
        if *cause != Cause::Passed && tests.failures.is_empty() {
            names.insert((name, name));
        }
    }
    Some(names)
}

/// What changed in the image: short sentences, none where nothing did. Texts are the images' own.
pub(super) fn of_image(before: &ImageFacts, now: &ImageFacts) -> Vec<Change> {
    let texts = [
        ("user", before.user.clone(), now.user.clone()),
        (
            "working directory",
            before.working_dir.clone(),
            now.working_dir.clone(),
        ),
        (
            "entrypoint",
            before.entrypoint.join(" "),
            now.entrypoint.join(" "),
        ),
        ("command", before.cmd.join(" "), now.cmd.join(" ")),
    ];
    let moved = texts
        .into_iter()
        .filter(|(_, was, is)| was != is)
        .map(|(what, was, is)| Change {
            what: format!("{what}:"),
            names: vec![was, is],
            is_move: true,
        });
    let lists = [
        ("variables", &before.variables, &now.variables),
        ("ports", &before.ports, &now.ports),
        ("volumes", &before.volumes, &now.volumes),
    ];
    let listed = lists
        .into_iter()
        .flat_map(|(what, was, is)| [missing("new", what, is, was), missing("gone", what, was, is)]);
    weight(before, now)
        .into_iter()
        .chain(moved)
        .chain(listed.flatten())
        .collect()
}

/// Size and layers.
fn weight(before: &ImageFacts, now: &ImageFacts) -> Vec<Change> {
    let mut all = Vec::new();
    let (was, is) = (before.size_bytes, now.size_bytes);
    if was != is {
        let sign = if is > was { '+' } else { '−' };
        let difference = Bytes(is.abs_diff(was));
        all.push(Change::plain(format!(
            "size: {} → {} ({sign}{difference})",
            Bytes(was),
            Bytes(is)
        )));
    }
    if before.layers != now.layers {
        let layers = now.layers.iter();
        let new = layers.filter(|layer| !before.layers.contains(layer)).count();
        all.push(Change::plain(format!(
            "layers: {new} of {} are new, there were {}",
            now.layers.len(),
            before.layers.len()
        )));
    }
    all
}

/// Names of one list that are not in the other.
fn missing(word: &str, what: &str, from: &[String], of: &[String]) -> Option<Change> {
    let names = from.iter().filter(|name| !of.contains(name));
    let names: Vec<String> = names.take(MOST_NAMES).cloned().collect();
    (!names.is_empty()).then(|| Change {
        what: format!("{word} {what}:"),
        names,
        is_move: false,
    })
}

/// One thing that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Our own words.
    pub(super) what: String,
    /// The image's.
    pub(super) names: Vec<String>,
    /// Do the names say from what it changed to what? Else they are a list.
    pub(super) is_move: bool,
}

impl Change {
    fn plain(what: String) -> Self {
        Self {
            what,
            names: Vec::new(),
            is_move: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Counts, FailedTest, TestResults};

    fn step(name: &str, failures: &[&str], cause: Cause) -> StepResult {
        let failed = |name: &&str| FailedTest {
            name: (*name).to_owned(),
            ..FailedTest::default()
        };
        StepResult {
            name: name.to_owned(),
            cause,
            duration: Duration::ZERO,
            tests: TestResults {
                counts: Counts {
                    failed: failures.len() as u64,
                    passed: 3,
                    skipped: 0,
                },
                failures: failures.iter().map(failed).collect(),
                ..TestResults::default()
            },
        }
    }

    fn suite(failures: &[&str]) -> Verdict {
        let cause = match failures {
            [] => Cause::Passed,
            _ => Cause::TestsFailed {
                counts: Counts::default(),
                code: 1,
            },
        };
        Verdict::of_steps(vec![step("unit", failures, cause)])
    }

    fn words(before: &Verdict, now: &Verdict) -> Option<String> {
        TestChanges::between(before, now).map(|changes| changes.in_words())
    }

    #[test]
    fn tests_are_compared_by_their_names() {
        for (before, now, expected) in [
            (&["a", "b"][..], &["b", "c", "d"][..], "2 newly failing, 1 fixed"),
            (&[], &["a"], "1 newly failing"),
            (&["a"], &[], "1 fixed"),
            (&["a"], &["a"], "the same tests pass and fail"),
            (&[], &[], "the same tests pass and fail"),
        ] {
            assert_eq!(words(&suite(before), &suite(now)).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let killed = |failures: &[&str]| {
            let cause = Cause::OutOfMemory { limit_bytes: 1 };
            Verdict::of_steps(vec![step("unit", failures, cause)])
        };
        // It failed as a whole; what became of `a` is not known.
        assert_eq!(words(&suite(&["a"]), &killed(&[])).unwrap(), "1 newly failing");
        assert_eq!(words(&killed(&[]), &suite(&[])).unwrap(), "1 fixed");
        let mut many = suite(&["a"]);
        many.steps[0].tests.counts.failed = 500;
        assert_eq!(words(&many, &suite(&[])), None);
        // A step that was not there before is no news of the tests.
        let other = Verdict::of_steps(vec![step("new", &["x"], Cause::Passed)]);
        assert_eq!(
            words(&suite(&[]), &other).unwrap(),
            "the same tests pass and fail"
        );
    }

    #[test]
    fn what_changed_in_the_image_is_told_thing_by_thing() {
        let text = |text: &str| vec![text.to_owned()];
        let before = ImageFacts {
            size_bytes: 10 << 20,
            layers: vec![Digest::of(b"1"), Digest::of(b"2")],
            user: "root".to_owned(),
            variables: text("OLD"),
            ..ImageFacts::default()
        };
        let now = ImageFacts {
            size_bytes: 12 << 20,
            layers: vec![Digest::of(b"1"), Digest::of(b"3"), Digest::of(b"4")],
            user: "app".to_owned(),
            variables: text("NEW"),
            ports: text("80/tcp"),
            ..ImageFacts::default()
        };
        let told: Vec<String> = of_image(&before, &now)
            .into_iter()
            .map(|change| format!("{} {}", change.what, change.names.join(" ")))
            .collect();
        assert_eq!(
            told,
            [
                "size: 10 MiB → 12 MiB (+2 MiB) ",
                "layers: 2 of 3 are new, there were 2 ",
                "user: root app",
                "new variables: NEW",
                "gone variables: OLD",
                "new ports: 80/tcp",
            ]
        );
        assert!(of_image(&now, &now).is_empty());
    }
}
