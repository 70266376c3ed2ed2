//! PostgreSQL: a server that several replicas share.
//!
//! Sessions are told to keep what the store relies on, whatever the server's defaults: commits that are
//! on disk, and locks that a replica which hangs cannot hold for long.

use std::io;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions, Postgres};
use sqlx::{ConnectOptions, Connection, Transaction};
use tokio::time::timeout;

use super::{Migrations, StoreError};

/// Connections of one replica: the writers' and readers', and one that listens.
const CONNECTIONS: u32 = 10;

/// How long a request waits for a connection, or for the server to come back.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement may take before the server counts as gone; the server gives up before.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// What every session is told: see <https://www.postgresql.org/docs/15/runtime-config-client.html>.
const SESSION: [(&str, &str); 5] = [
    ("synchronous_commit", "on"),
    ("default_transaction_isolation", "read committed"),
    ("statement_timeout", "12s"),
    ("lock_timeout", "10s"),
    // A replica that hangs in a transaction loses it, so that the others are not kept waiting.
    ("idle_in_transaction_session_timeout", "5s"),
];

/// The turn that transactions take. Any number will do, if all replicas use the same: the text `hubcheck`.
const TURN: &str = "SELECT pg_advisory_xact_lock(7527030531312411499)";

/// Where replicas tell each other of new jobs.
const CHANNEL: &str = "hubcheck_jobs";

/// Connects. Several replicas may bring the schema up to date at once.
pub(super) async fn open(options: PgConnectOptions, migrations: Migrations) -> Result<PgPool, StoreError> {
    let shown = super::address::shown(&options);
    let mend = |error: &sqlx::Error| mend(error, &options);
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options.clone().application_name("hubcheck").options(SESSION))
        .await
        .map_err(|error| StoreError::unusable(&shown, &error, mend))?;
    if migrations == Migrations::Run {
        sqlx::migrate!("./migrations")
            .run(&pool)
            .await
            .map_err(|error| StoreError::migration(&shown, error, mend))?;
    }
    Ok(pool)
}

/// The migrations that a database went through.
pub(super) async fn applied(options: PgConnectOptions) -> Result<(String, Vec<i64>), StoreError> {
    let shown = super::address::shown(&options);
    let unusable = |error| StoreError::unusable(&shown, &error, |error| mend(error, &options));
    let connecting = timeout(ACQUIRE_TIMEOUT, options.connect()).await;
    let silent = |_| sqlx::Error::Io(io::ErrorKind::TimedOut.into());
    let mut connection = connecting.map_err(silent).flatten().map_err(unusable)?;
    // A database without the table went through none.
    let versions = sqlx::query_scalar(super::APPLIED)
        .fetch_all(&mut connection)
        .await;
    let _ = connection.close().await;
    Ok((shown, versions.unwrap_or_default()))
}

/// What to do about a server that cannot be used.
fn mend(error: &sqlx::Error, options: &PgConnectOptions) -> String {
    let user = options.get_username();
    let database = options.get_database().unwrap_or(user);
    match error.as_database_error().and_then(DatabaseError::code).as_deref() {
        Some("28P01" | "28000") => format!(
            "check user `{user}` and its password, which may also stand in PGPASSWORD or in ~/.pgpass"
        ),
        Some("3D000") => format!("make it: `createdb --owner {user} {database}`"),
        Some("42501") => {
            format!(
                "let user `{user}` make tables: `GRANT CREATE ON SCHEMA public TO {user}`, or make it the owner"
            )
        }
        Some("53300") => "the server has no connection left: raise its `max_connections`".to_owned(),
        Some(_) => "look into the server's log".to_owned(),
        None => format!(
            "check that PostgreSQL runs on {}, port {}, and can be reached from here",
            options.get_host(),
            options.get_port()
        ),
    }
}

/// Begins a transaction. With `turn`, no other that took its turn runs beside it, on any replica.
pub(super) async fn begin(pool: &PgPool, turn: bool) -> Result<Transaction<'static, Postgres>, StoreError> {
    let mut tx = in_time(pool.begin()).await?;
    if turn {
        in_time(sqlx::query(TURN).execute(&mut *tx)).await?;
    }
    Ok(tx)
}

/// Waits for an answer of the server, but not for one that went silent.
pub(super) async fn in_time<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    let silent = |_| {
        sqlx::Error::Io(io::Error::new(
            io::ErrorKind::TimedOut,
            "the server does not answer",
        ))
    };
    Ok(timeout(STATEMENT_TIMEOUT, answer).await.map_err(silent)??)
}

/// Is the server at fault, and not the statement?
/// <https://www.postgresql.org/docs/15/errcodes-appendix.html>
pub(super) fn is_outage(error: &dyn DatabaseError) -> bool {
    // Connection, no resources, operator's intervention, system error, lock not available, read-only.
    let classes = ["08", "53", "57", "58", "55", "25"];
    error
        .code()
        .is_some_and(|code| classes.iter().any(|class| code.starts_with(class)))
}

/// Tells the other replicas that a job may be ready.
pub(super) async fn announce(pool: &PgPool, from: &str) -> Result<(), StoreError> {
    let query = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(from);
    in_time(query.execute(pool)).await.map(drop)
}

/// Rings whenever another replica than `own` announced something, until the pool is closed. What is announced
/// while the connection is lost is found by the next poll.
pub(super) async fn listen(pool: &PgPool, own: &str, ring: impl Fn()) {
    while !pool.is_closed() {
        if let Err(error) = hear(pool, own, &ring).await {
            tracing::debug!(%error, "cannot listen to the other replicas; the queue is polled meanwhile");
        }
        ring();
        tokio::select! {
            () = pool.close_event() => return,
            () = tokio::time::sleep(ACQUIRE_TIMEOUT) => {}
        }
    }
}

async fn hear(pool: &PgPool, own: &str, ring: &impl Fn()) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // None: the connection was lost, and is made anew by the next round.
    while let Some(announced) = listener.try_recv().await? {
        if announced.payload() != own {
            ring();
        }
    }
    Ok(())
}
