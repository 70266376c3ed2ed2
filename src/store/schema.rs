//! How a database stands to this program, told without changing it.

use sqlx::migrate::MigrateError;

use super::db::Db;
use super::{Store, StoreError};

/// How a database stands to this program. One that is newer is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// There is none yet.
    Absent,
    /// It is of an older program: the next start changes it so often.
    Behind(usize),
    /// It is this program's own.
    Current,
}

impl Store {
    /// How the database at `url` stands to this program. Changes nothing, and makes none.
    pub async fn schema_at(url: &str) -> Result<Schema, StoreError> {
        let Some((shown, applied)) = Db::applied(url.parse()?).await? else {
            return Ok(Schema::Absent);
        };
        if applied.is_empty() {
            return Ok(Schema::Absent);
        }
        let migrator = sqlx::migrate!("./migrations");
        let known: Vec<i64> = migrator.iter().map(|migration| migration.version).collect();
        if let Some(newer) = applied.iter().find(|version| !known.contains(version)) {
            let newer = MigrateError::VersionMissing(*newer);
            return Err(StoreError::migration(&shown, newer, |_| String::new()));
        }
        Ok(match known.len() - applied.len() {
            0 => Schema::Current,
            left => Schema::Behind(left),
        })
    }
}
