//! Trouble with the Docker Engine: never a verdict on an image, always something to retry or to mend.

use std::time::Duration;

use crate::model::Elapsed;

/// Why the Docker Engine did not do what it was asked for. No variant says anything about the image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// `docker.host` is of a kind that hubcheck does not speak.
    #[error("cannot use `{host}` as the Docker Engine's address: docker.host starts with unix:// or tcp://")]
    UnsupportedHost {
        /// The address as it was configured.
        host: String,
    },
    /// Nobody answers at the Engine's address.
    #[error(
        "cannot reach the Docker Engine at {host}: {reason}; install Docker (`apt-get install docker.io`), \
         start it, or set docker.host"
    )]
    Unreachable {
        /// The Engine's address.
        host: String,
        /// What the operating system said.
        reason: String,
    },
    /// The Engine is there and does not answer.
    #[error("the Docker Engine did not answer within {} while {doing}; look at its log", Elapsed(*.after))]
    TimedOut {
        /// What was asked for.
        doing: &'static str,
        /// How long we waited.
        after: Duration,
    },
    /// The connection broke off: the Engine was stopped or restarted.
    #[error("lost the Docker Engine while {doing}: {reason}; was it restarted?")]
    Lost {
        /// What was asked for.
        doing: &'static str,
        /// What broke.
        reason: String,
    },
    /// The Engine refused, or failed.
    #[error("the Docker Engine answered {status} while {doing}: {message}")]
    Refused {
        /// What was asked for.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
        /// The Engine's own words, shortened.
        message: String,
    },
    /// So little is left on its disk that nothing more may be written.
    #[error("the Docker Engine's disk is nearly full: {why}; remove images or lower docker.image_cache")]
    DiskLow {
        /// How little.
        why: String,
    },
    /// Somebody else removed a container of ours while it was in use.
    #[error("the container was removed by somebody else while {doing}; is a `docker prune` running?")]
    ContainerGone {
        /// What was asked for.
        doing: &'static str,
    },
}

impl EngineError {
    /// Does the Engine say that the thing is not there?
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Does the Engine say that the thing is in use, or just being removed?
    pub(super) fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                status: 403 | 409,
                ..
            }
        )
    }

    /// The same, where the thing that is not there is a container that we made.
    pub(super) fn about_container(self) -> Self {
        match self {
            Self::Refused {
                status: 404, doing, ..
            } => Self::ContainerGone { doing },
            other => other,
        }
    }
}
