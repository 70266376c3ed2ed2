//! Every place where an image may name its source: one file for each kind.
//!
//! A new kind of claim is a new variant of [`Place`], a file here that finds it, and a line in [`collect`].

mod annotations;
mod buildpacks;
mod labels;
mod provenance;
mod tag;

pub use provenance::{base_of, is_attested};
pub use tag::{by_rule, of_tag};

use crate::model::{Claim, Place, terminal};
use crate::registry::ImageDetails;

/// Longest text of a claim that is kept, in bytes: URLs and revisions are shorter.
const MAX_TEXT: usize = 1024;

/// All claims of an image, the most believable place first.
pub fn collect(image: &ImageDetails) -> Vec<Claim> {
    let built = provenance::read(image);
    let labels_are_own = built.sets_the_revision;
    let mut claims = built.claims;
    let of_labels = [
        labels::oci(&image.config.labels),
        buildpacks::read(&image.config.labels),
        labels::label_schema(&image.config.labels),
    ];
    let of_annotations = [
        annotations::read(&image.descriptor_annotations, Place::DescriptorAnnotation),
        annotations::read(&image.annotations, Place::ManifestAnnotation),
        annotations::read(&image.index_annotations, Place::IndexAnnotation),
    ];
    claims.extend(of_annotations.into_iter().flatten());
    for mut claim in of_labels.into_iter().flatten() {
        if !labels_are_own {
            claim.problem = labels::is_older(&claim, &image.config.labels, image.created.as_deref());
        }
        claims.push(claim);
    }
    claims
}

/// A claim, where anything is named at all.
fn named(place: Place, source: Option<String>, revision: Option<String>) -> Option<Claim> {
    (source.is_some() || revision.is_some()).then_some(Claim {
        place,
        source,
        revision,
        problem: None,
    })
}

/// A claim's text: trimmed, and absent if it is empty or too long to mean anything. Of one with control characters
/// what a terminal would show is left, with a mark at its end: nothing that a database would refuse, or that could
/// pass for a commit.
fn text(value: Option<&String>) -> Option<String> {
    let value = value?.trim();
    let mut text = terminal::shown(value);
    text.retain(|char| !char.is_control());
    if text != value {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    (!text.is_empty() && value.len().max(text.len()) <= MAX_TEXT).then_some(text)
}
