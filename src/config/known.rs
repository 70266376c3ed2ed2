//! The keys that exist, as `hubcheck.example.toml` documents them: the same text is what people
//! read, what the defaults come from, and what an unknown key is held against.

use std::sync::LazyLock;

use toml::{Table, Value};

/// The documentation of every key.
const EXAMPLE: &str = include_str!("../../hubcheck.example.toml");

/// The example with its commented keys in force: what may stand where, and of which type.
static EVERY_KEY: LazyLock<Table> =
    LazyLock::new(|| parse(&EXAMPLE.lines().map(uncommented).collect::<Vec<_>>().join("\n")));

/// Tables whose keys are names of the user's choice, with what their entries look like.
const OPEN_TABLES: [&str; 3] = ["registry", "hooks.tokens", "image.env"];

/// The secrets, with dots between levels; `*` is a name of the user's choice.
const SECRETS: [(&str, Secret); 8] = [
    ("hooks.secret", Secret::List),
    ("hooks.tokens.*", Secret::One),
    ("github.private_key", Secret::One),
    ("github.webhook_secret", Secret::List),
    ("github.client_secret", Secret::One),
    ("web.admin_token", Secret::One),
    ("image.env.*", Secret::MaybeEmpty),
    ("registry.*.password", Secret::One),
];

/// What kind of secret a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secret {
    /// One text, never empty.
    One,
    /// Several texts, none of them empty; in a file, one on each line.
    List,
    /// One text, which may be empty.
    MaybeEmpty,
}

/// The values of the keys that have a default.
pub(super) fn defaults() -> Table {
    parse(EXAMPLE)
}

/// What the example shows for the key at `path`.
pub(super) fn example_of(path: &[&str]) -> Option<&'static Value> {
    let (first, rest) = path.split_first()?;
    let mut value = EVERY_KEY.get(*first)?;
    for (depth, key) in rest.iter().enumerate() {
        let table = entry(value)?;
        value = if is_open(&path[..=depth]) {
            table.values().next()?
        } else {
            table.get(*key)?
        };
    }
    Some(value)
}

/// The keys of the table at `path`, where it is not the user who names them.
pub(super) fn keys_of(path: &[&str]) -> Option<Vec<&'static str>> {
    if is_open(path) {
        return None;
    }
    let table = if path.is_empty() {
        &*EVERY_KEY
    } else {
        entry(example_of(path)?)?
    };
    Some(table.keys().map(String::as_str).collect())
}

/// Is the key at `path` a secret, and of which kind?
pub(super) fn secret_at(path: &[&str]) -> Option<Secret> {
    let matches = |pattern: &str| {
        pattern.split('.').count() == path.len()
            && pattern
                .split('.')
                .zip(path)
                .all(|(wanted, key)| wanted == "*" || wanted == *key)
    };
    SECRETS
        .iter()
        .find(|(pattern, _)| matches(pattern))
        .map(|(_, kind)| *kind)
}

/// The key among `keys` that `key` was probably meant to be.
pub(crate) fn nearest(key: &str, keys: &[&str]) -> Option<String> {
    // Letters that changed places make a short word look like another one.
    let likeness = |known: &str| {
        strsim::jaro_winkler(key, known).max(strsim::normalized_damerau_levenshtein(key, known) + 0.1)
    };
    keys.iter()
        .map(|known| (likeness(known), *known))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known.to_owned())
}

/// The table that `value` is, or the first of the tables that it lists.
fn entry(value: &Value) -> Option<&Table> {
    match value {
        Value::Table(table) => Some(table),
        Value::Array(list) => list.first()?.as_table(),
        _ => None,
    }
}

/// Does the key that looks like `example` hold a table, or a list of them?
pub(super) fn holds_tables(example: &Value) -> bool {
    entry(example).is_some()
}

fn is_open(path: &[&str]) -> bool {
    OPEN_TABLES.contains(&path.join(".").as_str())
}

/// A line of the example with its key in force: `#key = value`, where prose has a space after its mark.
fn uncommented(line: &str) -> &str {
    match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with(' ') => key,
        _ => line,
    }
}

fn parse(text: &str) -> Table {
    text.parse()
        .expect("a test holds hubcheck.example.toml to be TOML")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::config::Config;

    #[test]
    fn the_example_with_every_key_in_force_is_a_configuration() {
        let config = Config::deserialize(EVERY_KEY.clone()).unwrap();
        assert_eq!((config.images.len(), config.registries.len()), (1, 1));
        Config::deserialize(defaults()).unwrap();
    }

    /// Serde's refusal of a key that does not exist lists those that do: the fields of the struct.
    #[test]
    fn the_example_shows_every_field_there_is() {
        let tables: [&[&str]; 9] = [
            &[],
            &["hooks"],
            &["github"],
            &["net"],
            &["web"],
            &["image"],
            &["registry", "docker.io"],
            &["docker"],
            &["docker", "limits"],
        ];
        for path in tables {
            let mut config = EVERY_KEY.clone();
            let table = path
                .iter()
                .fold(&mut config, |table, key| match &mut table[*key] {
                    Value::Array(list) => list[0].as_table_mut().unwrap(),
                    value => value.as_table_mut().unwrap(),
                });
            table.insert("?".to_owned(), Value::Boolean(true));
            let refusal = Config::deserialize(config).unwrap_err().message().to_owned();
            let (_, expected) = refusal
                .split_once("expected ")
                .unwrap_or_else(|| panic!("{path:?}: {refusal}"));
            let mut fields: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
            let mut shown = keys_of(path).unwrap();
            fields.sort_unstable();
            shown.sort_unstable();
            assert_eq!(shown, fields, "{path:?}");
        }
    }

    #[test]
    fn each_secret_is_a_key_that_exists() {
        for (pattern, _) in SECRETS {
            assert!(
                example_of(&pattern.split('.').collect::<Vec<_>>()).is_some(),
                "{pattern}"
            );
        }
    }
}
