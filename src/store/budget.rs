//! What an installation was asked for at GitHub of late, by all replicas together, and when it may not be asked at all.

use std::time::Duration;

use super::db::{Tx, args};
use super::{Store, StoreError};
use crate::clock::{UnixMillis, millis};
use crate::model::InstallationId;
use crate::model::budget::{LONGEST_WINDOW_MS, SLICE_MS, Spending, SpentSlice};

/// By how much the clocks of replicas may differ. What is dated later was dated by a wrong clock, and counts for nothing.
const SKEW_MS: i64 = 60_000;

impl Store {
    /// Takes from an installation's budget at GitHub. `Some`: there is none left for this before then, and nothing was
    /// taken.
    pub async fn spend(
        &self,
        installation: InstallationId,
        spending: Spending,
    ) -> Result<Option<UnixMillis>, StoreError> {
        let now = self.clock.now();
        let since = (now - LONGEST_WINDOW_MS).div_euclid(SLICE_MS);
        // In turn: what is read here is what the others have taken, until this is committed.
        let mut tx = self.db.begin().await?;
        let closed: Option<(i64,)> = tx
            .row(
                "SELECT closed_until FROM github_closed
                 WHERE installation_id = $1 AND closed_until > $2 AND closed_until <= $3",
                args![installation.0, now, now + LONGEST_WINDOW_MS],
            )
            .await?;
        if let Some((until,)) = closed {
            return Ok(Some(until));
        }
        let rows: Vec<(i64, i64, i64)> = tx
            .rows(
                "SELECT slice, points, writes FROM github_budget
                 WHERE installation_id = $1 AND slice BETWEEN $2 AND $3 ORDER BY slice",
                args![installation.0, since, (now + SKEW_MS).div_euclid(SLICE_MS)],
            )
            .await?;
        let spent: Vec<SpentSlice> = rows
            .into_iter()
            .map(|(slice, points, writes)| SpentSlice {
                slice,
                points,
                writes,
            })
            .collect();
        if let Some(at) = spending.not_before(&spent, now) {
            return Ok(Some(at));
        }
        count_in(&mut tx, installation, spending.cost(now)).await?;
        tx.commit().await?;
        Ok(None)
    }

    /// Counts what goes out in any case.
    pub async fn spent(&self, installation: InstallationId, spending: Spending) -> Result<(), StoreError> {
        let mut tx = self.db.begin_beside().await?;
        count_in(&mut tx, installation, spending.cost(self.clock.now())).await?;
        tx.commit().await
    }

    /// GitHub wants to hear nothing of an installation for so long.
    pub async fn closed_for(&self, installation: InstallationId, wait: Duration) -> Result<(), StoreError> {
        self.db
            .execute(
                "INSERT INTO github_closed (installation_id, closed_until) VALUES ($1, $2)
                 ON CONFLICT (installation_id) DO UPDATE SET closed_until =
                    CASE WHEN github_closed.closed_until > excluded.closed_until
                    THEN github_closed.closed_until ELSE excluded.closed_until END",
                args![installation.0, self.clock.now() + millis(wait)],
            )
            .await
            .map(drop)
    }

    /// How many checks of an installation have yet to say how they end.
    pub async fn unfinished_checks(&self, installation: InstallationId) -> Result<i64, StoreError> {
        let row: Option<(i64,)> = self
            .db
            .row(
                "SELECT COUNT(*) FROM checks WHERE installation_id = $1 AND NOT completed AND parked IS NULL",
                args![installation.0],
            )
            .await?;
        Ok(row.map_or(0, |(count,)| count))
    }
}

async fn count_in(tx: &mut Tx, installation: InstallationId, cost: SpentSlice) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO github_budget (installation_id, slice, points, writes) VALUES ($1, $2, $3, $4)
         ON CONFLICT (installation_id, slice) DO UPDATE SET
            points = github_budget.points + excluded.points, writes = github_budget.writes + excluded.writes",
        args![installation.0, cost.slice, cost.points, cost.writes],
    )
    .await
    .map(drop)
}
