//! The configuration file: its values, and the line of each of its keys.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::Table;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin};
use super::{known, secret_file};

/// The file that is read where none is named, if it is there.
const DEFAULT_FILE: &str = "hubcheck.toml";

/// One level on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A key of a table.
    Key(String),
    /// A place in a list, from 0.
    Index(usize),
}

/// A configuration file, or the lack of one.
#[derive(Debug, Default)]
pub(super) struct File {
    path: Option<PathBuf>,
    text: String,
    /// The values it sets.
    pub(super) table: Table,
}

impl File {
    /// Reads `path`, or the default file if it is there; keys that do not exist are an error.
    pub(super) fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path.or_else(|| Some(Path::new(DEFAULT_FILE)).filter(|path| path.exists())) else {
            return Ok(Self::default());
        };
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let mut file = Self {
            path: Some(path.to_owned()),
            text,
            table: Table::new(),
        };
        file.table = file.parse()?;
        Ok(file)
    }

    /// The folder that relative paths start from; empty for the working directory.
    pub(super) fn folder(&self) -> &Path {
        self.path
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""))
    }

    /// Where the key at `path` stands: its line, or the line of the nearest table around it.
    pub(super) fn origin(&self, path: &[Step]) -> Origin {
        let line = DeTable::parse(&self.text)
            .ok()
            .and_then(|table| position(table.get_ref(), path))
            .map(|offset| self.line(offset));
        self.at(line)
    }

    fn parse(&self) -> Result<Table, ConfigError> {
        // The parser's own rendering shows the line's text, and with it perhaps a secret.
        let syntax = |error: toml::de::Error| ConfigError::Syntax {
            origin: self.at(error.span().map(|span| self.line(span.start))),
            why: error.message().to_owned(),
        };
        let table = DeTable::parse(&self.text).map_err(syntax)?;
        self.check_keys(table.get_ref(), &[])?;
        Table::deserialize(toml::de::Deserializer::from(table).into_deserializer()).map_err(syntax)
    }

    fn check_keys(&self, table: &DeTable<'_>, path: &[&str]) -> Result<(), ConfigError> {
        let keys = known::keys_of(path);
        for (key, value) in table {
            let name: &str = key.get_ref();
            let exists = keys.as_ref().is_none_or(|keys| keys.contains(&name));
            if !exists && !secret_file::is_file_of_secret(path, name) {
                return Err(ConfigError::UnknownKey {
                    origin: self.at(Some(self.line(key.span().start))),
                    key: name.to_owned(),
                    table: path.join("."),
                    nearest: known::nearest(name, &keys.unwrap_or_default()),
                });
            }
            let here = [path, &[name]].concat();
            let holds_tables = known::example_of(&here).is_some_and(known::holds_tables);
            let tables = match value.get_ref() {
                _ if !holds_tables => continue,
                DeValue::Table(inner) => vec![inner],
                DeValue::Array(list) => list.iter().filter_map(|item| item.get_ref().as_table()).collect(),
                // Said here, because the general message would show the value, perhaps a secret.
                _ => {
                    return Err(ConfigError::Invalid {
                        origin: self.at(Some(self.line(key.span().start))),
                        key: here.join("."),
                        why: "is not a table".to_owned(),
                    });
                }
            };
            for inner in tables {
                self.check_keys(inner, &here)?;
            }
        }
        Ok(())
    }

    fn at(&self, line: Option<usize>) -> Origin {
        self.path
            .clone()
            .map_or(Origin::Default, |path| Origin::File(path, line))
    }

    fn line(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        before.matches('\n').count() + 1
    }
}

/// Where in the text the last key of `path` stands, as far as the path leads.
fn position(table: &DeTable<'_>, path: &[Step]) -> Option<usize> {
    let Some((Step::Key(name), rest)) = path.split_first() else {
        return None;
    };
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    let deeper = match (value.get_ref(), rest) {
        (DeValue::Table(inner), rest) => position(inner, rest),
        (DeValue::Array(list), [Step::Index(index), rest @ ..]) => list.get(*index).and_then(|item| {
            let inner = item.get_ref().as_table().and_then(|inner| position(inner, rest));
            inner.or(Some(item.span().start))
        }),
        // A path without a place in the list: the first entry in which it leads anywhere.
        (DeValue::Array(list), rest) => list
            .iter()
            .filter_map(|item| item.get_ref().as_table())
            .find_map(|inner| position(inner, rest)),
        _ => None,
    };
    deeper.or(Some(key.span().start))
}
