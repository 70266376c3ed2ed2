//! Report files in an archive of a container's folder, as the Docker Engine sends it.

use std::io::{self, BufReader, Read};
use std::path::Path;

use glob::{MatchOptions, Pattern};
use tar::{Archive, EntryType};

use crate::model::TestResults;

use super::{Collector, read_junit, together};

/// Bytes of an archive that are read: the folder may hold more than reports.
const ARCHIVE_BYTES: u64 = 128 << 20;
/// Bytes of one report.
const FILE_BYTES: u64 = 32 << 20;
/// Reports that are read.
const MOST_FILES: usize = 500;
/// Entries that are looked at.
const MOST_ENTRIES: usize = 50_000;

/// A `*` stays within its folder, `**` does not.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// Reads the reports in an archive of `folder` that one of `patterns` names. Nothing is unpacked: only regular files
/// are read, and links lead nowhere.
pub fn read_archive(folder: &str, patterns: &[Pattern], archive: impl Read) -> TestResults {
    let mut found = TestResults::default();
    let mut bounded = archive.take(ARCHIVE_BYTES);
    let read = read_entries(folder, patterns, &mut bounded, &mut found);
    let is_whole = bounded.limit() > 0;
    let why = match read {
        Ok(None) => return found,
        Ok(Some(why)) => why,
        Err(_) if !is_whole => format!(
            "{folder} holds more than {} MiB: the rest of it was not read",
            ARCHIVE_BYTES >> 20
        ),
        Err(error) => format!("{folder} could not be read to its end: {error}"),
    };
    let mut problem = Collector::default();
    problem.problem(&why);
    together(found, problem.0)
}

/// What is not read, and why.
fn read_entries(
    folder: &str,
    patterns: &[Pattern],
    archive: impl Read,
    found: &mut TestResults,
) -> io::Result<Option<String>> {
    let mut archive = Archive::new(archive);
    let mut files = 0;
    for (number, entry) in archive.entries()?.enumerate() {
        if number >= MOST_ENTRIES {
            return Ok(Some(format!(
                "{folder} holds more than {MOST_ENTRIES} files: the rest was not read"
            )));
        }
        let entry = entry?;
        if !matches!(
            entry.header().entry_type(),
            EntryType::Regular | EntryType::Continuous
        ) {
            continue;
        }
        let Some(path) = container_path(folder, &entry.path()?) else {
            continue;
        };
        if !patterns
            .iter()
            .any(|pattern| pattern.matches_with(&path, MATCHING))
        {
            continue;
        }
        if files >= MOST_FILES {
            return Ok(Some(format!(
                "there are more than {MOST_FILES} reports in {folder}: the rest was not read"
            )));
        }
        files += 1;
        let report = read_junit(&path, BufReader::new(entry.take(FILE_BYTES)));
        *found = together(std::mem::take(found), report);
    }
    Ok(None)
}

/// Where an entry lies in the container: its own path begins with the folder's last part, or with a dot for it.
fn container_path(folder: &str, entry: &Path) -> Option<String> {
    let (first, below) = entry.to_str()?.split_once('/')?;
    let is_below = !first.is_empty()
        && !below.is_empty()
        && below.split('/').all(|part| !matches!(part, "" | "." | ".."));
    is_below.then(|| format!("{folder}/{below}"))
}
