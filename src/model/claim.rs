//! Claims: what an image says about where it comes from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a claim stands. The order is the order of belief: nobody can forge a signature, a builder resolved its own Git context, an annotation was
/// set for this image, a label may have come with its base image, a tag is moved at will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The certificate of a workflow of GitHub's that signed the image.
    Signature,
    /// The Git context that `BuildKit` fetched itself, by its provenance.
    BuildContext,
    /// What the client told `BuildKit` of its working directory, by its provenance.
    BuildHint,
    /// Annotations that the index gives to the manifest.
    DescriptorAnnotation,
    /// Annotations of the manifest itself.
    ManifestAnnotation,
    /// Annotations of the index.
    IndexAnnotation,
    /// `org.opencontainers.image.*` among the configuration's labels.
    OciLabel,
    /// What Cloud Native Buildpacks write into a label of theirs.
    Buildpacks,
    /// `org.label-schema.*` among the configuration's labels.
    LabelSchema,
    /// The tag, by a rule of the repository's.
    RefRule,
    /// The tag, by its own name.
    Tag,
}

impl Place {
    /// Is it in the image, and not in what somebody called it?
    pub fn is_in_the_image(self) -> bool {
        !matches!(self, Self::RefRule | Self::Tag)
    }

    /// May it have come with the base image?
    pub fn is_inherited(self) -> bool {
        matches!(self, Self::OciLabel | Self::LabelSchema)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signature => "signature",
            Self::BuildContext => "provenance: Git context",
            Self::BuildHint => "provenance: working directory",
            Self::DescriptorAnnotation => "descriptor annotation",
            Self::ManifestAnnotation => "manifest annotation",
            Self::IndexAnnotation => "index annotation",
            Self::OciLabel => "OCI label",
            Self::Buildpacks => "buildpacks label",
            Self::LabelSchema => "label-schema label",
            Self::RefRule => "tag, by `refs`",
            Self::Tag => "tag",
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
    /// Why it cannot be believed, whatever it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
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
