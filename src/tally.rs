//! How many requests a piece of work sends, counted where they are sent.
//!
//! The count follows the task that does the work: what it leaves to other tasks is not its own.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

tokio::task_local! {
    static TALLY: Arc<Tally>;
}

#[derive(Debug, Default)]
struct Tally {
    registry: AtomicU32,
    github: AtomicU32,
}

/// Requests that were sent, whatever the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// To registries and their token services.
    pub registry: u32,
    /// To GitHub.
    pub github: u32,
}

/// Does the work, and counts the requests that it sends.
pub async fn counted<T>(work: impl Future<Output = T>) -> (T, Requests) {
    let tally = Arc::<Tally>::default();
    let done = TALLY.scope(tally.clone(), work).await;
    let requests = Requests {
        registry: tally.registry.load(Ordering::Relaxed),
        github: tally.github.load(Ordering::Relaxed),
    };
    (done, requests)
}

/// A request goes to a registry.
pub fn registry_request() {
    add(|tally| &tally.registry);
}

/// A request goes to GitHub.
pub fn github_request() {
    add(|tally| &tally.github);
}

fn add(side: impl FnOnce(&Tally) -> &AtomicU32) {
    // Work that nobody counts is no error.
    let _ = TALLY.try_with(|tally| side(tally).fetch_add(1, Ordering::Relaxed));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_piece_of_work_has_its_own_count() {
        registry_request();
        let (inner, outer) = counted(async {
            registry_request();
            let ((), inner) = counted(async { github_request() }).await;
            inner
        })
        .await;
        assert_eq!(
            inner,
            Requests {
                registry: 0,
                github: 1
            }
        );
        assert_eq!(
            outer,
            Requests {
                registry: 1,
                github: 0
            }
        );
    }
}
