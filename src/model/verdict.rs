//! What came of a run.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::RunId;
use super::plan::Profile;
use super::results::{Counts, TestResults};

/// The row of the table of verdicts that a run ended in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every step passed.
    Passed,
    /// The tests said no, or a limit of the image's own making bit.
    Failed,
    /// The tests took too long, or were silent for too long.
    TimedOut,
    /// Somebody must act before the image can be judged.
    ActionRequired,
    /// The commit is not known well enough for the tests to speak for it, and the repository lets that pass.
    Neutral,
    /// Trouble that is not the image's outlasted our patience.
    Trouble,
    /// A newer digest of the same tag took its place, or somebody cancelled it.
    Cancelled,
}

impl Outcome {
    /// The word of the API and the pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::ActionRequired => "action_required",
            Self::Neutral => "neutral",
            Self::Trouble => "trouble",
            Self::Cancelled => "cancelled",
        }
    }

    /// Is this what the image itself says, so that asking it again is idle?
    pub fn is_judgement(self) -> bool {
        matches!(self, Self::Passed | Self::Failed | Self::TimedOut)
    }
}

/// What a profile keeps from a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lacked {
    /// A capability, without `CAP_`.
    Capability(String),
    /// A root file system that can be written to.
    WritableRoot,
    /// Rights that a program takes on by its file's owner.
    NewPrivileges,
}

impl Lacked {
    fn in_words(&self, profile: &str) -> String {
        match self {
            Self::Capability(name) => format!("needs CAP_{name}, which profile {profile} drops"),
            Self::WritableRoot => {
                format!("needs to write to its file system, which profile {profile} makes read-only")
            }
            Self::NewPrivileges => {
                format!("needs new privileges (sudo, setuid), which profile {profile} withholds")
            }
        }
    }
}

/// Why a step ended as it did: a cause that a person can act on, not a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub enum Cause {
    /// Exit code 0.
    Passed,
    /// Reports of the tests say that some failed.
    TestsFailed {
        /// How many, of how many.
        counts: Counts,
        /// The exit code, which may be zero.
        code: i64,
    },
    /// The tests' own exit code.
    ExitCode {
        /// Not zero.
        code: i64,
    },
    /// The tests failed, and their output says that they wanted a network they were not given.
    NeedsNetwork {
        /// Not zero.
        code: i64,
    },
    /// The tests failed, and their output says that they wanted what the profile keeps from them.
    HeldBack {
        /// Not zero.
        code: i64,
        /// The profile.
        profile: Profile,
        /// What they lacked.
        lacked: Lacked,
    },
    /// The kernel killed the step at its memory limit.
    OutOfMemory {
        /// The limit.
        limit_bytes: u64,
    },
    /// The total time was up.
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// There was no output for too long.
    Silent {
        /// The limit.
        after: Duration,
    },
    /// More was written to the container's file system than is allowed.
    DiskFull {
        /// The limit.
        limit_bytes: u64,
    },
    /// More was printed than is allowed.
    TooMuchOutput {
        /// The limit.
        limit_bytes: u64,
    },
    /// The tests failed, and their output says that no more processes or threads could be started.
    TooManyProcesses {
        /// The limit.
        limit: u32,
    },
    /// The image has no entrypoint, and `test` ran the shell's own builtin: exit 1, no output.
    ShellTestBuiltin,
    /// The command is not in the image.
    CommandNotFound {
        /// What was asked for.
        command: String,
    },
    /// The command is in the image and cannot be executed.
    NotExecutable {
        /// What was asked for.
        command: String,
    },
    /// The program is of another platform, or no program.
    ExecFormat,
    /// The image was to stay up, and ended by itself.
    DidNotStayUp {
        /// Its exit code, which may be zero.
        code: i64,
        /// How long it was up.
        after: Duration,
    },
    /// The image stayed up, and its health check never held.
    NotHealthy {
        /// How long it was given.
        after: Duration,
        /// What the last check printed.
        said: String,
    },
    /// A service that the tests depend on was not as it had to be, and the tests were not started.
    ServiceFailed {
        /// Which one.
        service: String,
        /// What was wrong: the end of a sentence.
        why: String,
    },
    /// The image's configuration cannot be run safely, or at all.
    NotRunnable {
        /// A sentence saying what is wrong with it.
        reason: String,
    },
}

