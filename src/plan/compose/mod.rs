//! Docker Hub's Autotest: a Compose file of the repository becomes a [`Project`], or a sentence that says by name and line
//! why it cannot be run. Pure: files that it needs are asked for by their paths.
//! <https://docs.docker.com/docker-hub/builds/automated-testing/>

mod interpolate;
mod load;
mod rules;
mod service;
mod tree;

use std::collections::BTreeMap;

use crate::model::ImageName;
use crate::model::compose::Project;

pub(super) use load::is_test_file;

/// Files of the repository by their paths, as far as they were asked for; `None`: there is none.
pub type Files = BTreeMap<String, Option<String>>;

/// Files that a Compose file may need beside itself.
const MOST_FILES: usize = 20;

/// What a Compose file is read with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    /// The image under test.
    pub(super) image: &'a ImageName,
    /// What Docker Hub offers to tests: `SOURCE_COMMIT` and its kin.
    pub(super) variables: &'a BTreeMap<String, String>,
    /// What is known of the repository's files.
    pub(super) files: &'a Files,
    /// Are they those of the commit under test?
    pub(super) at_commit: bool,
}

/// Why a Compose file is not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// This file must be read first.
    Needs(String),
    /// A sentence.
    Refused(String),
    /// It is no test: there is no service `sut` in it.
    NoSut,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    line: Option<u64>,
    why: String,
}

impl Refusal {
    fn at(line: u64, why: String) -> Self {
        Self {
            line: Some(line),
            why,
        }
    }

    fn in_file(self, file: &str) -> Unread {
        let line = self.line.map(|line| format!(", line {line}")).unwrap_or_default();
        Unread::Refused(format!("{file}{line}: {}", self.why))
    }
}

/// Reads the Compose file at `path`. What is not obeyed and may surprise is noted.
pub(super) fn read(path: &str, setting: Setting<'_>, notes: &mut Vec<String>) -> Result<Project, Unread> {
    let file = load::load(path, setting, notes)?;
    service::project(path, &file, setting)
}

/// The path that `path` means beside the file `beside`, from the repository's root on; the root is empty. A sentence
/// where it leads out of the repository.
fn repository_path(beside: &str, path: &str) -> Result<String, String> {
    if path.starts_with('/') || path.starts_with('~') {
        return Err(format!("`{path}` lies on the host, not in the repository"));
    }
    let folder = beside.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Err(format!("`{path}` leads out of the repository"));
                }
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}
