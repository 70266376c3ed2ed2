//! What a structure file came to, as a person reads it.

use std::fmt::Write as _;

use crate::model::structure::Judged;
use crate::model::{Counts, Elapsed};

/// Bytes of an output that are shown.
const SHOWN_BYTES: usize = 16 << 10;

/// The assertions one after the other, in the form that container-structure-test has made people used to.
pub fn text(file: &str, judged: &[Judged], counts: Counts) -> String {
    let mut text = String::new();
    let title = format!(" Test file: {file} ");
    let _ = writeln!(text, "{title:=^60}");
    for assertion in judged {
        let verdict = if assertion.errors.is_empty() {
            "PASS"
        } else {
            "FAIL"
        };
        let _ = writeln!(text, "=== RUN: {}\n--- {verdict}", assertion.name);
        if !assertion.duration.is_zero() {
            let _ = writeln!(text, "duration: {}", Elapsed(assertion.duration));
        }
        for error in &assertion.errors {
            let _ = writeln!(text, "Error: {error}");
        }
        for (name, output) in [("stdout", &assertion.stdout), ("stderr", &assertion.stderr)] {
            if !output.is_empty() {
                let shown = &output[..output.floor_char_boundary(SHOWN_BYTES)];
                let more = if shown.len() < output.len() { "…" } else { "" };
                let _ = writeln!(text, "{name}: {}{more}", shown.trim_end());
            }
        }
    }
    let verdict = if counts.failed == 0 && counts.passed > 0 {
        "PASS"
    } else {
        "FAIL"
    };
    let _ = write!(
        text,
        "{:=^60}\nPasses:      {}\nFailures:    {}\nTotal tests: {}\n\n{verdict}\n",
        " RESULTS ",
        counts.passed,
        counts.failed,
        counts.total()
    );
    text
}
