//! How the commit is known, and why the image may speak for the repository.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CommitSha, Repo};

/// How the commit is known, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// Claims name different commits.
    Conflict,
    /// Nothing names a commit.
    None,
    /// A short SHA, a Git ref or a tag that stands for one.
    Inferred,
    /// A full SHA in an annotation or a label.
    Claimed,
    /// The builder resolved the commit itself.
    Built,
    /// A signature over the statement was verified.
    Verified,
}

impl Evidence {
    /// The word that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::None => "none",
            Self::Inferred => "inferred",
            Self::Claimed => "claimed",
            Self::Built => "built",
            Self::Verified => "verified",
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an image may speak for a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Binding {
    /// The operator's configuration says so.
    Operator,
    /// A file on the repository's default branch says so.
    Declared,
    /// Nothing does.
    None,
}

impl Binding {
    /// The word that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Declared => "declared",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The commit that an image was built from, with what makes us believe it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The repository.
    pub repo: Repo,
    /// The commit in it.
    pub commit: CommitSha,
    /// How the commit is known.
    pub evidence: Evidence,
    /// Why the image may speak for the repository.
    pub binding: Binding,
}
