//! From what was observed to why a step ended: causes that a person can act on, not codes.
//!
//! Two traps are measured here. With an init process a missing command is no error of the Engine's:
//! the init process itself prints one line and exits 127. And a program of another platform is handed
//! to the image's shell by it, which stumbles over the first bytes.

mod held_back;

use super::error::EngineError;
use super::log::StepLog;
use crate::model::{Cause, Counts, Limits, Network, Profile};

/// How the init process begins the line with which it gives up.
const INIT_GAVE_UP: &str = "[FATAL tini (";
/// No complaint of a loader or of a shell about its first bytes is longer.
const COMPLAINT_BYTES: u64 = 4096;
/// How much of the end of the output is searched for what the tests lacked.
const SEARCHED_BYTES: usize = 64 << 10;
/// No sentence about an image is longer than this many characters.
const REASON_CHARS: usize = 300;

/// What a shell or a runtime says that may start no more processes or threads, in lower case.
const PROCESSES_WANTED: &[&str] = &[
    "can't fork",
    "cannot fork",
    "failed to create new os thread",
    "fork: resource temporarily unavailable",
    "fork: retry",
    "pthread_create failed: resource temporarily unavailable",
    "unable to create native thread",
    "unable to create new native thread",
];

/// What a failed look-up or a missing route reads like, in lower case.
const NETWORK_WANTED: &[&str] = &[
    "bad address '",
    "could not resolve host",
    "dns lookup failed",
    "eai_again",
    "enetunreach",
    "enotfound",
    "getaddrinfo",
    "name does not resolve",
    "name or service not known",
    "network is unreachable",
    "network unreachable",
    "no address associated with hostname",
    "no such host",
    "temporary failure in name resolution",
    "temporary failure resolving",
    "unable to resolve host",
];

/// Why we stopped a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    TotalTime,
    Silence,
    Disk,
    Output,
}

/// How a container came to its end, by the Engine's own record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) code: i64,
    pub(super) out_of_memory: bool,
}

/// How a step came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, or by the kernel.
    Exited(Exit),
    /// By us.
    Stopped(Stop),
}

impl End {
    /// The exit code of one that ended by itself.
    pub(super) fn code(self) -> Option<i64> {
        match self {
            Self::Exited(exit) => Some(exit.code),
            Self::Stopped(_) => None,
        }
    }
}

/// What a step was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    /// What runs, by the Engine's rules.
    pub(super) words: &'a [String],
    pub(super) network: Network,
    pub(super) profile: Profile,
    pub(super) limits: &'a Limits,
}

/// Why a step ended that was started.
pub(super) fn of_end(end: End, given: Given<'_>, log: &StepLog) -> Cause {
    let limits = given.limits;
    match end {
        End::Stopped(Stop::TotalTime) => Cause::TimedOut {
            after: limits.timeout,
        },
        End::Stopped(Stop::Silence) => Cause::Silent {
            after: limits.idle_timeout,
        },
        End::Stopped(Stop::Disk) => Cause::DiskFull {
            limit_bytes: limits.disk_bytes,
        },
        End::Stopped(Stop::Output) => Cause::TooMuchOutput {
            limit_bytes: super::OUTPUT_BYTES,
        },
        // Tests that pass although a child of theirs was killed have passed.
        End::Exited(Exit { code: 0, .. }) => Cause::Passed,
        End::Exited(Exit {
            out_of_memory: true, ..
        }) => Cause::OutOfMemory {
            limit_bytes: limits.memory_bytes,
        },
        End::Exited(Exit { code, .. }) => of_code(code, given, log),
    }
}

/// The same where reports tell of tests that failed: they know better why.
pub(super) fn with_tests(cause: Cause, counts: Counts) -> Cause {
    match cause {
        Cause::Passed if counts.failed > 0 => Cause::TestsFailed { counts, code: 0 },
        Cause::ExitCode { code } | Cause::HeldBack { code, .. } if counts.failed > 0 => {
            Cause::TestsFailed { counts, code }
        }
        cause => cause,
    }
}

