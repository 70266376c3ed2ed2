//! Labels of the image's configuration. A base image's labels come through to its children.
//! Keys: the OCI image specification, and label-schema.org's rc1, which it replaced.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::annotations::{REVISION, SOURCE};
use super::{named, text};
use crate::model::{Claim, Place};

/// Labels say when they were set. Those of the image itself are set while it is built.
const LONGEST_BUILD: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn oci(labels: &BTreeMap<String, String>) -> Option<Claim> {
    named(
        Place::OciLabel,
        text(labels.get(SOURCE)),
        text(labels.get(REVISION)),
    )
}

pub(super) fn label_schema(labels: &BTreeMap<String, String>) -> Option<Claim> {
    named(
        Place::LabelSchema,
        text(labels.get("org.label-schema.vcs-url")),
        text(labels.get("org.label-schema.vcs-ref")),
    )
}

/// Why a label cannot be the image's own, if it says when it was set: long before the image was built.
pub(super) fn is_older(
    claim: &Claim,
    labels: &BTreeMap<String, String>,
    built: Option<&str>,
) -> Option<String> {
    let key = match claim.place {
        Place::OciLabel => "org.opencontainers.image.created",
        Place::LabelSchema => "org.label-schema.build-date",
        _ => return None,
    };
    let set: Timestamp = labels.get(key)?.trim().parse().ok()?;
    let built: Timestamp = built?.parse().ok()?;
    (built.duration_since(set) > LONGEST_BUILD).then(|| {
        format!("the labels are of {set:.0}, long before the image was built: they came with the base image")
    })
}
