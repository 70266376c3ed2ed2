//! Pushes: the stages of a delivery before its commit is known.
//!
//! The pushes of a tag are one job's, so that none overtakes another. Those that have the same question open, what
//! the tag means or where one digest comes from, share the answer: a thousand webhooks for a tag ask the registry
//! once.

use std::time::Duration;

use sqlx::FromRow;

use super::db::{Tx, args};
use super::jobs::{JobKind, Lease, NewJob};
use super::record::Maybe;
use super::{Store, StoreError};
use crate::clock::{UnixMillis, millis};
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

/// All that is known of pushes.
macro_rules! columns {
    () => {
        "SELECT id, delivery_id AS delivery, image, tag, digest, resolved_at, waits_since, stage, reason,
            run_id AS run, received_at
         FROM pushes"
    };
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

/// Pushes that share a question to a statement.
const TOGETHER: i64 = 1000;

/// How soon after a tag's pushes those are looked at that came meanwhile. A flood for one tag asks the registry no
/// more often.
const GATHERS: Duration = Duration::from_millis(100);

/// What is done to the pushes of `$1`, a list in JSON, which each engine reads with a function of its own.
macro_rules! of_these {
    ($db:expr, $deed:literal) => {
        $db.pick(
            of_these!(@ $deed, "json_each($1)"),
            of_these!(@ $deed, "json_array_elements_text($1::json)"),
        )
    };
    (@ $deed:literal, $list:literal) => {
        concat!($deed, " WHERE stage = 'received' AND id IN (SELECT value FROM ", $list, ")")
    };
}

/// Pushes of one tag with the same question open: what the tag means, or where the digest comes from that it meant.
#[derive(Clone, Debug)]
pub struct OpenPushes {
    /// The image.
    pub image: ImageName,
    /// The tag.
    pub tag: Tag,
    meaning: Option<(Digest, UnixMillis)>,
    waits_since: Option<UnixMillis>,
    ids: Vec<PushId>,
}

impl OpenPushes {
    /// The one that came first.
    pub fn first(&self) -> PushId {
        self.ids[0]
    }

    /// What the tag meant when the registry was asked, and when that was.
    pub fn meaning(&self) -> Option<&(Digest, UnixMillis)> {
        self.meaning.as_ref()
    }

    /// The registry was asked, and said what the tag means. Kept with what comes of the pushes next: from then on
    /// only that digest counts for them, wherever the tag moves.
    pub fn mean(&mut self, digest: Digest, asked_at: UnixMillis) {
        self.meaning = Some((digest, asked_at));
        self.waits_since = None;
    }

    /// Since when something stands in the way of the one that waits longest.
    pub fn waits_since(&self) -> Option<UnixMillis> {
        self.waits_since
    }

    fn ids(&self) -> String {
        super::record::json(&self.ids)
    }

    fn digest(&self) -> Option<String> {
        let (digest, _) = self.meaning.as_ref()?;
        Some(digest.to_string())
    }

    fn asked_at(&self) -> Option<UnixMillis> {
        self.meaning.as_ref().map(|(_, asked_at)| *asked_at)
    }
}

/// What pushes wait for.
#[derive(Clone, Copy, Debug)]
pub struct PushWait<'a> {
    /// A sentence for the page of deliveries.
    pub why: &'a str,
    /// When they are to be looked at again.
    pub until: UnixMillis,
    /// Those that wait since then or longer have waited long enough.
    pub given_up_since: UnixMillis,
    /// How these end: unmapped or failed.
    pub given_up_as: PushStage,
}

/// How pushes end.
#[derive(Clone, Copy, Debug)]
pub enum PushEnd<'a> {
    /// In a run.
    Run(RunId),
    /// Overtaken by a later push, which this run tests.
    Superseded(RunId),
    /// They lead to no commit, and why.
    Unmapped(&'a str),
    /// Trouble that is not the image's, and which.
    Failed(&'a str),
}

impl PushEnd<'_> {
    fn stage(self) -> PushStage {
        match self {
            Self::Run(_) => PushStage::Run,
            Self::Superseded(_) => PushStage::Superseded,
            Self::Unmapped(_) => PushStage::Unmapped,
            Self::Failed(_) => PushStage::Failed,
        }
    }

    fn run(self) -> Option<RunId> {
        match self {
            Self::Run(run) | Self::Superseded(run) => Some(run),
            Self::Unmapped(_) | Self::Failed(_) => None,
        }
    }

    fn why(self) -> Option<String> {
        match self {
            Self::Run(_) | Self::Superseded(_) => None,
            Self::Unmapped(why) | Self::Failed(why) => Some(why.to_owned()),
        }
    }
}

/// The job that resolves a tag's pushes.
pub(super) fn resolve_job(image: &ImageName, tag: &Tag) -> NewJob {
    NewJob {
        kind: JobKind::Resolve,
        subject: format!("{image}:{tag}"),
    }
}

/// What [`resolve_job`] wrote.
fn tag_of(held: &Lease) -> Result<(ImageName, Tag), StoreError> {
    let parse = || {
        let (image, tag) = held.subject.rsplit_once(':')?;
        Some((image.parse().ok()?, tag.parse().ok()?))
    };
    parse().ok_or_else(|| StoreError::Corrupt(format!("`{}` is no tag", held.subject)))
}

/// Pushes of an image that are listed at most.
const MOST_LISTED: i64 = 200;

impl Store {
    /// The push of an image that came last.
    pub async fn last_push_of(&self, image: &ImageName) -> Result<Option<PushRecord>, StoreError> {
        let sql = concat!(
            columns!(),
            " WHERE image = $1 ORDER BY received_at DESC, id DESC LIMIT 1"
        );
        self.db.row(sql, args![image.to_string()]).await
    }

