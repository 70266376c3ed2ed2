//! Images that an Engine holds because of us, so that the cache can be kept within its bound.

use sqlx::FromRow;

use super::db::args;
use super::{Store, StoreError};
use crate::clock::UnixMillis;
use crate::model::{CachedImage, Digest};

#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "String")]
    digest: Digest,
    reference: String,
    used_at: UnixMillis,
}

impl Store {
    /// The Engine pulls an image for us.
    pub async fn image_pulled(
        &self,
        engine: &str,
        reference: &str,
        digest: &Digest,
    ) -> Result<(), StoreError> {
        self.db
            .execute(
                "INSERT INTO images (engine, digest, reference, used_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (engine, digest) DO UPDATE SET used_at = excluded.used_at, reference = excluded.reference",
                args![engine, digest.as_str(), reference, self.clock.now()],
            )
            .await
            .map(drop)
    }

    /// A run used an image that the Engine held. If it is not ours, nothing is kept in mind.
    pub async fn image_used(&self, engine: &str, digest: &Digest) -> Result<(), StoreError> {
        self.db
            .execute(
                "UPDATE images SET used_at = $3 WHERE engine = $1 AND digest = $2",
                args![engine, digest.as_str(), self.clock.now()],
            )
            .await
            .map(drop)
    }

    /// What an Engine holds because of us, the longest unused first.
    pub async fn images_on(&self, engine: &str) -> Result<Vec<CachedImage>, StoreError> {
        let rows: Vec<Row> = self
            .db
            .rows(
                "SELECT digest, reference, used_at FROM images WHERE engine = $1 ORDER BY used_at",
                args![engine],
            )
            .await?;
        let cached = |Row {
                          digest,
                          reference,
                          used_at,
                      }| CachedImage {
            reference,
            digest,
            last_used: used_at,
        };
        Ok(rows.into_iter().map(cached).collect())
    }

    /// An Engine holds an image no more, unless it was wanted since `before`: then it may be on its way.
    pub async fn image_gone(
        &self,
        engine: &str,
        digest: &Digest,
        before: UnixMillis,
    ) -> Result<(), StoreError> {
        self.db
            .execute(
                "DELETE FROM images WHERE engine = $1 AND digest = $2 AND used_at < $3",
                args![engine, digest.as_str(), before],
            )
            .await
            .map(drop)
    }
}
