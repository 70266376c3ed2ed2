//! Claims: what an image says about where it comes from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a claim stands. The order is the order of belief: an annotation was set for this image, a
/// label may have come with its base image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Annotations of the manifest itself.
    ManifestAnnotation,
    /// `org.opencontainers.image.*` among the configuration's labels.
    OciLabel,
    /// `org.label-schema.*` among the configuration's labels.
    LabelSchema,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ManifestAnnotation => "manifest annotation",
            Self::OciLabel => "OCI label",
            Self::LabelSchema => "label-schema label",
        })
    }
}

/// One thing that names a repository or a commit, as it was found: a stranger's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Where it stands.
    pub place: Place,
    /// The source repository's URL.
    pub source: Option<String>,
    /// The revision in it.
    pub revision: Option<String>,
}

/// What came of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fate", content = "why")]
pub enum Fate {
    /// It names the commit.
    Taken,
    /// It says the same as the one taken.
    Agrees,
    /// It names another commit than the one taken.
    Differs,
    /// It counts for nothing, and why.
    Ignored(String),
}

/// A claim with its fate, for the check and the run's page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedClaim {
    /// What was found.
    pub claim: Claim,
    /// What came of it.
    #[serde(flatten)]
    pub fate: Fate,
}
