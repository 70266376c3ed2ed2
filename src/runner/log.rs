//! What a step printed: its head and its tail within fixed bounds, both streams in order of arrival.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::model::Bytes as Size;

/// Bytes kept of the beginning.
const HEAD_BYTES: usize = 1 << 20;
/// Bytes kept of the end.
const TAIL_BYTES: usize = 4 << 20;
/// Bytes kept of one line.
const LINE_BYTES: usize = 16 << 10;

/// Bytes kept of a log that stands before another one.
const SECTION_BYTES: usize = 64 << 10;

/// A piece of output for those who watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveChunk {
    /// As it was printed.
    Output(Bytes),
    /// The watcher was too slow, and so many bytes were left out here.
    Gap {
        /// How many.
        bytes: u64,
    },
}

/// Where live output goes. It may leave something out; the [`StepLog`] is the truth.
#[derive(Clone, Debug, Default)]
pub struct LogSink(Option<mpsc::Sender<LiveChunk>>);

impl LogSink {
    /// Live output goes to `sender`; what does not fit its channel is left out.
    pub fn new(sender: mpsc::Sender<LiveChunk>) -> Self {
        Self(Some(sender))
    }

    /// Nobody watches.
    pub fn none() -> Self {
        Self(None)
    }
}

/// The output of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepLog {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// Between head and tail.
    dropped_bytes: u64,
    printed_bytes: u64,
}

impl StepLog {
    /// How many bytes the step printed.
    pub fn printed_bytes(&self) -> u64 {
        self.printed_bytes
    }

    /// How many bytes are missing between the head and the tail.
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }

    /// The output as it is shown: a line says where something is missing, and how much.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = self.head.clone();
        if self.dropped_bytes == 0 {
            text.extend(&self.tail);
            return text;
        }
        // The tail begins in the midst of a line: show it from the next one.
        let rest = self
            .tail
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(0, |end| end + 1);
        if text.last() != Some(&b'\n') {
            text.push(b'\n');
        }
        let missing = Size(self.dropped_bytes + rest as u64);
        text.extend(format!("[… {missing} of output dropped here …]\n").as_bytes());
        text.extend(self.tail.iter().skip(rest));
        text
    }

    /// Several logs as one, each under its name. Of all but the last one the end is kept.
    pub(super) fn joined(sections: Vec<(String, Self)>) -> Self {
        let mut all = Self::default();
        let last = sections.len().saturating_sub(1);
        for (number, (name, log)) in sections.into_iter().enumerate() {
            if log.printed_bytes == 0 && number < last {
                continue;
            }
            all.push(format!("=== {name} ===\n").as_bytes());
            if number < last {
                let shown = log.end(SECTION_BYTES);
                all.push(shown.as_bytes());
                if !shown.ends_with('\n') {
                    all.push(b"\n");
                }
            } else {
                all.push(&log.to_bytes());
            }
            all.printed_bytes += log.printed_bytes;
        }
        all
    }

    /// The last `limit` bytes, for rules that look for words in them.
    pub(super) fn end(&self, limit: usize) -> String {
        let from_tail = self.tail.len().min(limit);
        let from_head = if self.dropped_bytes == 0 {
            limit - from_tail
        } else {
            0
        };
        let head = &self.head[self.head.len().saturating_sub(from_head)..];
        let bytes: Vec<u8> = head
            .iter()
            .chain(self.tail.iter().skip(self.tail.len() - from_tail))
            .copied()
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = (HEAD_BYTES - self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        self.tail.extend(&bytes[room..]);
        let excess = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.drain(..excess);
        self.dropped_bytes += excess as u64;
    }
}

/// Takes output in, keeps what fits and passes it on to those who watch.
#[derive(Debug)]
pub(super) struct Recorder {
    log: StepLog,
    /// Of the line under way.
    line_bytes: usize,
    sink: LogSink,
    /// What the sink could not take since it last took something.
    gap_bytes: u64,
}

impl Recorder {
    pub(super) fn new(sink: LogSink) -> Self {
        Self {
            log: StepLog::default(),
            line_bytes: 0,
            sink,
            gap_bytes: 0,
        }
    }

    /// Takes one piece of output in.
    pub(super) fn record(&mut self, chunk: Bytes) {
        self.log.printed_bytes += chunk.len() as u64;
        for line in chunk.split_inclusive(|&byte| byte == b'\n') {
            self.record_line(line);
        }
        self.forward(chunk);
    }

