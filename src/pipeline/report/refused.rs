//! What a refusal means: for the write that met it, or for all of its installation.

use std::time::Duration;

use super::{Due, Sent};
use crate::github::GithubError;
use crate::model::Repo;
use crate::pipeline::Pipeline;
use crate::pipeline::retry::{doubled, pause};
use crate::pipeline::story::Told;
use crate::pipeline::worker::JobError;
use crate::store::Lease;

/// The longest pause between two tries of one write, and between two of a limit that names no time.
const LONGEST: Duration = Duration::from_hours(1);

/// How often a write is tried that GitHub fails at while it answers others: half a day.
const MAX_TRIES: i64 = 24;

/// How often one is tried whose repository is not found: GitHub says so, too, while it settles.
const MAX_MISSES: i64 = 3;

impl Pipeline {
    /// `halts`: how often the installation had to wait in a row before this.
    pub(super) async fn refused(
        &self,
        lease: &Lease,
        due: &Due,
        told: &Told,
        (error, halts): (&GithubError, i64),
    ) -> Result<Sent, JobError> {
        let why = error.to_string();
        let most = match error {
            GithubError::RateLimited {
                retry_after,
                is_stated: true,
                ..
            } => return Ok(Sent::Closed(*retry_after, why)),
            GithubError::Unauthorized(_) => return Ok(Sent::Halt(pause(halts), why)),
            GithubError::OutcomeUnknown(_) | GithubError::Unavailable(_) if self.is_github_away().await => {
                return Ok(Sent::Halt(pause(halts), why));
            }
            GithubError::RateLimited { .. }
            | GithubError::OutcomeUnknown(_)
            | GithubError::Unavailable(_) => MAX_TRIES,
            GithubError::NotFound(_) | GithubError::Moved(_) => MAX_MISSES,
            GithubError::Forbidden(_)
            | GithubError::NotInstalled(_)
            | GithubError::NoInstallation
            | GithubError::Gone(_)
            | GithubError::Unprocessable { .. } => 0,
        };
        let looked = match error {
            GithubError::NotFound(_) | GithubError::Moved(_) => self.look_again(told.repo()).await,
            _ => None,
        };
        if due.failures() >= most {
            let why = [Some(why), looked].into_iter().flatten().collect::<Vec<_>>();
            return self.park(lease, due, &why.join("; ")).await;
        }
        if let GithubError::RateLimited { retry_after, .. } = error {
            // It may be this write's own doing: the others come first next time.
            self.delay(lease, due, Duration::ZERO, &why).await?;
            return Ok(Sent::Halt(doubled(*retry_after, halts, LONGEST), why));
        }
        let wait = doubled(Duration::from_secs(1), due.failures(), LONGEST);
        self.delay(lease, due, wait, &why).await
    }

    /// Does GitHub answer nobody, or is it this one write that it fails at?
    async fn is_github_away(&self) -> bool {
        matches!(
            self.parts.github.app().await,
            Err(GithubError::OutcomeUnknown(_) | GithubError::Unavailable(_))
        )
    }

    /// The repository may have another name, or be another installation's, by now. Says so if it is not to be
    /// found at all.
    pub(super) async fn look_again(&self, repo: &Repo) -> Option<String> {
        self.parts.github.forget_installation(&repo.name);
        let seen = match self.parts.github.repo(&repo.name).await {
            Ok(now) if now.id == repo.id => {
                let kept = self.store().repo_seen(&now).await;
                kept.map_err(|error| error.to_string())
            }
            // Nothing of ours belongs there.
            Ok(_) => Err("its name belongs to another repository now".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = &seen {
            tracing::warn!(repo.name = %repo.name, why, "cannot look a repository up again");
        }
        seen.err()
    }
}
