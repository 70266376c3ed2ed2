//! A repository at GitHub.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// GitHub's number of a repository: survives renames and transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RepoId(pub i64);

/// GitHub's number of an installation of the App.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstallationId(pub i64);

/// A text that is not a repository's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a repository like `owner/name`")]
pub struct InvalidRepoName;

/// `owner/name`. Keeps its letters as written, and compares without regard to case, as GitHub does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoName {
    owner: String,
    name: String,
}

impl RepoName {
    /// The user or organisation.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The repository's name without its owner.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl PartialEq for RepoName {
    fn eq(&self, other: &Self) -> bool {
        self.owner.eq_ignore_ascii_case(&other.owner) && self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl Eq for RepoName {}

impl Hash for RepoName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_string().to_ascii_lowercase().hash(state);
    }
}

impl FromStr for RepoName {
    type Err = InvalidRepoName;

    /// Owner `[A-Za-z0-9-]{1,39}`, name `[A-Za-z0-9._-]{1,100}` and neither `.` nor `..`.
    /// (Enterprise-managed users add `_` to the owner's letters.)
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (owner, name) = text.split_once('/').ok_or(InvalidRepoName)?;
        let owner_fits = (1..=39).contains(&owner.len())
            && owner
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        let name_fits = (1..=100).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
            && !matches!(name, "." | "..");
        if owner_fits && name_fits {
            Ok(Self {
                owner: owner.to_owned(),
                name: name.to_owned(),
            })
        } else {
            Err(InvalidRepoName)
        }
    }
}

impl TryFrom<String> for RepoName {
    type Error = InvalidRepoName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RepoName> for String {
    fn from(name: RepoName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// Who may read a repository or pull an image without credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Those who were let in.
    Private,
}

/// A repository in which the App is installed, as GitHub describes it now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repo {
    /// The number that never changes.
    pub id: RepoId,
    /// The name of today.
    pub name: RepoName,
    /// Who may read it.
    pub visibility: Visibility,
    /// The branch whose files the repository's owners answer for.
    pub default_branch: String,
    /// The installation whose token writes there.
    pub installation: InstallationId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_as_github_compares_them() {
        let name: RepoName = "Acme/App".parse().unwrap();
        assert_eq!(name, "acme/app".parse().unwrap());
        assert_eq!(name.to_string(), "Acme/App");
        for wrong in [
            "acme",
            "acme/",
            "/app",
            "a/b/c",
            "acme/..",
            "ac me/app",
            "acme/a%2Fb",
        ] {
            assert!(wrong.parse::<RepoName>().is_err(), "{wrong}");
        }
    }
}
