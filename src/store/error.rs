//! What can go wrong with the store.

use std::path::{Path, PathBuf};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The job's lease went to another worker: what this one found out no longer counts.
    #[error("the lease of this job was lost to another worker")]
    LeaseLost,
    /// The database cannot be used at all.
    #[error("cannot use the database `{}`: {reason}", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
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
    pub(super) fn unusable(file: &Path, error: &sqlx::Error) -> Self {
        let text = error.to_string();
        let mend = if text.contains("not a database") || text.contains("malformed") {
            "the file is damaged or no SQLite database: restore a copy, or move it away to start afresh"
        } else {
            "check that its folder exists and that this user may write there"
        };
        Self::Unusable {
            file: file.to_owned(),
            reason: format!("{text}; {mend}"),
        }
    }

    pub(super) fn migration(file: &Path, error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        let reason = match error {
            MigrateError::VersionMissing(version) => format!(
                "it was written by a newer hubcheck (schema {version}): run that version, or restore a copy from before the upgrade"
            ),
            MigrateError::VersionMismatch(version) => {
                format!(
                    "its schema {version} differs from this program's: it was made by a build that was never released"
                )
            }
            MigrateError::Execute(error) => return Self::unusable(file, &error),
            other => other.to_string(),
        };
        Self::Unusable {
            file: file.to_owned(),
            reason,
        }
    }
}
