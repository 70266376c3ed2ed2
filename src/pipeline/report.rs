//! Brings GitHub to what it should show: one writer to an installation, verdicts first.
//!
//! Retries live in the queue. What one write is refused for delays or parks that write alone; only what
//! stands in the way of all holds up the installation. Where its budget at GitHub runs low, verdicts alone are
//! written, and what came before them is never told.

mod refused;
mod send;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::send::Unsent;
use super::Pipeline;
use super::worker::JobError;
use crate::clock::{UnixMillis, millis};
use crate::model::budget::Spending;
use crate::model::{InstallationId, RunId};
use crate::store::{DueCheck, DueStatus, Lease, StoreError, Wanted};

/// Rows read at a time.
const BATCH: i64 = 50;

/// How one write ended.
enum Sent {
    /// GitHub shows it.
    Shown,
    /// It waits, or a row says why it never will be shown; others go on.
    Aside,
    /// Nothing can be written for so long: GitHub said so itself.
    Closed(Duration, String),
    /// Nothing can be written now. It is tried again after so long, and ever later if that comes to nothing.
    Halt(Duration, String),
    /// There is no budget for it before then.
    Held(UnixMillis),
}

enum Due {
    Check(DueCheck),
    Status(DueStatus),
}

impl Due {
    fn run(&self) -> RunId {
        match self {
            Self::Check(check) => check.run,
            Self::Status(status) => status.run,
        }
    }

    /// Does it say how its run ended?
    fn is_end(&self) -> bool {
        match self {
            Self::Check(check) => check.is_end,
            Self::Status(status) => status.is_end,
        }
    }

    /// How often this write was not taken.
    fn failures(&self) -> i64 {
        match self {
            Self::Check(check) => check.failures,
            Self::Status(status) => status.failures,
        }
    }
}

impl Pipeline {
    pub(super) async fn report(&self, lease: &Lease, stop: &CancellationToken) -> Result<(), JobError> {
        let number = lease.subject.parse();
        let installation = InstallationId(
            number.map_err(|_| JobError::Nonsense(format!("`{}` is no installation", lease.subject)))?,
        );
        // What got through ends a row of halts.
        let mut halts = lease.retries;
        // Since when progress waits, and until when.
        let mut held: Option<(UnixMillis, UnixMillis)> = None;
        loop {
            let asked_at = self.store().clock().now();
            let wanted = match held {
                Some(_) => Wanted::Ends,
                None => Wanted::All,
            };
            let checks = self.store().due_checks(installation, (wanted, BATCH)).await?;
            let statuses = self.store().due_statuses(installation, (wanted, BATCH)).await?;
            if checks.is_empty() && statuses.is_empty() {
                return self.report_done(lease, installation, held).await;
            }
            for due in interleave(checks, statuses) {
                if stop.is_cancelled() {
                    return Err(JobError::Stopping);
                }
                if held.is_some() && !due.is_end() {
                    continue;
                }
                match self.write(lease, (installation, &due), halts).await? {
                    Sent::Shown => halts = 0,
                    Sent::Aside => {}
                    Sent::Closed(wait, why) => return self.report_closed(lease, wait, &why).await,
                    Sent::Halt(wait, why) => return self.report_later(lease, wait, &why).await,
                    Sent::Held(until) if due.is_end() => {
                        return Ok(self.store().postpone(lease, until).await?);
                    }
                    Sent::Held(until) => held = Some((asked_at, until)),
                }
            }
        }
    }

    /// Nothing is due now but what is held back. What failed by itself has its own time.
    async fn report_done(
        &self,
        lease: &Lease,
        installation: InstallationId,
        held: Option<(UnixMillis, UnixMillis)>,
    ) -> Result<(), JobError> {
        let after = held.map_or(UnixMillis::MIN, |(since, _)| since);
        let next = self.store().next_due_report(installation, after).await?;
        match next.into_iter().chain(held.map(|(_, until)| until)).min() {
            Some(at) => self.store().postpone(lease, at).await?,
            None => self.store().complete(lease).await?,
        }
        Ok(())
    }

