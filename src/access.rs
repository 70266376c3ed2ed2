//! Who may see what: the keys that details links carry, and where they lead.
//!
//! A private repository's pages open to whoever holds its key. The key stands only where those who can
//! read the repository see it: in the links of its checks and statuses.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::model::{Expected, RepoId, RunId, Visibility};
use crate::store::Run;

/// Sets these MACs apart from all others that the same secret may ever make.
const DOMAIN: &[u8] = b"hubcheck page key v1\0";

/// The same for the operator's cookie.
const OPERATOR_DOMAIN: &[u8] = b"hubcheck operator v1\0";

/// Bytes of a MAC that make a key: 192 bits.
const KEY_BYTES: usize = 24;

/// Makes the keys of private repositories' pages, and checks them.
#[derive(Clone)]
pub struct PageKeys(Hmac<Sha256>);

impl std::fmt::Debug for PageKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageKeys(…)")
    }
}

impl PageKeys {
    /// Keys under this secret.
    pub fn new(secret: &SecretString) -> Self {
        let mac =
            Hmac::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes keys of any length");
        Self(mac)
    }

    /// The key of a repository's pages.
    pub fn key(&self, repo: RepoId) -> String {
        let mac = self
            .0
            .clone()
            .chain_update(DOMAIN)
            .chain_update(repo.0.to_be_bytes())
            .finalize()
            .into_bytes();
        URL_SAFE_NO_PAD.encode(&mac[..KEY_BYTES])
    }

    /// What a browser shows in the place of the operator's token, once that was given. Another token makes it worthless.
    pub fn operator(&self, token: &SecretString) -> String {
        let mac = self
            .0
            .clone()
            .chain_update(OPERATOR_DOMAIN)
            .chain_update(token.expose_secret().as_bytes())
            .finalize()
            .into_bytes();
        URL_SAFE_NO_PAD.encode(&mac[..KEY_BYTES])
    }

    /// Is `key` the key of the repository's pages? Takes the same time wherever it differs.
    pub fn opens(&self, repo: RepoId, key: &str) -> bool {
        self.key(repo).as_bytes().ct_eq(key.as_bytes()).into()
    }
}

/// Where pages are, for links that leave the house.
#[derive(Clone, Debug)]
pub struct PageLinks {
    public_url: String,
    keys: PageKeys,
}

impl PageLinks {
    /// Links under `public_url`, which ends without a slash.
    pub fn new(public_url: &str, keys: PageKeys) -> Self {
        Self {
            public_url: public_url.to_owned(),
            keys,
        }
    }

    /// A run's page, with the key where the repository is private.
    pub fn run(&self, run: &Run) -> String {
        self.run_of(run.source.repo.id, run.source.repo.visibility, run.id)
    }

    /// The page of another run of the same repository.
    pub fn sibling(&self, run: &Run, other: RunId) -> String {
        self.run_of(run.source.repo.id, run.source.repo.visibility, other)
    }

    /// A run's page without a key, for those who are let in already.
    pub fn plain(&self, run: RunId) -> String {
        format!("{}/runs/{run}", self.public_url)
    }

    /// Where Docker Hub posts to, with this token.
    pub fn hook(&self, token: &str) -> String {
        format!("{}/hooks/dockerhub/{token}", self.public_url)
    }

    /// The page of an image that is waited for: its run's, once that is there.
    pub fn expected(&self, expected: &Expected) -> String {
        self.run_of(expected.repo.id, expected.repo.visibility, expected.id)
    }

    fn run_of(&self, repo: RepoId, visibility: Visibility, run: RunId) -> String {
        let page = self.plain(run);
        match visibility {
            Visibility::Public => page,
            Visibility::Private => format!("{page}?key={}", self.keys.key(repo)),
        }
    }
}

/// May the log of a run be shown to those who may see the run? What a private image prints stays private
/// where everybody can read the repository, unless that says otherwise.
pub fn log_is_shown(run: &Run) -> bool {
    run.image_visibility == Visibility::Public
        || run.source.repo.visibility == Visibility::Private
        || run.policy.publish_private_logs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_its_own_repository_and_no_other() {
        let keys = PageKeys::new(&SecretString::from("secret"));
        let key = keys.key(RepoId(7));
        assert!(keys.opens(RepoId(7), &key));
        assert!(!keys.opens(RepoId(8), &key));
        assert!(!keys.opens(RepoId(7), ""));
        assert!(!PageKeys::new(&SecretString::from("other")).opens(RepoId(7), &key));
        assert_eq!(format!("{keys:?}"), "PageKeys(…)");
    }
}
