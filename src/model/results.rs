//! What a suite says of its tests, and of places in the source.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A line of the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePlace {
    /// Slashes between its parts, as the tests wrote it.
    pub path: String,
    /// From 1 on.
    pub line: u32,
}

/// A test that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedTest {
    /// With what it belongs to: `api › login`.
    pub name: String,
    /// Why, on one line; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What else the report tells of it: a stack, a difference; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Where it failed, as the tests tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<SourcePlace>,
    /// The same in the repository, once it is found there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourcePlace>,
}

/// How much a remark weighs, in GitHub's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemarkLevel {
    /// Something to know.
    Notice,
    /// Something to look at.
    Warning,
    /// Something wrong.
    Failure,
}

/// What the tests remark on a place in the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// How much it weighs.
    pub level: RemarkLevel,
    /// Where, as the tests tell it.
    pub place: SourcePlace,
    /// The same in the repository, once it is found there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourcePlace>,
    /// One line; may be empty.
    pub title: String,
    /// What is remarked.
    pub message: String,
}

/// How many tests there were, and how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// They passed, if only after another try.
    pub passed: u64,
    /// They failed, or could not be run.
    pub failed: u64,
    /// They were not run, or their failure was expected.
    pub skipped: u64,
}

impl Counts {
    /// All of them.
    pub fn total(self) -> u64 {
        self.passed + self.failed + self.skipped
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl fmt::Display for Counts {
    /// `2 failed, 40 passed, 1 skipped`; of what there is none of, only the passed are told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.failed > 0 {
            write!(f, "{} failed, ", self.failed)?;
        }
        write!(f, "{} passed", self.passed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// What the reports of a step say. Bounded, whatever they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResults {
    /// Of all tests.
    pub counts: Counts,
    /// The first of those that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailedTest>,
    /// The first remarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    /// What of the reports could not be read: sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

impl TestResults {
    /// Was there nothing to say?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn counts_read_as_people_say_them() {
        for (passed, failed, skipped, text) in [
            (40, 2, 0, "2 failed, 40 passed"),
            (40, 0, 1, "40 passed, 1 skipped"),
            (0, 1, 0, "1 failed, 0 passed"),
            (0, 0, 0, "0 passed"),
        ] {
            let counts = Counts {
                passed,
                failed,
                skipped,
            };
            assert_eq!(counts.to_string(), text);
        }
    }
}
