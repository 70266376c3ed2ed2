//! Docker's own `config.json`: the accounts that `docker login` wrote down.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde::Deserialize;

use super::SetupError;
use super::helper::Helper;
use super::place::HUB;

/// Longer files are not Docker's.
const MAX_BYTES: u64 = 1 << 20;

/// A name and a password.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) username: String,
    pub(super) password: SecretString,
}

/// What the file holds, by the registries' hosts.
#[derive(Default)]
pub(super) struct DockerConfig {
    path: PathBuf,
    accounts: BTreeMap<String, Account>,
    /// Hosts that the file names without an account: a helper may keep theirs, or it is a token.
    elsewhere: BTreeSet<String>,
    /// Helpers for hosts of their own.
    helpers: BTreeMap<String, Helper>,
    /// The helper for all others.
    store: Option<Helper>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl DockerConfig {
    /// Reads the file; one that is not there holds nothing.
    pub(super) fn read(path: &Path) -> Result<Self, SetupError> {
        let unusable = |reason: String| SetupError::File {
            path: path.display().to_string(),
            reason,
        };
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unusable(error.to_string())),
        };
        let mut text = String::new();
        file.take(MAX_BYTES)
            .read_to_string(&mut text)
            .map_err(|error| unusable(error.to_string()))?;
        let mut config = Self::parse(&text).ok_or_else(|| {
            // The parser's own message could quote a password.
            unusable("it is not Docker's JSON: mend it, or log in again with `docker login`".to_owned())
        })?;
        path.clone_into(&mut config.path);
        Ok(config)
    }

    /// The account for a host.
    pub(super) fn account(&self, host: &str) -> Option<&Account> {
        self.accounts.get(host)
    }

    /// The helper that may keep a host's account.
    pub(super) fn helper(&self, host: &str) -> Option<&Helper> {
        self.helpers.get(host).or(self.store.as_ref())
    }

    /// Why there is no account for a host although the user may have logged in.
    pub(super) fn hint(&self, host: &str) -> Option<String> {
        let path = self.path.display();
        if self.helper(host).is_some() {
            return Some(format!("the credential helper of {path} keeps none"));
        }
        let is_named = self.elsewhere.contains(host) && !self.accounts.contains_key(host);
        is_named.then(|| format!("{path} names it without a password"))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let file: File = serde_json::from_str(text).ok()?;
        let mut config = Self {
            store: file.store.as_deref().and_then(Helper::named),
            helpers: file
                .helpers
                .iter()
                .filter_map(|(key, name)| Some((host_of(key), Helper::named(name)?)))
                .collect(),
            ..Self::default()
        };
        for (key, entry) in file.auths {
            match entry.account() {
                Some(account) => drop(config.accounts.insert(host_of(&key), account)),
                None => drop(config.elsewhere.insert(host_of(&key))),
            }
        }
        Some(config)
    }
}

impl Entry {
    fn account(self) -> Option<Account> {
        let (username, password) = match self.auth.filter(|auth| !auth.is_empty()) {
            Some(auth) => {
                let pair = String::from_utf8(STANDARD.decode(auth.trim()).ok()?).ok()?;
                let (username, password) = pair.split_once(':')?;
                // Docker pads with NUL in old files.
                (username.to_owned(), password.trim_end_matches('\0').to_owned())
            }
            None => (self.username?, self.password?),
        };
        let usable = !username.is_empty() && !password.is_empty();
        usable.then(|| Account {
            username,
            password: password.into(),
        })
    }
}

/// `https://index.docker.io/v1/` → `docker.io`, `https://ghcr.io/v2/` → `ghcr.io`.
pub(crate) fn host_of(key: &str) -> String {
    let host = key
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .split('/')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" => HUB.to_owned(),
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn accounts_are_found_under_all_names_that_docker_writes() {
        let auth = STANDARD.encode("me:se:cret");
        let text = format!(
            r#"{{"auths": {{"https://index.docker.io/v1/": {{"auth": "{auth}"}}, "ghcr.io": {{"auth": "{auth}"}},
                "https://r.example:5000/v2/": {{"username": "a", "password": "b"}}, "empty.example": {{}}}}}}"#
        );
        let config = DockerConfig::parse(&text).unwrap();
        for host in ["docker.io", "ghcr.io"] {
            let account = config.account(host).unwrap();
            let pair = (account.username.as_str(), account.password.expose_secret());
            assert_eq!(pair, ("me", "se:cret"), "{host}");
        }
        assert_eq!(config.account("r.example:5000").unwrap().username, "a");
        assert!(config.account("empty.example").is_none());
        assert!(config.hint("empty.example").is_some());
        assert!(config.hint("unknown.example").is_none());
    }

    #[test]
    fn accounts_with_a_helper_are_spoken_of() {
        let config = DockerConfig::parse(r#"{"auths": {}, "credsStore": "desktop"}"#).unwrap();
        assert!(config.hint("docker.io").unwrap().contains("credential helper"));
        let text =
            r#"{"credHelpers": {"ghcr.io": "gh", "evil.example": "../../bin/sh"}, "credsStore": "desktop"}"#;
        let config = DockerConfig::parse(text).unwrap();
        assert_eq!(config.helper("ghcr.io"), Helper::named("gh").as_ref());
        for host in ["docker.io", "evil.example"] {
            assert_eq!(config.helper(host), Helper::named("desktop").as_ref(), "{host}");
        }
    }

    #[test]
    fn a_broken_file_is_named_and_not_quoted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        assert!(DockerConfig::read(&path).is_ok(), "no file, no accounts");
        std::fs::write(
            &path,
            r#"{"auths": {"ghcr.io": {"auth": 7, "password": "hunter2"}}}"#,
        )
        .unwrap();
        let error = DockerConfig::read(&path).err().unwrap().to_string();
        assert!(
            error.contains("config.json") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
