//! The disk that the Engine keeps images and containers on, where it is one of this machine's.

use std::path::Path;

use crate::model::Bytes;

/// So much of a large disk is left to the machine.
const FLOOR_BYTES: u64 = 1 << 30;

/// And of a small one this part.
const FLOOR_PART: u64 = 20;

/// Images may take no more than this part of it.
const CACHE_PART: u64 = 5;

/// A disk at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// What can still be written.
    pub free_bytes: u64,
    /// What it holds in all.
    pub total_bytes: u64,
}

impl Disk {
    /// That of the folder; `None`: it cannot be seen from here.
    #[cfg(unix)]
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let known = rustix::fs::statvfs(folder).ok()?;
        Some(Self {
            free_bytes: known.f_bavail.saturating_mul(known.f_frsize),
            total_bytes: known.f_blocks.saturating_mul(known.f_frsize),
        })
    }

    /// That of the folder; `None`: it cannot be seen from here.
    #[cfg(not(unix))]
    pub(super) fn of(_: &Path) -> Option<Self> {
        None
    }

    /// What is left to the machine, in bytes.
    pub fn floor_bytes(self) -> u64 {
        FLOOR_BYTES.min(self.total_bytes / FLOOR_PART)
    }

    /// Is so little free that nothing more may be written?
    pub fn is_low(self) -> bool {
        self.free_bytes < self.floor_bytes()
    }

    /// What images may take of the `wanted_bytes`: never more than a fifth of the disk, and nothing while it is low.
    pub fn cache_bytes(self, wanted_bytes: u64) -> u64 {
        if self.is_low() {
            return 0;
        }
        wanted_bytes.min(self.total_bytes / CACHE_PART)
    }

    /// Why nothing more may be written.
    pub(super) fn why(self) -> String {
        format!(
            "only {} are free, and {} are left to the machine",
            Bytes(self.free_bytes),
            Bytes(self.floor_bytes())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_left_to_the_machine_and_a_fifth_to_images() {
        let disk = |free_gib: u64, total_gib: u64| Disk {
            free_bytes: free_gib << 30,
            total_bytes: total_gib << 30,
        };
        assert!(!disk(2, 100).is_low());
        assert!(disk(0, 100).is_low());
        // A small disk has a lower floor.
        assert_eq!(disk(1, 10).floor_bytes(), (10 << 30) / 20);
        assert_eq!(disk(50, 100).cache_bytes(20 << 30), 20 << 30);
        assert_eq!(disk(50, 60).cache_bytes(20 << 30), 12 << 30);
        assert_eq!(disk(0, 100).cache_bytes(20 << 30), 0);
        assert_eq!(
            disk(0, 100).why(),
            "only 0 B are free, and 1 GiB are left to the machine"
        );
    }

    #[test]
    fn a_folder_that_is_not_here_has_no_disk() {
        assert!(Disk::of(Path::new("/")).is_some_and(|disk| disk.total_bytes > 0));
        assert_eq!(Disk::of(Path::new("/nothere/at/all")), None);
    }
}