    /// The log, once nothing more will come.
    pub(super) fn finish(mut self) -> StepLog {
        self.end_line();
        self.log
    }

    fn record_line(&mut self, piece: &[u8]) {
        let (text, newline) = match piece.split_last() {
            Some((b'\n', text)) => (text, true),
            _ => (piece, false),
        };
        let room = LINE_BYTES.saturating_sub(self.line_bytes).min(text.len());
        self.log.push(&text[..room]);
        self.line_bytes += text.len();
        if newline {
            self.end_line();
            self.log.push(b"\n");
        }
    }

    fn end_line(&mut self) {
        let excess = self.line_bytes.saturating_sub(LINE_BYTES);
        if excess > 0 {
            let note = format!(" [… {} of this line dropped]", Size(excess as u64));
            self.log.push(note.as_bytes());
        }
        self.line_bytes = 0;
    }

    fn forward(&mut self, chunk: Bytes) {
        let Some(sender) = &self.sink.0 else { return };
        let size = chunk.len() as u64;
        if self.gap_bytes > 0 {
            if sender
                .try_send(LiveChunk::Gap {
                    bytes: self.gap_bytes,
                })
                .is_err()
            {
                self.gap_bytes += size;
                return;
            }
            self.gap_bytes = 0;
        }
        if sender.try_send(LiveChunk::Output(chunk)).is_err() {
            self.gap_bytes += size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(chunks: impl IntoIterator<Item = Vec<u8>>) -> StepLog {
        let mut recorder = Recorder::new(LogSink::none());
        for chunk in chunks {
            recorder.record(Bytes::from(chunk));
        }
        recorder.finish()
    }

    #[test]
    fn what_fits_is_kept_as_it_came() {
        let log = log_of([b"one\ntw".to_vec(), b"o\nno newline".to_vec()]);
        assert_eq!(log.to_bytes(), b"one\ntwo\nno newline");
        assert_eq!((log.printed_bytes(), log.dropped_bytes()), (18, 0));
        assert_eq!(log.end(7), "newline");
    }

    #[test]
    fn of_a_flood_head_and_tail_are_kept_and_the_loss_is_told() {
        let line = |number: usize| format!("line {number:07}\n").into_bytes();
        let log = log_of((0..1_000_000).map(line));
        let text = String::from_utf8(log.to_bytes()).unwrap();
        assert!(text.starts_with("line 0000000\n") && text.ends_with("line 0999999\n"));
        assert!(text.len() < HEAD_BYTES + TAIL_BYTES + 200);
        let note = text.lines().find(|line| line.starts_with("[…")).unwrap();
        assert_eq!(note, "[… 7.3 MiB of output dropped here …]");
        let whole = |line: &&str| line.len() == 12 || line.starts_with("[…");
        // The line that the head ends in is the only one that may be cut.
        assert!(text.lines().filter(|line| !whole(line)).count() <= 1);
        assert_eq!(log.printed_bytes(), 13_000_000);
    }

    #[test]
    fn a_long_line_is_cut_whatever_pieces_it_comes_in() {
        let log = log_of([vec![b'x'; LINE_BYTES], vec![b'x'; 1024], b"y\nnext\n".to_vec()]);
        let text = String::from_utf8(log.to_bytes()).unwrap();
        let mut lines = text.lines();
        assert_eq!(
            lines.next().unwrap()[LINE_BYTES..],
            *" [… 1.0 KiB of this line dropped]"
        );
        assert_eq!(lines.next(), Some("next"));
    }

    #[test]
    fn a_slow_watcher_learns_how_much_it_missed() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut recorder = Recorder::new(LogSink::new(sender));
        let output = |text: &'static str| LiveChunk::Output(Bytes::from_static(text.as_bytes()));
        for text in ["a", "bb", "cc"] {
            recorder.record(Bytes::from_static(text.as_bytes()));
        }
        assert_eq!(receiver.try_recv().unwrap(), output("a"));
        recorder.record(Bytes::from_static(b"d"));
        assert_eq!(receiver.try_recv().unwrap(), LiveChunk::Gap { bytes: 4 });
        assert_eq!(recorder.finish().to_bytes(), b"abbccd");
    }
}
