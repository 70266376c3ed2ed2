//! An image that stays on an Engine for the next run.

use std::fmt;

use super::digest::Digest;

/// An image that hubcheck pulled to an Engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedImage {
    /// The name under which it was pulled, without tag or digest.
    pub reference: String,
    /// Which image.
    pub digest: Digest,
    /// When a run last needed it, in unix milliseconds.
    pub last_used: i64,
}

impl fmt::Display for CachedImage {
    /// What the Engine calls it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.reference, self.digest)
    }
}
