//! What a test needs of the folder in which it was called: the repository as it stands there.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::Failure;
use crate::model::{ImageReference, Tag};
use crate::plan::{self, Needed, Planned, Said, Sources};
use crate::runner::{RepositoryFile, RepositoryFiles};

/// Files that services see at most, and their bytes.
const MOST_FILES: usize = 10_000;
const MOST_BYTES: u64 = 256 << 20;

/// Makes the plan, and reads of the folder whatever it needs for that.
pub(super) fn planned(
    docker: &crate::config::Docker,
    image: &ImageReference,
    said: Said<'_>,
) -> Result<Planned, Failure> {
    let tag = image.tag.clone().unwrap_or_else(Tag::latest);
    let mut sources = Sources {
        variables: plan::image_variables(&image.name, &tag),
        ..Sources::default()
    };
    loop {
        let said = Said {
            sources: &sources,
            ..said
        };
        match plan::plan(docker, &image.name, said) {
            Ok(planned) => return Ok(planned),
            Err(Needed { file: None, .. }) => sources.root = Some(root()?),
            Err(Needed { file: Some(path), .. }) => {
                let text = text(&path)?;
                sources.files.insert(path, text);
            }
        }
    }
}

/// The files of the folder that lie at one of `paths` or below.
pub(super) fn files(paths: &[&str]) -> Result<RepositoryFiles, Failure> {
    let mut files = BTreeMap::new();
    let mut bytes = 0;
    for path in paths {
        collect(path, &mut files, &mut bytes)?;
    }
    Ok(RepositoryFiles(files))
}

fn root() -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    let entries = fs::read_dir(".").map_err(|error| unreadable(".", &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(".", &error))?;
        if entry.path().is_file() {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(names)
}

fn text(path: &str) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn collect(path: &str, files: &mut BTreeMap<String, RepositoryFile>, bytes: &mut u64) -> Result<(), Failure> {
    let place = if path.is_empty() { "." } else { path };
    let known = match fs::symlink_metadata(place) {
        Ok(known) => known,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(place, &error)),
    };
    if known.is_dir() {
        for entry in fs::read_dir(place).map_err(|error| unreadable(place, &error))? {
            let name = entry.map_err(|error| unreadable(place, &error))?.file_name();
            let Some(name) = name.to_str().filter(|name| *name != ".git") else {
                continue;
            };
            let below = if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}/{name}")
            };
            collect(&below, files, bytes)?;
        }
    } else if known.is_file() {
        *bytes += known.len();
        if *bytes > MOST_BYTES || files.len() >= MOST_FILES {
            return Err(Failure::Usage(format!(
                "the services see more than {} MiB or {MOST_FILES} files of this folder: name smaller folders",
                MOST_BYTES >> 20
            )));
        }
        let read = fs::read(place).map_err(|error| unreadable(place, &error))?;
        let file = RepositoryFile {
            bytes: read.into(),
            executable: is_executable(&known),
        };
        files.insert(path.to_owned(), file);
    }
    Ok(())
}

#[cfg(unix)]
fn is_executable(known: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    known.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}

fn unreadable(path: &str, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("cannot read {}: {error}", Path::new(path).display()))
}
