//! GitHub's webhook of the App: its signature, and the few events that are acted on.
//!
//! An event keeps the fields in use and nothing else: what is stored of a delivery is this, not the
//! body, which may be 25 MB.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{BadBody, body};
use crate::model::{
    Arrival, CommitSha, InstallationId, Push, RERUN_ACTION, RepoId, RepoName, RunId, Visibility,
};

mod arrival;
mod package;

/// The most that is kept of a name that we do not know, in characters.
const MAX_NAME: usize = 80;

/// A repository as events name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepoRef {
    /// The number that never changes.
    pub id: RepoId,
    /// The name at the time of the event.
    pub name: RepoName,
}

/// A repository on the wire, where `name` is without its owner.
#[derive(Deserialize)]
struct Repository {
    id: RepoId,
    full_name: RepoName,
}

impl From<Repository> for RepoRef {
    fn from(repository: Repository) -> Self {
        Self {
            id: repository.id,
            name: repository.full_name,
        }
    }
}

/// A commit that came to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrivedCommit {
    /// The repository that it is to be told in.
    pub repo: RepoRef,
    /// The installation in it.
    pub installation: InstallationId,
    /// The commit.
    pub commit: CommitSha,
    /// How.
    pub arrival: Arrival,
    /// Does the default branch mean another commit by it?
    pub moves_default: bool,
}

/// What GitHub tells the App.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum GithubEvent {
    /// The webhook was set up.
    Ping,
    /// The App was installed or removed, suspended or taken up again, or given or denied repositories.
    InstallationChanged {
        /// The installation.
        installation: InstallationId,
        /// GitHub's word for what happened.
        action: String,
        /// Repositories that the App can now reach.
        added: Vec<RepoRef>,
        /// Repositories that it can no longer reach.
        removed: Vec<RepoRef>,
    },
    /// Somebody wants one check run again.
    CheckRunRerequested {
        /// The repository.
        repo: RepoRef,
        /// The installation in it.
        installation: InstallationId,
        /// The run that the check stands for; `None`: none of ours.
        external_id: Option<RunId>,
        /// GitHub's number of the check run.
        check_run: i64,
        /// The commit that it stands on.
        head_sha: CommitSha,
    },
    /// Somebody wants all check runs on a commit again.
    CheckSuiteRerequested {
        /// The repository.
        repo: RepoRef,
        /// The installation in it.
        installation: InstallationId,
        /// The commit.
        head_sha: CommitSha,
        /// The App whose checks are meant.
        app_id: u64,
    },
    /// A repository turned private, or public.
    VisibilityChanged {
        /// The repository.
        repo: RepoRef,
        /// Who may see it from now on.
        visibility: Visibility,
    },
    /// A repository has another name or another owner, was archived, taken up again or deleted.
    RepositoryChanged {
        /// The repository, by its name of now.
        repo: RepoRef,
        /// The installation in it, where GitHub says so.
        installation: Option<InstallationId>,
        /// GitHub's word for what happened.
        action: String,
    },
    /// An image was pushed to GitHub's own registry.
    PackagePushed {
        /// The image and its tag.
        push: Push,
    },
    /// A manifest was pushed to GitHub's own registry that no run is to be made of.
    PackageIgnored {
        /// Why.
        reason: String,
    },
    /// A commit came to be of which an image may be built.
    CommitArrived(ArrivedCommit),
    /// Nothing that is acted on.
    Other {
        /// GitHub's name of the event.
        event: String,
        /// GitHub's word for what happened.
        action: Option<String>,
    },
}

/// The signature of a body, as it was sent: whose it is, nobody knows yet.
#[derive(Clone, Copy, Debug)]
pub struct Signature([u8; 32]);

impl Signature {
    /// Reads `X-Hub-Signature-256`: `sha256=` and 64 hexadecimal digits in lower case, as GitHub
    /// writes them. `None`: no body can have that signature.
    pub fn read(header: &str) -> Option<Self> {
        let digits = header.strip_prefix("sha256=")?;
        let mut signature = [0; 32];
        hex::decode_to_slice(digits, &mut signature).ok()?;
        let lower = !digits.bytes().any(|digit| digit.is_ascii_uppercase());
        lower.then_some(Self(signature))
    }

    /// Was `body` signed with one of `secrets`? Takes the same time wherever a signature differs.
    pub fn signs(&self, secrets: &[SecretString], body: &[u8]) -> bool {
        secrets.iter().any(|secret| {
            Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
                .expect("HMAC takes keys of any length")
                .chain_update(body)
                .verify_slice(&self.0)
                .is_ok()
        })
    }
}

