//! Deliveries, for the operator's eyes and for the jobs that act on them.

use sqlx::FromRow;

use super::db::args;
use super::record::LAST_ID;
use super::{Store, StoreError};
use crate::clock::UnixMillis;
use crate::model::{DeliveryId, RunId};

/// A delivery without its body.
#[derive(Clone, Debug, FromRow)]
pub struct DeliverySummary {
    /// Its id.
    #[sqlx(try_from = "String")]
    pub id: DeliveryId,
    /// `dockerhub`, `github`.
    pub sender: String,
    /// `push`, or GitHub's event.
    pub event: String,
    /// `queued`, `duplicate` or `ignored`.
    pub decision: String,
    /// Why.
    pub reason: String,
    /// When it came.
    pub received_at: UnixMillis,
}

/// A delivery with its body.
#[derive(Clone, Debug, FromRow)]
pub struct Delivery {
    /// All but the body.
    #[sqlx(flatten)]
    pub summary: DeliverySummary,
    /// As it arrived, or of GitHub's the fields in use.
    pub body: String,
}

impl Store {
    /// Is a sender's event here, by its own id?
    pub async fn event_known(&self, sender: &str, event_id: &str) -> Result<bool, StoreError> {
        let known: Option<(String,)> = self
            .db
            .row(
                "SELECT id FROM deliveries WHERE sender = $1 AND event_id = $2",
                args![sender, event_id],
            )
            .await?;
        Ok(known.is_some())
    }

    /// One delivery.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        self.db
            .row(
                "SELECT id, sender, event, decision, reason, received_at, body FROM deliveries WHERE id = $1",
                args![id.to_string()],
            )
            .await
    }

    /// Deliveries, newest first, of those older than `before`.
    pub async fn deliveries(
        &self,
        before: Option<DeliveryId>,
        limit: i64,
    ) -> Result<Vec<DeliverySummary>, StoreError> {
        let before = before.map_or_else(|| LAST_ID.to_owned(), |id| id.to_string());
        self.db
            .rows(
                "SELECT id, sender, event, decision, reason, received_at FROM deliveries
                 WHERE id < $1 ORDER BY id DESC LIMIT $2",
                args![before, limit],
            )
            .await
    }

    /// The runs that came of a delivery.
    pub async fn runs_of_delivery(&self, id: DeliveryId) -> Result<Vec<RunId>, StoreError> {
        let rows: Vec<(String,)> = self
            .db
            .rows(
                "SELECT id FROM runs WHERE delivery_id = $1
                 UNION SELECT run_id FROM pushes WHERE delivery_id = $1 AND run_id IS NOT NULL",
                args![id.to_string()],
            )
            .await?;
        rows.into_iter()
            .map(|(id,)| {
                id.parse()
                    .map_err(|_| StoreError::Corrupt(format!("run id `{id}`")))
            })
            .collect()
    }
}
