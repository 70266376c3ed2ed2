//! What the steps printed: compressed, in chunks, so that the end is read without the rest.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::db::{Tx, args};
use super::{Store, StoreError};
use crate::model::RunId;

/// Raw bytes to a chunk.
const CHUNK: usize = 64 * 1024;

/// Compresses a log, chunk by chunk.
pub(super) fn compress(log: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
    let pack = |chunk: &[u8]| {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(chunk)?;
        encoder.finish()
    };
    let chunks: std::io::Result<Vec<_>> = log.chunks(CHUNK).map(pack).collect();
    chunks.map_err(|error| StoreError::Corrupt(format!("cannot compress a log: {error}")))
}

fn unpack(chunk: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut raw = Vec::with_capacity(CHUNK);
    // A chunk never holds more than it was made of: a damaged one must not fill the memory.
    ZlibDecoder::new(chunk)
        .take(CHUNK as u64)
        .read_to_end(&mut raw)
        .map_err(|error| StoreError::Corrupt(format!("a chunk of a log: {error}")))?;
    Ok(raw)
}

impl Store {
    pub(super) async fn put_log(tx: &mut Tx, run: RunId, chunks: Vec<Vec<u8>>) -> Result<(), StoreError> {
        for (seq, chunk) in (0_i64..).zip(chunks) {
            tx.execute(
                "INSERT INTO logs (run_id, seq, bytes) VALUES ($1, $2, $3)
                 ON CONFLICT (run_id, seq) DO UPDATE SET bytes = excluded.bytes",
                args![run.to_string(), seq, chunk],
            )
            .await?;
        }
        Ok(())
    }

    /// A run's whole log; bounded by what the runner keeps of each step.
    pub async fn log(&self, run: RunId) -> Result<Vec<u8>, StoreError> {
        let chunks: Vec<(Vec<u8>,)> = self
            .db
            .rows(
                "SELECT bytes FROM logs WHERE run_id = $1 ORDER BY seq",
                args![run.to_string()],
            )
            .await?;
        let mut log = Vec::new();
        for (chunk,) in chunks {
            log.extend(unpack(&chunk)?);
        }
        Ok(log)
    }

    /// The end of a run's log: at least 64 KiB of it, where there is as much.
    pub async fn log_tail(&self, run: RunId) -> Result<Vec<u8>, StoreError> {
        let chunks: Vec<(Vec<u8>,)> = self
            .db
            .rows(
                "SELECT bytes FROM logs WHERE run_id = $1 ORDER BY seq DESC LIMIT 2",
                args![run.to_string()],
            )
            .await?;
        let mut tail = Vec::new();
        for (chunk,) in chunks.iter().rev() {
            tail.extend(unpack(chunk)?);
        }
        Ok(tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_survives_its_chunks() {
        let log: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let chunks = compress(&log).unwrap();
        assert!(chunks.len() > 10);
        let back: Vec<u8> = chunks.iter().flat_map(|chunk| unpack(chunk).unwrap()).collect();
        assert_eq!(back, log);
    }
}
