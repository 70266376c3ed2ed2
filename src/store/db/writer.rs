//! The one connection that writes to a file.
//!
//! A pool would test it after every transaction, which takes as long as a statement does, and which a file never
//! needs: it is lost by a failure of its own or not at all. One that fails to begin, to commit or to roll back is
//! given up for a new one. Thus one that `SQLite` has rolled back by itself, as it does on a full disk, stops nobody.

use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Error};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;

/// How long a transaction waits for those before it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gives the connection to one transaction after the other, in the order in which they ask. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::store) struct Writer {
    options: Arc<SqliteConnectOptions>,
    place: Arc<Mutex<Place>>,
}

/// Where the connection is.
#[derive(Debug)]
enum Place {
    /// Here, and in no transaction.
    Here(SqliteConnection),
    /// With a transaction, or given up.
    Away,
    Closed,
}

impl Writer {
    pub(super) fn new(options: SqliteConnectOptions, connection: SqliteConnection) -> Self {
        Self {
            options: Arc::new(options),
            place: Arc::new(Mutex::new(Place::Here(connection))),
        }
    }

    /// Begins a transaction as a writer, so that it cannot fail for another one halfway.
    pub(super) async fn begin(&self) -> Result<FileTx, Error> {
        let waiting = timeout(PATIENCE, self.place.clone().lock_owned());
        let mut place = waiting.await.map_err(|_| Error::PoolTimedOut)?;
        let mut connection = match std::mem::replace(&mut *place, Place::Away) {
            Place::Here(connection) => connection,
            Place::Away => self.options.connect().await?,
            Place::Closed => {
                *place = Place::Closed;
                return Err(Error::PoolClosed);
            }
        };
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
        Ok(FileTx {
            connection: Some(connection),
            place: Some(place),
        })
    }

    /// Closes the connection, once the transaction that has it is over.
    pub(super) async fn close(&self) {
        let mut place = self.place.lock().await;
        if let Place::Here(connection) = std::mem::replace(&mut *place, Place::Closed)
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the store was not closed in order; the next start mends it");
        }
    }
}

/// A transaction on a file. Dropped without [`FileTx::commit`], it is rolled back.
#[derive(Debug)]
pub(in crate::store) struct FileTx {
    /// There until the end.
    connection: Option<SqliteConnection>,
    /// There until the end: nobody else begins meanwhile.
    place: Option<OwnedMutexGuard<Place>>,
}

impl FileTx {
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("it is there until the end")
    }

    /// Makes it all durable.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        sqlx::query("COMMIT").execute(self.connection()).await?;
        if let (Some(connection), Some(mut place)) = (self.connection.take(), self.place.take()) {
            *place = Place::Here(connection);
        }
        Ok(())
    }
}

impl Drop for FileTx {
    fn drop(&mut self) {
        let (Some(mut connection), Some(mut place)) = (self.connection.take(), self.place.take()) else {
            return;
        };
        // Without a runtime the process is ending, and the connection with it.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            if sqlx::query("ROLLBACK").execute(&mut connection).await.is_ok() {
                *place = Place::Here(connection);
            }
        });
    }
}
