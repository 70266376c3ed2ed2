//! The way in: one writer takes deliveries, many requests to a transaction.
//!
//! A request is answered after its delivery is durable. Those that arrive while a transaction is being
//! made durable share the next one, so that the disk is waited for once for all of them.

use std::collections::BTreeSet;

use tokio::sync::{mpsc, oneshot};

use super::bulk::Bulk;
use super::db::{Tx, args};
use super::jobs::{JobKind, NewJob};
use super::pushes::resolve_job;
use super::{Store, StoreError};
use crate::clock::UnixMillis;
use crate::model::{Decision, DeliveryId, Push, PushId};

/// Deliveries to a transaction.
const BATCH: usize = 64;

/// Deliveries that may wait for the writer; beyond it the door says so.
const WAITING: usize = 4096;

/// A delivery at the door.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// `dockerhub`, `github`.
    pub sender: &'static str,
    /// What kind of event it is: `push`, or GitHub's `X-GitHub-Event`.
    pub event: String,
    /// The sender's own id of the event, where it has one.
    pub event_id: Option<String>,
    /// As it arrived, or of GitHub's the fields in use.
    pub body: String,
    /// Queued or ignored.
    pub decision: Decision,
    /// Why.
    pub reason: String,
    /// What is to be resolved.
    pub pushes: Vec<Push>,
    /// Must its event be acted on by a job of its own?
    pub acts: bool,
}

/// What became of a delivery at the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is durable.
    Stored,
    /// The sender's event was here before, as this delivery.
    Duplicate(DeliveryId),
    /// Too many wait already; nothing was stored.
    Flooded,
    /// The store did not take it.
    Refused,
}

static DELIVERIES: Bulk = Bulk::new(
    "INSERT INTO deliveries (id, sender, event, event_id, body, decision, reason, received_at)",
    8,
    "ON CONFLICT DO NOTHING",
);

static PUSHES: Bulk = Bulk::new(
    "INSERT INTO pushes (id, delivery_id, image, tag, stage, due_at, received_at)",
    7,
    "",
);

struct Waiting {
    delivery: NewDelivery,
    answer: oneshot::Sender<Taken>,
}

/// The door to the writer. Cheap to clone; the writer ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Intake {
    queue: mpsc::Sender<Waiting>,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Waiting({})", self.delivery.id)
    }
}

impl Intake {
    /// Starts the writer.
    pub fn start(store: Store) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        tokio::spawn(write(store, waiting));
        Self { queue }
    }

    /// Hands a delivery to the writer and waits until it is durable, or is not.
    pub async fn take(&self, delivery: NewDelivery) -> Taken {
        let (answer, taken) = oneshot::channel();
        match self.queue.try_send(Waiting { delivery, answer }) {
            Ok(()) => taken.await.unwrap_or(Taken::Refused),
            Err(mpsc::error::TrySendError::Full(_)) => Taken::Flooded,
            Err(mpsc::error::TrySendError::Closed(_)) => Taken::Refused,
        }
    }
}

async fn write(store: Store, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        match store_all(&store, &batch).await {
            Ok(taken) => answer(batch.drain(..).zip(taken)),
            // One row may be the cause: each is tried alone, so that it takes no other with it.
            Err(error) if batch.len() > 1 && !error.is_outage() => {
                tracing::warn!(%error, deliveries = batch.len(), "cannot store deliveries together, trying each alone");
                for one in batch.drain(..) {
                    let taken = store_all(&store, std::slice::from_ref(&one)).await;
                    answer(std::iter::once((
                        one,
                        taken.map_or_else(|error| refused(&error), |taken| taken[0]),
                    )));
                }
            }
            Err(error) => {
                let taken = refused(&error);
                answer(batch.drain(..).map(|one| (one, taken)));
            }
        }
    }
}

fn refused(error: &StoreError) -> Taken {
    tracing::error!(%error, "cannot store a delivery");
    Taken::Refused
}

fn answer(batch: impl Iterator<Item = (Waiting, Taken)>) {
    for (one, taken) in batch {
        // The requester may have gone: the delivery is durable all the same.
        let _ = one.answer.send(taken);
    }
}

impl Store {
    /// Takes in a delivery that nobody waits at the door with: one of our own making.
    pub async fn take(&self, delivery: NewDelivery) -> Result<Taken, StoreError> {
        let (answer, _) = oneshot::channel();
        let taken = store_all(self, &[Waiting { delivery, answer }]).await?;
        Ok(taken[0])
    }
}

async fn store_all(store: &Store, batch: &[Waiting]) -> Result<Vec<Taken>, StoreError> {
    let now = store.clock.now();
    let mut tx = store.db.begin_beside().await?;
    let taken = take_in(&mut tx, now, batch).await?;
    let stored = || {
        batch
            .iter()
            .zip(&taken)
            .filter(|(_, taken)| **taken == Taken::Stored)
    };
    let mut jobs = Vec::new();
    let mut pushes = Vec::new();
    for (one, _) in stored() {
        let id = one.delivery.id.to_string();
        for push in &one.delivery.pushes {
            jobs.push(resolve_job(&push.image, &push.tag));
            pushes.push(args![
                PushId::new().to_string(),
                id.as_str(),
                push.image.to_string(),
                push.tag.as_str(),
                "received",
                now,
                now
            ]);
        }
        if one.delivery.acts {
            jobs.push(NewJob {
                kind: JobKind::GithubEvent,
                subject: id,
            });
        }
    }
    for (sql, args) in PUSHES.statements(pushes) {
        tx.execute(sql, args).await?;
    }
    let woken: BTreeSet<JobKind> = jobs.iter().map(|job| job.kind).collect();
    store.wake_all(&mut tx, jobs).await?;
    tx.commit().await?;
    store.ring(woken);
    Ok(taken)
}

/// Adds the deliveries, and says of each whether it is new.
async fn take_in(tx: &mut Tx, now: UnixMillis, batch: &[Waiting]) -> Result<Vec<Taken>, StoreError> {
    let rows = batch.iter().map(|Waiting { delivery, .. }| {
        args![
            delivery.id.to_string(),
            delivery.sender,
            delivery.event.as_str(),
            delivery.event_id.clone(),
            delivery.body.as_str(),
            delivery.decision.as_str(),
            delivery.reason.as_str(),
            now
        ]
    });
    let mut added = 0;
    for (sql, args) in DELIVERIES.statements(rows.collect()) {
        added += tx.execute(sql, args).await?;
    }
    if usize::try_from(added) == Ok(batch.len()) {
        return Ok(vec![Taken::Stored; batch.len()]);
    }
    let mut taken = Vec::with_capacity(batch.len());
    for Waiting { delivery, .. } in batch {
        let first = first_of(tx, delivery).await?;
        taken.push(if first == delivery.id {
            Taken::Stored
        } else {
            Taken::Duplicate(first)
        });
    }
    Ok(taken)
}

/// The delivery that a sender's event came with first: this one, unless it is known already.
async fn first_of(tx: &mut Tx, delivery: &NewDelivery) -> Result<DeliveryId, StoreError> {
    let row: Option<(String,)> = tx
        .row(
            "SELECT id FROM deliveries WHERE id = $3 OR (sender = $1 AND event_id = $2)",
            args![
                delivery.sender,
                delivery.event_id.clone(),
                delivery.id.to_string()
            ],
        )
        .await?;
    row.and_then(|(id,)| id.parse().ok())
        .ok_or_else(|| StoreError::Corrupt(format!("delivery {} is there and is not", delivery.id)))
}
