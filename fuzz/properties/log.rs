//! What a container prints.

use std::time::Duration;

use bytes::Bytes;
use hubcheck::model::{Cause, Limits};
use hubcheck::runner::foreign::{cause_of, log_of};

use super::{assert_sentence, line, text};

/// Head, tail and the notes about what was dropped.
const MOST: usize = (5 << 20) + 4096;

/// A command's words, then what it prints: on each line a count of repetitions and a text. Whatever is
/// printed, the log is bounded, knows how much there was, and is the same in whatever pieces it comes;
/// what is short is kept as it is. The end is read as a cause without a word of the output in it.
pub(super) fn a_log_is_bounded_and_the_same_in_any_pieces(input: &[u8]) {
    let (words, output) = line(input);
    let output = repeated(output);
    let whole = log_of([Bytes::copy_from_slice(&output)]);
    let piece = (output.len() / 10_000).max(words.len() * 7 + 1);
    let log = log_of(output.chunks(piece).map(Bytes::copy_from_slice));
    assert_eq!(whole, log);
    assert_eq!(log.printed_bytes(), output.len() as u64);
    let shown = log.to_bytes();
    assert!(shown.len() <= MOST, "{} bytes", shown.len());
    let short = output.len() <= 1 << 20
        && output
            .split(|byte| *byte == b'\n')
            .all(|line| line.len() <= 16 << 10);
    if short {
        assert!(shown == output && log.dropped_bytes() == 0);
    }
    let words: Vec<String> = text(words).split(' ').map(str::to_owned).collect();
    for code in [1, 127] {
        let cause = cause_of(&words, &limits(), code, &log);
        if let Cause::CommandNotFound { command } | Cause::NotExecutable { command } = &cause {
            assert_eq!(Some(command), words.first());
        } else {
            assert_sentence(&cause.to_string(), 400);
        }
    }
}

/// `3 abc` is `abcabcabc`; what has no number stands once. Never more than six mebibytes, nor so many
/// repetitions that the fuzzer does little else.
fn repeated(input: &[u8]) -> Vec<u8> {
    let mut output = Vec::new();
    for entry in input.split_inclusive(|byte| *byte == b'\n') {
        let text_at = entry
            .iter()
            .position(|byte| *byte == b' ')
            .map_or(0, |space| space + 1);
        let count: Option<usize> = text(&entry[..text_at]).trim().parse().ok();
        let piece = if count.is_some() { &entry[text_at..] } else { entry };
        let room = (6 << 20) - output.len();
        let times = count.unwrap_or(1).min(50_000).min(room / piece.len().max(1));
        output.extend(piece.repeat(times));
    }
    output
}

fn limits() -> Limits {
    Limits {
        timeout: Duration::from_mins(1),
        idle_timeout: Duration::from_secs(30),
        memory_bytes: 64 << 20,
        nano_cpus: 1_000_000_000,
        pids: 64,
        disk_bytes: 64 << 20,
    }
}
