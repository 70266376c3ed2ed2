//! A stranger's YAML → types of ours, or an error that a person can act on.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_saphyr::Error as YamlError;

use super::file::PATH;
use crate::model::terminal;

/// The longest file that is read, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;

const EMPTY: &str = "the file is empty";

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// Line and column, from 1 on; `None`: the file as a whole.
    pub at: Option<(u64, u64)>,
    /// The keys that lead there: `images.acme/app.tests[0].timeout`.
    pub key: String,
    /// What is wrong, and what to write instead.
    pub why: String,
}

impl std::error::Error for FileError {}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_file(PATH))
    }
}

impl FileError {
    /// The message where the file is called otherwise than in a repository.
    pub fn in_file(&self, name: &str) -> String {
        let place = self
            .at
            .map(|(line, column)| format!(", line {line}, column {column}"))
            .unwrap_or_default();
        let key = if self.key.is_empty() {
            String::new()
        } else {
            format!(", at `{}`", self.key)
        };
        format!("{name}{place}{key}: {}", self.why)
    }
}

/// Reads a file's text, which begins with the key `first`.
pub(super) fn read<T: DeserializeOwned>(text: &str, first: &str) -> Result<T, FileError> {
    if text.len() > MAX_BYTES {
        return Err(FileError {
            at: None,
            key: String::new(),
            why: format!("it is longer than {} KiB", MAX_BYTES / 1024),
        });
    }
    let mut key = String::new();
    let read = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(deserializer, &mut track);
        let read = T::deserialize(tracked);
        if read.is_err() {
            key = track.path().to_string();
        }
        read
    });
    read.map_err(|error| match problem(&error, &key) {
        FileError { at, why, .. } if why == EMPTY => FileError {
            at,
            key: String::new(),
            why: format!("{EMPTY}: it needs `{first}`"),
        },
        problem => problem,
    })
}

fn problem(error: &YamlError, key: &str) -> FileError {
    let error = error.without_snippet();
    let place = error.location();
    FileError {
        at: place.map(|place| (place.line(), place.column())),
        // What could not be read at all has no key.
        key: shown(key.trim_start_matches('.').trim_end_matches(".?")).replace('?', ""),
        why: shown(&reason(error)),
    }
}

fn reason(error: &YamlError) -> String {
    match error {
        YamlError::SerdeUnknownField { field, expected, .. } => match crate::config::nearest(field, expected)
        {
            Some(known) => format!("there is no key `{field}`: did you mean `{known}`?"),
            None => format!(
                "there is no key `{field}`: the keys here are {}",
                listed(expected)
            ),
        },
        YamlError::SerdeUnknownVariant {
            variant, expected, ..
        } => {
            format!("`{variant}` is none of {}", listed(expected))
        }
        YamlError::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
        YamlError::DuplicateMappingKey { key, .. } => match key {
            Some(key) => format!("`{key}` stands here twice"),
            None => "a key stands here twice".to_owned(),
        },
        YamlError::MultipleDocuments { .. } => {
            "a second document begins here (`---`): there may be one".to_owned()
        }
        YamlError::Eof { .. } => EMPTY.to_owned(),
        YamlError::NullIntoString { .. } => "there is no value here: write \"\" for an empty text".to_owned(),
        YamlError::Unexpected { expected, .. } => instead_of(expected),
        YamlError::InvalidScalar { ty, .. } => instead_of(ty),
        YamlError::SerdeInvalidType { expected, .. } => instead_of(expected),
        other => without_place(&other.to_string()),
    }
}

/// What the YAML reader wants, in the words of those who write YAML.
fn instead_of(expected: &str) -> String {
    let wanted = match expected {
        "mapping start" => "a mapping (`key: value`)",
        "sequence start" => "a list",
        "string scalar" => "a text",
        "boolean" => "`true` or `false`",
        "floating point" | "integer" | "u32" => "a number",
        other => other,
    };
    format!("here stands something else than {wanted}")
}

/// The reader's own messages end with the place, which we tell first.
fn without_place(message: &str) -> String {
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message[..end].to_owned()
}

fn listed(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

/// A stranger's text on one line, and not endless.
fn shown(text: &str) -> String {
    terminal::shown(text)
        .chars()
        .filter(|char| !char.is_control())
        .take(300)
        .collect()
}
