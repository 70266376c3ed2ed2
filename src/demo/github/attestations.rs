//! Attestations of artifacts: what a repository's workflows signed.
//! <https://docs.github.com/rest/repos/attestations>

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Response};
use http_body_util::Full;
use serde_json::{Value, json};

use super::records::RepoState;
use super::refusal::Refusal;
use super::server::Shared;
use crate::model::{Digest, RepoId};

/// Where the packed bundles lie, outside the API.
const FILES: &str = "attestation-bundles";

/// A signed statement about an artifact.
#[derive(Clone, Debug)]
pub(super) struct Attestation {
    pub(super) subject: Digest,
    /// A bundle of Sigstore's, in JSON.
    pub(super) bundle: Value,
    /// Does the API hand it out itself? Newer versions only say where it lies.
    pub(super) is_inline: bool,
}

/// `GET /repos/{owner}/{repo}/attestations/{subject_digest}`
pub(super) fn show(repo: &RepoState, subject: &str, base_url: &str) -> Result<Value, Refusal> {
    let all = repo.attestations.iter().enumerate();
    let listed: Vec<Value> = all
        .filter(|(_, attestation)| attestation.subject.as_str() == subject)
        .map(|(number, attestation)| {
            json!({
                "bundle": attestation.is_inline.then_some(&attestation.bundle),
                "bundle_url": format!("{base_url}/{FILES}/{}/{number}", repo.id.0),
                "repository_id": repo.id,
            })
        })
        .collect();
    if listed.is_empty() {
        return Err(Refusal::not_found());
    }
    Ok(json!({ "attestations": listed }))
}

/// A bundle, packed, for everybody who knows where it lies. `None`: nothing lies there.
pub(super) fn file(shared: &Shared, method: &Method, path: &str) -> Option<Response<Full<Bytes>>> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let [FILES, repo, number] = segments.as_slice() else {
        return None;
    };
    if *method != Method::GET {
        return None;
    }
    let (repo, number): (i64, usize) = (repo.parse().ok()?, number.parse().ok()?);
    let world = shared.world();
    let attestation = world.repo_by_id(RepoId(repo))?.attestations.get(number)?;
    let text = attestation.bundle.to_string();
    let packed = snap::raw::Encoder::new().compress_vec(text.as_bytes()).ok()?;
    let mut response = Response::new(Full::new(Bytes::from(packed)));
    let kind = HeaderValue::from_static("application/x-snappy");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Some(response)
}
