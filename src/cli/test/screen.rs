//! What a person sees while an image is tested: colours where there is a terminal, and nothing that an image prints
//! comes alive there.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use anstyle::{AnsiColor, Style};
use tokio::sync::mpsc;

use super::outcome::Tested;
use crate::model::{Bytes, Cause, Elapsed, Outcome, Step, StepResult, TestResults};
use crate::report::plain_text;
use crate::runner::{LiveChunk, PullProgress};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// A line that does not end is shown in pieces of this many bytes.
const LONGEST_LINE: usize = 16 << 10;

/// A pull is told of again after so many bytes more, where lines cannot be written over.
const PULL_STEP: u64 = 64 << 20;

/// Tests of a step that are named in the summary.
const MOST_FAILURES: usize = 20;

pub(super) struct Screen {
    /// Stdout is for the JSON, and people read stderr.
    on_stderr: bool,
    quiet: bool,
    is_terminal: bool,
    /// Bytes of the pull when it was last told of.
    told_of: AtomicU64,
}

impl Screen {
    pub(super) fn new(on_stderr: bool, quiet: bool) -> Self {
        let is_terminal = if on_stderr {
            io::stderr().is_terminal()
        } else {
            io::stdout().is_terminal()
        };
        Self {
            on_stderr,
            quiet,
            is_terminal,
            told_of: AtomicU64::default(),
        }
    }

    /// A line for people. Colours are taken out where there is no terminal, and where `NO_COLOR` is set.
    fn put(&self, text: &str) {
        // A reader that went away does not end the tests.
        let _ = if self.on_stderr {
            anstream::stderr().write_all(text.as_bytes())
        } else {
            anstream::stdout().write_all(text.as_bytes())
        };
    }

    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            self.put(&format!("{DIM}{text}{DIM:#}\n"));
        }
    }

    pub(super) fn warn(&self, text: &str) {
        self.put(&format!("{BAD}!{BAD:#} {}\n", plain_text(text)));
    }

    pub(super) fn begin(&self, step: &Step) {
        if !self.quiet {
            self.put(&format!("{DIM}=== {} ==={DIM:#}\n", plain_text(&step.name)));
        }
    }

    pub(super) fn end(&self, result: &StepResult) {
        if self.quiet {
            return;
        }
        self.put(&line(result));
    }

    pub(super) fn pulling(&self, progress: PullProgress) {
        let PullProgress {
            layers,
            layers_done,
            received_bytes,
            total_bytes,
        } = progress;
        if self.quiet || layers == 0 {
            return;
        }
        let text = format!(
            "{layers_done}/{layers} layers, {} of {}",
            Bytes(received_bytes),
            Bytes(total_bytes)
        );
        if self.is_terminal {
            self.put(&format!("\r{DIM}  {text}\x1b[K{DIM:#}"));
        } else if received_bytes >= self.told_of.load(Ordering::Relaxed) + PULL_STEP {
            self.told_of.store(received_bytes, Ordering::Relaxed);
            self.put(&format!("  {text}\n"));
        }
    }

    pub(super) fn pulled(&self) {
        if self.is_terminal && !self.quiet {
            self.put("\r\x1b[K");
        }
    }

    /// Shows what a step prints, as it comes.
    pub(super) async fn follow(&self, mut live: mpsc::Receiver<LiveChunk>) {
        let mut open = Vec::new();
        while let Some(chunk) = live.recv().await {
            match chunk {
                LiveChunk::Output(bytes) => open.extend_from_slice(&bytes),
                LiveChunk::Gap { bytes } => {
                    open.extend_from_slice(format!("\n[{} left out here]\n", Bytes(bytes)).as_bytes());
                }
            }
            let whole = open.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
            let whole = whole.or((open.len() > LONGEST_LINE).then_some(open.len()));
            if let Some(end) = whole {
                let lines: Vec<u8> = open.drain(..end).collect();
                self.output(&lines);
            }
        }
        self.output(&open);
    }

    fn output(&self, bytes: &[u8]) {
        if self.quiet || bytes.is_empty() {
            return;
        }
        let text = plain_text(&String::from_utf8_lossy(bytes));
        let end = if text.ends_with('\n') { "" } else { "\n" };
        self.put(&format!("{text}{end}"));
    }

    pub(super) fn summary(&self, tested: &Tested) {
        let id: String = tested.id.chars().take("sha256:".len() + 12).collect();
        self.put(&format!(
            "\n{}  {DIM}{id}, {}{DIM:#}\n",
            tested.image, tested.platform
        ));
        for step in &tested.steps {
            self.put(&line(&step.result));
            self.tests(&step.result.tests);
        }
        let (style, word) = match tested.verdict.outcome {
            Outcome::Passed => (GOOD, "passed"),
            Outcome::Failed => (BAD, "failed"),
            Outcome::TimedOut => (BAD, "timed out"),
            _ => (BAD, "could not be tested"),
        };
        self.put(&format!(
            "{style}{word}{style:#}: {}\n",
            plain_text(&tested.verdict.title)
        ));
    }

    /// The tests of a step that failed, and what of its reports could not be read.
    fn tests(&self, tests: &TestResults) {
        for failed in tests.failures.iter().take(MOST_FAILURES) {
            let place = failed
                .place
                .as_ref()
                .map(|place| format!(" ({}:{})", place.path, place.line));
            let why = Some(&failed.message)
                .filter(|message| !message.is_empty())
                .map(|why| format!(": {why}"));
            let text = [Some(failed.name.clone()), why, place]
                .into_iter()
                .flatten()
                .collect::<String>();
            self.put(&format!("  {BAD}✗{BAD:#} {}\n", plain_text(&text)));
        }
        let more = tests.counts.failed.saturating_sub(MOST_FAILURES as u64);
        if more > 0 {
            self.put(&format!("  {DIM}and {more} more{DIM:#}\n"));
        }
        for problem in &tests.problems {
            self.warn(problem);
        }
    }
}

fn line(result: &StepResult) -> String {
    let (style, mark) = if result.cause == Cause::Passed {
        (GOOD, "✓")
    } else {
        (BAD, "✗")
    };
    let why = match &result.cause {
        Cause::Passed => String::new(),
        cause => format!(": {}", plain_text(&cause.to_string())),
    };
    let (name, time) = (plain_text(&result.name), Elapsed(result.duration));
    format!("{style}{mark}{style:#} {name}{why} {DIM}({time}){DIM:#}\n")
}

/// What is for programs, on stdout.
pub(in crate::cli) fn print(text: &str) {
    // Nobody is left to tell if stdout is gone.
    let _ = io::stdout().write_all(text.as_bytes());
}