impl Cause {
    /// The row of the table of verdicts that this cause belongs to.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Passed => Outcome::Passed,
            Self::TestsFailed { .. }
            | Self::ExitCode { .. }
            | Self::NeedsNetwork { .. }
            | Self::HeldBack { .. }
            | Self::OutOfMemory { .. }
            | Self::DiskFull { .. }
            | Self::TooMuchOutput { .. }
            | Self::TooManyProcesses { .. }
            | Self::DidNotStayUp { .. }
            | Self::NotHealthy { .. }
            | Self::ServiceFailed { .. } => Outcome::Failed,
            Self::TimedOut { .. } | Self::Silent { .. } => Outcome::TimedOut,
            Self::ShellTestBuiltin
            | Self::CommandNotFound { .. }
            | Self::NotExecutable { .. }
            | Self::ExecFormat
            | Self::NotRunnable { .. } => Outcome::ActionRequired,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::TestsFailed { counts, code: 0 } => write!(f, "{counts}, though the exit code is 0"),
            Self::TestsFailed { counts, .. } => counts.fmt(f),
            Self::ExitCode { code } => write!(f, "exit code {code}"),
            Self::NeedsNetwork { code } => {
                write!(f, "exit code {code}: needs the network: set `network: bridge`")
            }
            Self::HeldBack {
                code,
                profile,
                lacked,
            } => write!(f, "exit code {code}: {}", lacked.in_words(profile.as_str())),
            Self::OutOfMemory { limit_bytes } => write!(f, "out of memory (limit {})", Bytes(*limit_bytes)),
            Self::TimedOut { after } => write!(f, "timed out after {}", Elapsed(*after)),
            Self::Silent { after } => write!(f, "no output for {}", Elapsed(*after)),
            Self::DiskFull { limit_bytes } => {
                write!(f, "wrote too much to disk (limit {})", Bytes(*limit_bytes))
            }
            Self::TooMuchOutput { limit_bytes } => {
                write!(f, "printed too much (limit {})", Bytes(*limit_bytes))
            }
            Self::TooManyProcesses { limit } => write!(f, "too many processes (limit {limit})"),
            Self::ShellTestBuiltin => f.write_str("no test command: the shell's own test builtin ran"),
            Self::CommandNotFound { command } => {
                write!(f, "no test command: `{command}` is not in the image")
            }
            Self::NotExecutable { command } => write!(f, "no test command: `{command}` is not executable"),
            Self::ExecFormat => {
                f.write_str("not a runnable image: its program is not for this platform (exec format error)")
            }
            Self::DidNotStayUp { code, after } => {
                write!(
                    f,
                    "did not stay up: it ended after {} with exit code {code}",
                    Elapsed(*after)
                )
            }
            Self::NotHealthy { after, said } if said.is_empty() => {
                write!(f, "not healthy within {}", Elapsed(*after))
            }
            Self::NotHealthy { after, said } => {
                write!(
                    f,
                    "not healthy within {}; its last check said: {said}",
                    Elapsed(*after)
                )
            }
            Self::ServiceFailed { service, why } => write!(f, "the service `{service}` {why}"),
            Self::NotRunnable { reason } => write!(f, "not a runnable image: {reason}"),
        }
    }
}

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResult {
    /// The step's name in its plan.
    pub name: String,
    /// Why it ended as it did.
    #[serde(flatten)]
    pub cause: Cause,
    /// From the container's start to its end.
    pub duration: Duration,
    /// What its reports say of its tests.
    #[serde(default, skip_serializing_if = "TestResults::is_empty")]
    pub tests: TestResults,
}

impl StepResult {
    /// Its tests; a step that tells of none is one itself.
    fn counts(&self) -> Counts {
        let mut counts = self.tests.counts;
        if self.cause == Cause::Passed {
            counts.passed += u64::from(counts.total() == 0);
        } else {
            // Whatever else it says: it did not pass.
            counts.failed = counts.failed.max(1);
        }
        counts
    }
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The row of the table of verdicts.
    pub outcome: Outcome,
    /// One line: why.
    pub title: String,
    /// Those steps that ran.
    pub steps: Vec<StepResult>,
    /// The run that took this one's place.
    pub superseded_by: Option<RunId>,
}

impl Verdict {
    /// A verdict that no step was needed for.
    pub fn without_steps(outcome: Outcome, title: impl Into<String>) -> Self {
        Self {
            outcome,
            title: title.into(),
            steps: Vec::new(),
            superseded_by: None,
        }
    }

    /// The same without what only those may see who may see the log: names of tests, and what they say.
    #[must_use]
    pub fn without_names(self) -> Self {
        if self.steps.iter().all(|step| step.tests.is_empty()) {
            return self;
        }
        let steps = self.steps.into_iter().map(|step| StepResult {
            tests: TestResults {
                counts: step.tests.counts,
                ..TestResults::default()
            },
            ..step
        });
        Self::of_steps(steps.collect())
    }

    /// The verdict on a run whose steps ended so: the first one that did not pass decides.
    pub fn of_steps(steps: Vec<StepResult>) -> Self {
        let failed: Vec<&StepResult> = steps.iter().filter(|step| step.cause != Cause::Passed).collect();
        let total: Duration = steps.iter().map(|step| step.duration).sum();
        let counts = steps
            .iter()
            .map(StepResult::counts)
            .fold(Counts::default(), Counts::and);
        let in_numbers = format!("{counts} in {}", Elapsed(total));
        let title = match failed.as_slice() {
            [one] => title_of_one(one, counts).unwrap_or(in_numbers),
            _ => in_numbers,
        };
        Self {
            outcome: failed
                .first()
                .map_or(Outcome::Passed, |step| step.cause.outcome()),
            title,
            steps,
            superseded_by: None,
        }
    }
}

