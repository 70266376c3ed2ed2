//! How fast questions go to GitHub, and when none may: all replicas take from one budget.

use std::time::Duration;

use crate::github::{Noting, Pace, Taking, Urgency};
use crate::model::InstallationId;
use crate::model::budget::Spending;
use crate::store::Store;

/// The pace that replicas share through their store.
pub struct SharedPace(Store);

impl SharedPace {
    /// Shared through this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    async fn take(&self, installation: InstallationId, urgency: Urgency) -> Result<(), Duration> {
        let spending = match urgency {
            Urgency::Verdict => Spending::Urgent,
            Urgency::None => Spending::Question,
        };
        match self.0.spend(installation, spending).await {
            Ok(None) => Ok(()),
            Ok(Some(at)) => {
                let left = u64::try_from(at - self.0.clock().now()).unwrap_or(0);
                Err(Duration::from_millis(left))
            }
            // The store's trouble is found out by whoever needs it next.
            Err(error) => {
                tracing::warn!(%error, "cannot keep count of questions to GitHub");
                Ok(())
            }
        }
    }

    async fn close(&self, installation: InstallationId, wait: Duration) {
        // This replica knows already; the others find out by themselves.
        if let Err(error) = self.0.closed_for(installation, wait).await {
            tracing::warn!(%error, "cannot keep for how long GitHub wants to hear nothing");
        }
    }
}

impl Pace for SharedPace {
    fn question(&self, installation: InstallationId, urgency: Urgency) -> Taking<'_> {
        Box::pin(self.take(installation, urgency))
    }

    fn closed(&self, installation: InstallationId, wait: Duration) -> Noting<'_> {
        Box::pin(self.close(installation, wait))
    }
}
