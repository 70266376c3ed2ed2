//! One write. One whose outcome is not known is looked up before it is sent again; a check run that is
//! refused is sent once more in short, so that a verdict always lands.
//!
//! The outer errors are ours, the inner ones GitHub's.

use serde::Serialize;

use crate::github::{CheckRunId, GithubError, Refused};
use crate::model::budget::Spending;
use crate::model::{CheckState, Digest, InstallationId, Progress};
use crate::pipeline::Pipeline;
use crate::pipeline::story::Told;
use crate::pipeline::worker::JobError;
use crate::report::shortened;
use crate::store::{DueCheck, DueStatus, Lease, ShownCheck};

/// GitHub's bound of a request.
const ANNOTATIONS_AT_A_TIME: usize = 50;

/// Why a write was not made, or not as far as we know.
pub(super) enum Unsent {
    /// GitHub did not take it.
    Refused(GithubError),
    /// It is another writer's by now: the repository went to another installation meanwhile.
    NotOurs,
}

impl From<GithubError> for Unsent {
    fn from(error: GithubError) -> Self {
        Self::Refused(error)
    }
}

type Answered<T> = Result<Result<T, Unsent>, JobError>;

impl Pipeline {
    pub(super) async fn send_check(&self, lease: &Lease, due: &DueCheck, told: &Told) -> Answered<()> {
        let wanted = self.check_of(told);
        let shown = fingerprint(&wanted);
        let known = due.github_id.map(CheckRunId);
        let mut outcome = match known {
            Some(id) if due.shown.as_ref() == Some(&shown) => Ok(id),
            _ => self.put_check(lease, due, told, &wanted).await?,
        };
        if let Err(Unsent::Refused(GithubError::Unprocessable {
            refused: Refused::TooLong | Refused::Other,
            ..
        })) = &outcome
        {
            tracing::warn!(run.id = %due.run, "GitHub refused a check run, sending it in short");
            self.count_write(told.repo().installation).await;
            outcome = self.put_check(lease, due, told, &shortened(&wanted)).await?;
        }
        // A verdict of ours stands there already: an earlier answer was lost.
        let stands = |unsent: &Unsent| {
            matches!(
                unsent,
                Unsent::Refused(GithubError::Unprocessable {
                    refused: Refused::Completed,
                    ..
                })
            )
        };
        let is_over = matches!(wanted.progress, Progress::Completed(_));
        let (id, completed) = match (outcome, known) {
            (Ok(id), _) => (id, is_over),
            (Err(unsent), Some(id)) if stands(&unsent) => (id, true),
            (Err(unsent), _) => return Ok(Err(unsent)),
        };
        let shown = ShownCheck {
            github_id: id.0,
            fingerprint: shown,
            completed,
        };
        self.store().check_sent(lease, due, &shown).await?;
        Ok(Ok(()))
    }

    /// Creates or updates the check run.
    async fn put_check(
        &self,
        lease: &Lease,
        due: &DueCheck,
        told: &Told,
        wanted: &CheckState,
    ) -> Answered<CheckRunId> {
        let repo = told.repo();
        let github = &self.parts.github;
        let mut known = due.github_id.map(CheckRunId);
        if known.is_none() && due.begun {
            match github
                .find_check(repo, &wanted.head_sha, due.run, &wanted.name)
                .await
            {
                // A completed one is final: its create carried the verdict, and only the answer was lost.
                Ok(Some(found)) if found.completed => return Ok(Ok(found.id)),
                Ok(Some(found)) => {
                    self.store().check_found(lease, due, found.id.0).await?;
                    known = Some(found.id);
                }
                Ok(None) => {}
                Err(error) => return Ok(Err(error.into())),
            }
        }
        if known.is_none() && !self.store().check_begun(lease, due).await? {
            return Ok(Err(Unsent::NotOurs));
        }
        self.parts.metrics.github_write();
        let put = match known {
            _ if !wanted.annotations.is_empty() => self.put_annotated(told, known, wanted).await,
            Some(id) => github.update_check(repo, id, wanted).await.map(|()| id),
            None => github.create_check(repo, wanted).await,
        };
        // Of several requests the first may have made it.
        let is_one = wanted.annotations.len() <= ANNOTATIONS_AT_A_TIME;
        if known.is_none() && !due.begun && is_one && is_refused(&put) {
            self.store().check_undone(lease, due).await?;
        }
        Ok(put.map_err(Unsent::from))
    }

