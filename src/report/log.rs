//! The end of a log, in a block that is closed and fits.

use super::limited::{last_bytes, last_lines};
use super::markdown::{code_block, plain};

/// The most lines that are shown.
pub(super) const LAST_LINES: usize = 100;

/// More of a log than this is never looked at: a hundred lines of which each is as long as may be
/// would not fit anyway.
const MAX_READ: usize = 256 * 1024;

/// The last lines of `log` as a block of at most `room` bytes; `None` where not one line has room.
pub(super) fn last_lines_block(log: &str, room: usize) -> Option<String> {
    let log = plain(last_lines(last_bytes(log, MAX_READ), LAST_LINES));
    let mut shown = log.as_str();
    while !shown.trim().is_empty() {
        let block = code_block(shown, "text");
        match block.len().checked_sub(room) {
            None | Some(0) => return Some(block),
            Some(excess) => shown = last_bytes(shown, shown.len().saturating_sub(excess)),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hundred_lines_are_shown() {
        let lines: Vec<String> = (1..=250).map(|line| format!("line {line}")).collect();
        let log = lines.join("\n");
        let block = last_lines_block(&log, 65_535).unwrap();
        assert!(
            block.starts_with("```text\nline 151\n") && block.ends_with("line 250\n```\n"),
            "{block}"
        );
    }

    #[test]
    fn a_long_log_loses_its_start_and_keeps_its_fence() {
        for log in [
            "x".repeat(500_000),
            "`".repeat(300_000),
            "``\n".repeat(500_000),
            "ä\n".repeat(300_000),
        ] {
            for room in [0, 10, 100, 5_000] {
                let Some(block) = last_lines_block(&log, room) else {
                    continue;
                };
                assert!(block.len() <= room);
                let fence = &block[..block.len() - block.trim_start_matches('`').len()];
                assert!(fence.len() >= 3 && block.ends_with(&format!("\n{fence}\n")));
            }
        }
        assert_eq!(last_lines_block("\n \n", 1_000), None);
    }
}
