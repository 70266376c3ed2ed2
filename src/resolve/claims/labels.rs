//! Labels of the image's configuration. A base image's labels come through to its children.
//! Keys: the OCI image specification, and label-schema.org's rc1, which it replaced.

use std::collections::BTreeMap;

use super::annotations::{REVISION, SOURCE};
use super::text;
use crate::model::{Claim, Place};

pub(super) fn oci(labels: &BTreeMap<String, String>) -> Option<Claim> {
    read(labels, Place::OciLabel, SOURCE, REVISION)
}

pub(super) fn label_schema(labels: &BTreeMap<String, String>) -> Option<Claim> {
    read(
        labels,
        Place::LabelSchema,
        "org.label-schema.vcs-url",
        "org.label-schema.vcs-ref",
    )
}

fn read(labels: &BTreeMap<String, String>, place: Place, source: &str, revision: &str) -> Option<Claim> {
    let source = text(labels.get(source));
    let revision = text(labels.get(revision));
    (source.is_some() || revision.is_some()).then_some(Claim {
        place,
        source,
        revision,
    })
}
