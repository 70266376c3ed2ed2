//! `SQLite`: a file beside the process. One connection writes; the others only read, and are never in its way.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

use super::writer::Writer;
use super::{Migrations, StoreError};

/// Connections that read beside the writer.
const READERS: u32 = 4;

/// How long a statement waits for another process' lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The connections to a file.
#[derive(Clone, Debug)]
pub(in crate::store) struct File {
    pub(super) write: Writer,
    pub(super) read: SqlitePool,
}

/// Opens the file, which is made if it is absent.
pub(super) async fn open(file: &Path, migrations: Migrations) -> Result<File, StoreError> {
    let shown = file.display().to_string();
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // An answer is a promise: it outlives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true);
    let unusable = |error| StoreError::unusable(&shown, &error, mend);
    make_for_us_alone(file);
    let mut write = options.connect().await.map_err(unusable)?;
    if migrations == Migrations::Run {
        sqlx::migrate!("./migrations")
            .run(&mut write)
            .await
            .map_err(|error| StoreError::migration(&shown, error, mend))?;
    }
    let read = SqlitePoolOptions::new()
        .max_connections(READERS)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone().read_only(true));
    Ok(File {
        write: Writer::new(options, write),
        read,
    })
}

/// It holds secrets. Those beside it, of the journal, take its mode over. What cannot be made is told by whoever opens it.
fn make_for_us_alone(file: &Path) {
    let _ = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
}

/// The migrations that a file went through; `None`: there is no file.
pub(super) async fn applied(file: &Path) -> Result<Option<(String, Vec<i64>)>, StoreError> {
    if !file.exists() {
        return Ok(None);
    }
    let shown = file.display().to_string();
    let unusable = |error| StoreError::unusable(&shown, &error, mend);
    let options = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(BUSY_TIMEOUT);
    let mut connection = options.connect().await.map_err(unusable)?;
    // What cannot be read at all says so here; a file without the table went through none.
    sqlx::query("SELECT COUNT(*) FROM sqlite_master")
        .execute(&mut connection)
        .await
        .map_err(unusable)?;
    let versions = sqlx::query_scalar(super::APPLIED)
        .fetch_all(&mut connection)
        .await;
    connection.close().await.map_err(unusable)?;
    Ok(Some((shown, versions.unwrap_or_default())))
}

/// What to do about a file that cannot be used.
fn mend(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(primary_code);
    match code {
        // SQLITE_CORRUPT, SQLITE_NOTADB
        Some(11 | 26) => {
            "the file is damaged or no SQLite database: restore a copy, or move it away to start afresh"
        }
        // SQLITE_BUSY
        Some(5) => "another program holds it locked: close that program",
        // SQLITE_FULL
        Some(13) => "the disk is full: make room",
        _ => "check that its folder exists and that this user may write there",
    }
    .to_owned()
}

/// Is the file at fault, and not the statement? <https://sqlite.org/rescode.html>
pub(super) fn is_outage(error: &dyn DatabaseError) -> bool {
    // BUSY, LOCKED, NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB
    matches!(primary_code(error), Some(5 | 6 | 7 | 8 | 10 | 11 | 13 | 14 | 26))
}

fn primary_code(error: &dyn DatabaseError) -> Option<u32> {
    error.code()?.parse::<u32>().ok().map(|code| code & 0xff)
}
