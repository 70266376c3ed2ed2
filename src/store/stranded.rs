//! Work that nobody would do: what has not ended, and has no job that would end it. No way is known that leads there
//! but a store that somebody put back or mended by hand; a check that stays yellow for it would stay for ever.

use super::db::args;
use super::jobs::{JobKind, NewJob};
use super::{Store, StoreError};

/// What has not ended, by the job that would end it. A job that was given up is a person's to look at.
macro_rules! without_job {
    ($kind:literal, $subject:literal, $of:literal) => {
        concat!(
            "SELECT DISTINCT subject FROM (SELECT ",
            $subject,
            " AS subject FROM ",
            $of,
            ") AS unfinished WHERE NOT EXISTS (
                SELECT 1 FROM jobs WHERE kind = '",
            $kind,
            "' AND jobs.subject = unfinished.subject AND (done_at IS NULL OR parked))"
        )
    };
}

const STRANDED: [(JobKind, &str); 3] = [
    (
        JobKind::Resolve,
        without_job!(
            "resolve",
            "image || ':' || tag",
            "pushes WHERE stage = 'received'"
        ),
    ),
    (
        JobKind::Test,
        without_job!("test", "id", "runs WHERE stage <> 'finished'"),
    ),
    (
        JobKind::Expect,
        without_job!("expect", "id", "expected WHERE ended IS NULL"),
    ),
];

impl Store {
    /// Gives each push, run and wait that has not ended a job, if it has none. How many had none.
    pub async fn wake_the_stranded(&self) -> Result<usize, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut jobs = Vec::new();
        for (kind, sql) in STRANDED {
            let subjects: Vec<(String,)> = tx.rows(sql, args![]).await?;
            jobs.extend(subjects.into_iter().map(|(subject,)| NewJob { kind, subject }));
        }
        let count = jobs.len();
        self.wake_all(&mut tx, jobs).await?;
        tx.commit().await?;
        if count > 0 {
            self.ring(STRANDED.map(|(kind, _)| kind));
        }
        Ok(count)
    }
}
