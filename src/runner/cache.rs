//! Images kept for the next run, within a budget: the longest unused go first.

use super::{EngineError, Runner};
use crate::model::{CachedImage, Digest};

impl Runner {
    /// Removes the longest unused of `pulled` until they take `budget_bytes` or less. Returns those that
    /// the Engine does not hold any more, whoever removed them.
    ///
    /// Only images of the list are removed, by id, and none that a container uses or that also has a
    /// tag or another name: that is somebody else's use for it. Layers that images share are counted
    /// with each of them, so less is kept than might be.
    pub async fn keep_images_within(
        &self,
        pulled: &[CachedImage],
        budget_bytes: u64,
    ) -> Result<Vec<Digest>, EngineError> {
        let mut newest_first: Vec<&CachedImage> = pulled.iter().collect();
        newest_first.sort_by_key(|image| std::cmp::Reverse(image.last_used));
        let ours: Vec<String> = pulled.iter().map(CachedImage::to_string).collect();
        let mut gone = Vec::new();
        let mut kept_bytes = 0_u64;
        for image in newest_first {
            let Some(found) = self.engine.footprint(&image.to_string()).await? else {
                gone.push(image.digest.clone());
                continue;
            };
            let fits = kept_bytes.saturating_add(found.size_bytes) <= budget_bytes;
            let shared = found.tagged || found.digests.iter().any(|name| !ours.contains(name));
            let removed = !fits && !shared && self.remove_unused(&found.id).await?;
            if removed {
                gone.push(image.digest.clone());
            } else {
                kept_bytes = kept_bytes.saturating_add(found.size_bytes);
            }
        }
        Ok(gone)
    }

    /// Was the image removed? Not if it is in use.
    async fn remove_unused(&self, id: &str) -> Result<bool, EngineError> {
        match self.engine.remove_image(id).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) if error.is_not_found() => Ok(true),
            Err(error) => Err(error),
        }
    }
}