/// The one thing that failed, by name; `None`: it is several.
fn title_of_one(step: &StepResult, counts: Counts) -> Option<String> {
    match (&step.cause, step.tests.failures.as_slice()) {
        (Cause::TestsFailed { counts, .. }, [test]) if counts.failed == 1 => {
            Some(format!("{} failed", test.name))
        }
        (Cause::TestsFailed { .. }, _) => None,
        (cause, _) if counts.passed == 0 => Some(format!("{}: {cause}", step.name)),
        (cause, _) => Some(format!("{}: {cause}, {} passed", step.name, counts.passed)),
    }
}

/// A duration as people say it: `1m 12s`, `4.2s`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elapsed(pub(crate) Duration);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, 0, 0..10) => write!(f, "{:.1}s", self.0.as_secs_f64()),
            (0, 0, seconds) => write!(f, "{seconds}s"),
            (0, minutes, 0) => write!(f, "{minutes}m"),
            (0, minutes, seconds) => write!(f, "{minutes}m {seconds}s"),
            (hours, minutes, _) => write!(f, "{hours}h {minutes}m"),
        }
    }
}

/// A size as people say it: `2 GiB`, `1.5 MiB`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        let Some((unit, size)) = UNITS.iter().find(|(_, size)| self.0 >= *size) else {
            return write!(f, "{} B", self.0);
        };
        if self.0.is_multiple_of(*size) {
            write!(f, "{} {unit}", self.0 / size)
        } else {
            let tenths = self.0 / (size / 10).max(1);
            write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FailedTest;

    fn step(name: &str, cause: Cause) -> StepResult {
        StepResult {
            name: name.to_owned(),
            cause,
            duration: Duration::from_secs(36),
            tests: TestResults::default(),
        }
    }

    fn suite(name: &str, failures: &[&str], passed: u64) -> StepResult {
        let failed = failures.len() as u64;
        let counts = Counts {
            passed,
            failed,
            skipped: 0,
        };
        let cause = if failed == 0 {
            Cause::Passed
        } else {
            Cause::TestsFailed { counts, code: 1 }
        };
        let named = |name: &&str| FailedTest {
            name: (*name).to_owned(),
            ..FailedTest::default()
        };
        StepResult {
            tests: TestResults {
                counts,
                failures: failures.iter().map(named).collect(),
                ..TestResults::default()
            },
            ..step(name, cause)
        }
    }

    #[test]
    fn the_title_names_the_one_failing_test_or_counts_them() {
        let title = |steps: &[StepResult]| Verdict::of_steps(steps.to_vec()).title;
        assert_eq!(
            title(&[suite("unit", &["api › login"], 40)]),
            "api › login failed"
        );
        assert_eq!(
            title(&[suite("unit", &["a", "b"], 40), step("smoke", Cause::Passed)]),
            "2 failed, 41 passed in 1m 12s"
        );
        assert_eq!(title(&[suite("unit", &[], 40)]), "40 passed in 36s");
        let mut killed = suite("unit", &[], 40);
        killed.cause = Cause::OutOfMemory { limit_bytes: 2 << 30 };
        assert_eq!(title(&[killed]), "unit: out of memory (limit 2 GiB), 40 passed");
    }

    #[test]
    fn the_title_names_the_one_failing_step_or_counts() {
        let verdict = Verdict::of_steps(vec![
            step("unit", Cause::Passed),
            step("api", Cause::ExitCode { code: 3 }),
        ]);
        assert_eq!(
            (verdict.outcome, verdict.title.as_str()),
            (Outcome::Failed, "api: exit code 3, 1 passed")
        );
        let verdict = Verdict::of_steps(vec![step("unit", Cause::Passed), step("api", Cause::Passed)]);
        assert_eq!(
            (verdict.outcome, verdict.title.as_str()),
            (Outcome::Passed, "2 passed in 1m 12s")
        );
        let failed = || step("x", Cause::ExitCode { code: 1 });
        let verdict = Verdict::of_steps(vec![failed(), failed(), step("y", Cause::Passed)]);
        assert_eq!(verdict.title, "2 failed, 1 passed in 1m 48s");
    }

    #[test]
    fn sizes_and_times_read_as_people_say_them() {
        assert_eq!(Bytes(2 << 30).to_string(), "2 GiB");
        assert_eq!(Bytes((3 << 20) / 2).to_string(), "1.5 MiB");
        assert_eq!(Bytes(12).to_string(), "12 B");
        assert_eq!(Elapsed(Duration::from_millis(4_210)).to_string(), "4.2s");
        assert_eq!(Elapsed(Duration::from_mins(15)).to_string(), "15m");
        assert_eq!(Elapsed(Duration::from_mins(90)).to_string(), "1h 30m");
    }
}
