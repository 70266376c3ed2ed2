//! What can go wrong with the store.

use sqlx::migrate::MigrateError;

use super::db;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The job's lease went to another worker: what this one found out no longer counts.
    #[error("the lease of this job was lost to another worker")]
    LeaseLost,
    /// The database cannot be used at all.
    #[error("cannot use the database `{store}`: {reason}")]
    Unusable {
        /// The file, or the server's address without its password.
        store: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Another process serves from it, and one may.
    #[error("another hubcheck serves from `{0}`: stop that one, or give this one a `store` of its own")]
    InUse(String),
    /// A row holds what no version of the program writes.
    #[error("the database holds a value that cannot be read: {0}")]
    Corrupt(String),
    /// The database refused, now.
    #[error("the database refused: {0}")]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Corrupt(error.to_string()),
            error => Self::Database(error),
        }
    }
}

impl StoreError {
    pub(super) fn unusable(store: &str, error: &sqlx::Error, mend: impl Fn(&sqlx::Error) -> String) -> Self {
        Self::Unusable {
            store: store.to_owned(),
            reason: format!("{error}; {}", mend(error)),
        }
    }

    pub(super) fn migration(store: &str, error: MigrateError, mend: impl Fn(&sqlx::Error) -> String) -> Self {
        let reason = match error {
            MigrateError::VersionMissing(version) => format!(
                "it was written by a newer hubcheck (schema {version}): run that version, or restore a copy from before the upgrade"
            ),
            MigrateError::VersionMismatch(version) => {
                format!(
                    "its schema {version} differs from this program's: it was made by a build that was never released"
                )
            }
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                return Self::unusable(store, &error, mend);
            }
            other => other.to_string(),
        };
        Self::Unusable {
            store: store.to_owned(),
            reason,
        }
    }

    /// Is the database itself away, full or locked, so that nothing else would fare better now?
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Database(error) if db::is_outage(error))
    }
}