    /// Takes a write from the installation's budget. `Some`: there is none before then.
    async fn spend(&self, installation: InstallationId, due: &Due) -> Result<Option<UnixMillis>, JobError> {
        if !self.parts.github.is_limited(installation) {
            return Ok(None);
        }
        let spending = if due.is_end() {
            Spending::Verdict
        } else if let Some(left) = self.parts.github.is_low_for(installation) {
            return Ok(Some(self.store().clock().now() + millis(left)));
        } else {
            let unfinished = self.store().unfinished_checks(installation).await?;
            Spending::Progress { unfinished }
        };
        Ok(self.store().spend(installation, spending).await?)
    }

    async fn report_closed(&self, lease: &Lease, wait: Duration, why: &str) -> Result<(), JobError> {
        tracing::warn!(installation = %lease.subject, ?wait, why, "GitHub asks for a pause");
        let at = self.store().clock().now() + millis(wait);
        Ok(self.store().hold_off(lease, at, why).await?)
    }

    async fn report_later(&self, lease: &Lease, wait: Duration, why: &str) -> Result<(), JobError> {
        tracing::warn!(installation = %lease.subject, ?wait, why, "writing to GitHub waits");
        let at = self.store().clock().now() + millis(wait);
        Ok(self.store().retry(lease, at, why).await?)
    }

    async fn write(
        &self,
        lease: &Lease,
        (installation, due): (InstallationId, &Due),
        halts: i64,
    ) -> Result<Sent, JobError> {
        let told = match self.read_story(due.run()).await {
            Ok(told) => told,
            // What cannot be read now cannot be read later, and the others can.
            Err(error @ (JobError::Nonsense(_) | JobError::Store(StoreError::Corrupt(_)))) => {
                return self.park(lease, due, &error.to_string()).await;
            }
            Err(error) => return Err(error),
        };
        let repo = told.repo();
        if repo.installation != installation {
            // It went to another installation since this was written down: that one's writer tells it, from its budget.
            self.store().hand_over(lease, repo.id).await?;
            return Ok(Sent::Aside);
        }
        if let Some(until) = self.spend(installation, due).await? {
            return Ok(Sent::Held(until));
        }
        let sent = match due {
            Due::Check(check) => self.send_check(lease, check, &told).await?,
            Due::Status(status) => self.send_status(lease, status, &told).await?,
        };
        match sent {
            Ok(()) => {
                if self.parts.github.was_moved(&repo.name) {
                    self.look_again(repo).await;
                }
                Ok(Sent::Shown)
            }
            Err(Unsent::Refused(error)) => self.refused(lease, due, &told, (&error, halts)).await,
            Err(Unsent::NotOurs) => Ok(Sent::Aside),
        }
    }

    /// Gives one write up, where a person sees it: in the log, and on the run's page.
    async fn park(&self, lease: &Lease, due: &Due, why: &str) -> Result<Sent, JobError> {
        tracing::error!(run.id = %due.run(), why, "GitHub will not show what a run has to show");
        match due {
            Due::Check(check) => self.store().check_parked(lease, check, why).await?,
            Due::Status(status) => self.store().status_parked(lease, status, why).await?,
        }
        Ok(Sent::Aside)
    }

    /// Tries one write again after a while.
    async fn delay(&self, lease: &Lease, due: &Due, wait: Duration, why: &str) -> Result<Sent, JobError> {
        tracing::warn!(run.id = %due.run(), ?wait, why, "a write to GitHub waits");
        let until = self.store().clock().now() + millis(wait);
        match due {
            Due::Check(check) => self.store().check_delayed(lease, check, until).await?,
            Due::Status(status) => self.store().status_delayed(lease, status, until).await?,
        }
        Ok(Sent::Aside)
    }
}

/// A run's check and status side by side: neither waits for the other's whole batch. What failed before comes
/// last: it may be what the others would have to wait for.
fn interleave(checks: Vec<DueCheck>, statuses: Vec<DueStatus>) -> Vec<Due> {
    let mut due = Vec::with_capacity(checks.len() + statuses.len());
    let mut statuses = statuses.into_iter();
    for check in checks {
        due.push(Due::Check(check));
        due.extend(statuses.next().map(Due::Status));
    }
    due.extend(statuses.map(Due::Status));
    due.sort_by_key(Due::failures);
    due
}
