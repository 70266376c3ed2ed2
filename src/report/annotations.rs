//! Remarks beside the lines of the source at which tests failed.

use crate::model::{Annotation, RemarkLevel, SourcePlace, Verdict};

use super::limited::{limited_bytes, limited_chars};
use super::markdown::{one_line, plain};

/// GitHub's bound of a title, in characters.
const MAX_TITLE: usize = 255;
/// Our bound of a message, in bytes: GitHub's is 64 KiB.
const MAX_TEXT: usize = 8 * 1024;

/// What a verdict remarks, failing tests first. Only places count that were found in the repository.
pub(super) fn annotations(verdict: &Verdict) -> Vec<Annotation> {
    let tests = || verdict.steps.iter().map(|step| &step.tests);
    let failed = tests().flat_map(|tests| &tests.failures).filter_map(|test| {
        let message = if test.message.is_empty() {
            "the test failed"
        } else {
            &test.message
        };
        let source = test.source.as_ref()?;
        Some(annotation(
            source,
            RemarkLevel::Failure,
            &test.name,
            (message, &test.detail),
        ))
    });
    let remarked = tests().flat_map(|tests| &tests.remarks).filter_map(|remark| {
        let source = remark.source.as_ref()?;
        Some(annotation(
            source,
            remark.level,
            &remark.title,
            (&remark.message, ""),
        ))
    });
    failed.chain(remarked).collect()
}

fn annotation(
    source: &SourcePlace,
    level: RemarkLevel,
    title: &str,
    (message, details): (&str, &str),
) -> Annotation {
    let text = |text: &str| limited_bytes(&plain(text), MAX_TEXT).into_owned();
    let message = match text(message) {
        message if message.trim().is_empty() => "(no message)".to_owned(),
        message => message,
    };
    Annotation {
        path: source.path.clone(),
        start_line: source.line,
        end_line: source.line,
        annotation_level: level,
        title: limited_chars(&one_line(title), MAX_TITLE).into_owned(),
        message,
        raw_details: Some(text(details)).filter(|details| !details.trim().is_empty()),
    }
}
