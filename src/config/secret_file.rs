//! Secrets from files: `x_file = PATH` in place of `x`. Each layer is treated before layers are
//! laid over each other, so that a variable's file stands over the file's value and the reverse.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::known::{self, Secret};

/// Why a secret of a layer cannot be used.
#[derive(Debug)]
pub(super) enum BadSecret {
    /// Its file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// The key, with dots between levels, and what is wrong with it.
    Invalid(String, String),
}

/// Puts the contents of the files that `layer` names in the place of their names.
///
/// Relative names are relative to `base`. A file's trailing line ends are left out.
pub(super) fn resolve(layer: &mut Table, base: &Path) -> Result<(), BadSecret> {
    resolve_table(layer, &[], base)
}

fn resolve_table(table: &mut Table, path: &[&str], base: &Path) -> Result<(), BadSecret> {
    let keys: Vec<String> = table.keys().cloned().collect();
    for key in &keys {
        let here = [path, &[key.as_str()]].concat();
        if let Some(kind) = known::secret_at(&here)
            && !is_file_of_secret(path, key)
        {
            normalise(table, &here, kind)?;
        } else if is_file_of_secret(path, key) {
            replace_with_contents(table, path, key, base)?;
        } else {
            match table.get_mut(key) {
                Some(Value::Table(inner)) => resolve_table(inner, &here, base)?,
                Some(Value::Array(list)) => {
                    for inner in list.iter_mut().filter_map(Value::as_table_mut) {
                        resolve_table(inner, &here, base)?;
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Does `key` in the table at `path` name the file of a secret?
pub(super) fn is_file_of_secret(path: &[&str], key: &str) -> bool {
    key.strip_suffix("_file")
        .is_some_and(|secret| known::secret_at(&[path, &[secret]].concat()).is_some())
}

fn replace_with_contents(table: &mut Table, path: &[&str], key: &str, base: &Path) -> Result<(), BadSecret> {
    let secret = key.strip_suffix("_file").unwrap_or(key);
    let full = [path, &[key]].concat().join(".");
    if table.contains_key(secret) {
        let why = format!("is given beside `{secret}`: give one of the two");
        return Err(BadSecret::Invalid(full, why));
    }
    let Some(Value::String(name)) = table.remove(key) else {
        return Err(BadSecret::Invalid(full, "is not the path of a file".to_owned()));
    };
    let file = base.join(name);
    let text = std::fs::read_to_string(&file).map_err(|error| BadSecret::Unreadable(file, error))?;
    let here = [path, &[secret]].concat();
    let kind = known::secret_at(&here).unwrap_or(Secret::One);
    let value = match kind {
        Secret::List => Value::Array(
            text.lines()
                .filter(|line| !line.trim().is_empty())
                .map(|line| Value::String(line.to_owned()))
                .collect(),
        ),
        Secret::One | Secret::MaybeEmpty => Value::String(text.trim_end_matches(['\r', '\n']).to_owned()),
    };
    table.insert(secret.to_owned(), value);
    normalise(table, &here, kind).map_err(|error| match error {
        BadSecret::Invalid(_, why) => BadSecret::Invalid(full, why),
        unreadable @ BadSecret::Unreadable(..) => unreadable,
    })
}

/// Gives the secret at `path` the shape that its kind has. The type is judged here and not where
/// the rest is, because there the message would show the value.
fn normalise(table: &mut Table, path: &[&str], kind: Secret) -> Result<(), BadSecret> {
    let Some(value) = path.last().and_then(|key| table.get_mut(*key)) else {
        return Ok(());
    };
    if kind == Secret::List && value.is_str() {
        *value = Value::Array(vec![value.clone()]);
    }
    let wrong = match (kind, &*value) {
        (Secret::MaybeEmpty, Value::String(_)) => None,
        (Secret::One, Value::String(text)) => text.trim().is_empty().then_some("is empty"),
        (Secret::List, Value::Array(list)) if list.is_empty() => Some("is an empty list"),
        (Secret::List, Value::Array(list)) => {
            match list.iter().map(Value::as_str).collect::<Option<Vec<_>>>() {
                None => Some("is not a list of texts"),
                Some(texts) => texts
                    .iter()
                    .any(|text| text.trim().is_empty())
                    .then_some("holds an empty secret, which everybody could guess"),
            }
        }
        (Secret::List, _) => Some("is not a list of texts"),
        (Secret::One | Secret::MaybeEmpty, _) => Some("is not a text"),
    };
    wrong.map_or(Ok(()), |why| {
        Err(BadSecret::Invalid(path.join("."), why.to_owned()))
    })
}
