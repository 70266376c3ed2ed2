//! What a container-structure-test file came to, as results like those of any suite.

use std::fmt::Write as _;

use super::Collector;
use crate::model::structure::{Judged, Suite};
use crate::model::{FailedTest, SourcePlace, TestResults};

/// Bytes of a command's output that stand beside its failure.
const OUTPUT_BYTES: usize = 1024;

/// Each assertion is a test; those that failed stand in the suite's file.
pub fn of_structure(suite: &Suite, judged: &[Judged]) -> TestResults {
    let mut all = Collector::default();
    for assertion in judged {
        let Some((first, others)) = assertion.errors.split_first() else {
            all.pass();
            continue;
        };
        let mut detail = others.join("\n");
        for (name, output) in [("stdout", &assertion.stdout), ("stderr", &assertion.stderr)] {
            let output = output.trim_end();
            if !output.is_empty() {
                let shown = &output[..output.floor_char_boundary(OUTPUT_BYTES)];
                let _ = write!(detail, "\n{name}: {shown}");
            }
        }
        // Lines of the default branch's file are not those of the commit's.
        let place = suite.at_commit.then(|| SourcePlace {
            path: suite.file.clone(),
            line: assertion.line,
        });
        all.fail(FailedTest {
            name: assertion.name.clone(),
            message: first.clone(),
            detail: detail.trim_start().to_owned(),
            place,
            source: None,
        });
    }
    all.0
}
