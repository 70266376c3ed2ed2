//! What must survive: deliveries, pushes, runs, logs, what GitHub should show, and the queue.
//!
//! Only this part speaks SQL. A stage's result and the next job are written in one transaction, which
//! names the lease of the job that found it out: work whose lease was lost changes nothing.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::clock::Clock;

mod admission;
mod app;
mod budget;
mod bulk;
mod db;
mod declarations;
mod deliveries;
mod error;
mod expected;
mod images;
mod intake;
mod jobs;
mod lock;
mod logs;
mod outbox;
mod pushes;
mod record;
mod reports;
mod repos;
mod reruns;
mod retention;
mod runs;
mod schema;
mod stages;
mod stranded;
mod watched;

pub use admission::{Admission, NewRun};
pub use app::SetupSession;
pub use declarations::{Declared, Reading, ToIndex};
pub use deliveries::{Delivery, DeliverySummary};
pub use error::StoreError;
pub use expected::{Arrived, NewExpected};
pub use intake::{Intake, NewDelivery, Taken};
pub use jobs::{JobKind, Lease, QueueDepth};
pub use lock::ServingLock;
pub use outbox::{DueCheck, DueStatus, ShownCheck, Wanted};
pub use pushes::{OpenPushes, PushEnd, PushRecord, PushStage, PushWait};
pub use reruns::Rerun;
pub use retention::Purged;
pub use runs::{Run, RunEvent, RunFilter, RunTag, Stage};
pub use schema::Schema;
pub use watched::KnownTag;

use db::{Db, Migrations, args};

const READ_SETTING: &str = "SELECT value FROM settings WHERE name = $1";

/// The store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
    clock: Clock,
    /// Rung after every commit that may have made a job ready.
    bells: Arc<Bells>,
    /// Rung by us, for the other replicas to hear.
    call: Arc<Notify>,
    /// This process, in the leases that it holds.
    worker: Uuid,
}

/// A bell for each kind of job, so that those who wait for one are not woken for all.
#[derive(Debug, Default)]
struct Bells {
    of_kinds: [Notify; JobKind::ALL.len()],
    any: Notify,
}

impl Bells {
    fn ring(&self, kinds: impl IntoIterator<Item = JobKind>) {
        for kind in kinds {
            self.of_kinds[kind as usize].notify_waiters();
        }
        self.any.notify_waiters();
    }
}

impl Store {
    /// Opens the store at `url`, `sqlite://FILE` or `postgres://USER:PASSWORD@HOST/DATABASE`, and brings its
    /// schema up to date.
    pub async fn open(url: &str, clock: Clock) -> Result<Self, StoreError> {
        let store = Self::over(Db::open(url.parse()?, Migrations::Run).await?, clock);
        store.share_bell();
        Ok(store)
    }

    /// Opens the store at `url` with the schema that it has, which may be an older program's.
    async fn open_as_it_is(url: &str, clock: Clock) -> Result<Self, StoreError> {
        Ok(Self::over(
            Db::open(url.parse()?, Migrations::Leave).await?,
            clock,
        ))
    }

    fn over(db: Db, clock: Clock) -> Self {
        Self {
            db,
            clock,
            bells: Arc::default(),
            call: Arc::default(),
            worker: Uuid::new_v4(),
        }
    }

    /// Rings with the other replicas' bells, and has them ring with ours, until the store is closed.
    fn share_bell(&self) {
        let own = self.worker.to_string();
        let (db, bells, name) = (self.db.clone(), self.bells.clone(), own.clone());
        let hearing = async move { db.listen(&name, || bells.ring(JobKind::ALL)).await };
        let (db, call) = (self.db.clone(), self.call.clone());
        let calling = async move {
            loop {
                call.notified().await;
                if let Err(error) = db.announce(&own).await {
                    tracing::debug!(%error, "cannot tell the other replicas of a job; they poll");
                }
            }
        };
        tokio::spawn(async move {
            tokio::select! { () = hearing => {}, () = calling => {} }
        });
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// The clock by which the store counts time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Rings after every commit that may have made a job of this kind ready. Listen before looking.
    pub fn bell(&self, kind: JobKind) -> &Notify {
        &self.bells.of_kinds[kind as usize]
    }

    /// Rings after every commit that may have made any job ready: for those who wait for what comes of them.
    pub fn any_bell(&self) -> &Notify {
        &self.bells.any
    }

    /// Tells the workers that a job of these kinds may be ready now.
    fn ring(&self, kinds: impl IntoIterator<Item = JobKind>) {
        self.bells.ring(kinds);
        self.call.notify_one();
    }

    /// Can the store take a delivery? Writes, so that a full disk is seen.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        self.put_setting("checked_at", &self.clock.now().to_string())
            .await
    }

    /// The name of this store, which every container that is made for it carries.
    pub async fn instance(&self) -> Result<Uuid, StoreError> {
        let text = self.setting_or("instance", || Uuid::new_v4().to_string()).await?;
        text.parse()
            .map_err(|_| StoreError::Corrupt(format!("setting `instance`: `{text}` is no UUID")))
    }

    /// A secret that is made at first use and kept from then on: 256 random bits.
    pub async fn secret(&self, name: &'static str) -> Result<SecretString, StoreError> {
        let fresh = SecretString::from(hex::encode(rand::random::<[u8; 32]>()));
        self.setting_or(name, || fresh.expose_secret().to_owned())
            .await
            .map(SecretString::from)
    }

    async fn setting_or(&self, name: &str, fresh: impl FnOnce() -> String) -> Result<String, StoreError> {
        let stored = |row: Option<(String,)>| row.map(|(value,)| value);
        if let Some(value) = stored(self.db.row(READ_SETTING, args![name]).await?) {
            return Ok(value);
        }
        let mut tx = self.db.begin().await?;
        tx.execute(
            "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            args![name, fresh()],
        )
        .await?;
        let value = stored(tx.row(READ_SETTING, args![name]).await?);
        tx.commit().await?;
        value.ok_or_else(|| StoreError::Corrupt(format!("setting `{name}` vanished")))
    }

    async fn put_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.db
            .execute(
                "INSERT INTO settings (name, value) VALUES ($1, $2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                args![name, value],
            )
            .await
            .map(drop)
    }
}
