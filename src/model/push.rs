//! What a registry's webhook says happened.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::image::{ImageName, Tag};

/// One image reference that a delivery speaks of. A hint: nothing of it is believed before the
/// registry has confirmed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// The image.
    pub image: ImageName,
    /// The tag that was pushed.
    pub tag: Tag,
    /// The digest, where the sender names one.
    pub digest: Option<Digest>,
}

/// What became of a delivery at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It will be worked on.
    Queued,
    /// It was here before, under the same event id of its sender.
    Duplicate,
    /// There is nothing to do, and the reason says why.
    Ignored,
}

impl Decision {
    /// The word of the reply and of the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a well-formed delivery has nothing for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// What it spoke of, as far as it was understood.
    pub push: Option<Push>,
    /// A sentence for the reply and the page of deliveries.
    pub reason: String,
}