/// Why a step could not be started, where that is the image's doing; `None`: it is the Engine's.
pub(super) fn of_refused_start(message: &str, words: &[String]) -> Option<Cause> {
    let command = words.first().cloned().unwrap_or_default();
    let says = |text: &str| message.contains(text);
    let about_program = says("exec: ");
    if about_program && (says("executable file not found") || says("no such file or directory")) {
        Some(Cause::CommandNotFound { command })
    } else if about_program && (says("permission denied") || says("is a directory")) {
        Some(Cause::NotExecutable { command })
    } else if says("is not directory") || says("mount a directory onto a file") {
        // The message names folders of the host.
        Some(Cause::NotRunnable {
            reason: "a folder is to be seen where it has a file".to_owned(),
        })
    } else if says("exec format error") {
        Some(Cause::ExecFormat)
    } else if says("unable to find user")
        || says("unable to find group")
        || says("no matching entries in")
        || says("Cannot mkdir")
        || says("is not a directory")
        || says("chdir to cwd")
        // What the Engine would not even make a container of.
        || says("Healthcheck cannot be")
        || says("invalid environment variable")
        || says("it needs to be an absolute path")
        || says("Duplicate mount point")
    {
        Some(Cause::NotRunnable {
            reason: message.chars().take(REASON_CHARS).collect(),
        })
    } else {
        None
    }
}

/// The image's share in a container that could not be made or started; the error, if it has none.
pub(super) fn blame(error: EngineError, words: &[String]) -> Result<Cause, EngineError> {
    let cause = match &error {
        EngineError::Refused { message, .. } => of_refused_start(message, words),
        _ => None,
    };
    cause.ok_or(error)
}

/// Why a command was not found that is in the image: the same error stands for what it needs.
pub(super) fn of_unloadable(command: &str) -> Cause {
    let reason = format!(
        "`{command}` is in it and cannot be loaded: its loader or interpreter is missing, or it is for \
         another platform"
    );
    Cause::NotRunnable { reason }
}

fn of_code(code: i64, given: Given<'_>, log: &StepLog) -> Cause {
    let complaint = if log.printed_bytes() <= COMPLAINT_BYTES {
        log.end(SEARCHED_BYTES)
    } else {
        String::new()
    };
    if let Some(cause) = of_init_line(&complaint, given.words) {
        cause
    } else if is_exec_format(code, &complaint) {
        Cause::ExecFormat
    } else if code == 1 && log.printed_bytes() == 0 && runs_test_builtin(given.words) {
        Cause::ShellTestBuiltin
    } else if complains(log, PROCESSES_WANTED) {
        Cause::TooManyProcesses {
            limit: given.limits.pids,
        }
    } else if given.network == Network::None && complains(log, NETWORK_WANTED) {
        Cause::NeedsNetwork { code }
    } else {
        let output = log.end(SEARCHED_BYTES).to_ascii_lowercase();
        match held_back::lacked(&output, given.profile) {
            Some(lacked) => Cause::HeldBack {
                code,
                profile: given.profile,
                lacked,
            },
            None => Cause::ExitCode { code },
        }
    }
}

/// Did the init process say, as the only output, that it could not run the command?
fn of_init_line(output: &str, words: &[String]) -> Option<Cause> {
    let command = words.first()?.clone();
    let line = output.strip_suffix('\n').filter(|line| !line.contains('\n'))?;
    let (_, rest) = line.strip_prefix(INIT_GAVE_UP)?.split_once(")] exec ")?;
    match rest.strip_prefix(command.as_str())?.strip_prefix(" failed: ")? {
        "No such file or directory" | "Not a directory" => Some(Cause::CommandNotFound { command }),
        "Permission denied" | "Is a directory" => Some(Cause::NotExecutable { command }),
        "Exec format error" => Some(Cause::ExecFormat),
        _ => None,
    }
}

fn is_exec_format(code: i64, complaint: &str) -> bool {
    match code {
        // The runtime's own words, where there is no init process.
        1 => complaint.starts_with("exec ") && complaint.trim_end().ends_with("exec format error"),
        // A shell's, which was handed the program.
        2 | 126 | 127 => {
            complaint.contains("\u{7f}ELF") || complaint.to_ascii_lowercase().contains("exec format error")
        }
        _ => false,
    }
}

/// Is this `test` with nothing before it, or a shell that runs just that?
fn runs_test_builtin(words: &[String]) -> bool {
    match words {
        [test] => test == "test",
        [.., flag, test] => flag == "-c" && test == "test",
        [] => false,
    }
}

fn complains(log: &StepLog, words: &[&str]) -> bool {
    let output = log.end(SEARCHED_BYTES).to_ascii_lowercase();
    words.iter().any(|words| output.contains(words))
}

#[cfg(test)]
mod tests;
