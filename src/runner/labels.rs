//! The labels by which hubcheck knows its own on an Engine that it shares with others.

use std::collections::HashMap;

use uuid::Uuid;

use crate::clock::UnixMillis;
use crate::model::RunId;

/// On everything that hubcheck makes; its value is `true`.
pub(super) const MANAGED: &str = "hubcheck.managed";
/// The store, or the command, that made it.
pub(super) const INSTANCE: &str = "hubcheck.instance";
/// The run that it serves.
pub(super) const RUN: &str = "hubcheck.run";
const ATTEMPT: &str = "hubcheck.attempt";
const DEADLINE: &str = "hubcheck.deadline";
/// On the network that all steps of an instance share.
pub(super) const SHARED: &str = "hubcheck.shared";

/// Labels as the Engine has them.
pub(super) type Labels = HashMap<String, String>;

/// For whom something is made on the Engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The run.
    pub run: RunId,
    /// The attempt at it: the fencing token of the queue.
    pub attempt: i64,
    /// When whatever is still there may be removed by anybody.
    pub deadline: UnixMillis,
}

/// The labels of what is made for `owner`.
pub(super) fn of_owner(instance: Uuid, owner: &Owner) -> Labels {
    let mut labels = of_instance(instance, owner.deadline);
    labels.insert(RUN.to_owned(), owner.run.to_string());
    labels.insert(ATTEMPT.to_owned(), owner.attempt.to_string());
    labels
}

/// The labels of what serves the whole instance.
pub(super) fn of_instance(instance: Uuid, deadline: UnixMillis) -> Labels {
    [
        (MANAGED, "true".to_owned()),
        (INSTANCE, instance.to_string()),
        (DEADLINE, deadline.div_euclid(1000).to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// The run and the attempt that `labels` name.
pub(super) fn lease(labels: &Labels) -> Option<(RunId, i64)> {
    Some((labels.get(RUN)?.parse().ok()?, labels.get(ATTEMPT)?.parse().ok()?))
}

/// The deadline that `labels` name, in Unix seconds.
pub(super) fn deadline_s(labels: &Labels) -> Option<i64> {
    labels.get(DEADLINE)?.parse().ok()
}
