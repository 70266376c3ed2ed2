//! Cloud Native Buildpacks: one label that holds JSON. `pack` and `kpack` call the repository differently.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{named, text};
use crate::model::{Claim, Place};

const LABEL: &str = "io.buildpacks.project.metadata";

/// Longest label that is read, in bytes.
const MAX_LABEL: usize = 64 << 10;

#[derive(Deserialize)]
struct Project {
    source: Source,
}

#[derive(Deserialize)]
struct Source {
    #[serde(default)]
    version: Version,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Version {
    commit: Option<String>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    /// As `pack` calls it.
    url: Option<String>,
    /// As `kpack` does.
    repository: Option<String>,
    revision: Option<String>,
}

pub(super) fn read(labels: &BTreeMap<String, String>) -> Option<Claim> {
    let label = labels.get(LABEL).filter(|label| label.len() <= MAX_LABEL)?;
    let Project { source } = serde_json::from_str(label).ok()?;
    let url = source.metadata.url.or(source.metadata.repository);
    let revision = source.version.commit.or(source.metadata.revision);
    named(Place::Buildpacks, text(url.as_ref()), text(revision.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(label: &str) -> Option<Claim> {
        read(&[(LABEL.to_owned(), label.to_owned())].into())
    }

    #[test]
    fn both_tools_are_understood() {
        let pack = r#"{"source":{"type":"git","version":{"commit":"abc","describe":"v1"},
            "metadata":{"refs":["main"],"url":"https://github.com/o/r"}}}"#;
        let kpack = r#"{"source":{"type":"git","version":{"commit":"abc"},
            "metadata":{"repository":"https://github.com/o/r","revision":"main"}}}"#;
        for label in [pack, kpack] {
            let claim = claim(label).unwrap();
            assert_eq!(claim.revision.as_deref(), Some("abc"));
            assert_eq!(claim.source.as_deref(), Some("https://github.com/o/r"));
        }
    }

    #[test]
    fn what_is_not_its_json_claims_nothing() {
        for label in [
            "",
            "{",
            "[]",
            "{\"source\":{}}",
            &format!("[{}", "[".repeat(70_000)),
        ] {
            assert_eq!(claim(label), None, "{}", label.len());
        }
    }
}
