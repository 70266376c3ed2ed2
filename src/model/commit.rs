//! A commit's name at GitHub.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::digest::is_hex;

/// A text that is not a full commit SHA.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a full commit SHA of 40 hexadecimal digits")]
pub struct InvalidCommitSha;

/// The full SHA-1 of a commit: 40 hexadecimal digits, kept in lower case.
///
/// Never all zeros: that is how tools write "no commit".
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitSha(String);

impl CommitSha {
    /// The 40 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, as Git shows them to people.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl FromStr for CommitSha {
    type Err = InvalidCommitSha;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_commit = is_hex(text, 40) && text.bytes().any(|byte| byte != b'0');
        is_commit
            .then(|| Self(text.to_ascii_lowercase()))
            .ok_or(InvalidCommitSha)
    }
}

impl TryFrom<String> for CommitSha {
    type Error = InvalidCommitSha;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CommitSha> for String {
    fn from(sha: CommitSha) -> Self {
        sha.0
    }
}

impl fmt::Display for CommitSha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
