//! The database behind the store. Only `db` knows which engine it is.
//!
//! Every query has one text, with `$1` placeholders, and a transaction means the same on both engines:
//! those that [`Db::begin`] a turn run one after the other, whichever replica they are on, so that what one
//! has read stays true until it is committed. `SQLite` has one writer anyway; on PostgreSQL they wait for
//! their turn, and only what touches a single job, or only adds rows, goes beside them.

/// The migrations that a schema went through, as sqlx keeps them.
const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";

mod address;
mod bound;
mod postgres;
mod sqlite;
mod writer;

use sqlx::Transaction;
use sqlx::postgres::{PgPool, Postgres};
use sqlx::sqlite::{Sqlite, SqliteError};

use super::StoreError;
use bound::bound;
use postgres::in_time;
use writer::FileTx;

pub(super) use address::Address;
pub(super) use bound::{Arg, Record, args};

/// The connections.
#[derive(Clone, Debug)]
pub(super) enum Db {
    /// A file of this process' own.
    Sqlite(sqlite::File),
    /// A server that replicas share.
    Postgres(PgPool),
}

/// What becomes of a schema that is an older program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Migrations {
    /// It is brought up to date.
    Run,
    /// It stays.
    Leave,
}

impl Db {
    /// Opens the store.
    pub(super) async fn open(address: Address, migrations: Migrations) -> Result<Self, StoreError> {
        Ok(match address {
            Address::File(file) => Self::Sqlite(sqlite::open(&file, migrations).await?),
            Address::Server(options) => Self::Postgres(postgres::open(*options, migrations).await?),
        })
    }

    /// The store's name for people, and the migrations that its schema went through; `None`: there is no store yet.
    pub(super) async fn applied(address: Address) -> Result<Option<(String, Vec<i64>)>, StoreError> {
        match address {
            Address::File(file) => sqlite::applied(&file).await,
            Address::Server(options) => postgres::applied(*options).await.map(Some),
        }
    }

    /// Begins a transaction that takes its turn: no other of these runs beside it.
    pub(super) async fn begin(&self) -> Result<Tx, StoreError> {
        self.transaction(true).await
    }

    /// Begins a transaction that touches a single job, or only adds rows: others may run beside it.
    pub(super) async fn begin_beside(&self) -> Result<Tx, StoreError> {
        self.transaction(false).await
    }

    async fn transaction(&self, turn: bool) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite(file) => Tx::Sqlite(file.write.begin().await?),
            Self::Postgres(pool) => Tx::Postgres(postgres::begin(pool, turn).await?),
        })
    }

    /// One statement that writes, in a transaction of its own, beside others.
    pub(super) async fn execute(&self, sql: &'static str, args: Vec<Arg>) -> Result<u64, StoreError> {
        let mut tx = self.begin_beside().await?;
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
        match self {
            Self::Sqlite(file) => Ok(bound!(sqlx::query_as::<Sqlite, T>(sql), args)
                .fetch_all(&file.read)
                .await?),
            Self::Postgres(pool) => {
                in_time(bound!(sqlx::query_as::<Postgres, T>(sql), args).fetch_all(pool)).await
            }
        }
    }

    /// The first row of a query that only reads.
    pub(super) async fn row<T: Record>(
        &self,
        sql: &'static str,
        args: Vec<Arg>,
    ) -> Result<Option<T>, StoreError> {
        match self {
            Self::Sqlite(file) => Ok(bound!(sqlx::query_as::<Sqlite, T>(sql), args)
                .fetch_optional(&file.read)
                .await?),
            Self::Postgres(pool) => {
                in_time(bound!(sqlx::query_as::<Postgres, T>(sql), args).fetch_optional(pool)).await
            }
        }
    }

    /// Of two texts the engine's own: for the one clause that only one of them has and needs.
    pub(super) fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }

    /// Tells other replicas that a job may be ready.
    pub(super) async fn announce(&self, from: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(pool) => postgres::announce(pool, from).await,
        }
    }

    /// Rings for what replicas other than `own` announce, until the store is closed. A file has no others.
    pub(super) async fn listen(&self, own: &str, ring: impl Fn()) {
        match self {
            Self::Sqlite(_) => {}
            Self::Postgres(pool) => postgres::listen(pool, own, ring).await,
        }
    }

    /// Ends every connection; a file's write-ahead log is folded into it.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(file) => {
                file.read.close().await;
                file.write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// A transaction that writes. Dropped without [`Tx::commit`], it never was.
#[derive(Debug)]
pub(super) enum Tx {
    Sqlite(FileTx),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Runs one statement and counts the rows that it changed.
    pub(super) async fn execute(&mut self, sql: &'static str, args: Vec<Arg>) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(tx) => Ok(bound!(sqlx::query::<Sqlite>(sql), args)
                .execute(tx.connection())
                .await?
                .rows_affected()),
            Self::Postgres(tx) => Ok(
                in_time(bound!(sqlx::query::<Postgres>(sql), args).execute(&mut **tx))
                    .await?
                    .rows_affected(),
            ),
        }
    }

    /// The first row of a query, or of a statement that returns what it changed.
    pub(super) async fn row<T: Record>(
        &mut self,
        sql: &'static str,
        args: Vec<Arg>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// All rows of a query, or of a statement that returns what it changed.
    pub(super) async fn rows<T: Record>(
        &mut self,
        sql: &'static str,
        args: Vec<Arg>,
    ) -> Result<Vec<T>, StoreError> {
        match self {
            Self::Sqlite(tx) => Ok(bound!(sqlx::query_as::<Sqlite, T>(sql), args)
                .fetch_all(tx.connection())
                .await?),
            Self::Postgres(tx) => {
                in_time(bound!(sqlx::query_as::<Postgres, T>(sql), args).fetch_all(&mut **tx)).await
            }
        }
    }

    /// Makes it all durable.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => Ok(tx.commit().await?),
            Self::Postgres(tx) => in_time(tx.commit()).await,
        }
    }
}

/// Is the database itself away, full or locked, so that no other statement would fare better?
pub(super) fn is_outage(error: &sqlx::Error) -> bool {
    use sqlx::Error;
    match error {
        Error::Database(error) if error.try_downcast_ref::<SqliteError>().is_some() => {
            sqlite::is_outage(error.as_ref())
        }
        Error::Database(error) => postgres::is_outage(error.as_ref()),
        Error::Io(_)
        | Error::Tls(_)
        | Error::Protocol(_)
        | Error::PoolTimedOut
        | Error::PoolClosed
        | Error::WorkerCrashed
        | Error::BeginFailed => true,
        _ => false,
    }
}
