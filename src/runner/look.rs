//! Looks at files in a container that need not run: what they are, and what is in them. Read as the Engine sends them,
//! and no further than is asked for.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use tar::{Archive, EntryType};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::engine::Engine;
use super::error::EngineError;
use crate::structure::{Entry, EntryKind};

/// The longest that one look may take.
const LOOK: Duration = Duration::from_mins(2);
/// Bytes of a file whose contents are looked at.
pub(super) const FILE_BYTES: u64 = 32 << 20;
/// Bytes of a licence.
const LICENSE_BYTES: u64 = 1 << 20;
/// Bytes of a folder with everything below.
const FOLDER_BYTES: u64 = 1 << 30;
/// Where Debian's packages say what licence they are under.
const DEBIAN: &str = "/usr/share/doc";

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    Text(String),
    /// There is no such file.
    Absent,
    /// It is no file with bytes in it, or with too many.
    Unreadable(&'static str),
}

/// The first thing of an archive.
struct First {
    entry: Entry,
    /// As far as it was asked for; `None`: there are more.
    text: Option<String>,
}

/// What is at `path`, without following it. `None`: nothing that an archive of a container can hold a file for.
pub(super) async fn entry(
    engine: &Engine,
    container: &str,
    path: &str,
) -> Result<Option<Entry>, EngineError> {
    Ok(first(engine, container, path, 0).await?.map(|first| first.entry))
}

/// What is in the file at `path`, or in the one that it leads to.
pub(super) async fn contents(engine: &Engine, container: &str, path: &str) -> Result<Contents, EngineError> {
    let mut found = first(engine, container, path, FILE_BYTES).await?;
    if found
        .as_ref()
        .is_some_and(|first| first.entry.kind == EntryKind::Link)
    {
        let target = engine.link_target(container, path).await?;
        found = first(engine, container, &target, FILE_BYTES).await?;
    }
    Ok(match found {
        None => Contents::Absent,
        Some(First { entry, .. }) if entry.kind == EntryKind::Folder => {
            Contents::Unreadable("it is a folder")
        }
        Some(First { entry, .. }) if entry.kind == EntryKind::Link => {
            Contents::Unreadable("it is a link that leads nowhere")
        }
        Some(First { text: Some(text), .. }) => Contents::Text(text),
        Some(First { text: None, .. }) => Contents::Unreadable("it is larger than 32 MiB"),
    })
}

async fn first(
    engine: &Engine,
    container: &str,
    path: &str,
    most: u64,
) -> Result<Option<First>, EngineError> {
    let archive = match engine.archive(container, path).await {
        // What lies above is no folder.
        Err(EngineError::Refused { message, .. }) if message.contains("not a directory") => None,
        archive => archive?,
    };
    let Some(archive) = archive else { return Ok(None) };
    read(archive, move |archive| {
        let mut archive = Archive::new(archive);
        let Some(entry) = archive.entries()?.next() else {
            return Ok(None);
        };
        let mut entry = entry?;
        let header = entry.header();
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::Link => EntryKind::File,
            EntryType::Directory => EntryKind::Folder,
            EntryType::Symlink => EntryKind::Link,
            // As container-structure-test has it: pipes, devices and sockets are not there.
            _ => return Ok(None),
        };
        let known = Entry {
            kind,
            mode: header.mode()? & 0o7777,
            uid: header.uid()?,
            gid: header.gid()?,
        };
        let text = text_of(&mut entry, most)?;
        Ok(Some(First { entry: known, text }))
    })
    .await
}

/// An entry's text; `None`: it has more bytes than `most`.
fn text_of(entry: &mut tar::Entry<'_, impl Read>, most: u64) -> io::Result<Option<String>> {
    if entry.size() > most {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    entry.take(most).read_to_end(&mut bytes)?;
    Ok(Some(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }))
}

/// The licences of Debian's packages by their paths; `None` where a package's folder holds none.
pub(super) async fn debian_licenses(
    engine: &Engine,
    container: &str,
) -> Result<BTreeMap<String, Option<String>>, EngineError> {
    let Some(archive) = engine.archive(container, &format!("{DEBIAN}/.")).await? else {
        return Ok(BTreeMap::new());
    };
    let (mut licenses, links) = read(archive, |archive| {
        let mut archive = Archive::new(archive.take(FOLDER_BYTES));
        let (mut found, mut links) = (BTreeMap::new(), Vec::new());
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = entry.path()?.to_string_lossy().into_owned();
            let parts: Vec<&str> = path
                .split('/')
                .filter(|part| !matches!(*part, "" | "."))
                .collect();
            let kind = entry.header().entry_type();
            // The folder itself comes first, under its own name or as a dot.
            let parts = if path.starts_with("./") || path.starts_with('.') {
                &parts[..]
            } else {
                &parts[1.min(parts.len())..]
            };
            match parts {
                [package] if kind == EntryType::Directory => {
                    found.entry(license_of(package)).or_insert(None);
                }
                [package, "copyright"] if kind == EntryType::Symlink => links.push(license_of(package)),
                [package, "copyright"] => {
                    let text = text_of(&mut entry, LICENSE_BYTES)?;
                    found.insert(license_of(package), text);
                }
                _ => {}
            }
        }
        Ok((found, links))
    })
    .await?;
    for path in links {
        if let Contents::Text(text) = contents(engine, container, &path).await? {
            licenses.insert(path, Some(text));
        }
    }
    // Its text names licences that it is not under.
    licenses.remove(&license_of("libgnutls30"));
    Ok(licenses)
}

fn license_of(package: &str) -> String {
    format!("{DEBIAN}/{package}/copyright")
}

/// Reads an archive on a thread of its own, as it comes.
async fn read<T: Send + 'static>(
    archive: impl Stream<Item = Result<Bytes, EngineError>> + Send + 'static,
    reader: impl FnOnce(Box<dyn Read>) -> io::Result<T> + Send + 'static,
) -> Result<T, EngineError> {
    // What the Engine could not send is no matter of the image's.
    let trouble = Arc::new(OnceLock::new());
    let noted = Arc::clone(&trouble);
    let bytes = archive
        .map_err(move |error| io::Error::other(noted.get_or_init(|| error).to_string()))
        // So that the reading task ends in any case.
        .take_until(sleep(2 * LOOK));
    let bytes = StreamReader::new(Box::pin(bytes));
    let reading = spawn_blocking(move || reader(Box::new(SyncIoBridge::new(bytes))));
    let doing = "reading files from a container";
    let read = timeout(LOOK, reading)
        .await
        .map_err(|_| EngineError::TimedOut { doing, after: LOOK })?;
    if let Some(error) = trouble.get() {
        return Err(EngineError::clone(error));
    }
    let lost = |reason: String| EngineError::Lost { doing, reason };
    read.map_err(|error| lost(error.to_string()))?
        .map_err(|error| lost(error.to_string()))
}
