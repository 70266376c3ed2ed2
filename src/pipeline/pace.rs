//! How fast questions go to GitHub, and when none may. All replicas take from one budget; each takes some at a time, so
//! that not every question is a transaction.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::github::{Noting, Pace, Taking};
use crate::model::InstallationId;
use crate::model::budget::{SLICE_MS, Spending};
use crate::store::Store;

/// Questions taken at a time. What is not asked within its slice is lost.
const AT_A_TIME: i64 = 10;

/// Questions that were taken and not asked yet.
#[derive(Clone, Copy, Default)]
struct Taken {
    slice: i64,
    left: i64,
}

/// The pace of one replica.
pub struct SharedPace {
    store: Store,
    taken: Mutex<HashMap<InstallationId, Taken>>,
}

impl SharedPace {
    /// Shared through this store.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            taken: Mutex::default(),
        }
    }

    async fn take(&self, installation: InstallationId) -> Result<(), Duration> {
        let mut all = self.taken.lock().await;
        let now = self.store.clock().now();
        let slice = now.div_euclid(SLICE_MS);
        let taken = all.entry(installation).or_default();
        if taken.slice != slice || taken.left == 0 {
            match self
                .store
                .spend(installation, Spending::Questions(AT_A_TIME))
                .await
            {
                Ok(None) => {
                    *taken = Taken {
                        slice,
                        left: AT_A_TIME,
                    }
                }
                Ok(Some(at)) => return Err(Duration::from_millis(u64::try_from(at - now).unwrap_or(0))),
                // The store's trouble is found out by whoever needs it next.
                Err(error) => {
                    tracing::warn!(%error, "cannot keep count of questions to GitHub");
                    return Ok(());
                }
            }
        }
        taken.left -= 1;
        Ok(())
    }
}

impl Pace for SharedPace {
    fn question(&self, installation: InstallationId) -> Taking<'_> {
        Box::pin(self.take(installation))
    }

    fn closed(&self, installation: InstallationId, wait: Duration) -> Noting<'_> {
        Box::pin(async move {
            // This replica knows; the others find out by themselves.
            if let Err(error) = self.store.closed_for(installation, wait).await {
                tracing::warn!(%error, "cannot keep for how long GitHub wants to hear nothing");
            }
        })
    }
}
