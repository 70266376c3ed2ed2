//! Image names and tags, as the OCI distribution specification has them.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::digest::is_hex;

/// The registry that a name without one means.
const DOCKER_HUB: &str = "docker.io";

/// The namespace of a name on Docker Hub without one.
const LIBRARY: &str = "library";

/// Characters of a path at most.
const LONGEST_PATH: usize = 255;

/// A registry's host, with or without a port. Of ASCII alone: the tables of Unicode would take megabytes.
static REGISTRY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x-u)^ LABEL (\. LABEL)* (:[0-9]+)? $"
            .replace("LABEL", "[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?")
            .as_str(),
    )
    .expect("the expression is fixed")
});

/// The repository inside a registry.
static PATH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x-u)^ PART (/ PART)* $"
            .replace("PART", "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*")
            .as_str(),
    )
    .expect("the expression is fixed")
});

/// A text that is not an image reference, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidReference(pub(super) String);

/// The canonical name of an image, with its registry and without tag or digest:
/// `docker.io/acme/app`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageName {
    registry: String,
    path: String,
}

impl ImageName {
    /// The registry's host, with its port where it has one: `docker.io`, `localhost:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository inside the registry: `acme/app`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name as people write it: `docker.io/` left out.
    ///
    /// But not where what is left would read as an image of another registry: `docker.io/localhost/app`.
    pub fn short(&self) -> String {
        let first = self.path.split('/').next().unwrap_or_default();
        let reads_as_host = first == "localhost" || first.contains('.');
        if self.registry == DOCKER_HUB && !reads_as_host {
            self.path.clone()
        } else {
            self.to_string()
        }
    }
}

impl FromStr for ImageName {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |why: &str| Err(InvalidReference(format!("`{}` {why}", excerpt(text))));
        let has_tag = text
            .rsplit('/')
            .next()
            .is_some_and(|last| last.contains([':', '@']));
        if has_tag {
            return refused("has a tag or a digest: give the image's name alone");
        }
        // What stands before the first slash is a registry if no namespace can be called so.
        let (registry, path) = match text.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host.eq_ignore_ascii_case("localhost") => {
                (host.to_ascii_lowercase(), path)
            }
            _ => (DOCKER_HUB.to_owned(), text),
        };
        if !REGISTRY.is_match(&registry) || !PATH.is_match(path) || path.len() > LONGEST_PATH {
            return refused("is no image name: invalid reference format");
        }
        let registry = match registry.as_str() {
            "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_owned(),
            _ => registry,
        };
        let path = if registry == DOCKER_HUB && !path.contains('/') {
            format!("{LIBRARY}/{path}")
        } else {
            path.to_owned()
        };
        Ok(Self { registry, path })
    }
}

impl TryFrom<String> for ImageName {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ImageName> for String {
    fn from(name: ImageName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

/// A tag: a name in a registry that may move.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Tag {
    /// The tag that a reference without one means.
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }

    /// The tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Is this a tag under which signatures, attestations and SBOMs are stored
    /// (`sha256-<hex>` with `.sig`, `.att` or `.sbom`, or bare: cosign's and the referrers' fallback)?
    pub fn holds_signatures(&self) -> bool {
        let Some(rest) = self.0.strip_prefix("sha256-") else {
            return false;
        };
        let hex = [".sig", ".att", ".sbom"]
            .iter()
            .find_map(|end| rest.strip_suffix(end))
            .unwrap_or(rest);
        is_hex(hex, 64)
    }

    /// Does the tag look like a build cache (`*cache*`)?
    pub fn holds_cache(&self) -> bool {
        self.0.to_ascii_lowercase().contains("cache")
    }
}

impl FromStr for Tag {
    type Err = InvalidReference;

    /// `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`, as the OCI distribution specification says.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = text.bytes();
        let first = bytes
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let rest = bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
        if first && rest && text.len() <= 128 {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidReference(format!("`{}` is no tag", excerpt(text))))
        }
    }
}

impl TryFrom<String> for Tag {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The start of a stranger's text, fit for an error message.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_canonical_whatever_way_people_write_them() {
        for (written, canonical, short) in [
            ("acme/app", "docker.io/acme/app", "acme/app"),
            ("docker.io/acme/app", "docker.io/acme/app", "acme/app"),
            ("index.docker.io/acme/app", "docker.io/acme/app", "acme/app"),
            ("busybox", "docker.io/library/busybox", "library/busybox"),
            (
                "ghcr.io/acme/team/app",
                "ghcr.io/acme/team/app",
                "ghcr.io/acme/team/app",
            ),
            ("localhost:5000/app", "localhost:5000/app", "localhost:5000/app"),
            (
                "index.docker.io/busybox",
                "docker.io/library/busybox",
                "library/busybox",
            ),
            (
                "registry-1.docker.io/busybox",
                "docker.io/library/busybox",
                "library/busybox",
            ),
            ("Docker.IO/acme/app", "docker.io/acme/app", "acme/app"),
            (
                "docker.io/localhost/app",
                "docker.io/localhost/app",
                "docker.io/localhost/app",
            ),
        ] {
            let name: ImageName = written.parse().unwrap();
            assert_eq!(
                (name.to_string().as_str(), name.short().as_str()),
                (canonical, short),
                "{written}"
            );
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for wrong in [
            "",
            "Acme/App",
            "Acme/app",
            "acme/app:v1",
            "acme/app@sha256:00",
            "--flag",
            "acme/../app",
            "a b",
            "acme//app",
            "Acme/app",
            &format!("acme/{}", "a".repeat(251)),
        ] {
            assert!(wrong.parse::<ImageName>().is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

        /// Another reader of the same grammar agrees, where it keeps to it: it takes a namespace in capitals,
        /// and a host with an underscore. Hosts that differ in capitals alone are one host to us.
        #[test]
        fn names_are_those_of_the_specification(text in "([a-zB0.:_-]{1,6}/){0,3}[a-zB0._-]{1,8}") {
            let theirs = text.parse::<oci_spec::distribution::Reference>().ok().filter(|theirs| {
                let capital = theirs.repository().contains(|char: char| char.is_ascii_uppercase());
                !capital && !theirs.registry().contains('_')
            });
            let ours = text.parse::<ImageName>().ok();
            proptest::prop_assert_eq!(
                ours.as_ref().map(|ours| (ours.registry().to_owned(), ours.path())),
                theirs
                    .as_ref()
                    .map(|theirs| (theirs.registry().to_ascii_lowercase(), theirs.repository()))
            );
        }
    }

    #[test]
    fn tags_are_those_of_the_specification() {
        for right in ["latest", "v1.2.3", "_x", &"a".repeat(128)] {
            assert!(right.parse::<Tag>().is_ok(), "{right}");
        }
        for wrong in ["", ".x", "-x", "a/b", "a b", "ä", &"a".repeat(129)] {
            assert!(wrong.parse::<Tag>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn tags_of_signatures_and_caches_are_told_apart() {
        let hex = "ab".repeat(32);
        for end in ["", ".sig", ".att", ".sbom"] {
            assert!(
                format!("sha256-{hex}{end}")
                    .parse::<Tag>()
                    .unwrap()
                    .holds_signatures(),
                "{end}"
            );
        }
        assert!(
            !format!("sha256-{hex}.txt")
                .parse::<Tag>()
                .unwrap()
                .holds_signatures()
        );
        assert!(!"sha256-abc".parse::<Tag>().unwrap().holds_signatures());
        assert!("buildcache-main".parse::<Tag>().unwrap().holds_cache());
        assert!(!"v1".parse::<Tag>().unwrap().holds_cache());
    }
}
