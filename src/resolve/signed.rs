//! What signatures say: read where it can matter, checked, and only then believed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quick_cache::sync::Cache;

use super::claims;
use super::{Resolver, Setback};
use crate::clock::{Clock, UnixMillis, millis};
use crate::model::{Claim, Digest, ImageName, Place, Repo, RepoId};
use crate::registry::{Access, ImageDetails, StoredSignature};
use crate::signature::{Signed, Unverified, cosign};

/// Images whose signatures are remembered.
const MOST: usize = 1024;
/// How long it is believed that there is none that holds: they come after the image.
const ABSENCE_LASTS: Duration = Duration::from_mins(1);

/// What may be signed of an image.
#[derive(Clone, Debug)]
pub struct Subject {
    image: ImageName,
    /// The index, where there is one, and the manifest.
    digests: Vec<Digest>,
    /// The manifest with attestations, where what is in it is about this image.
    attestation: Option<Digest>,
    access: Access,
}

impl Subject {
    /// What may be signed of an image that was read with this right.
    pub fn of(image: &ImageName, details: &ImageDetails, access: Access) -> Self {
        let digests = details.index.iter().chain([&details.digest]);
        Self {
            image: image.clone(),
            digests: digests.cloned().collect(),
            // Anybody may lay a manifest with somebody else's attestations beside an image of his own.
            attestation: details
                .attestation
                .clone()
                .filter(|_| claims::is_attested(details)),
            access,
        }
    }

    fn all(&self) -> Vec<Digest> {
        self.digests.iter().chain(&self.attestation).cloned().collect()
    }
}

/// Signatures that were looked for lately.
#[derive(Clone)]
pub(super) struct Memory {
    found: Arc<Cache<(RepoId, Digest), Known>>,
    clock: Clock,
}

#[derive(Clone)]
struct Known {
    claims: Vec<Claim>,
    /// Was the registry asked as well?
    in_registry: bool,
    since: UnixMillis,
}

impl Default for Memory {
    fn default() -> Self {
        Self::on(Clock::default())
    }
}

impl Memory {
    pub(super) fn on(clock: Clock) -> Self {
        Self {
            found: Arc::new(Cache::new(MOST)),
            clock,
        }
    }

    fn find(&self, key: &(RepoId, Digest), in_registry: bool) -> Option<Vec<Claim>> {
        let known = self.found.get(key)?;
        let is_fresh =
            self.clock.now() - known.since < millis(ABSENCE_LASTS) && known.in_registry >= in_registry;
        (holds(&known.claims) || is_fresh).then_some(known.claims)
    }
}

fn holds(claims: &[Claim]) -> bool {
    claims.iter().any(|claim| claim.problem.is_none())
}

impl Resolver {
    /// The claims of all signatures that are found at GitHub, and, where none holds there, in the registry if that is
    /// asked as well: with up to three requests for each thing that may be signed.
    pub(super) async fn signed(
        &self,
        repo: &Repo,
        subject: &Subject,
        in_registry: bool,
    ) -> Result<Vec<Claim>, Setback> {
        let Some(first) = subject.digests.first() else {
            return Ok(Vec::new());
        };
        let key = (repo.id, first.clone());
        if let Some(known) = self.signatures.find(&key, in_registry) {
            return Ok(known);
        }
        let mut claims = Vec::new();
        for digest in &subject.digests {
            let bundles = self.github.attestations(repo, digest).await?;
            self.add(&mut claims, repo, subject, bundles);
            if holds(&claims) {
                break;
            }
        }
        for digest in subject.all() {
            if !in_registry || holds(&claims) {
                break;
            }
            let stored = self
                .registry
                .signatures(&subject.image, &digest, subject.access)
                .await?;
            self.add(&mut claims, repo, subject, stored.into_iter().filter_map(bundle));
        }
        let known = Known {
            claims: claims.clone(),
            in_registry,
            since: self.signatures.clock.now(),
        };
        self.signatures.found.insert(key, known);
        Ok(claims)
    }

    fn add(
        &self,
        claims: &mut Vec<Claim>,
        repo: &Repo,
        subject: &Subject,
        bundles: impl IntoIterator<Item = Bytes>,
    ) {
        for bundle in bundles {
            let claim = claim(repo, self.verifier.verify(&bundle, &subject.all()));
            // A build signs several statements about one image.
            if !claims.contains(&claim) {
                claims.push(claim);
            }
        }
    }
}

fn bundle(stored: StoredSignature) -> Option<Bytes> {
    match stored {
        StoredSignature::Bundle(bundle) => Some(bundle),
        StoredSignature::Cosign(envelope, annotations) => {
            cosign::bundle(&envelope, &annotations).map(Bytes::from)
        }
    }
}

/// A signature that does not hold is told of, and says nothing.
fn claim(repo: &Repo, verified: Result<Signed, Unverified>) -> Claim {
    match verified {
        Ok(signed) => Claim {
            place: Place::Signature,
            problem: (signed.repo != repo.id).then(|| {
                let RepoId(number) = signed.repo;
                format!("a workflow of another repository made it, number {number}")
            }),
            source: Some(signed.source),
            revision: Some(signed.commit.to_string()),
        },
        Err(why) => Claim {
            place: Place::Signature,
            source: None,
            revision: None,
            problem: Some(why.to_string()),
        },
    }
}
