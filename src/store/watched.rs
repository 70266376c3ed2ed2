//! What the tags of images meant when their registries were asked last: what changed since, no webhook told of.

use std::collections::BTreeMap;

use super::db::{Tx, args};
use super::jobs::{JobKind, Lease, NewJob};
use super::record::Maybe;
use super::{Store, StoreError};
use crate::clock::UnixMillis;
use crate::model::{Digest, ImageName, Tag};

/// A tag as it was known last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTag {
    /// What it meant; `None`: nobody asked yet.
    pub digest: Option<Digest>,
    /// When that was asked.
    pub asked_at: UnixMillis,
}

impl Store {
    /// Makes sure that the tags of these images are compared with their registries.
    pub async fn wake_reconcile(&self, images: &[ImageName]) -> Result<(), StoreError> {
        let job = |image: &ImageName| NewJob {
            kind: JobKind::Reconcile,
            subject: image.to_string(),
        };
        let mut tx = self.db.begin().await?;
        self.wake_all(&mut tx, images.iter().map(job).collect()).await?;
        tx.commit().await?;
        self.ring([JobKind::Reconcile]);
        Ok(())
    }

    /// The image of such a job.
    pub fn to_reconcile(held: &Lease) -> Result<ImageName, StoreError> {
        held.subject
            .parse()
            .map_err(|_| StoreError::Corrupt(format!("`{}` is no image", held.subject)))
    }

    /// Images that repositories declare by their names, and those that led to runs since `since`.
    pub async fn images_in_use(&self, since: UnixMillis) -> Result<Vec<ImageName>, StoreError> {
        let names: Vec<(String,)> = self
            .db
            .rows(
                "SELECT pattern FROM declared_images UNION SELECT image FROM runs WHERE created_at >= $1",
                args![since],
            )
            .await?;
        // A whole namespace is no name of an image.
        Ok(names
            .into_iter()
            .filter_map(|(name,)| name.parse().ok())
            .collect())
    }

    /// The tags of an image as they are known: by webhooks, or because the registry was asked. `None`: the registry is
    /// to be asked for the first time.
    pub async fn known_tags(&self, image: &ImageName) -> Result<Option<BTreeMap<Tag, KnownTag>>, StoreError> {
        let image = image.to_string();
        let watched: Option<(i64,)> = self
            .db
            .row(
                "SELECT since FROM watched_images WHERE image = $1",
                args![image.as_str()],
            )
            .await?;
        let rows: Vec<(String, Option<String>, i64)> = self
            .db
            .rows(
                "SELECT tag, digest, asked_at FROM watched_tags WHERE image = $1
                 UNION ALL SELECT tag, digest, resolved_at FROM pushes AS p
                 WHERE image = $1 AND digest IS NOT NULL AND resolved_at = (
                    SELECT MAX(resolved_at) FROM pushes AS newer WHERE newer.image = $1 AND newer.tag = p.tag)",
                args![image.as_str()],
            )
            .await?;
        let mut known: BTreeMap<Tag, KnownTag> = BTreeMap::new();
        for (tag, digest, asked_at) in rows {
            let corrupt = || StoreError::Corrupt(format!("tag `{tag}` of {image}"));
            let digest: Maybe<Digest> = digest.try_into().map_err(|_| corrupt())?;
            let newer = KnownTag {
                digest: digest.0,
                asked_at,
            };
            let entry = known
                .entry(tag.parse().map_err(|_| corrupt())?)
                .or_insert_with(|| newer.clone());
            if newer.asked_at > entry.asked_at {
                *entry = newer;
            }
        }
        Ok(watched.map(|_| known))
    }

    /// Tags of which pushes are being looked at.
    pub async fn tags_under_way(&self, image: &ImageName) -> Result<Vec<Tag>, StoreError> {
        let rows: Vec<(String,)> = self
            .db
            .rows(
                "SELECT DISTINCT tag FROM pushes WHERE image = $1 AND stage = 'received'",
                args![image.to_string()],
            )
            .await?;
        Ok(rows.into_iter().filter_map(|(tag,)| tag.parse().ok()).collect())
    }

    /// Tags of an image were there when it was looked at for the first time; what they mean is not known yet.
    pub async fn tags_seen(&self, held: &Lease, image: &ImageName, tags: &[Tag]) -> Result<(), StoreError> {
        let image = image.to_string();
        let mut tx = self.begin_held(held).await?;
        self.watch_in(&mut tx, &image).await?;
        for tag in tags {
            tx.execute(
                "INSERT INTO watched_tags (image, tag, asked_at) VALUES ($1, $2, 0) ON CONFLICT (image, tag) DO NOTHING",
                args![image.as_str(), tag.as_str()],
            )
            .await?;
        }
        tx.commit().await
    }

    async fn watch_in(&self, tx: &mut Tx, image: &str) -> Result<(), StoreError> {
        tx.execute(
            "INSERT INTO watched_images (image, since) VALUES ($1, $2) ON CONFLICT (image) DO NOTHING",
            args![image, self.clock.now()],
        )
        .await
        .map(drop)
    }

    /// Keeps what tags of an image meant when the registry was asked (`None`: it did not say); forgets those that are
    /// gone.
    pub async fn tags_asked(
        &self,
        held: &Lease,
        image: &ImageName,
        (tags, gone): (&[(Tag, Option<Digest>)], &[Tag]),
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let image = image.to_string();
        let mut tx = self.begin_held(held).await?;
        self.watch_in(&mut tx, &image).await?;
        for (tag, digest) in tags {
            tx.execute(
                "INSERT INTO watched_tags (image, tag, digest, asked_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (image, tag) DO UPDATE SET digest = COALESCE(excluded.digest, watched_tags.digest),
                    asked_at = excluded.asked_at",
                args![
                    image.as_str(),
                    tag.as_str(),
                    digest.as_ref().map(ToString::to_string),
                    now
                ],
            )
            .await?;
        }
        for tag in gone {
            tx.execute(
                "DELETE FROM watched_tags WHERE image = $1 AND tag = $2",
                args![image.as_str(), tag.as_str()],
            )
            .await?;
        }
        tx.commit().await
    }
}
