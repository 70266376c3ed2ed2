//! The values of `.github/hubcheck.yml` that are more than serde's own: each refuses what cannot be meant, where it
//! stands.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::declaration::{Declaration, Test};
use crate::config::{duration, size};
use crate::model::{Channels, FilePattern, ImagePattern, RefRule, TagPattern};

/// More tests than this are a mistake: each is a container of its own.
pub(super) const MOST_TESTS: usize = 50;

/// Bytes of a path in the repository.
const LONGEST_PATH: usize = 500;

/// Patterns of report files at most.
const MOST_REPORTS: usize = 20;

/// The least memory that the Docker Engine gives to a container.
const LEAST_MEMORY: u64 = 6 << 20;

/// Letters of a test's name at most.
const LONGEST_NAME: usize = 80;

/// Letters of a variant's name at most: it stands in the check's.
const LONGEST_VARIANT: usize = 40;

/// The words of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words(pub(super) Vec<String>);

/// How they are written.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the schema is made of it")]
pub(super) enum WordsSchema {
    Text(ScalarSchema),
    List(Vec<ScalarSchema>),
}

/// What YAML reads as something else, and is taken as the text that it is.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the schema is made of it")]
pub(super) enum ScalarSchema {
    Text(String),
    Number(f64),
    Truth(bool),
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of words")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Words, E> {
                shlex::split(text)
                    .map(Words)
                    .ok_or_else(|| E::custom(format!("`{text}` has a quote that is not closed")))
            }

            fn visit_bool<E: Error>(self, text: bool) -> Result<Words, E> {
                Ok(Words(vec![text.to_string()]))
            }

            fn visit_i64<E: Error>(self, text: i64) -> Result<Words, E> {
                Ok(Words(vec![text.to_string()]))
            }

            fn visit_u64<E: Error>(self, text: u64) -> Result<Words, E> {
                Ok(Words(vec![text.to_string()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = list.next_element::<String>()? {
                    if word.contains('\0') {
                        return Err(A::Error::custom("a word holds a NUL"));
                    }
                    words.push(word);
                }
                Ok(Words(words))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

/// A map that keeps its order, whose keys are told apart by what they mean and not by how they are written, and of
/// whose values `make` makes what is kept, or says what is wrong with one.
fn map_with<'de, D, K, V, W>(
    deserializer: D,
    make: impl Fn(&K, V) -> Result<W, String>,
) -> Result<IndexMap<K, W>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Eq + Hash + fmt::Display,
    V: Deserialize<'de>,
{
    deserializer.deserialize_map(MapReader {
        make,
        kinds: PhantomData,
    })
}

struct MapReader<F, K, V, W> {
    make: F,
    kinds: PhantomData<(K, V, W)>,
}

/// A key that is not among these yet. What is wrong with a key or a value is told while it is read: so the error
/// knows its place.
struct NewKey<'m, K, W>(&'m IndexMap<K, W>);

impl<'de, K, W> DeserializeSeed<'de> for NewKey<'_, K, W>
where
    K: Deserialize<'de> + Eq + Hash + fmt::Display,
{
    type Value = K;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K, D::Error> {
        let key = K::deserialize(deserializer)?;
        if self.0.contains_key(&key) {
            return Err(D::Error::custom(format!("`{key}` stands here twice")));
        }
        Ok(key)
    }
}

struct Made<'m, F, K, V>(&'m F, &'m K, PhantomData<V>);

impl<'de, F, K, V, W> DeserializeSeed<'de> for Made<'_, F, K, V>
where
    F: Fn(&K, V) -> Result<W, String>,
    V: Deserialize<'de>,
{
    type Value = W;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<W, D::Error> {
        self.0(self.1, V::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<'de, F, K, V, W> Visitor<'de> for MapReader<F, K, V, W>
where
    F: Fn(&K, V) -> Result<W, String>,
    K: Deserialize<'de> + Eq + Hash + fmt::Display,
    V: Deserialize<'de>,
{
    type Value = IndexMap<K, W>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping (`key: value`)")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = IndexMap::new();
        while let Some(key) = entries.next_key_seed(NewKey(&map))? {
            let value = entries.next_value_seed(Made(&self.make, &key, PhantomData))?;
            map.insert(key, value);
        }
        Ok(map)
    }
}

/// `images`: what is declared of each, which may be nothing.
pub(super) fn images<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<IndexMap<ImagePattern, Declaration>, D::Error> {
    map_with(
        deserializer,
        |pattern: &ImagePattern, declared: Option<Declaration>| {
            let declared = declared.unwrap_or_default();
            if declared.is_expected() && !pattern.is_exact() {
                return Err(format!(
                    "`expect` waits for one image: name it, `{pattern}` stands for many"
                ));
            }
            Ok(declared)
        },
    )
}

/// `refs`: tags → where they lead.
pub(super) fn ref_rules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RefRule>, D::Error> {
    let rules = map_with(deserializer, |tags: &TagPattern, target: String| {
        RefRule::new(tags.clone(), target).map_err(|wrong| wrong.to_string())
    })?;
    Ok(rules.into_values().collect())
}

/// `variants`: name → tags.
pub(super) fn variants<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<IndexMap<String, TagPattern>, D::Error> {
    map_with(deserializer, |name: &String, tags| {
        let is_good = (1..=LONGEST_VARIANT).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
        is_good.then_some(tags).ok_or_else(|| {
            format!("`{name}` is no name for a variant: at most {LONGEST_VARIANT} letters, digits, `_`, `.` and `-`")
        })
    })
}

/// Where a verdict is told.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Channel {
    Check,
    Status,
}

/// `report`: a check run, a status, or both.
pub(super) fn channels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Channels, D::Error> {
    let named: Vec<Channel> = some(deserializer)?;
    Ok(Channels {
        check: named.contains(&Channel::Check),
        status: named.contains(&Channel::Status),
    })
}

/// A list with something in it.
pub(super) fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(deserializer)?;
    if list.is_empty() {
        return Err(D::Error::custom(
            "the list is empty: leave the key out for its default",
        ));
    }
    Ok(list)
}

/// `tests`: some, not too many, and each with a name of its own.
pub(super) fn tests<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Test>>, D::Error> {
    let tests: Vec<Test> = some(deserializer)?;
    if tests.len() > MOST_TESTS {
        return Err(D::Error::custom(format!(
            "there are {} tests, and {MOST_TESTS} at most: let one command run several",
            tests.len()
        )));
    }
    for (number, test) in tests.iter().enumerate() {
        let wrong = |why: &str| Err(D::Error::custom(format!("test {} {why}", number + 1)));
        if test.does().is_none() {
            return wrong("needs one of `run`, `structure`, `compose` and `healthy`, and no more");
        }
        if let Some((key, beside)) = test.idle_key() {
            return wrong(&format!("has `{key}`, which only stands beside {beside}"));
        }
    }
    let mut names: Vec<&String> = tests.iter().filter_map(|test| test.name.as_ref()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(Some(tests)),
        Some(pair) => Err(D::Error::custom(format!("two tests are named `{}`", pair[0]))),
    }
}

/// `reports`: patterns of files, some and not too many.
pub(super) fn reports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<FilePattern>, D::Error> {
    let patterns: Vec<FilePattern> = some(deserializer)?;
    if patterns.len() > MOST_REPORTS {
        return Err(D::Error::custom(format!(
            "there are {} patterns, and {MOST_REPORTS} at most",
            patterns.len()
        )));
    }
    Ok(patterns)
}

/// A path in the repository.
pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let path = text.strip_prefix("./").unwrap_or(&text);
    let is_good = (1..=LONGEST_PATH).contains(&path.len())
        && !path.contains(char::is_control)
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if is_good {
        Ok(Some(path.to_owned()))
    } else {
        Err(D::Error::custom(format!(
            "`{text}` is no path of a file from the repository's root on, like `docker-compose.test.yml`"
        )))
    }
}

/// A test's name.
pub(super) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let is_good =
        !name.trim().is_empty() && name.chars().count() <= LONGEST_NAME && !name.contains(char::is_control);
    if is_good {
        Ok(Some(name))
    } else {
        Err(D::Error::custom(format!(
            "a name has 1 to {LONGEST_NAME} letters, on one line"
        )))
    }
}

