//! Platforms, as the OCI image specification has them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::image::{InvalidReference, excerpt};

/// Bytes of a system's, an architecture's or a variant's name: real ones have half of that at most.
const MAX_PLATFORM_PART: usize = 32;

/// What an image runs on, in Go's words as the OCI image specification has them: `linux/arm64/v8`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    /// `linux`, `windows`.
    pub os: String,
    /// `amd64`, `arm64`.
    pub architecture: String,
    /// `v8`, of an ARM.
    pub variant: Option<String>,
}

impl Platform {
    /// What this program was built for, as an image would say it.
    pub fn of_this_machine() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            other => other,
        };
        Self {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: None,
        }
    }

    /// Is what was built for `other` made for an engine of this platform?
    ///
    /// The variant decides only where both name one: an engine does not report its own.
    pub fn runs(&self, other: &Platform) -> bool {
        let variants_differ =
            matches!((&self.variant, &other.variant), (Some(ours), Some(theirs)) if ours != theirs);
        self.os == other.os && self.architecture == other.architecture && !variants_differ
    }

    /// Can an engine of this platform run what was built for `other`, where that is asked for? An amd64 processor runs
    /// programs for the 386 as they are. Whether others are emulated, an engine does not tell.
    /// <https://pkg.go.dev/github.com/containerd/platforms#Only>
    pub fn can_run(&self, other: &Platform) -> bool {
        let is_older_kind = self.architecture == "amd64" && other.architecture == "386";
        self.runs(other) || (self.os == other.os && is_older_kind)
    }
}

impl FromStr for Platform {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('/').collect();
        let well_formed = |part: &&str| {
            (1..=MAX_PLATFORM_PART).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        match parts.as_slice() {
            [os, architecture, variant @ ..] if variant.len() <= 1 && parts.iter().all(well_formed) => {
                Ok(Self {
                    os: (*os).to_owned(),
                    architecture: (*architecture).to_owned(),
                    variant: variant.first().map(|&variant| variant.to_owned()),
                })
            }
            _ => Err(InvalidReference(format!(
                "`{}` is no platform like `linux/amd64`",
                excerpt(text)
            ))),
        }
    }
}

impl TryFrom<String> for Platform {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant
            .as_ref()
            .map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_runs_its_own_kind() {
        let engine: Platform = "linux/arm64".parse().unwrap();
        assert!(engine.runs(&"linux/arm64/v8".parse().unwrap()));
        assert!(!engine.runs(&"linux/amd64".parse().unwrap()));
        let [amd64, older]: [Platform; 2] = ["linux/amd64", "linux/386"].map(|text| text.parse().unwrap());
        assert!(!amd64.runs(&older) && amd64.can_run(&older));
        assert!(!older.can_run(&amd64) && !engine.can_run(&older));
        assert!("linux".parse::<Platform>().is_err());
        assert!("linux/a/b/c".parse::<Platform>().is_err());
    }
}
