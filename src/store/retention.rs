//! Forgetting what is old.

use std::time::Duration;

use super::db::{Arg, args};
use super::{Store, StoreError};
use crate::clock::millis;
use crate::model::budget::{LONGEST_WINDOW_MS, SLICE_MS};

/// How long a finished job's row is kept: long enough to be looked at.
const DONE_JOBS: Duration = Duration::from_hours(1);

/// Rows that were forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Finished runs, with logs and tags.
    pub runs: u64,
    /// Deliveries, with pushes.
    pub deliveries: u64,
}

/// The runs, or the waits, that may go: ended before `$1`, and shown by GitHub.
macro_rules! forgettable {
    ($before:literal, $of:literal, $ended:literal) => {
        concat!(
            $before,
            " WHERE run_id IN (SELECT id FROM ",
            $of,
            " WHERE ",
            $ended,
            " < $1 AND NOT EXISTS (
                SELECT 1 FROM checks WHERE run_id = ",
            $of,
            ".id AND sent < wanted AND parked IS NULL))"
        )
    };
}

impl Store {
    /// Forgets runs and deliveries that are older than `retention`. What GitHub still waits for stays.
    pub async fn purge(&self, retention: Duration) -> Result<Purged, StoreError> {
        let now = self.clock.now();
        let before = now - millis(retention);
        // First, and by their runs: to look for those whose run is gone would read every status there is.
        for sql in [
            forgettable!("DELETE FROM statuses", "runs", "finished_at"),
            forgettable!("DELETE FROM checks", "runs", "finished_at"),
            forgettable!("DELETE FROM statuses", "expected", "ended_at"),
            forgettable!("DELETE FROM checks", "expected", "ended_at"),
            "DELETE FROM expected WHERE ended_at < $1 AND NOT EXISTS (
                SELECT 1 FROM checks WHERE run_id = expected.id)",
        ] {
            self.forget(sql, args![before]).await?;
        }
        let runs = self
            .forget(
                "DELETE FROM runs WHERE finished_at < $1 AND NOT EXISTS (
                    SELECT 1 FROM checks WHERE run_id = runs.id)",
                args![before],
            )
            .await?;
        let deliveries = self
            .forget(
                "DELETE FROM deliveries WHERE received_at < $1 AND NOT EXISTS (
                    SELECT 1 FROM pushes WHERE delivery_id = deliveries.id AND stage = 'received')
                 AND NOT EXISTS (SELECT 1 FROM runs WHERE delivery_id = deliveries.id)",
                args![before],
            )
            .await?;
        self.forget(
            "DELETE FROM jobs WHERE done_at < $1 AND NOT parked",
            args![now - millis(DONE_JOBS)],
        )
        .await?;
        self.forget(
            "DELETE FROM github_budget WHERE slice < $1",
            args![(now - LONGEST_WINDOW_MS).div_euclid(SLICE_MS)],
        )
        .await?;
        self.forget("DELETE FROM github_closed WHERE closed_until < $1", args![now])
            .await?;
        Ok(Purged { runs, deliveries })
    }

    async fn forget(&self, sql: &'static str, args: Vec<Arg>) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let rows = tx.execute(sql, args).await?;
        tx.commit().await?;
        Ok(rows)
    }
}
