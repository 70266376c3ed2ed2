//! What the registry holds.

use std::collections::HashMap;
use std::sync::Mutex;

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use super::{lock, reply};
use crate::demo::images::{Content, Image};

/// Manifests by tag and digest, and blobs by digest, of each repository.
#[derive(Default)]
pub(super) struct Shelf {
    repositories: Mutex<HashMap<String, Repository>>,
}

#[derive(Default)]
struct Repository {
    manifests: HashMap<String, Content>,
    blobs: HashMap<String, Content>,
}

impl Shelf {
    pub(super) fn put(&self, path: &str, tag: &str, image: &Image) {
        let mut repositories = lock(&self.repositories);
        let repository = repositories.entry(path.to_owned()).or_default();
        for manifest in image.manifests() {
            repository
                .manifests
                .insert(manifest.digest.to_string(), manifest.clone());
        }
        for blob in &image.blobs {
            repository.blobs.insert(blob.digest.to_string(), blob.clone());
        }
        repository.manifests.insert(tag.to_owned(), image.top.clone());
    }

    /// Answers `/v2/`, `/v2/NAME/manifests/REFERENCE` and `/v2/NAME/blobs/DIGEST`.
    pub(super) fn read(&self, path: &str) -> Response {
        let Some(rest) = path.strip_prefix("/v2/") else {
            return reply::error(StatusCode::NOT_FOUND, "UNSUPPORTED", "there is nothing but /v2/");
        };
        if rest.is_empty() {
            return StatusCode::OK.into_response();
        }
        let repositories = lock(&self.repositories);
        if let Some((name, reference)) = rest.rsplit_once("/manifests/") {
            let found = repositories
                .get(name)
                .and_then(|repository| repository.manifests.get(reference));
            answer(found, "MANIFEST_UNKNOWN")
        } else if let Some((name, digest)) = rest.rsplit_once("/blobs/") {
            let found = repositories
                .get(name)
                .and_then(|repository| repository.blobs.get(digest));
            answer(found, "BLOB_UNKNOWN")
        } else {
            answer(None, "NAME_UNKNOWN")
        }
    }
}

fn answer(found: Option<&Content>, unknown: &str) -> Response {
    found.map_or_else(
        || reply::error(StatusCode::NOT_FOUND, unknown, "not here"),
        reply::content,
    )
}
