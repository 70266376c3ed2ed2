//! Why a push leads to no commit, now or ever.

use std::time::Duration;

use crate::github::GithubError;
use crate::registry::RegistryError;

/// When a registry is asked again whose pull limit is reached and that does not say when: it counts hours.
const PULL_LIMIT: Duration = Duration::from_mins(5);

/// The same for its guard against floods, which counts minutes.
const FLOOD_GUARD: Duration = Duration::from_mins(1);

/// After an image was pushed, signatures over it are waited for so long.
pub const SIGNATURES_ARRIVE: Duration = Duration::from_mins(5);

/// How long a setback may last before it is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As long as `docker.give_up` says: the trouble is not the image's.
    GiveUp,
    /// Three hours at least: GitHub's budgets are of an hour.
    LimitEnds,
    /// Half a minute: the registry may still be settling after the push.
    TagSettles,
    /// Two minutes: the commit may be pushed after the image.
    CommitArrives,
    /// Five minutes: signatures are made once the image was pushed.
    SignatureArrives,
}

impl Patience {
    /// The time itself. `give_up`: of the configuration.
    pub fn lasts(self, give_up: Duration) -> Duration {
        match self {
            Self::GiveUp => give_up,
            Self::LimitEnds => give_up.max(Duration::from_hours(3)),
            Self::TagSettles => Duration::from_secs(30),
            Self::CommitArrives => Duration::from_mins(2),
            Self::SignatureArrives => SIGNATURES_ARRIVE,
        }
    }
}

/// Why a push leads to no commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setback {
    /// Asking again may help.
    Passing {
        /// A sentence for the page of deliveries.
        why: String,
        /// Not before this long, where somebody said so.
        after: Option<Duration>,
        /// How often asking again is worth it.
        patience: Patience,
    },
    /// Asking again brings the same.
    Final(String),
}

impl From<RegistryError> for Setback {
    fn from(error: RegistryError) -> Self {
        let why = error.to_string();
        match error {
            RegistryError::Unauthorized { .. }
            | RegistryError::Invalid { .. }
            | RegistryError::NotRunnable(_) => Self::Final(why),
            RegistryError::NotFound { .. } => Self::Passing {
                why,
                after: None,
                patience: Patience::TagSettles,
            },
            RegistryError::RateLimited {
                retry_after,
                pull_limit,
                ..
            } => Self::Passing {
                why,
                after: retry_after.or(Some(if pull_limit { PULL_LIMIT } else { FLOOD_GUARD })),
                patience: Patience::GiveUp,
            },
            RegistryError::Unavailable { retry_after, .. } => Self::Passing {
                why,
                after: retry_after,
                patience: Patience::GiveUp,
            },
        }
    }
}

impl From<GithubError> for Setback {
    fn from(error: GithubError) -> Self {
        let why = error.to_string();
        match error {
            GithubError::NotInstalled(_)
            | GithubError::NoInstallation
            | GithubError::Forbidden(_)
            | GithubError::Gone(_)
            | GithubError::Unprocessable { .. } => Self::Final(why),
            GithubError::RateLimited { retry_after, .. } => Self::Passing {
                why,
                after: Some(retry_after),
                patience: Patience::LimitEnds,
            },
            GithubError::Unauthorized(_)
            | GithubError::NotFound(_)
            | GithubError::Moved(_)
            | GithubError::OutcomeUnknown(_)
            | GithubError::Unavailable(_) => Self::Passing {
                why,
                after: None,
                patience: Patience::GiveUp,
            },
        }
    }
}
