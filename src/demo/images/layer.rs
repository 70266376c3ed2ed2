//! Layers: the files of an image as a gzipped tar, the same bytes on every run.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

use super::Content;
use crate::model::Digest;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A set of files, packed.
#[derive(Clone, Debug)]
pub struct Layer {
    pub(super) blob: Content,
    /// The digest of the tar before it was compressed: the image's configuration names it.
    pub(super) diff_id: Digest,
}

/// One thing in a file system.
#[derive(Clone, Debug)]
enum Entry {
    Directory,
    File { mode: u32, bytes: Bytes },
    Link { target: String },
    Other { header: Box<Header>, bytes: Bytes },
}

/// Gathers the files of a [`Layer`].
#[derive(Clone, Debug, Default)]
pub struct LayerBuilder {
    /// By path without the leading slash; sorted, so that a directory stands before what is in it.
    entries: BTreeMap<String, Entry>,
}

impl LayerBuilder {
    /// Adds a regular file at an absolute path, and the directories above it.
    #[must_use]
    pub fn file(self, path: &str, mode: u32, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        self.entry(path, Entry::File { mode, bytes })
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(self, path: &str, target: &str) -> Self {
        let target = target.to_owned();
        self.entry(path, Entry::Link { target })
    }

    /// Adds an empty directory.
    #[must_use]
    pub fn directory(self, path: &str) -> Self {
        self.entry(path, Entry::Directory)
    }

    /// Adds anything that an archive can hold, as its header says: a pipe, somebody's file, a hard link.
    #[must_use]
    pub fn other(self, path: &str, header: Header, bytes: impl Into<Bytes>) -> Self {
        let (header, bytes) = (Box::new(header), bytes.into());
        self.entry(path, Entry::Other { header, bytes })
    }

    /// Adds a program of this host at its own path, with the loader and the libraries it needs.
    ///
    /// Fails where the program cannot be read.
    pub fn program(self, path: &str) -> io::Result<Self> {
        let mut layer = self;
        for needed in std::iter::once(path.to_owned()).chain(libraries(path)?) {
            // Reading follows links, so each path holds the file itself.
            layer = layer.file(&needed, 0o755, std::fs::read(&needed)?);
        }
        Ok(layer)
    }

    /// Is there nothing in it?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Packs the files.
    pub fn build(self) -> Layer {
        let tar = self.tar().expect("writing to memory succeeds");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&tar).expect("writing to memory succeeds");
        let bytes = gzip.finish().expect("writing to memory succeeds");
        Layer {
            blob: Content::new(LAYER, bytes),
            diff_id: Digest::of(&tar),
        }
    }

    fn entry(mut self, path: &str, entry: Entry) -> Self {
        let path = path.trim_start_matches('/');
        for (end, _) in path.match_indices('/') {
            self.entries
                .entry(path[..end].to_owned())
                .or_insert(Entry::Directory);
        }
        self.entries.insert(path.to_owned(), entry);
        self
    }

    fn tar(&self) -> io::Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, entry) in &self.entries {
            // A new header has no times and no owner but root: nothing that changes between runs.
            let mut header = Header::new_gnu();
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            match entry {
                Entry::Directory => {
                    header.set_entry_type(EntryType::Directory);
                    header.set_mode(0o755);
                    header.set_size(0);
                    tar.append_data(&mut header, format!("{path}/"), io::empty())?;
                }
                Entry::File { mode, bytes } => {
                    header.set_entry_type(EntryType::Regular);
                    header.set_mode(*mode);
                    header.set_size(bytes.len() as u64);
                    tar.append_data(&mut header, path, bytes.as_ref())?;
                }
                Entry::Link { target } => {
                    header.set_entry_type(EntryType::Symlink);
                    header.set_mode(0o777);
                    header.set_size(0);
                    tar.append_link(&mut header, path, target)?;
                }
                Entry::Other { header, bytes } => {
                    let mut header = header.as_ref().clone();
                    header.set_size(bytes.len() as u64);
                    tar.append_data(&mut header, path, bytes.as_ref())?;
                }
            }
        }
        tar.into_inner()
    }
}

/// A layer with this host's own shell, so that an image can be made where none can be pulled.
///
/// There is the shell with its builtins and nothing else: no `cat`, no `sleep`, no `/etc`.
/// Fails where `/bin/sh` cannot be read or is no Linux program.
pub fn shell_layer() -> io::Result<Layer> {
    Ok(LayerBuilder::default().program("/bin/sh")?.build())
}

/// The loader and the libraries of a program of this host.
///
/// The loader itself is asked (`ldd`): it alone knows its search paths, caches and run paths.
fn libraries(program: &str) -> io::Result<Vec<String>> {
    if !std::fs::read(program)?.starts_with(b"\x7fELF") {
        let reason =
            format!("{program} is no Linux program: images can be made from this host on Linux only");
        return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
    }
    // A static program makes `ldd` fail and name nothing: it needs nothing.
    let output = Command::new("ldd").arg(program).output()?;
    let listing = String::from_utf8_lossy(&output.stdout);
    Ok(listing
        .split_whitespace()
        .filter(|word| word.starts_with('/') && Path::new(word).is_file() && *word != program)
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_give_the_same_layer() {
        let build = || {
            LayerBuilder::default()
                .file("/a/b", 0o644, "text")
                .link("/c", "a/b")
                .build()
        };
        assert_eq!(build().blob.digest, build().blob.digest);
        assert_ne!(build().blob.digest, build().diff_id);
    }

    #[test]
    fn a_layer_lists_directories_before_their_files() {
        let layer = LayerBuilder::default().file("/a/b/c", 0o755, "text").build();
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(layer.blob.bytes.as_ref()));
        let entries: Vec<(String, u32)> = tar
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().unwrap().display().to_string();
                (path, entry.header().mode().unwrap())
            })
            .collect();
        let expected = [("a/", 0o755), ("a/b/", 0o755), ("a/b/c", 0o755)];
        assert_eq!(entries, expected.map(|(path, mode)| (path.to_owned(), mode)));
    }

    #[test]
    fn the_shell_comes_with_its_loader() {
        let layer = shell_layer().unwrap();
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(layer.blob.bytes.as_ref()));
        let paths: Vec<String> = tar
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert!(paths.iter().any(|path| path == "bin/sh"), "{paths:?}");
        assert!(paths.iter().all(|path| !path.starts_with("etc/")), "{paths:?}");
    }
}
