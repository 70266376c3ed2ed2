//! Attestations of artifacts, as `actions/attest` leaves them at GitHub.
//! <https://docs.github.com/rest/repos/attestations>

use bytes::Bytes;

use super::error::GithubError;
use super::transport::{self, Request};
use super::{GitHub, path, wire};
use crate::model::{Digest, Repo};

/// Attestations of one artifact that are read.
const MOST: usize = 8;

impl GitHub {
    /// The bundles that attest what has this digest, as they were signed: nothing of them is checked here. None where
    /// there are none, or none that the App may see.
    pub async fn attestations(&self, repo: &Repo, subject: &Digest) -> Result<Vec<Bytes>, GithubError> {
        let rest = format!("/attestations/{subject}?per_page={MOST}");
        let request = Request::get(path(&repo.name, &rest));
        let listed = self.ask_about::<wire::Attestations>(repo, &request).await?;
        let mut found = Vec::new();
        for attestation in listed.map(|listed| listed.attestations).unwrap_or_default() {
            if let Some(bundle) = attestation.bundle {
                found.push(bundle.get().as_bytes().to_vec().into());
            } else if let Some(url) = attestation.bundle_url {
                found.push(transport::bundle(&self.inner.files, &self.inner.api, &url).await?);
            }
        }
        found.truncate(MOST);
        Ok(found)
    }
}
