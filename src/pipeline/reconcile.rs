//! Pushes that no webhook told of: the tags of the images in use are compared with their registries, at the start and
//! from time to time. A registry sends each webhook once, and not everybody can be reached by one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::Pipeline;
use super::trace::Lost;
use super::worker::JobError;
use crate::clock::{UnixMillis, millis};
use crate::delivery;
use crate::model::{Digest, ImageName, Push, Tag};
use crate::plan::File;
use crate::registry::{Access, RegistryError};
use crate::resolve::Bound;
use crate::store::{JobKind, KnownTag, Lease, StoreError};

/// How often, where no `poll` is set.
const HOURLY: Duration = Duration::from_hours(1);

/// Tags whose digest is asked for at a time; the others come after a pause, so that no registry is flooded.
const ASKED_AT_A_TIME: usize = 100;

/// That pause.
const BETWEEN: Duration = Duration::from_secs(10);

/// How long a round waits for what the repositories declare.
const INDEX_COMES: Duration = Duration::from_secs(30);

/// How often it is looked for meanwhile.
const INDEX_LOOK: Duration = Duration::from_secs(1);

/// A tag, and what it means; `None`: the registry has nothing under it.
type Meaning = (Tag, Option<Digest>);

/// How many of an image's tags were compared in this round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compared {
    All,
    Some,
}

impl Pipeline {
    /// Has the images in use compared with their registries, now and every so often.
    pub(super) async fn watch(self: Arc<Self>, closing: CancellationToken) {
        let mut rounds = interval(self.parts.poll.unwrap_or(HOURLY));
        while closing.run_until_cancelled(rounds.tick()).await.is_some() {
            let round = closing.run_until_cancelled(Box::pin(self.begin_round())).await;
            if let Some(Err(error)) = round {
                tracing::warn!(%error, "images are not compared with their registries this time");
            }
        }
    }

    async fn begin_round(&self) -> Result<(), StoreError> {
        let begun = Instant::now();
        while self.store().is_indexing().await? && begun.elapsed() < INDEX_COMES {
            let _ = timeout(INDEX_LOOK, self.store().bell(JobKind::Index).notified()).await;
        }
        let now = self.store().clock().now();
        self.round_begun.store(now, Ordering::Relaxed);
        let since = now - millis(self.parts.retention);
        let mut images = self.store().images_in_use(since).await?;
        images.extend(self.resolver.bindings().images().cloned());
        self.store().wake_reconcile(&images).await
    }

    /// Compares the tags of an image with its registry, and takes in what is new.
    pub(super) async fn reconcile(&self, lease: &Lease) -> Result<(), JobError> {
        let image = crate::store::Store::to_reconcile(lease)?;
        let bound = match self.bound(&image).await {
            Ok(bound) => bound,
            Err(Lost::Job(error)) => return Err(error),
            // It will be looked at when somebody speaks for it.
            Err(Lost::Setback(_)) => return Ok(self.store().complete(lease).await?),
        };
        match self.compare(lease, &image, &bound).await? {
            Ok(Compared::All) => Ok(self.store().complete(lease).await?),
            Ok(Compared::Some) => {
                let at = self.store().clock().now() + millis(BETWEEN);
                Ok(self.store().postpone(lease, at).await?)
            }
            Err(
                error @ (RegistryError::RateLimited { retry_after, .. }
                | RegistryError::Unavailable { retry_after, .. }),
            ) => {
                tracing::warn!(%image, %error, "cannot compare an image with its registry; tried again");
                self.try_again(lease, retry_after, &error.to_string()).await
            }
            Err(error) => {
                tracing::info!(%image, %error, "an image cannot be compared with its registry");
                Ok(self.store().complete(lease).await?)
            }
        }
    }

    async fn compare(
        &self,
        lease: &Lease,
        image: &ImageName,
        bound: &Bound,
    ) -> Result<Result<Compared, RegistryError>, JobError> {
        let access = self.resolver.bindings().access(image, bound);
        let mut tags = match self.parts.registry.tags(image, access).await {
            Ok(tags) => tags,
            // Nothing was ever pushed.
            Err(RegistryError::NotFound { .. }) => Vec::new(),
            Err(error) => return Ok(Err(error)),
        };
        let is_declined = self.declined(image).await?;
        tags.retain(|tag| !is_declined(tag));
        let known = match self.store().known_tags(image).await? {
            Some(known) => known,
            None => self.first_look(lease, image, &tags).await?,
        };
        let under_way = self.store().tags_under_way(image).await?;
        let gone: Vec<Tag> = known.keys().filter(|tag| !tags.contains(tag)).cloned().collect();
        tags.retain(|tag| !under_way.contains(tag));
        let (tags, compared) = in_turn(tags, &known, self.round_begun.load(Ordering::Relaxed));
        let asked = self.ask(image, tags, access).await;
        let (asked, error) = match asked {
            Ok(asked) => (asked, None),
            Err((asked, error)) => (asked, Some(error)),
        };
        for (tag, digest) in &asked {
            if let Some(digest) = digest
                && is_news(known.get(tag), digest)
            {
                self.take_missed(image, tag, digest).await?;
            }
        }
        self.store().tags_asked(lease, image, (&asked, &gone)).await?;
        Ok(error.map_or(Ok(compared), Err))
    }

