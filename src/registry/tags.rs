//! Which tags an image has. <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags>

use http::Method;
use http::header::LINK;
use serde::Deserialize;

use super::client::RegistryClient;
use super::reader::Wanted;
use super::transport::Answer;
use super::{Access, RegistryError};
use crate::model::{ImageName, Tag};

/// Pages at most: ten thousand tags.
const MOST_PAGES: usize = 10;

#[derive(Deserialize)]
struct Page {
    /// Absent or `null` where there are none.
    tags: Option<Vec<String>>,
}

impl RegistryClient {
    /// The tags of an image, as the registry sorts them: ten thousand at most. Costs no pull.
    pub async fn tags(&self, image: &ImageName, access: Access) -> Result<Vec<Tag>, RegistryError> {
        let mut tags = Vec::new();
        let mut last: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let wanted = Wanted::tags(image, last.as_deref(), access);
            let answer = self.reader().request(Method::GET, &wanted).await?;
            let page: Page =
                serde_json::from_slice(&answer.body).map_err(|error| RegistryError::Invalid {
                    what: format!("the tags of {image}"),
                    reason: error.to_string(),
                })?;
            let named = page.tags.unwrap_or_default();
            // What is no tag cannot be asked for either.
            tags.extend(named.iter().filter_map(|tag| tag.parse().ok()));
            match next(&answer) {
                Some(next) if last.as_ref() != Some(&next) => last = Some(next),
                _ => break,
            }
        }
        Ok(tags)
    }
}

/// Where the next page begins. Only that is taken of the header: its address is not followed.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.headers.get(LINK)?.to_str().ok()?;
    let (url, relation) = link.trim().strip_prefix('<')?.split_once('>')?;
    let (_, query) = url.split_once('?').filter(|_| relation.contains("next"))?;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(name, _)| name == "last")
        .map(|(_, last)| last.into_owned())
}
