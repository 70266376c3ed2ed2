//! The readers of what a container prints, for those who feed them anything: the fuzz targets and the
//! replay of what they found. Nothing in the program comes this way.

use bytes::Bytes;

use super::cause::{self, End, Exit, Given};
use super::log::{LogSink, Recorder, StepLog};
use crate::model::{Cause, Limits, Network, Profile};

/// The log of a step that printed these pieces.
pub fn log_of(pieces: impl IntoIterator<Item = Bytes>) -> StepLog {
    let mut recorder = Recorder::new(LogSink::none());
    for piece in pieces {
        recorder.record(piece);
    }
    recorder.finish()
}

/// Why a step ended that ran these words without a network, exited with `code` and left this log.
pub fn cause_of(words: &[String], limits: &Limits, code: i64, log: &StepLog) -> Cause {
    let given = Given {
        words,
        network: Network::None,
        profile: Profile::Compatible,
        limits,
    };
    let exit = Exit {
        code,
        out_of_memory: false,
    };
    cause::of_end(End::Exited(exit), given, log)
}
