//! What came of a test, for programs: JSON, and `JUnit` XML.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use super::Failure;
use crate::model::structure::Judged;
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
    /// Of a container-structure-test file.
    pub(super) assertions: Vec<Judged>,
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
        let mut all = json!({
            "image": self.image,
            "id": self.id,
            "platform": self.platform,
            "outcome": self.verdict.outcome.as_str(),
            "title": self.verdict.title,
            "steps": steps.collect::<Vec<_>>(),
            "notes": self.notes,
        });
        if let (Some(all), Value::Object(theirs)) = (all.as_object_mut(), self.structure_json()) {
            all.extend(theirs);
        }
        all
    }

    /// What container-structure-test says with `--output json`, so that its readers can read on; nothing where no such
    /// file was judged. Durations in nanoseconds.
    fn structure_json(&self) -> Value {
        let assertions: Vec<&Judged> = self.steps.iter().flat_map(|step| &step.assertions).collect();
        if assertions.is_empty() {
            return Value::Null;
        }
        let failed = assertions
            .iter()
            .filter(|judged| !judged.errors.is_empty())
            .count();
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let steps = self.steps.iter().filter(|step| !step.assertions.is_empty());
        let total: Duration = steps.map(|step| step.result.duration).sum();
        let results = assertions.iter().map(|judged| {
            json!({
                "Name": judged.name,
                "Pass": judged.errors.is_empty(),
                "Stdout": judged.stdout,
                "Stderr": judged.stderr,
                "Errors": judged.errors,
                "Duration": nanoseconds(judged.duration),
            })
        });
        json!({
            "Pass": assertions.len() - failed,
            "Fail": failed,
            "Total": assertions.len(),
            "Duration": nanoseconds(total),
            "Results": results.collect::<Vec<_>>(),
        })
    }

    /// One suite, with a case for each step, and one with a case for each assertion of container-structure-test files.
    /// What kept a step from being run is an error, not a failure.
    pub(super) fn junit(&self) -> Result<String, Failure> {
        let mut suite = TestSuite::new(self.image.as_str());
        let mut structure = TestSuite::new("container-structure-test.test");
        for step in &self.steps {
            if !step.assertions.is_empty() {
                structure.add_test_cases(step.assertions.iter().map(assertion));
                continue;
            }
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
        let suites = [suite, structure].into_iter();
        report.add_test_suites(suites.filter(|suite| !suite.test_cases.is_empty()));
        report
            .to_string()
            .map_err(|error| Failure::Outside(format!("cannot write JUnit: {error}")))
    }
}

fn assertion(judged: &Judged) -> TestCase {
    let status = match judged.errors.split_first() {
        None => TestCaseStatus::success(),
        Some((first, _)) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_message(first.as_str())
                .set_description(judged.errors.join("\n"));
            status
        }
    };
    let mut case = TestCase::new(judged.name.as_str(), status);
    case.set_time(judged.duration)
        .set_system_out(plain_text(&judged.stdout))
        .set_system_err(plain_text(&judged.stderr));
    case
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
