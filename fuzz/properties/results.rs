//! What suites say of their tests.

use hubcheck::model::{FilePattern, TestResults};
use hubcheck::results::{Stdout, read_archive, read_junit};

/// What is kept of one failing test, with all its texts, and of all of them.
const MOST_OF_A_TEST: usize = 300 + 600 + 4096 + 1024;
const MOST_FAILURES: usize = 200;

/// Whatever the file: what is kept is bounded, and no more failures are told than are counted.
pub(super) fn a_report_is_bounded(input: &[u8]) {
    let results = read_junit("report.xml", input);
    assert_bounded(&results);
    let elements = input
        .windows(5)
        .filter(|bytes| bytes == b"<test" || bytes.ends_with(b":test"))
        .count();
    let outside = input
        .windows(3)
        .filter(|bytes| bytes == b"<fa" || bytes == b"<er" || bytes[0] == b':')
        .count();
    assert!(
        results.counts.total() <= (elements + outside) as u64,
        "tests out of nothing"
    );
}

/// The same whatever pieces the output comes in, and bounded.
pub(super) fn an_output_is_the_same_in_any_pieces(input: &[u8]) {
    let whole = said(std::iter::once(input));
    assert_bounded(&whole);
    let piece = (input.len() / 1000).max(input.len() % 7 + 1);
    assert_eq!(whole, said(input.chunks(piece)));
}

/// Whatever the archive: what is read is bounded, and only what was asked for is.
pub(super) fn an_archive_gives_what_was_asked_for(input: &[u8]) {
    let pattern: FilePattern = "/reports/**/*.xml".parse().expect("a pattern");
    assert_bounded(&read_archive("/reports", &[pattern.compiled()], input));
    let pattern: FilePattern = "/reports/none".parse().expect("a pattern");
    let none = read_archive("/reports", &[pattern.compiled()], input);
    assert_eq!(
        none.counts.total(),
        u64::from(none.counts.total() > 0 && input.windows(4).any(|name| name == b"none"))
            * none.counts.total()
    );
}

fn said<'b>(pieces: impl Iterator<Item = &'b [u8]>) -> TestResults {
    let mut stdout = Stdout::default();
    pieces.for_each(|piece| stdout.push(piece));
    stdout.finish(TestResults::default())
}

fn assert_bounded(results: &TestResults) {
    let TestResults {
        counts,
        failures,
        remarks,
        problems,
    } = results;
    assert!(failures.len() <= MOST_FAILURES && failures.len() as u64 <= counts.failed);
    assert!(remarks.len() <= 50 && problems.len() <= 10);
    for failed in failures {
        let place = failed.place.as_ref().map_or(0, |place| place.path.len());
        let bytes = failed.name.len() + failed.message.len() + failed.detail.len() + place;
        assert!(bytes <= MOST_OF_A_TEST, "{bytes} bytes: {failed:?}");
        for line in [&failed.name, &failed.message] {
            assert!(!line.contains('\n'), "{line:?}");
        }
    }
}
