//! A commit's files, packed as one archive: one request, however many there are.
//! <https://docs.github.com/rest/repos/contents#download-a-repository-archive-tar>

use std::io::{self, Read};
use std::time::Duration;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::LOCATION;
use tar::{Archive, EntryType};

use super::error::GithubError;
use super::transport::{self, Request};
use super::{GitHub, path};
use crate::model::{CommitSha, Repo};

/// Bytes of an archive.
const ARCHIVE_BYTES: usize = 64 << 20;
/// Bytes of the files that are wanted, and how many those may be.
const FILES_BYTES: u64 = 64 << 20;
const MOST_FILES: usize = 10_000;
/// Bytes that are unpacked on the way to them.
const UNPACKED_BYTES: u64 = 1 << 30;
/// The longest that an archive may be under way.
const PATIENCE: Duration = Duration::from_mins(2);

/// A file of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedFile {
    /// From the repository's root on.
    pub path: String,
    /// What is in it.
    pub bytes: Bytes,
    /// May it be executed?
    pub executable: bool,
}

impl GitHub {
    /// The files of a commit that lie at one of `paths` or below; links and submodules are left out, and so is what
    /// the repository's attributes keep from archives (`export-ignore`). A sentence where they are too much.
    pub async fn files_below(
        &self,
        repo: &Repo,
        at: &CommitSha,
        paths: &[&str],
    ) -> Result<Result<Vec<ArchivedFile>, String>, GithubError> {
        let request = Request::whereabouts(path(&repo.name, &format!("/tarball/{at}")));
        let answer = self.send_for(repo, &request).await?;
        let place = answer.headers.get(LOCATION).and_then(|place| place.to_str().ok());
        let place = place.and_then(|place| place.parse().ok()).ok_or_else(|| {
            GithubError::Unavailable(format!("{request}: the answer says no place of an archive"))
        })?;
        let inner = &self.inner;
        let download = transport::download(&inner.files, &inner.api, &place, ARCHIVE_BYTES);
        let packed = tokio::time::timeout(PATIENCE, download)
            .await
            .unwrap_or_else(|_| Err(format!("it took longer than {} s", PATIENCE.as_secs())))
            .map_err(|why| GithubError::Unavailable(format!("an archive of a commit: {why}")))?;
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let unpacking = tokio::task::spawn_blocking(move || unpack(&packed, &paths));
        let unpacked = unpacking.await.map_err(io::Error::other).flatten();
        unpacked.map_err(|error| GithubError::Unavailable(format!("an archive of a commit: {error}")))
    }
}

/// Nothing is written anywhere, and links lead nowhere.
fn unpack(packed: &[u8], paths: &[String]) -> io::Result<Result<Vec<ArchivedFile>, String>> {
    let mut archive = Archive::new(GzDecoder::new(packed).take(UNPACKED_BYTES));
    let (mut files, mut bytes) = (Vec::new(), 0);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.header().entry_type() != EntryType::Regular {
            continue;
        }
        // Everything lies in a folder that is named after the commit.
        let name = entry.path()?.to_string_lossy().into_owned();
        let Some((_, path)) = name.split_once('/') else {
            continue;
        };
        let is_plain = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !is_plain || !is_within(path, paths) {
            continue;
        }
        bytes += entry.size();
        if bytes > FILES_BYTES || files.len() >= MOST_FILES {
            return Ok(Err(format!(
                "they are more than {} MiB or {MOST_FILES} files",
                FILES_BYTES >> 20
            )));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        files.push(ArchivedFile {
            path: path.to_owned(),
            bytes: content.into(),
            executable: entry.header().mode()? & 0o100 != 0,
        });
    }
    Ok(Ok(files))
}

/// Is the file one of the paths, or below one?
fn is_within(file: &str, paths: &[String]) -> bool {
    paths.iter().any(|path| {
        path.is_empty()
            || file
                .strip_prefix(path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::{Builder, Header};

    use super::*;

    fn packed(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, kind, bytes) in entries {
            let mut header = Header::new_ustar();
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            header.set_size(bytes.len() as u64);
            // As a stranger would write it, whatever it is.
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            archive.append(&header, *bytes).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn files_are_taken_and_nothing_else() {
        let bytes = packed(&[
            ("app-c0ffee/", EntryType::Directory, b""),
            ("app-c0ffee/tests/one", EntryType::Regular, b"\xff\0"),
            ("app-c0ffee/tests/link", EntryType::Symlink, b""),
            ("app-c0ffee/tests/../../escape", EntryType::Regular, b"x"),
            ("app-c0ffee/other", EntryType::Regular, b"x"),
            ("app-c0ffee/testsuite", EntryType::Regular, b"x"),
        ]);
        let names = |paths: &[&str]| -> Vec<String> {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            let files = unpack(&bytes, &paths).unwrap().unwrap();
            files.into_iter().map(|file| file.path).collect()
        };
        assert_eq!(names(&["tests"]), ["tests/one"]);
        assert_eq!(names(&[""]), ["tests/one", "other", "testsuite"]);
        assert_eq!(names(&["other", "nothere"]), ["other"]);
        let file = unpack(&bytes, &["tests".to_owned()]).unwrap().unwrap().remove(0);
        assert_eq!((file.bytes.as_ref(), file.executable), (&b"\xff\0"[..], true));
        assert!(unpack(b"no archive", &[String::new()]).is_err());
    }
}
