//! The registries whose webhooks are understood.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{BadBody, dockerhub};
use crate::model::{Ignored, Push};

/// A name that is no sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such sender: known is `dockerhub`")]
pub struct UnknownSender;

/// Who sends a webhook: the first part of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sender {
    /// Docker Hub.
    Dockerhub,
}

/// What a well-formed body says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// An image was pushed.
    Push {
        /// The image.
        push: Push,
        /// What the sender left open and how it was read: sentences for the reply's reason.
        notes: Vec<String>,
    },
    /// Nothing for us, and why.
    Ignored(Ignored),
}

impl Sender {
    /// The word in the path.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dockerhub => "dockerhub",
        }
    }

    /// Reads a body of this sender.
    pub fn parse(self, body: &[u8]) -> Result<Parsed, BadBody> {
        match self {
            Self::Dockerhub => dockerhub::parse(body),
        }
    }
}

impl FromStr for Sender {
    type Err = UnknownSender;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "dockerhub" => Ok(Self::Dockerhub),
            _ => Err(UnknownSender),
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
