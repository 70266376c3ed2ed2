//! What a step prints on its standard output, line by line: whatever of it is a report is understood.

use crate::model::TestResults;

use super::commands::Commands;
use super::go_json::GoJson;
use super::tap::Tap;

/// Bytes of a line that are looked at. `go test -json` wraps lines of any length.
const LINE_BYTES: usize = 64 << 10;

/// Reads a standard output as it comes, in pieces.
#[derive(Debug, Default)]
pub struct Stdout {
    /// The line under way.
    line: Vec<u8>,
    tap: Tap,
    go: GoJson,
    commands: Commands,
}

impl Stdout {
    /// Takes the next piece in.
    pub fn push(&mut self, mut piece: &[u8]) {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            let (rest, after) = (&piece[..end], &piece[end + 1..]);
            if self.line.is_empty() {
                self.take(&rest[..rest.len().min(LINE_BYTES)]);
            } else {
                self.hold(rest);
                self.end_line();
            }
            piece = after;
        }
        self.hold(piece);
    }

    /// What it said, once nothing more will come. Tests that a file tells of as well are not counted twice.
    pub fn finish(mut self, files: TestResults) -> TestResults {
        if !self.line.is_empty() {
            self.end_line();
        }
        let remarks = self.commands.finish();
        if files.counts.total() > 0 {
            return super::together(files, remarks);
        }
        let (tap, go) = (self.tap.finish(), self.go.finish());
        let tests = if tap.counts.total() > 0 { tap } else { go };
        super::together(super::together(files, tests), remarks)
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES - self.line.len();
        self.line.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.take(&line);
        self.line = line;
        self.line.clear();
    }

    fn take(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(first) = line.iter().find(|byte| **byte != b' ') {
            match first {
                b'{' => self.go.line(line),
                b':' => self.commands.line(&String::from_utf8_lossy(line)),
                _ => {}
            }
        }
        self.tap.line(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_may_end_anywhere() {
        let text = b"TAP version 13\n1..3\nok 1 - one\nnot ok 2 - two\nok 3 - three";
        let whole = {
            let mut stdout = Stdout::default();
            stdout.push(text);
            stdout.finish(TestResults::default())
        };
        assert_eq!(whole.counts.to_string(), "1 failed, 2 passed");
        for size in 1..20 {
            let mut stdout = Stdout::default();
            text.chunks(size).for_each(|piece| stdout.push(piece));
            assert_eq!(stdout.finish(TestResults::default()), whole);
        }
    }

    #[test]
    fn what_a_file_tells_is_not_counted_twice() {
        let mut files = TestResults::default();
        files.counts.passed = 2;
        let mut stdout = Stdout::default();
        stdout.push(b"1..2\nok 1\nok 2\n::warning file=a.c,line=3::careful\n");
        let both = stdout.finish(files);
        assert_eq!((both.counts.passed, both.remarks.len()), (2, 1));
    }

    #[test]
    fn a_line_of_a_gigabyte_takes_no_memory() {
        let mut stdout = Stdout::default();
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..64 {
            stdout.push(&piece);
        }
        assert!(stdout.line.capacity() <= 2 * LINE_BYTES);
        stdout.push(b"\n1..1\nok\n");
        assert_eq!(stdout.finish(TestResults::default()).counts.passed, 1);
    }
}
