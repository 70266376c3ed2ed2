//! Signatures over images: which of them are to be believed, and what commit they name. No I/O.
//!
//! A bundle holds a signed statement, the certificate of the workflow that signed it, and the proof that it was
//! signed while the certificate was valid. All of it is checked against roots that come with the program: Sigstore's
//! public instance, and the one that GitHub keeps for private repositories.
//! <https://github.com/sigstore/protobuf-specs>, <https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md>

pub mod cosign;

use std::fmt;
use std::sync::{Arc, OnceLock};

use sigstore_verify::trust_root::{SigstoreInstance, TrustedRoot};
use sigstore_verify::types::{Bundle, Sha256Hash};
use sigstore_verify::{Error, VerificationPolicy};

use crate::model::{CommitSha, Digest, RepoId};

/// Who vouches for workflows of GitHub's. <https://docs.github.com/actions/reference/openid-connect-reference>
const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// Largest bundle that is looked at. Those of GitHub's attestations have about 12 KiB, with the whole of `BuildKit`'s
/// provenance in them a few hundred.
pub const MAX_BUNDLE_BYTES: usize = 2 << 20;

/// What a signature that holds says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The repository whose workflow signed: its number, which survives renames.
    pub repo: RepoId,
    /// Its address when that was.
    pub source: String,
    /// The commit that the workflow ran for.
    pub commit: CommitSha,
    /// Which of the digests that were asked about it speaks of.
    pub subject: Digest,
}

/// Why a signature does not hold: the end of a sentence that begins with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified(pub String);

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks signatures. Cheap to clone; the roots are read when the first one comes.
#[derive(Clone, Default)]
pub struct Verifier {
    authorities: Arc<OnceLock<Vec<Authority>>>,
}

/// An instance of Sigstore, and what its signatures come with.
struct Authority {
    verifier: sigstore_verify::Verifier,
    policy: VerificationPolicy,
}

impl Verifier {
    /// One that believes in these roots alone, and wants no certificate to be in a public log of certificates.
    ///
    /// `root`: a trusted root in Sigstore's JSON. Fails where it is none.
    pub fn trusting(root: &str) -> Result<Self, Unverified> {
        let root = TrustedRoot::from_json(root).map_err(|error| Unverified(error.to_string()))?;
        let authority = Authority::new(&root, from_workflows().skip_sct())?;
        let authorities = OnceLock::new();
        let _ = authorities.set(vec![authority]);
        Ok(Self {
            authorities: Arc::new(authorities),
        })
    }

    /// Checks a bundle that should speak of one of these digests.
    pub fn verify(&self, bundle: &[u8], subjects: &[Digest]) -> Result<Signed, Unverified> {
        let unverified = |why: &str| Unverified(why.to_owned());
        if bundle.len() > MAX_BUNDLE_BYTES {
            return Err(Unverified(format!("it is larger than {MAX_BUNDLE_BYTES} bytes")));
        }
        let text = std::str::from_utf8(bundle).map_err(|_| unverified("it is no text"))?;
        let bundle = Bundle::from_json(text).map_err(|_| unverified("it is no bundle of Sigstore's"))?;
        let mut closest = None;
        for subject in subjects {
            let Some(hash) = sha256(subject) else { continue };
            for authority in self.authorities() {
                match authority.verifier.verify(hash, &bundle, &authority.policy) {
                    Ok(result) => return signed(result.certificate(), subject),
                    Err(error) => closest = Some(closer(closest, error)),
                }
            }
        }
        Err(closest.map_or_else(|| unverified("there is nothing that it could be about"), explain))
    }

    fn authorities(&self) -> &[Authority] {
        self.authorities.get_or_init(Authority::built_in)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Authority {
    fn new(root: &TrustedRoot, policy: VerificationPolicy) -> Result<Self, Unverified> {
        let verifier = sigstore_verify::Verifier::new(root).map_err(|error| Unverified(error.to_string()))?;
        Ok(Self { verifier, policy })
    }

    fn built_in() -> Vec<Self> {
        let instances = [
            (SigstoreInstance::PublicGood, from_workflows()),
            // Of private repositories nothing is in a public log: a timestamp stands for it.
            (
                SigstoreInstance::GitHub,
                from_workflows().skip_tlog_unsafe().skip_sct(),
            ),
        ];
        let authority = |(instance, policy)| {
            let root = TrustedRoot::from_embedded(instance).expect("the roots that are built in can be read");
            Self::new(&root, policy).expect("the roots that are built in are whole")
        };
        instances.into_iter().map(authority).collect()
    }
}

/// Any workflow of GitHub's may sign: whether it is one of the repository's own is seen by the repository's number.
fn from_workflows() -> VerificationPolicy {
    VerificationPolicy::any_identity().require_issuer(ISSUER)
}

fn sha256(digest: &Digest) -> Option<Sha256Hash> {
    Sha256Hash::from_hex(digest.as_str().strip_prefix("sha256:")?).ok()
}

/// What the certificate of a bundle that holds says.
fn signed(
    certificate: Option<&sigstore_verify::crypto::CertificateInfo>,
    subject: &Digest,
) -> Result<Signed, Unverified> {
    let claims = certificate.map(|certificate| &certificate.ci_claims);
    let signed = claims.and_then(|claims| {
        Some(Signed {
            repo: RepoId(claims.source_repository_identifier.as_deref()?.parse().ok()?),
            source: claims.source_repository_uri.clone()?,
            commit: claims.source_repository_digest.as_deref()?.parse().ok()?,
            subject: subject.clone(),
        })
    });
    signed.ok_or_else(|| Unverified("its certificate names no repository and no commit".to_owned()))
}

/// Of two reasons the one that says more: that a certificate is another instance's is true of all but one of them.
fn closer(before: Option<Error>, now: Error) -> Error {
    match before {
        Some(before) if !matches!(before, Error::Certificate(_) | Error::Timestamp(_)) => before,
        _ => now,
    }
}

fn explain(error: Error) -> Unverified {
    Unverified(match error {
        Error::ArtifactMismatch(_) => "it is about another image".to_owned(),
        Error::IssuerMismatch { .. } => "no workflow of GitHub's made it".to_owned(),
        Error::SignatureInvalid(_) => "what is signed was changed afterwards".to_owned(),
        Error::Certificate(_) => {
            "its certificate is neither Sigstore's nor GitHub's, or was not valid when it was used".to_owned()
        }
        Error::TransparencyLog(_) => "its entry in the public log does not hold".to_owned(),
        Error::Timestamp(_) => "nothing proves when it was made".to_owned(),
        // What the library says of the others holds the stranger's own words.
        other => {
            tracing::debug!(error = %other, "a signature cannot be checked");
            "it is no attestation of this kind, or not whole: it cannot be checked".to_owned()
        }
    })
}
