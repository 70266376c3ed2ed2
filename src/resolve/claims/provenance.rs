//! `BuildKit`'s provenance: what it fetched itself, what its client told it, what it built on.
//!
//! Two statement versions around two predicate versions. Paths:
//! <https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md>. Nobody signed it: whoever may
//! push may write it.

use serde::Deserialize;

use super::annotations::REVISION;
use super::{named, text};
use crate::model::{Claim, Digest, ImageReference, Place};
use crate::registry::{ImageDetails, Provenance};

/// The two names of `BuildKit`'s way to build.
const BUILDKIT: [&str; 2] = [
    "https://mobyproject.org/buildkit@v1",
    "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
];

/// What provenance says of an image.
#[derive(Default)]
pub(super) struct Built {
    pub(super) claims: Vec<Claim>,
    /// Did this very build set the label with the revision? Then it came with no base image.
    pub(super) sets_the_revision: bool,
}

#[derive(Deserialize)]
struct Statement {
    #[serde(default)]
    subject: Vec<Subject>,
    predicate: Predicate,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    digest: Digests,
}

#[derive(Default, Deserialize)]
struct Digests {
    sha1: Option<String>,
    sha256: Option<String>,
}

/// SLSA 0.2 and 1 side by side: they share no key.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Predicate {
    build_type: String,
    invocation: Invocation,
    metadata: OldMetadata,
    materials: Vec<Material>,
    build_definition: Definition,
    run_details: RunDetails,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Invocation {
    config_source: ConfigSource,
    parameters: Request,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OldMetadata {
    #[serde(rename = "https://mobyproject.org/buildkit@v1#metadata")]
    buildkit: BuildkitMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Definition {
    build_type: String,
    external_parameters: External,
    resolved_dependencies: Vec<Material>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct External {
    config_source: ConfigSource,
    request: Request,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RunDetails {
    metadata: NewMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewMetadata {
    buildkit_metadata: BuildkitMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BuildkitMetadata {
    vcs: Vcs,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Vcs {
    source: Option<String>,
    revision: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConfigSource {
    uri: Option<String>,
    digest: Digests,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    /// Values of other frontends may be anything; of `BuildKit`'s own they are text.
    args: serde_json::Map<String, serde_json::Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Material {
    uri: String,
    digest: Digests,
}

/// The base image, as `BuildKit` resolved it, or as annotations of the image say.
pub fn base_of(image: &ImageDetails) -> Option<ImageReference> {
    let of_build = || {
        let predicate = statement(image)?.ok()?.predicate;
        let materials = predicate.materials.iter();
        let mut materials = materials.chain(&predicate.build_definition.resolved_dependencies);
        materials.find_map(Material::image)
    };
    let of_annotations = || {
        let annotations = [
            &image.descriptor_annotations,
            &image.annotations,
            &image.index_annotations,
        ];
        let get = |key: &str| annotations.iter().find_map(|annotations| annotations.get(key));
        let name = get("org.opencontainers.image.base.name")?;
        let digest = get("org.opencontainers.image.base.digest")?;
        pinned(name, digest)
    };
    of_build().or_else(of_annotations)
}

/// Does the attestation beside an image speak of this very image?
pub fn is_attested(image: &ImageDetails) -> bool {
    matches!(statement(image), Some(Ok(_)))
}

fn pinned(name: &str, digest: &str) -> Option<ImageReference> {
    let name = name.split('@').next()?;
    format!("{name}@{}", digest.parse::<Digest>().ok()?).parse().ok()
}

pub(super) fn read(image: &ImageDetails) -> Built {
    match statement(image) {
        None => Built::default(),
        Some(Ok(statement)) => statement.predicate.claims(),
        Some(Err(why)) => Built {
            claims: vec![Claim {
                place: Place::BuildContext,
                source: None,
                revision: None,
                problem: Some(why),
            }],
            sets_the_revision: false,
        },
    }
}

/// `BuildKit`'s statement about this image; why it does not count; `None` where there is none of `BuildKit`'s.
fn statement(image: &ImageDetails) -> Option<Result<Statement, String>> {
    let bytes = match image.provenance.as_ref()? {
        Provenance::Statement(bytes) => bytes,
        Provenance::Unreadable(why) => return Some(Err(why.clone())),
    };
    let Ok(statement) = serde_json::from_slice::<Statement>(bytes) else {
        return Some(Err("the provenance is not the JSON it should be".to_owned()));
    };
    let build_type = [
        &statement.predicate.build_type,
        &statement.predicate.build_definition.build_type,
    ];
    if !build_type
        .into_iter()
        .any(|name| BUILDKIT.contains(&name.as_str()))
    {
        return None;
    }
    let is_subject = |subject: &Subject| {
        let digest = subject.digest.sha256.as_deref();
        digest.is_some_and(|hex| image.digest.as_str().strip_prefix("sha256:") == Some(hex))
    };
    if !statement.subject.iter().any(is_subject) {
        return Some(Err("the provenance is about another image".to_owned()));
    }
    Some(Ok(statement))
}

impl Predicate {
    fn claims(self) -> Built {
        let External {
            config_source,
            request,
        } = self.build_definition.external_parameters;
        let contexts = [self.invocation.config_source, config_source];
        let hints = [
            self.metadata.buildkit.vcs,
            self.run_details.metadata.buildkit_metadata.vcs,
        ];
        let label = format!("label:{REVISION}");
        let sets = |request: &Request| request.args.contains_key(&label);
        Built {
            sets_the_revision: sets(&request) || sets(&self.invocation.parameters),
            claims: contexts
                .into_iter()
                .filter_map(ConfigSource::claim)
                .chain(hints.into_iter().filter_map(Vcs::claim))
                .collect(),
        }
    }
}

impl ConfigSource {
    /// `None`: the context was a directory of the client's.
    fn claim(self) -> Option<Claim> {
        let source = text(self.uri.as_ref())?;
        let revision = text(self.digest.sha1.as_ref().or(self.digest.sha256.as_ref()));
        let problem = revision
            .is_none()
            .then(|| "it was no Git repository that the image was built from".to_owned());
        Some(Claim {
            place: Place::BuildContext,
            source: Some(source),
            revision,
            problem,
        })
    }
}

impl Vcs {
    fn claim(self) -> Option<Claim> {
        named(
            Place::BuildHint,
            text(self.source.as_ref()),
            text(self.revision.as_ref()),
        )
    }
}

impl Material {
    /// `pkg:docker/acme/base@1.2?platform=linux%2Famd64`
    fn image(&self) -> Option<ImageReference> {
        let rest = self.uri.strip_prefix("pkg:docker/")?;
        let name = rest.split(['?', '#']).next()?.split('@').next()?;
        pinned(name, &format!("sha256:{}", self.digest.sha256.as_deref()?))
    }
}

#[cfg(test)]
mod tests;
