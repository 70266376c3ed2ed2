//! Commits that came to be: pushed to a branch, as a pull request's head, or put together by a merge queue.

use serde::Deserialize;

use super::{ArrivedCommit, GithubEvent, Installation, Repository, body};
use crate::hooks::BadBody;
use crate::model::{Arrival, CommitSha, RepoId};

/// The branches that a merge queue makes for itself: `gh-readonly-queue/main/pr-7-…`.
const QUEUE: &str = "gh-readonly-queue/";

/// A repository with the branch that it shows first.
#[derive(Deserialize)]
struct Branched {
    #[serde(flatten)]
    repository: Repository,
    default_branch: String,
}

/// `push`: of a branch that was not deleted, where the App is installed.
pub(super) fn push(body: &[u8]) -> Result<GithubEvent, BadBody> {
    #[derive(Deserialize)]
    struct Payload {
        #[serde(rename = "ref")]
        reference: String,
        after: Option<String>,
        repository: Option<Branched>,
        installation: Option<Installation>,
    }
    let payload: Payload = body::read(body)?;
    let branch = payload.reference.strip_prefix("refs/heads/");
    // Of a branch that was deleted it is all zeros.
    let commit = payload.after.and_then(|after| after.parse().ok());
    let all = branch
        .zip(commit)
        .zip(payload.repository.zip(payload.installation));
    let Some(((branch, commit), (pushed, installation))) = all else {
        return Ok(nothing("push"));
    };
    Ok(GithubEvent::CommitArrived(ArrivedCommit {
        moves_default: branch == pushed.default_branch,
        repo: pushed.repository.into(),
        installation: installation.id,
        commit,
        arrival: on_branch(branch),
    }))
}

/// `check_suite.requested`: what GitHub says of a push to an App that writes checks.
pub(super) fn suite(body: &[u8]) -> Result<GithubEvent, BadBody> {
    #[derive(Deserialize)]
    struct Suite {
        head_branch: Option<String>,
        head_sha: CommitSha,
    }
    #[derive(Deserialize)]
    struct Payload {
        repository: Branched,
        installation: Option<Installation>,
        check_suite: Suite,
    }
    let payload: Payload = body::read(body)?;
    // A fork's commit has no branch here: its pull request tells of it.
    let told = payload.check_suite.head_branch.zip(payload.installation);
    let Some((branch, installation)) = told else {
        return Ok(nothing("check_suite"));
    };
    Ok(GithubEvent::CommitArrived(ArrivedCommit {
        // The push tells it as well, and may come later.
        moves_default: branch == payload.repository.default_branch,
        repo: payload.repository.repository.into(),
        installation: installation.id,
        commit: payload.check_suite.head_sha,
        arrival: on_branch(&branch),
    }))
}

/// `pull_request`: its head is new.
pub(super) fn pull_request(body: &[u8]) -> Result<GithubEvent, BadBody> {
    #[derive(Deserialize)]
    struct Fork {
        id: RepoId,
    }
    #[derive(Deserialize)]
    struct Head {
        sha: CommitSha,
        /// Gone, where the fork was deleted.
        repo: Option<Fork>,
    }
    #[derive(Deserialize)]
    struct PullRequest {
        number: u64,
        head: Head,
    }
    #[derive(Deserialize)]
    struct Payload {
        repository: Repository,
        installation: Option<Installation>,
        pull_request: PullRequest,
    }
    let Payload {
        repository,
        installation,
        pull_request: PullRequest { number, head },
    } = body::read(body)?;
    let Some(installation) = installation else {
        return Ok(nothing("pull_request"));
    };
    let is_fork = head.repo.is_none_or(|home| home.id != repository.id);
    Ok(GithubEvent::CommitArrived(ArrivedCommit {
        repo: repository.into(),
        installation: installation.id,
        commit: head.sha,
        arrival: Arrival::PullRequest { number, is_fork },
        moves_default: false,
    }))
}

/// `merge_group.checks_requested`: the queue waits for an answer on the group's commit.
pub(super) fn merge_group(body: &[u8]) -> Result<GithubEvent, BadBody> {
    #[derive(Deserialize)]
    struct Group {
        head_sha: CommitSha,
        base_ref: String,
    }
    #[derive(Deserialize)]
    struct Payload {
        repository: Repository,
        installation: Option<Installation>,
        merge_group: Group,
    }
    let payload: Payload = body::read(body)?;
    let Some(installation) = payload.installation else {
        return Ok(nothing("merge_group"));
    };
    let base = &payload.merge_group.base_ref;
    Ok(GithubEvent::CommitArrived(ArrivedCommit {
        repo: payload.repository.into(),
        installation: installation.id,
        commit: payload.merge_group.head_sha,
        arrival: Arrival::MergeGroup {
            base: base.strip_prefix("refs/heads/").unwrap_or(base).to_owned(),
        },
        moves_default: false,
    }))
}

/// A queue's own branches are told of like any other.
fn on_branch(branch: &str) -> Arrival {
    let queued = branch.strip_prefix(QUEUE);
    match queued.and_then(|queued| queued.rsplit_once("/pr-")) {
        Some((base, _)) => Arrival::MergeGroup {
            base: base.to_owned(),
        },
        None => Arrival::Branch {
            name: branch.to_owned(),
        },
    }
}

fn nothing(event: &str) -> GithubEvent {
    GithubEvent::Other {
        event: event.to_owned(),
        action: None,
    }
}
