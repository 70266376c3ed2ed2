//! Pushes: the stages of a delivery before its commit is known.

use sqlx::FromRow;

use super::db::args;
use super::jobs::Lease;
use super::record::Maybe;
use super::{Store, StoreError};
use crate::clock::UnixMillis;
use crate::model::{DeliveryId, Digest, ImageName, PushId, RunId, Tag};

/// Where a push stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushStage {
    /// Not looked at yet, or being looked at.
    Received,
    /// It ended in a run.
    Run,
    /// It leads to no commit, and the reason says why.
    Unmapped,
    /// A later push of the tag was there first.
    Superseded,
    /// Trouble that was not the image's outlasted our patience.
    Failed,
}

impl PushStage {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Run => "run",
            Self::Unmapped => "unmapped",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
        }
    }
}

impl TryFrom<String> for PushStage {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        [
            Self::Received,
            Self::Run,
            Self::Unmapped,
            Self::Superseded,
            Self::Failed,
        ]
        .into_iter()
        .find(|stage| stage.as_str() == text)
        .ok_or_else(|| StoreError::Corrupt(format!("push stage `{text}`")))
    }
}

/// A push and what came of it.
#[derive(Debug, FromRow)]
pub struct PushRecord {
    /// Its id.
    #[sqlx(try_from = "String")]
    pub id: PushId,
    /// The delivery that spoke of it.
    #[sqlx(try_from = "String")]
    pub delivery: DeliveryId,
    /// The image.
    #[sqlx(try_from = "String")]
    pub image: ImageName,
    /// The tag.
    #[sqlx(try_from = "String")]
    pub tag: Tag,
    #[sqlx(try_from = "Option<String>")]
    digest: Maybe<Digest>,
    /// When the registry was asked what the tag means.
    pub resolved_at: Option<UnixMillis>,
    /// Since when something stands in its way.
    pub waits_since: Option<UnixMillis>,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub stage: PushStage,
    /// Why it stands there; while it is being looked at, what it waits for.
    pub reason: Option<String>,
    #[sqlx(try_from = "Option<String>")]
    run: Maybe<RunId>,
    /// When the delivery came.
    pub received_at: UnixMillis,
}

impl PushRecord {
    /// What the tag meant when the registry was asked: the platform-independent digest.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.0.as_ref()
    }

    /// The run that it ended in.
    pub fn run(&self) -> Option<RunId> {
        self.run.0
    }
}

impl Store {
    /// One push.
    pub async fn push(&self, id: PushId) -> Result<Option<PushRecord>, StoreError> {
        self.db
            .row(
                "SELECT id, delivery_id AS delivery, image, tag, digest, resolved_at, waits_since, stage, reason, run_id AS run, received_at
                 FROM pushes WHERE id = $1",
                args![id.to_string()],
            )
            .await
    }

    /// The pushes that a delivery speaks of.
    pub async fn pushes_of(&self, delivery: DeliveryId) -> Result<Vec<PushRecord>, StoreError> {
        self.db
            .rows(
                "SELECT id, delivery_id AS delivery, image, tag, digest, resolved_at, waits_since, stage, reason, run_id AS run, received_at
                 FROM pushes WHERE delivery_id = $1 ORDER BY id",
                args![delivery.to_string()],
            )
            .await
    }

    /// Keeps what the tag means, and returns what is kept: whoever asked the registry first wins, and
    /// from then on only that digest counts, wherever the tag moves.
    pub async fn push_resolved(
        &self,
        push: PushId,
        digest: &Digest,
        asked_at: UnixMillis,
    ) -> Result<(Digest, UnixMillis), StoreError> {
        let mut tx = self.db.begin().await?;
        let row: Option<(String, i64)> = tx
            .row(
                "UPDATE pushes SET digest = COALESCE(digest, $2), resolved_at = COALESCE(resolved_at, $3),
                    reason = NULL, waits_since = NULL
                 WHERE id = $1 RETURNING digest, resolved_at",
                args![push.to_string(), digest.as_str(), asked_at],
            )
            .await?;
        tx.commit().await?;
        let (digest, at) = row.ok_or_else(|| StoreError::Corrupt(format!("push {push} vanished")))?;
        let digest = digest
            .parse()
            .map_err(|_| StoreError::Corrupt(format!("digest `{digest}`")))?;
        Ok((digest, at))
    }

    /// Keeps what a push waits for, and gives its job back until `at`.
    pub async fn push_waits(
        &self,
        held: &Lease,
        push: PushId,
        why: &str,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        Self::retry_in(&mut tx, held, at, why).await?;
        tx.execute(
            "UPDATE pushes SET reason = $2, waits_since = COALESCE(waits_since, $3) WHERE id = $1",
            args![push.to_string(), why, self.clock.now()],
        )
        .await?;
        tx.commit().await?;
        self.ring();
        Ok(())
    }

    /// A push that comes to nothing, and why; its job is done.
    pub async fn end_push(
        &self,
        held: &Lease,
        push: PushId,
        stage: PushStage,
        why: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.complete_in(&mut tx, held).await?;
        tx.execute(
            "UPDATE pushes SET stage = $2, reason = $3 WHERE id = $1",
            args![push.to_string(), stage.as_str(), why],
        )
        .await?;
        tx.commit().await?;
        self.ring();
        Ok(())
    }
}
