//! Environment variables as a layer of the configuration: `HUBCHECK_` + key, `__` between levels.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::error::{ConfigError, Origin};
use super::known;

const PREFIX: &str = "HUBCHECK_";

/// What the path of a secret's file looks like.
static PATH: Value = Value::String(String::new());

/// What the environment sets.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// The values, as a file would have them.
    pub(super) table: Table,
    /// Which variable set the key: `github.app_id`.
    pub(super) variables: BTreeMap<String, String>,
}

impl Environment {
    /// The layer that `variables` make: those with another prefix are not looked at, and a key that
    /// does not exist is an error.
    pub(super) fn read(variables: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut environment = Self::default();
        for (name, text) in variables {
            if let Some(key) = name.strip_prefix(PREFIX) {
                environment.set(&name, &key.to_ascii_lowercase(), text)?;
            }
        }
        Ok(environment)
    }

    fn set(&mut self, variable: &str, key: &str, text: String) -> Result<(), ConfigError> {
        let path: Vec<&str> = key.split("__").collect();
        let value = match known_example(&path) {
            Some(example) => value_like(example, text).map_err(|why| ConfigError::Invalid {
                origin: Origin::Environment(variable.to_owned()),
                key: path.join("."),
                why,
            })?,
            None => return Err(unknown(variable, &path)),
        };
        self.variables.insert(path.join("."), variable.to_owned());
        let Some((last, tables)) = path.split_last() else {
            return Ok(());
        };
        let mut table = &mut self.table;
        for key in tables {
            let next = table
                .entry((*key).to_owned())
                .or_insert_with(|| Value::Table(Table::new()));
            // A variable of a table and one of its keys cannot both be known: tables have no values.
            let Value::Table(next) = next else { return Ok(()) };
            table = next;
        }
        table.insert((*last).to_owned(), value);
        Ok(())
    }
}

/// What the key at `path` looks like, if it may be set by a variable at all.
fn known_example(path: &[&str]) -> Option<&'static Value> {
    if matches!(path.first(), Some(&("image" | "registry"))) {
        return None;
    }
    if let Some(value) = known::example_of(path)
        && !value.is_table()
    {
        return Some(value);
    }
    let (last, tables) = path.split_last()?;
    let secret = last.strip_suffix("_file")?;
    known::secret_at(&[tables, &[secret]].concat()).map(|_| &PATH)
}

/// `text` as the type that `example` has.
fn value_like(example: &Value, text: String) -> Result<Value, String> {
    match example {
        Value::Integer(_) | Value::Float(_) => text
            .parse()
            .map(Value::Integer)
            .or_else(|_| text.parse().map(Value::Float))
            .map_err(|_| "is not a number".to_owned()),
        Value::Boolean(_) => text
            .parse()
            .map(Value::Boolean)
            .map_err(|_| "is neither `true` nor `false`".to_owned()),
        Value::Array(_) => Ok(Value::Array(
            text.split(',')
                .map(|item| Value::String(item.trim().to_owned()))
                .collect(),
        )),
        _ => Ok(Value::String(text)),
    }
}

fn unknown(variable: &str, path: &[&str]) -> ConfigError {
    if let Some(table @ &("image" | "registry")) = path.first() {
        return ConfigError::Invalid {
            origin: Origin::Environment(variable.to_owned()),
            key: (*table).to_owned(),
            why: "cannot be set by a variable: write it in the configuration file".to_owned(),
        };
    }
    let every = variables();
    let names: Vec<&str> = every.iter().map(String::as_str).collect();
    ConfigError::UnknownKey {
        origin: Origin::Environment(variable.to_owned()),
        key: path.last().copied().unwrap_or_default().to_owned(),
        table: path[..path.len() - 1].join("."),
        nearest: known::nearest(variable, &names),
    }
}

/// The names of all variables that exist; `NAME` is of the user's choice.
fn variables() -> Vec<String> {
    fn collect(path: &[&str], into: &mut Vec<String>) {
        match known::keys_of(path) {
            _ if matches!(path.first(), Some(&("image" | "registry"))) => {}
            Some(keys) => keys
                .iter()
                .for_each(|key| collect(&[path, &[*key]].concat(), into)),
            None => {
                let open = known::example_of(path).is_some_and(Value::is_table);
                let name = if open { "__NAME" } else { "" };
                into.push(format!("{PREFIX}{}{name}", path.join("__").to_ascii_uppercase()));
            }
        }
    }
    let mut names = Vec::new();
    collect(&[], &mut names);
    names
}
