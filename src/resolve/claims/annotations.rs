//! Annotations: set for this very image, never inherited from its base.
//! Keys: the OCI image specification's `annotations.md`.

use std::collections::BTreeMap;

use super::{named, text};
use crate::model::{Claim, Place};

pub(super) const SOURCE: &str = "org.opencontainers.image.source";
pub(super) const REVISION: &str = "org.opencontainers.image.revision";

pub(super) fn read(annotations: &BTreeMap<String, String>, place: Place) -> Option<Claim> {
    named(
        place,
        text(annotations.get(SOURCE)),
        text(annotations.get(REVISION)),
    )
}
