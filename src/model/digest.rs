//! Digests, as the OCI image specification has them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::image::{InvalidReference, excerpt};

/// The SHA-256 of a manifest or a blob: `sha256:<64 hex>`. Never moves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes))))
    }

    /// The whole text, with `sha256:`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Enough of it for a person to tell it from others: twelve hex digits.
    pub fn short(&self) -> &str {
        let start = "sha256:".len();
        &self.0[start..start + 12]
    }
}

impl FromStr for Digest {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("sha256:") {
            Some(hex) if is_hex(hex, 64) => Ok(Self(text.to_ascii_lowercase())),
            _ => Err(InvalidReference(format!(
                "`{}` is no SHA-256 digest",
                excerpt(text)
            ))),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Is `text` exactly `length` hexadecimal digits?
pub(super) fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