    /// Writes a check run with annotations, as many at a time as GitHub takes; the verdict comes with the last ones.
    /// Each write adds to those that are there, so they are counted first: an earlier answer may have been lost.
    async fn put_annotated(
        &self,
        told: &Told,
        known: Option<CheckRunId>,
        wanted: &CheckState,
    ) -> Result<CheckRunId, GithubError> {
        let repo = told.repo();
        let github = &self.parts.github;
        let there = match known {
            Some(id) => github.annotations_of(repo, id).await?,
            None => 0,
        };
        let missing = wanted.annotations.get(there..).unwrap_or_default();
        let mut id = known;
        let mut pages = missing.chunks(ANNOTATIONS_AT_A_TIME).peekable();
        loop {
            let page = pages.next().unwrap_or_default();
            let is_last = pages.peek().is_none();
            let written = CheckState {
                annotations: page.to_vec(),
                progress: if is_last {
                    wanted.progress
                } else {
                    Progress::InProgress
                },
                ..wanted.clone()
            };
            let now = match id {
                Some(id) => github.update_check(repo, id, &written).await.map(|()| id)?,
                None => github.create_check(repo, &written).await?,
            };
            if is_last {
                return Ok(now);
            }
            self.parts.metrics.github_write();
            self.count_write(repo.installation).await;
            id = Some(now);
        }
    }

    /// Counts a write that belongs to one that was granted: it goes out in any case.
    async fn count_write(&self, installation: InstallationId) {
        if self.parts.github.is_limited(installation) {
            let counted = self.store().spent(installation, Spending::Verdict).await;
            if let Err(error) = counted {
                tracing::warn!(%error, "cannot keep count of writes to GitHub");
            }
        }
    }

    pub(super) async fn send_status(&self, lease: &Lease, due: &DueStatus, told: &Told) -> Answered<()> {
        let Some(wanted) = self.status_of(told) else {
            self.store().status_sent(lease, due, "").await?;
            return Ok(Ok(()));
        };
        let shown = fingerprint(&wanted);
        if due.shown.as_ref() != Some(&shown) {
            let (repo, commit) = (told.repo(), told.commit());
            let github = &self.parts.github;
            let there = if due.begun {
                github.latest_status(repo, commit, &wanted.context).await
            } else {
                Ok(None)
            };
            match there {
                Ok(Some(there)) if there == wanted => {}
                Ok(_) => {
                    if !self.store().status_begun(lease, due).await? {
                        return Ok(Err(Unsent::NotOurs));
                    }
                    self.parts.metrics.github_write();
                    let written = github.create_status(repo, commit, &wanted).await;
                    if !due.begun && is_refused(&written) {
                        self.store().status_undone(lease, due).await?;
                    }
                    if let Err(error) = written {
                        return Ok(Err(error.into()));
                    }
                }
                Err(error) => return Ok(Err(error.into())),
            }
        }
        self.store().status_sent(lease, due, &shown).await?;
        Ok(Ok(()))
    }
}

/// Is it known that a write was not done?
fn is_refused<T>(written: &Result<T, GithubError>) -> bool {
    !matches!(
        written,
        Ok(_) | Err(GithubError::OutcomeUnknown(_) | GithubError::Unavailable(_))
    )
}

/// Tells one state from another. What is read for a version may be newer than it: then the next version is
/// shown already, and is not written again.
fn fingerprint(state: &impl Serialize) -> String {
    Digest::of(&serde_json::to_vec(state).expect("a state is plain data"))
        .short()
        .to_owned()
}
