//! What came of a test, for programs: JSON, and `JUnit` XML.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use super::Failure;
use crate::model::{Outcome, Platform, StepResult, Verdict};
use crate::report::plain_text;

/// Bytes of a step's output that a report carries, from its end.
const LOG_BYTES: usize = 256 << 10;

/// An image that was tested.
pub(super) struct Tested {
    /// As it was asked for.
    pub(super) image: String,
    /// The Engine's id.
    pub(super) id: String,
    pub(super) platform: Platform,
    pub(super) verdict: Verdict,
    pub(super) steps: Vec<TestedStep>,
    pub(super) notes: Vec<String>,
}

/// A step that was run.
pub(super) struct TestedStep {
    pub(super) result: StepResult,
    pub(super) log: Vec<u8>,
}

impl TestedStep {
    fn log(&self) -> String {
        let start = self.log.len().saturating_sub(LOG_BYTES);
        plain_text(&String::from_utf8_lossy(&self.log[start..]))
    }
}

impl Tested {
    /// One object.
    pub(super) fn json(&self) -> Value {
        let steps = self.steps.iter().map(|step| {
            let StepResult {
                name,
                cause,
                duration,
                tests,
            } = &step.result;
            json!({
                "name": name,
                "outcome": cause.outcome().as_str(),
                "cause": cause.to_string(),
                "seconds": duration.as_secs_f64(),
                "tests": tests,
                "log": step.log(),
            })
        });
        json!({
            "image": self.image,
            "id": self.id,
            "platform": self.platform,
            "outcome": self.verdict.outcome.as_str(),
            "title": self.verdict.title,
            "steps": steps.collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }

    /// One suite, with a case for each step. What kept a step from being run is an error, not a failure.
    pub(super) fn junit(&self) -> Result<String, Failure> {
        let mut suite = TestSuite::new(self.image.as_str());
        for step in &self.steps {
            let result = &step.result;
            let status = match result.cause.outcome() {
                Outcome::Passed => TestCaseStatus::success(),
                Outcome::Failed | Outcome::TimedOut => not_passed(NonSuccessKind::Failure, result),
                _ => not_passed(NonSuccessKind::Error, result),
            };
            let mut case = TestCase::new(result.name.as_str(), status);
            case.set_classname(self.image.as_str())
                .set_time(result.duration)
                .set_system_out(step.log());
            suite.add_test_case(case);
        }
        let mut report = Report::new("hubcheck");
        report.add_test_suite(suite);
        report
            .to_string()
            .map_err(|error| Failure::Outside(format!("cannot write JUnit: {error}")))
    }
}

fn not_passed(kind: NonSuccessKind, result: &StepResult) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(result.cause.to_string());
    if !result.tests.failures.is_empty() {
        let failed = result
            .tests
            .failures
            .iter()
            .map(|test| match test.message.as_str() {
                "" => test.name.clone(),
                message => format!("{}: {message}", test.name),
            });
        status.set_description(failed.collect::<Vec<_>>().join("\n"));
    }
    status
}
