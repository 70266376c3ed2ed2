//! One process serves from a file; on a server, leases tell replicas apart.

use std::fs::{File, TryLockError};

use super::db::{Address, args};
use super::{Store, StoreError};

/// The right to serve from a store: of a file's, until it is dropped, nobody else's.
#[derive(Debug)]
pub struct ServingLock {
    /// None where several may serve.
    file: Option<File>,
}

impl ServingLock {
    /// Takes the lock beside the file of the store at `url`. A server's database needs none.
    pub fn take(url: &str) -> Result<Self, StoreError> {
        let Address::File(store) = url.parse()? else {
            return Ok(Self { file: None });
        };
        let path = store.with_extension("lock");
        let unusable = |reason: String| StoreError::Unusable {
            store: store.display().to_string(),
            reason,
        };
        let outside = |error: std::io::Error| {
            unusable(format!(
                "cannot lock {}: {error}; check that its folder exists and that this user may write there",
                path.display()
            ))
        };
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(outside)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(store.display().to_string())),
            Err(TryLockError::Error(error)) => Err(outside(error)),
        }
    }
}

impl Store {
    /// Takes every lease of the process that served before us and is gone, as the lock shows. Where several
    /// serve, leases run out by themselves.
    ///
    /// One of these jobs may be what ended that process. Each that was tried before waits longer, so that the one
    /// to blame is not tried again and again at once, and the innocent are not given up with it.
    pub async fn take_over(&self, lock: &ServingLock) -> Result<u64, StoreError> {
        if lock.file.is_none() {
            return Ok(0);
        }
        self.db
            .execute(
                "UPDATE jobs SET owner = NULL,
                    run_at = $1 + CASE WHEN tries < 2 THEN 0 ELSE tries * tries * 1000 END
                 WHERE owner IS NOT NULL AND done_at IS NULL",
                args![self.clock.now()],
            )
            .await
    }
}