/// Environment variables.
pub(super) fn env<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let env = map_with(deserializer, |name: &String, value: String| {
        if name.is_empty() || name.contains(|char: char| char == '=' || char.is_control()) {
            Err(format!("`{name}` is no name of a variable"))
        } else if value.contains('\0') {
            Err(format!("the value of {name} holds a NUL"))
        } else {
            Ok(value)
        }
    })?;
    Ok(env.into_iter().collect())
}

/// A time that is more than none.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let time = duration::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)?;
    if time.is_zero() {
        return Err(D::Error::custom("this is no time at all"));
    }
    Ok(Some(time))
}

/// Bytes of memory, as many as a container needs at least.
pub(super) fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let bytes = size::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)?;
    if bytes < LEAST_MEMORY {
        return Err(D::Error::custom(
            "the Docker Engine gives a container no less than 6MiB",
        ));
    }
    Ok(Some(bytes))
}

/// Bytes, more than none.
pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let bytes = size::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)?;
    if bytes == 0 {
        return Err(D::Error::custom("this is no room at all"));
    }
    Ok(Some(bytes))
}

/// Processors.
pub(super) fn cpus<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let cpus = f64::deserialize(deserializer)?;
    if cpus.is_finite() && cpus >= 0.01 {
        Ok(Some(cpus))
    } else {
        Err(D::Error::custom("processors are a number from 0.01 on: 0.5, 2"))
    }
}

/// Processes and threads.
pub(super) fn pids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let pids = u32::deserialize(deserializer)?;
    if pids == 0 {
        return Err(D::Error::custom("without a process nothing could run"));
    }
    Ok(Some(pids))
}