/// Reads a verified body; `event` is the value of `X-GitHub-Event`.
///
/// GitHub adds events and actions as it goes: one that is not known is [`GithubEvent::Other`].
pub fn parse(event: &str, body: &[u8]) -> Result<GithubEvent, BadBody> {
    #[derive(Deserialize)]
    struct Envelope {
        action: Option<String>,
    }
    let Envelope { action } = body::read(body)?;
    match (event, action.as_deref()) {
        ("ping", _) => Ok(GithubEvent::Ping),
        ("installation" | "installation_repositories", _) => installation(body),
        ("check_run", Some("rerequested" | "requested_action")) => check_run(body),
        ("check_suite", Some("rerequested")) => check_suite(body),
        ("check_suite", Some("requested")) => arrival::suite(body),
        ("push", _) => arrival::push(body),
        ("pull_request", Some("opened" | "synchronize" | "reopened")) => arrival::pull_request(body),
        ("merge_group", Some("checks_requested")) => arrival::merge_group(body),
        ("repository", Some("privatized")) => repository(body, Visibility::Private),
        ("repository", Some("publicized")) => repository(body, Visibility::Public),
        ("repository", Some("renamed" | "transferred" | "archived" | "unarchived" | "deleted")) => {
            repository_changed(body)
        }
        ("registry_package", Some("published" | "updated")) => package::read(body),
        _ => Ok(GithubEvent::Other {
            event: excerpt(event),
            action: action.as_deref().map(excerpt),
        }),
    }
}

#[derive(Deserialize)]
struct Installation {
    id: InstallationId,
}

fn installation(body: &[u8]) -> Result<GithubEvent, BadBody> {
    #[derive(Deserialize)]
    struct Payload {
        action: String,
        installation: Installation,
        repositories: Option<Vec<Repository>>,
        repositories_added: Option<Vec<Repository>>,
        repositories_removed: Option<Vec<Repository>>,
    }
    let payload: Payload = body::read(body)?;
    let refs = |list: Option<Vec<Repository>>| list.into_iter().flatten().map(RepoRef::from);
    let mut added: Vec<RepoRef> = refs(payload.repositories_added).collect();
    let mut removed: Vec<RepoRef> = refs(payload.repositories_removed).collect();
    // `repositories` are those of the whole installation: the action says which way they went.
    match payload.action.as_str() {
        "deleted" | "suspend" => removed.extend(refs(payload.repositories)),
        _ => added.extend(refs(payload.repositories)),
    }
    Ok(GithubEvent::InstallationChanged {
        installation: payload.installation.id,
        action: excerpt(&payload.action),
        added,
        removed,
    })
}

fn check_run(body: &[u8]) -> Result<GithubEvent, BadBody> {
    #[derive(Deserialize)]
    struct CheckRun {
        id: i64,
        external_id: Option<String>,
        head_sha: CommitSha,
    }
    #[derive(Deserialize)]
    struct Button {
        identifier: String,
    }
    #[derive(Deserialize)]
    struct Payload {
        repository: Repository,
        installation: Installation,
        check_run: CheckRun,
        requested_action: Option<Button>,
    }
    let payload: Payload = body::read(body)?;
    let pressed = payload.requested_action.map(|button| button.identifier);
    if pressed.is_some_and(|identifier| identifier != RERUN_ACTION) {
        return Ok(GithubEvent::Other {
            event: "check_run".to_owned(),
            action: Some("requested_action".to_owned()),
        });
    }
    Ok(GithubEvent::CheckRunRerequested {
        repo: payload.repository.into(),
        installation: payload.installation.id,
        external_id: payload.check_run.external_id.and_then(|id| id.parse().ok()),
        check_run: payload.check_run.id,
        head_sha: payload.check_run.head_sha,
    })
}

fn check_suite(body: &[u8]) -> Result<GithubEvent, BadBody> {
    #[derive(Deserialize)]
    struct App {
        id: u64,
    }
    #[derive(Deserialize)]
    struct CheckSuite {
        head_sha: CommitSha,
        app: App,
    }
    #[derive(Deserialize)]
    struct Payload {
        repository: Repository,
        installation: Installation,
        check_suite: CheckSuite,
    }
    let payload: Payload = body::read(body)?;
    Ok(GithubEvent::CheckSuiteRerequested {
        repo: payload.repository.into(),
        installation: payload.installation.id,
        head_sha: payload.check_suite.head_sha,
        app_id: payload.check_suite.app.id,
    })
}

fn repository(body: &[u8], visibility: Visibility) -> Result<GithubEvent, BadBody> {
    #[derive(Deserialize)]
    struct Payload {
        repository: Repository,
    }
    let payload: Payload = body::read(body)?;
    Ok(GithubEvent::VisibilityChanged {
        repo: payload.repository.into(),
        visibility,
    })
}

fn repository_changed(body: &[u8]) -> Result<GithubEvent, BadBody> {
    #[derive(Deserialize)]
    struct Payload {
        action: String,
        repository: Repository,
        installation: Option<Installation>,
    }
    let payload: Payload = body::read(body)?;
    Ok(GithubEvent::RepositoryChanged {
        repo: payload.repository.into(),
        installation: payload.installation.map(|installation| installation.id),
        action: payload.action,
    })
}

fn excerpt(name: &str) -> String {
    name.chars()
        .filter(|char| !char.is_control())
        .take(MAX_NAME)
        .collect()
}

#[cfg(test)]
mod tests;
