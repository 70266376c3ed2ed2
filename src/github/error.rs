//! What can go wrong at GitHub, sorted by what the caller does next. A 403 is a rate limit until
//! its message shows something else: taking a limit for a missing permission strands a check.

use std::time::Duration;

use http::{Method, StatusCode};

use super::app_key::KeyError;
use super::limits;
use super::transport::{Answer, Request};
use super::wire;
use crate::model::RepoName;

/// Letters of a message of GitHub that are kept.
const EXCERPT: usize = 300;

/// Messages of a 403 that are about permission, in lower case: no waiting mends them.
const NOT_A_LIMIT: [&str; 8] = [
    "not accessible by integration",
    "can only be modified by the github app that created it",
    "suspended",
    "archived",
    "must have",
    "saml",
    "ip allow list",
    "administrative rules",
];

/// Why the client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// `github.app_id` is not set.
    #[error("`github.app_id` is missing: it stands on the App's settings page at GitHub")]
    NoAppId,
    /// `github.private_key` is not set.
    #[error("`github.private_key` is missing: set it, or `github.private_key_file`")]
    NoKey,
    /// The key cannot be used.
    #[error("`github.private_key` cannot be used: {0}")]
    Key(#[from] KeyError),
    /// The API's address cannot be used.
    #[error("`github.api_url` cannot be used: {0}")]
    ApiUrl(String),
    /// TLS cannot be set up on this machine.
    #[error("the client for GitHub cannot be made: {0}")]
    Client(String),
}

/// Why a request came to nothing. Every message names the request and what GitHub said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GithubError {
    /// Too much, too fast: nothing was done, and the same request is good again later.
    #[error("{message}; to be tried again in {}s", retry_after.as_secs())]
    RateLimited {
        /// At least a second, at most an hour.
        retry_after: Duration,
        /// GitHub named that time itself; else it is the least that it asks for.
        is_stated: bool,
        /// What GitHub said.
        message: String,
    },
    /// The App's key or number is wrong, or this machine's clock is.
    #[error("{0}")]
    Unauthorized(String),
    /// A permission is missing, or the thing belongs to another App.
    #[error("{0}")]
    Forbidden(String),
    /// The App is not installed there, or there is no such repository: GitHub does not tell which.
    #[error("the App is not installed in {0}, or there is no such repository")]
    NotInstalled(RepoName),
    /// The App is not installed there any more.
    #[error("the App is not installed there any more")]
    NoInstallation,
    /// No such thing, or none that the App may see.
    #[error("{0}")]
    NotFound(String),
    /// It went where we do not follow: to another host.
    #[error("{0}")]
    Moved(String),
    /// The request itself is refused: the same one will be refused again.
    #[error("{message}")]
    Unprocessable {
        /// What to change.
        refused: Refused,
        /// What GitHub said.
        message: String,
    },
    /// A write may or may not have happened: look before writing again.
    #[error("{0}; whether it was done is not known")]
    OutcomeUnknown(String),
    /// A question that got no answer: ask again later.
    #[error("{0}")]
    Unavailable(String),
    /// Taken away for good, by law or with the API's version.
    #[error("{0}")]
    Gone(String),
}

/// Why a request is refused, as far as callers act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A text is too long: send less.
    TooLong,
    /// This context has its 1,000 statuses on this commit: never try again.
    TooManyStatuses,
    /// The commit is not (or no longer) in the repository.
    NoCommit,
    /// The check run is completed, and stays as it is.
    Completed,
    /// Something else.
    Other,
}

impl GithubError {
    /// How long to wait before asking again, where it is a matter of time.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }

    /// Does it pass by itself? Not so if somebody must change something.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. } | Self::OutcomeUnknown(_) | Self::Unavailable(_) | Self::Unauthorized(_)
        )
    }

    /// Sorts an answer that is no success.
    pub(super) fn of_answer(request: &Request, answer: &Answer) -> Self {
        let said = wire::message(&answer.body);
        let message = format!("{request}: {} {}", answer.status.as_u16(), excerpt(&said));
        match answer.status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized(message),
            StatusCode::FORBIDDEN if is_permission(&said, answer) => {
                Self::Forbidden(message + &permission_note(answer))
            }
            StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => Self::RateLimited {
                retry_after: limits::wait(&answer.headers),
                is_stated: limits::is_stated(&answer.headers),
                message,
            },
            StatusCode::NOT_FOUND => Self::NotFound(message),
            StatusCode::GONE | StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS => Self::Gone(message),
            status if status.is_redirection() => Self::Moved(message),
            StatusCode::CONFLICT => Self::no_answer(request, &message),
            status if status.is_client_error() => Self::Unprocessable {
                refused: Refused::of(&said),
                message,
            },
            _ => Self::no_answer(request, &message),
        }
    }

    /// No answer, or one that says nothing about what was done.
    pub(super) fn no_answer(request: &Request, why: &str) -> Self {
        if request.method == Method::GET {
            Self::Unavailable(why.to_owned())
        } else {
            Self::OutcomeUnknown(why.to_owned())
        }
    }
}

impl Refused {
    fn of(said: &str) -> Self {
        let said = said.to_ascii_lowercase();
        if said.contains("maximum number of statuses") {
            Self::TooManyStatuses
        } else if said.contains("no commit found") {
            Self::NoCommit
        } else if said.contains("too long") || said.contains("characters are allowed") {
            Self::TooLong
        } else if said.contains("completed check run") {
            Self::Completed
        } else {
            Self::Other
        }
    }
}

fn is_permission(said: &str, answer: &Answer) -> bool {
    let said = said.to_ascii_lowercase();
    let is_limit = said.contains("rate limit") || limits::is_stated(&answer.headers);
    !is_limit && NOT_A_LIMIT.iter().any(|part| said.contains(part))
}

/// What GitHub says would be enough: `checks=write`.
fn permission_note(answer: &Answer) -> String {
    let wanted = answer.headers.get("x-accepted-github-permissions");
    wanted
        .and_then(|value| value.to_str().ok())
        .filter(|wanted| !wanted.is_empty())
        .map(|wanted| {
            format!(
                "; the App lacks the permission `{}`: add it on the App's settings page at GitHub, and accept it where the App is installed",
                excerpt(wanted)
            )
        })
        .unwrap_or_default()
}

/// The beginning of what GitHub said, on one line.
pub(super) fn excerpt(said: &str) -> String {
    let one_line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line
        .chars()
        .filter(|letter| !letter.is_control())
        .take(EXCERPT)
        .collect()
}
