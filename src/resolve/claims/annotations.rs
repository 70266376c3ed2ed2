//! Annotations: set for this very image, never inherited from its base.
//! Keys: the OCI image specification's `annotations.md`.

use std::collections::BTreeMap;

use super::text;
use crate::model::{Claim, Place};

pub(super) const SOURCE: &str = "org.opencontainers.image.source";
pub(super) const REVISION: &str = "org.opencontainers.image.revision";

pub(super) fn of_manifest(annotations: &BTreeMap<String, String>) -> Option<Claim> {
    let source = text(annotations.get(SOURCE));
    let revision = text(annotations.get(REVISION));
    (source.is_some() || revision.is_some()).then_some(Claim {
        place: Place::ManifestAnnotation,
        source,
        revision,
    })
}
