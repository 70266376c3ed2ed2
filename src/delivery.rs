//! What a sender's body comes to: queued or ignored, and why. The same at the door and when it is replayed.

use crate::hooks::github::GithubEvent;
use crate::hooks::{Parsed, Sender};
use crate::model::{Arrival, Decision, DeliveryId, Order, Push, Visibility};
use crate::resolve::Bindings;
use crate::store::{NewDelivery, Store, StoreError};

/// The sender of what the operator asks for.
pub const OPERATOR: &str = "operator";

/// The sender of what a registry says when it is asked.
pub const RECONCILIATION: &str = "reconciliation";

/// A registry's body as a delivery. An image that no repository may be bound to is ignored; while it is being read
/// what the repositories declare, any may be.
pub async fn of_registry(
    store: &Store,
    bindings: &Bindings,
    sender: Sender,
    (parsed, body): (&Parsed, String),
) -> Result<NewDelivery, StoreError> {
    let (decision, reason, pushes) = match parsed {
        Parsed::Ignored(ignored) => (Decision::Ignored, ignored.reason.clone(), Vec::new()),
        Parsed::Push { push, notes } => decide(store, bindings, push, notes).await?,
    };
    Ok(NewDelivery {
        id: DeliveryId::new(),
        sender: sender.as_str(),
        event: "push".to_owned(),
        event_id: None,
        body,
        decision,
        reason,
        pushes,
        acts: false,
    })
}

async fn decide(
    store: &Store,
    bindings: &Bindings,
    push: &Push,
    notes: &[String],
) -> Result<(Decision, String, Vec<Push>), StoreError> {
    let is_bound = bindings.repo_of(&push.image).is_some() || store.may_be_declared(&push.image).await?;
    if !is_bound {
        return Ok((Decision::Ignored, Bindings::why_unbound(&push.image), Vec::new()));
    }
    let reason = if notes.is_empty() {
        "the tag will be looked up at the registry".to_owned()
    } else {
        notes.join("; ")
    };
    Ok((Decision::Queued, reason, vec![push.clone()]))
}

/// An event of GitHub's as a delivery. `name`: its `X-GitHub-Event`. `guid`: its `X-GitHub-Delivery`, of which one is
/// taken once.
pub async fn of_github(
    store: &Store,
    bindings: &Bindings,
    event: &GithubEvent,
    (name, guid): (&str, Option<&str>),
) -> Result<NewDelivery, StoreError> {
    let (decision, reason, pushes) = match event {
        GithubEvent::PackagePushed { push } => decide(store, bindings, push, &[]).await?,
        event => {
            let (decision, reason) = acts_on(event);
            (decision, reason, Vec::new())
        }
    };
    Ok(NewDelivery {
        id: DeliveryId::new(),
        sender: "github",
        event: name.chars().take(80).collect(),
        event_id: guid.map(str::to_owned),
        body: serde_json::to_string(event).expect("an event is plain data"),
        decision,
        reason,
        acts: decision == Decision::Queued && pushes.is_empty(),
        pushes,
    })
}

/// A push that no webhook told of, as a delivery: the registry was asked, and said so.
pub fn of_registry_itself(push: &Push) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::new(),
        sender: RECONCILIATION,
        event: "push".to_owned(),
        event_id: None,
        body: serde_json::to_string(push).expect("a push is plain data"),
        decision: Decision::Queued,
        reason: "found by reconciliation: the registry has it, and no webhook told of it".to_owned(),
        pushes: vec![push.clone()],
        acts: false,
    }
}

/// What the operator asks for, as a delivery: it survives like any other.
pub fn of_operator(order: Order) -> NewDelivery {
    let (event, reason) = match order {
        Order::Rerun { .. } => ("rerun", "the run will be done again"),
        Order::Cancel { .. } => ("cancel", "the run will be cancelled"),
    };
    NewDelivery {
        id: DeliveryId::new(),
        sender: OPERATOR,
        event: event.to_owned(),
        event_id: None,
        body: serde_json::to_string(&order).expect("an order is plain data"),
        decision: Decision::Queued,
        reason: reason.to_owned(),
        pushes: Vec::new(),
        acts: true,
    }
}

/// Of an event that tells of no push.
pub fn acts_on(event: &GithubEvent) -> (Decision, String) {
    match event {
        GithubEvent::Ping => (Decision::Ignored, "the webhook works".to_owned()),
        GithubEvent::InstallationChanged { action, .. } => {
            (Decision::Queued, format!("the installation changed: {action}"))
        }
        GithubEvent::CheckRunRerequested { .. } => {
            (Decision::Queued, "the run will be done again".to_owned())
        }
        GithubEvent::CheckSuiteRerequested { .. } => (
            Decision::Queued,
            "all runs on the commit will be done again".to_owned(),
        ),
        GithubEvent::VisibilityChanged { repo, visibility } => {
            let now = match visibility {
                Visibility::Private => "private",
                Visibility::Public => "public",
            };
            (Decision::Queued, format!("{} is {now} now", repo.name))
        }
        GithubEvent::RepositoryChanged { repo, action, .. } => {
            (Decision::Queued, format!("{} was {action}", repo.name))
        }
        GithubEvent::PackagePushed { push } => (
            Decision::Queued,
            format!("{}:{} was pushed", push.image, push.tag),
        ),
        GithubEvent::PackageIgnored { reason } => (Decision::Ignored, reason.clone()),
        GithubEvent::CommitArrived(came) if came.moves_default => (
            Decision::Queued,
            format!("what {} declares will be read again", came.repo.name),
        ),
        GithubEvent::CommitArrived(came) => {
            let without = match came.arrival {
                Arrival::MergeGroup { .. } => {
                    "; if its file has no `expect`, nothing is said of it, and a merge queue that requires the check waits for an image"
                }
                Arrival::Branch { .. } | Arrival::PullRequest { .. } => "",
            };
            let (commit, repo) = (came.commit.short(), &came.repo.name);
            (
                Decision::Queued,
                format!(
                    "commit {commit} of {repo} will wait for its images, if the repository says so{without}"
                ),
            )
        }
        GithubEvent::Other { event, action } => {
            let action = action
                .as_deref()
                .map(|action| format!(".{action}"))
                .unwrap_or_default();
            (
                Decision::Ignored,
                format!("{event}{action} is nothing that is acted on"),
            )
        }
    }
}
