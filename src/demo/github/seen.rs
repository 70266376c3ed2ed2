//! What is to be seen at the simulated GitHub.

use std::time::Duration;

use super::world::World;
use super::{CheckRun, GitHub, Request, Status, TooEarly, statuses};
use crate::model::{CommitSha, RepoName};

/// What was waited for did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("not seen within {within:?}; {} requests so far: {requests:#?}", requests.len())]
pub struct NotSeen {
    within: Duration,
    requests: Vec<String>,
}

impl GitHub {
    /// The check runs of a commit, oldest first.
    pub fn check_runs(&self, repo: &RepoName, sha: &CommitSha) -> Vec<CheckRun> {
        let mut world = self.shared.world();
        world.looked_at.insert(sha.clone());
        let runs = world.repo(repo).into_iter().flat_map(|repo| &repo.check_runs);
        runs.filter(|run| run.head_sha == *sha).cloned().collect()
    }

    /// All statuses of a commit, newest first.
    pub fn statuses(&self, repo: &RepoName, sha: &CommitSha) -> Vec<Status> {
        let mut world = self.shared.world();
        world.looked_at.insert(sha.clone());
        let id = world.repo(repo).map(|repo| repo.id);
        id.map_or_else(Vec::new, |id| world.statuses_of(id, sha))
    }

    /// What a commit's statuses add up to: `success`, `failure` or `pending`.
    pub fn combined_status(&self, repo: &RepoName, sha: &CommitSha) -> &'static str {
        statuses::combined(&statuses::latest_of_each(self.statuses(repo, sha)))
    }

    /// Every request so far.
    pub fn ledger(&self) -> Vec<Request> {
        self.shared.world().ledger.clone()
    }

    /// The requests that changed what people see, so far.
    pub fn writes(&self) -> Vec<Request> {
        let mut requests = self.ledger();
        requests.retain(|request| request.wrote);
        requests
    }

    /// The requests that changed what people see on commits at which nobody has looked: in a test, what it did not
    /// expect.
    pub fn unexpected_writes(&self) -> Vec<Request> {
        let world = self.shared.world();
        let is_expected = |request: &&Request| {
            world
                .commit_written_to(request)
                .is_none_or(|sha| world.looked_at.contains(&sha))
        };
        let writes = world.ledger.iter().filter(|request| request.wrote);
        writes.filter(|request| !is_expected(request)).cloned().collect()
    }

    /// How many requests were refused because they were too many.
    pub fn broken_limits(&self) -> u32 {
        self.shared.world().broken_limits
    }

    /// Requests of installations that had been asked for a pause which was not over.
    pub fn asked_too_early(&self) -> Vec<TooEarly> {
        self.shared.world().too_early.clone()
    }

    /// Waits until `seen` finds what it looks for; it is asked again after every request.
    pub async fn wait_for<T>(
        &self,
        within: Duration,
        seen: impl Fn(&Self) -> Option<T>,
    ) -> Result<T, NotSeen> {
        let mut changes = self.shared.watch();
        let search = async {
            loop {
                if let Some(found) = seen(self) {
                    return found;
                }
                if changes.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        };
        tokio::time::timeout(within, search).await.map_err(|_| NotSeen {
            within,
            requests: self
                .ledger()
                .iter()
                .map(|request| format!("{} {} -> {:?}", request.method, request.path, request.status))
                .collect(),
        })
    }
}

impl World {
    /// The commit whose check run or status a request changed.
    fn commit_written_to(&self, request: &Request) -> Option<CommitSha> {
        let path = request.path.split('?').next().unwrap_or_default();
        if let Some((_, sha)) = path.split_once("/statuses/") {
            return sha.parse().ok();
        }
        let (_, rest) = path.split_once("/check-runs")?;
        match rest.strip_prefix('/') {
            None => request.body.as_ref()?["head_sha"].as_str()?.parse().ok(),
            Some(id) => {
                let id: u64 = id.parse().ok()?;
                let mut runs = self.repos.iter().flat_map(|repo| &repo.check_runs);
                runs.find(|run| run.id == id).map(|run| run.head_sha.clone())
            }
        }
    }
}
