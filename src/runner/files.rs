//! Files of the repository on their way into containers.

use std::collections::BTreeMap;

use bytes::Bytes;
use tar::{EntryType, Header};

/// A file of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryFile {
    /// What is in it.
    pub bytes: Bytes,
    /// May it be executed?
    pub executable: bool,
}

/// Files of the repository by their paths from its root on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryFiles(pub BTreeMap<String, RepositoryFile>);

impl RepositoryFiles {
    /// The file at this path.
    pub(super) fn file(&self, path: &str) -> Option<&RepositoryFile> {
        self.0.get(path)
    }

    /// Everything below a folder, as an archive that is unpacked where the folder is to be seen.
    pub(super) fn folder(&self, folder: &str) -> Bytes {
        let below = |path: &str| match folder {
            "" => Some(path.to_owned()),
            folder => Some(path.strip_prefix(folder)?.strip_prefix('/')?.to_owned()),
        };
        let files = self.0.iter();
        archive(files.filter_map(|(path, file)| Some((below(path)?, file))))
    }
}

/// One file, as an archive that is unpacked at the root.
pub(super) fn at(path: &str, file: &RepositoryFile) -> Bytes {
    archive([(path.trim_start_matches('/').to_owned(), file)])
}

fn archive<'f>(files: impl IntoIterator<Item = (String, &'f RepositoryFile)>) -> Bytes {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, file) in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(file.bytes.len() as u64);
        header.set_mode(if file.executable { 0o755 } else { 0o644 });
        header.set_mtime(1);
        // A path that cannot stand in an archive cannot have come from a repository either.
        let _ = archive.append_data(&mut header, path, file.bytes.as_ref());
    }
    archive.into_inner().unwrap_or_default().into()
}
