//! The database behind the store. Only this file knows which engine it is.
//!
//! Every query has one text, with `$1` placeholders. `SQLite` takes one writer at a time: one
//! connection writes, and every transaction on it begins as a writer, so that none fails halfway.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{FromRow, Transaction};

use super::StoreError;

/// Connections that read beside the writer.
const READERS: u32 = 4;

/// How long a statement waits for another process' lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A value bound to a query's placeholder.
#[derive(Clone, Debug)]
pub(super) enum Arg {
    Text(Option<String>),
    Int(Option<i64>),
    Bool(bool),
    Bytes(Vec<u8>),
}

macro_rules! arg_from {
    ($($type:ty => |$value:ident| $arg:expr;)*) => {
        $(impl From<$type> for Arg {
            fn from($value: $type) -> Self {
                $arg
            }
        })*
    };
}

arg_from! {
    &str => |value| Arg::Text(Some(value.to_owned()));
    String => |value| Arg::Text(Some(value));
    Option<String> => |value| Arg::Text(value);
    i64 => |value| Arg::Int(Some(value));
    Option<i64> => |value| Arg::Int(value);
    bool => |value| Arg::Bool(value);
    Vec<u8> => |value| Arg::Bytes(value);
}

/// The values of a query's placeholders, in order: anything [`Arg`] is made from, or `%` and
/// something that is shown as text.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::db::Arg::from($value)),*] };
}
pub(super) use args;

/// A row that both engines can give.
pub(super) trait Record: for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}
impl<T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin> Record for T {}

macro_rules! bound {
    ($query:expr, $args:expr) => {{
        let mut query = $query;
        for arg in $args {
            query = match arg {
                Arg::Text(value) => query.bind(value),
                Arg::Int(value) => query.bind(value),
                Arg::Bool(value) => query.bind(value),
                Arg::Bytes(value) => query.bind(value),
            };
        }
        query
    }};
}

/// The pools of connections.
#[derive(Clone, Debug)]
pub(super) struct Db {
    write: SqlitePool,
    read: SqlitePool,
}

impl Db {
    /// Opens the file, which is made if it is absent, and brings its schema up to date.
    pub(super) async fn open_sqlite(file: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true);
        let unusable = |error| StoreError::unusable(file, &error);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .min_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let write = pool(1).connect_with(options.clone()).await.map_err(unusable)?;
        sqlx::migrate!("./migrations")
            .run(&write)
            .await
            .map_err(|error| StoreError::migration(file, error))?;
        let read = pool(READERS)
            .connect_with(options.read_only(true))
            .await
            .map_err(unusable)?;
        Ok(Self { write, read })
    }

    /// Begins a transaction that writes.
    pub(super) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(Tx {
            inner: self.write.begin_with("BEGIN IMMEDIATE").await?,
        })
    }

    /// One statement that writes, in a transaction of its own.
    pub(super) async fn execute(&self, sql: &'static str, args: Vec<Arg>) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let rows = tx.execute(sql, args).await?;
        tx.commit().await?;
        Ok(rows)
    }

    /// The rows of a query that only reads.
    pub(super) async fn rows<T: Record>(
        &self,
        sql: &'static str,
        args: Vec<Arg>,
    ) -> Result<Vec<T>, StoreError> {
        Ok(bound!(sqlx::query_as::<Sqlite, T>(sql), args)
            .fetch_all(&self.read)
            .await?)
    }

    /// The first row of a query that only reads.
    pub(super) async fn row<T: Record>(
        &self,
        sql: &'static str,
        args: Vec<Arg>,
    ) -> Result<Option<T>, StoreError> {
        Ok(bound!(sqlx::query_as::<Sqlite, T>(sql), args)
            .fetch_optional(&self.read)
            .await?)
    }

    /// Ends every connection, so that the write-ahead log is folded into the file.
    pub(super) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// A transaction that writes. Dropped without [`Tx::commit`], it never was.
#[derive(Debug)]
pub(super) struct Tx {
    inner: Transaction<'static, Sqlite>,
}

impl Tx {
    /// Runs one statement and counts the rows that it changed.
    pub(super) async fn execute(&mut self, sql: &'static str, args: Vec<Arg>) -> Result<u64, StoreError> {
        Ok(bound!(sqlx::query::<Sqlite>(sql), args)
            .execute(&mut *self.inner)
            .await?
            .rows_affected())
    }

    /// The first row of a query, or of a statement that returns what it changed.
    pub(super) async fn row<T: Record>(
        &mut self,
        sql: &'static str,
        args: Vec<Arg>,
    ) -> Result<Option<T>, StoreError> {
        Ok(bound!(sqlx::query_as::<Sqlite, T>(sql), args)
            .fetch_optional(&mut *self.inner)
            .await?)
    }

    /// All rows of a query, or of a statement that returns what it changed.
    pub(super) async fn rows<T: Record>(
        &mut self,
        sql: &'static str,
        args: Vec<Arg>,
    ) -> Result<Vec<T>, StoreError> {
        Ok(bound!(sqlx::query_as::<Sqlite, T>(sql), args)
            .fetch_all(&mut *self.inner)
            .await?)
    }

    /// Makes it all durable.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.inner.commit().await?)
    }
}
