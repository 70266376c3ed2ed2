//! Every place where an image may name its source: one file for each kind.
//!
//! A new kind of claim is a new variant of [`Place`](crate::model::Place), a file here that finds it,
//! and a line in [`collect`].

mod annotations;
mod labels;

use crate::model::{Claim, terminal};
use crate::registry::ImageDetails;

/// Longest text of a claim that is kept, in bytes: URLs and revisions are shorter.
const MAX_TEXT: usize = 1024;

/// All claims of an image, the most believable first.
pub fn collect(image: &ImageDetails) -> Vec<Claim> {
    let found = [
        annotations::of_manifest(&image.annotations),
        labels::oci(&image.labels),
        labels::label_schema(&image.labels),
    ];
    found.into_iter().flatten().collect()
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
    (!text.is_empty() && value.len() <= MAX_TEXT).then_some(text)
}