    /// The pushes of an image that came since `since`, or are still being looked at, newest first.
    pub async fn pushes_since(
        &self,
        image: &ImageName,
        since: UnixMillis,
    ) -> Result<Vec<PushRecord>, StoreError> {
        let sql = concat!(
            columns!(),
            " WHERE image = $1 AND (received_at >= $2 OR stage = 'received') ORDER BY received_at DESC, id DESC LIMIT $3"
        );
        self.db
            .rows(sql, args![image.to_string(), since, MOST_LISTED])
            .await
    }

    /// Of the pushes of a job's tag those to be looked at next.
    pub async fn open_pushes(&self, held: &Lease) -> Result<Option<OpenPushes>, StoreError> {
        let (image, tag) = tag_of(held)?;
        let pushes: Vec<PushRecord> = self
            .db
            .rows(
                concat!(
                    columns!(),
                    " WHERE image = $1 AND tag = $2 AND stage = 'received' AND digest IS NOT DISTINCT FROM (
                        SELECT digest FROM pushes WHERE image = $1 AND tag = $2 AND stage = 'received'
                        ORDER BY due_at, id LIMIT 1)
                     ORDER BY id LIMIT $3"
                ),
                args![image.to_string(), tag.as_str(), TOGETHER],
            )
            .await?;
        let Some(first) = pushes.first() else {
            return Ok(None);
        };
        // The latest time that the digest was seen is the tag's.
        let resolved_at = pushes.iter().filter_map(|push| push.resolved_at).max();
        Ok(Some(OpenPushes {
            image,
            tag,
            meaning: first.digest().cloned().zip(resolved_at),
            waits_since: pushes.iter().filter_map(|push| push.waits_since).min(),
            ids: pushes.iter().map(|push| push.id).collect(),
        }))
    }

    /// The pushes that a delivery speaks of.
    pub async fn pushes_of(&self, delivery: DeliveryId) -> Result<Vec<PushRecord>, StoreError> {
        self.db
            .rows(
                concat!(columns!(), " WHERE delivery_id = $1 ORDER BY id"),
                args![delivery.to_string()],
            )
            .await
    }

    /// Keeps what pushes wait for, and ends those that have waited long enough.
    pub async fn pushes_wait(
        &self,
        held: &Lease,
        pushes: &OpenPushes,
        wait: PushWait<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.execute(
            of_these!(
                self.db,
                // With its digest a push has its patience anew.
                "UPDATE pushes SET reason = $2, due_at = $4, digest = COALESCE(digest, $7),
                    resolved_at = COALESCE(resolved_at, $8),
                    waits_since = CASE WHEN digest IS NULL AND $7 IS NOT NULL THEN $3
                        ELSE COALESCE(waits_since, $3) END,
                    stage = CASE WHEN (digest IS NULL) = ($7 IS NULL) AND waits_since <= $5 THEN $6
                        ELSE stage END"
            ),
            args![
                pushes.ids(),
                wait.why,
                self.clock.now(),
                wait.until,
                wait.given_up_since,
                wait.given_up_as.as_str(),
                pushes.digest(),
                pushes.asked_at()
            ],
        )
        .await?;
        match (self.next_due(&mut tx, held).await?, &pushes.meaning) {
            (None, _) => self.complete_in(&mut tx, held).await?,
            // While the registry does not say what the tag means, further pushes of it wait with these.
            (Some(_), None) => Self::retry_in(&mut tx, held, wait.until, wait.why).await?,
            (Some(due), Some(_)) => self.postpone_in(&mut tx, held, due).await?,
        }
        tx.commit().await?;
        self.ring([held.kind]);
        Ok(())
    }

    /// Ends pushes without a run of their own.
    pub async fn end_pushes(
        &self,
        held: &Lease,
        pushes: &OpenPushes,
        end: PushEnd<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.end_pushes_in(&mut tx, held, pushes, end).await?;
        tx.commit().await?;
        self.ring([held.kind]);
        Ok(())
    }

    /// Ends pushes, and their job if the tag has no others that are open.
    pub(super) async fn end_pushes_in(
        &self,
        tx: &mut Tx,
        held: &Lease,
        pushes: &OpenPushes,
        end: PushEnd<'_>,
    ) -> Result<(), StoreError> {
        tx.execute(
            of_these!(
                self.db,
                "UPDATE pushes SET stage = $2, run_id = $3, reason = $4, digest = COALESCE(digest, $5),
                    resolved_at = COALESCE(resolved_at, $6)"
            ),
            args![
                pushes.ids(),
                end.stage().as_str(),
                end.run().map(|run| run.to_string()),
                end.why(),
                pushes.digest(),
                pushes.asked_at()
            ],
        )
        .await?;
        match self.next_due(tx, held).await? {
            None => self.complete_in(tx, held).await,
            Some(at) if at > self.clock.now() => self.postpone_in(tx, held, at).await,
            // They came while we were at it, and more may come: these and those are looked at together.
            Some(_) => {
                let at = self.clock.now() + millis(GATHERS);
                Self::retry_in(tx, held, at, "further pushes of the tag").await
            }
        }
    }

    /// When the next of a tag's pushes is to be looked at, if any is open.
    async fn next_due(&self, tx: &mut Tx, held: &Lease) -> Result<Option<UnixMillis>, StoreError> {
        let (image, tag) = tag_of(held)?;
        let row: Option<(Option<i64>,)> = tx
            .row(
                "SELECT MIN(due_at) FROM pushes WHERE image = $1 AND tag = $2 AND stage = 'received'",
                args![image.to_string(), tag.as_str()],
            )
            .await?;
        Ok(row.and_then(|(at,)| at))
    }
}
