//! What a sender's body comes to: queued or ignored, and why. The same at the door and when it is replayed.

use crate::hooks::github::GithubEvent;
use crate::hooks::{Parsed, Sender};
use crate::model::{Decision, DeliveryId, Push, Visibility};
use crate::resolve::Bindings;
use crate::store::{NewDelivery, Store, StoreError};

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
pub fn of_github(event: &GithubEvent, name: &str, guid: Option<&str>) -> NewDelivery {
    let (decision, reason) = acts_on(event);
    NewDelivery {
        id: DeliveryId::new(),
        sender: "github",
        event: name.chars().take(80).collect(),
        event_id: guid.map(str::to_owned),
        body: serde_json::to_string(event).expect("an event is plain data"),
        decision,
        reason,
        pushes: Vec::new(),
        acts: decision == Decision::Queued,
    }
}

fn acts_on(event: &GithubEvent) -> (Decision, String) {
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
        GithubEvent::DefaultBranchPushed { repo, .. } => (
            Decision::Queued,
            format!("what {} declares will be read again", repo.name),
        ),
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