    /// What is there already was pushed before anybody watched: what it means is only learned.
    async fn first_look(
        &self,
        lease: &Lease,
        image: &ImageName,
        tags: &[Tag],
    ) -> Result<BTreeMap<Tag, KnownTag>, JobError> {
        self.store().tags_seen(lease, image, tags).await?;
        let known = self.store().known_tags(image).await?;
        known.ok_or_else(|| JobError::Nonsense(format!("{image} is not watched")))
    }

    /// What tags mean now, if they do; those that were asked before the registry failed as well.
    async fn ask(
        &self,
        image: &ImageName,
        tags: Vec<Tag>,
        access: Access,
    ) -> Result<Vec<Meaning>, (Vec<Meaning>, RegistryError)> {
        let mut asked = Vec::new();
        for tag in tags {
            match self.parts.registry.resolve(image, &tag, access).await {
                Ok(digest) => asked.push((tag, Some(digest))),
                // It was taken away since it was listed, or is listed though it is gone.
                Err(RegistryError::NotFound { .. }) => asked.push((tag, None)),
                Err(error) => return Err((asked, error)),
            }
        }
        Ok(asked)
    }

    async fn take_missed(&self, image: &ImageName, tag: &Tag, digest: &Digest) -> Result<(), JobError> {
        let push = Push {
            image: image.clone(),
            tag: tag.clone(),
            digest: Some(digest.clone()),
        };
        let delivery = delivery::of_registry_itself(&push);
        tracing::info!(%image, %tag, %digest, delivery.id = %delivery.id, "a push was missed, and is taken in");
        self.store().take(delivery).await?;
        Ok(())
    }

    /// Which tags none of those who declare the image has tested.
    async fn declined(&self, image: &ImageName) -> Result<impl Fn(&Tag) -> bool, JobError> {
        let declarers = self.store().declarers_of(image).await?;
        let files: Vec<File> = declarers
            .iter()
            .filter_map(|declared| File::parse(declared.good.as_deref()?).ok())
            .collect();
        let image = image.clone();
        Ok(move |tag: &Tag| {
            let mut declared = files.iter().filter_map(|file| file.of(&image)).peekable();
            tag.holds_cache()
                || tag.holds_signatures()
                || (declared.peek().is_some() && declared.all(|declared| declared.declines(tag).is_some()))
        })
    }
}

/// The tags to be asked for now: of those that were not asked since the round began new ones first, then those that were
/// asked longest ago.
fn in_turn(
    mut tags: Vec<Tag>,
    known: &BTreeMap<Tag, KnownTag>,
    round_begun: UnixMillis,
) -> (Vec<Tag>, Compared) {
    let asked_at = |tag: &Tag| known.get(tag).map(|known| known.asked_at);
    tags.retain(|tag| asked_at(tag).is_none_or(|at| at < round_begun));
    tags.sort_by_key(asked_at);
    let compared = if tags.len() > ASKED_AT_A_TIME {
        Compared::Some
    } else {
        Compared::All
    };
    tags.truncate(ASKED_AT_A_TIME);
    (tags, compared)
}

/// A tag that was not there, or means something else. Of one that was there before anybody watched, what it means is
/// only learned.
fn is_news(known: Option<&KnownTag>, digest: &Digest) -> bool {
    match known {
        None => true,
        Some(KnownTag { digest: None, .. }) => false,
        Some(KnownTag {
            digest: Some(before), ..
        }) => before != digest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_round_each_tag_is_asked_once_new_ones_first_and_a_hundred_at_a_time() {
        let tag = |number: usize| format!("v{number}").parse::<Tag>().unwrap();
        let known: BTreeMap<Tag, KnownTag> = (0..150)
            .map(|number| {
                let asked_at = i64::try_from(number).unwrap();
                (
                    tag(number),
                    KnownTag {
                        digest: None,
                        asked_at,
                    },
                )
            })
            .collect();
        let tags = || (0..160).map(tag).collect();
        let (first, compared) = in_turn(tags(), &known, 1_000);
        assert_eq!((first.len(), compared), (100, Compared::Some));
        assert!(
            first[..10].iter().all(|tag| !known.contains_key(tag)),
            "{first:?}"
        );
        assert_eq!(first[10], tag(0));

        let (rest, compared) = in_turn(tags(), &known, 90);
        assert_eq!((rest.len(), compared), (100, Compared::All));
        assert!(!rest.contains(&tag(90)), "it was asked since the round began");
    }
}
