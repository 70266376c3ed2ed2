//! YAML as a tree in which everything knows its line: what is refused is refused by name and place.

use std::fmt;

use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

/// Trees deeper than this are nobody's Compose files.
const DEEPEST: usize = 40;

/// Something in a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// From 1 on.
    pub(super) line: u64,
}

/// What it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Node>),
    Map(IndexMap<String, Node>),
}

impl Node {
    /// What stands under `key`, if this is a mapping that has it and it is not null.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.map()?.get(key).filter(|node| node.kind != Kind::Null)
    }

    pub(super) fn map(&self) -> Option<&IndexMap<String, Node>> {
        match &self.kind {
            Kind::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::List(list) => Some(list),
            _ => None,
        }
    }

    /// A scalar as the text that it was written as, more or less.
    pub(super) fn text(&self) -> Option<String> {
        match &self.kind {
            Kind::Text(text) => Some(text.clone()),
            Kind::Number(number) => Some(number.to_string()),
            Kind::Bool(truth) => Some(truth.to_string()),
            Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// Is it `true`, also where it was written as a text?
    pub(super) fn is_true(&self) -> bool {
        self.text().is_some_and(|text| text == "true")
    }

    /// Each text in it, with its line.
    pub(super) fn texts(&self) -> Vec<(String, u64)> {
        match &self.kind {
            Kind::List(list) => list.iter().flat_map(Node::texts).collect(),
            Kind::Map(map) => map.values().flat_map(Node::texts).collect(),
            _ => self.text().map(|text| (text, self.line)).into_iter().collect(),
        }
    }

    /// Changes each text, values alone: Compose leaves keys as they are.
    pub(super) fn each_text<E>(
        &mut self,
        change: &mut impl FnMut(&str, u64) -> Result<String, E>,
    ) -> Result<(), E> {
        match &mut self.kind {
            Kind::Text(text) => *text = change(text, self.line)?,
            Kind::List(list) => {
                for node in list {
                    node.each_text(change)?;
                }
            }
            Kind::Map(map) => {
                for node in map.values_mut() {
                    node.each_text(change)?;
                }
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => {}
        }
        Ok(())
    }

    /// The same without its lines.
    pub(super) fn value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(truth) => Value::Bool(*truth),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(list) => list.iter().map(Node::value).collect(),
            Kind::Map(map) => map
                .iter()
                .map(|(key, node)| (key.clone(), node.value()))
                .collect(),
        }
    }

    fn depth(&self) -> usize {
        let deepest = match &self.kind {
            Kind::List(list) => list.iter().map(Node::depth).max(),
            Kind::Map(map) => map.values().map(Node::depth).max(),
            _ => None,
        };
        deepest.map_or(0, |below| below + 1)
    }
}

/// Reads a file, or says in one sentence why it is none, with the line.
pub(super) fn read(text: &str) -> Result<Node, (u64, String)> {
    let node: Spanned<Kind> = serde_saphyr::from_str(text).map_err(|error| {
        let error = error.without_snippet();
        let line = error.location().map_or(1, |place| place.line());
        let message = error.to_string();
        if message.starts_with("budget breached") {
            return (line, "it is too large once its aliases are followed".to_owned());
        }
        let end = message.rfind(" at line ").unwrap_or(message.len());
        (line, message[..end].lines().next().unwrap_or_default().to_owned())
    })?;
    let node = Node::from(node);
    if node.depth() > DEEPEST {
        return Err((node.line, format!("it is nested more than {DEEPEST} deep")));
    }
    Ok(node)
}

impl From<Spanned<Kind>> for Node {
    fn from(spanned: Spanned<Kind>) -> Self {
        Self {
            line: spanned.referenced.line(),
            kind: spanned.value,
        }
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Kind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("YAML")
            }

            fn visit_unit<E>(self) -> Result<Kind, E> {
                Ok(Kind::Null)
            }

            fn visit_none<E>(self) -> Result<Kind, E> {
                Ok(Kind::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
                Kind::deserialize(deserializer)
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Kind, E> {
                Ok(Kind::Bool(truth))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Kind, E> {
                Ok(Kind::Number(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Kind, E> {
                Ok(Kind::Number(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Kind, E> {
                let exact = serde_json::Number::from_f64(number);
                Ok(exact.map_or_else(|| Kind::Text(number.to_string()), Kind::Number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Kind, E> {
                Ok(Kind::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
                let mut list = Vec::new();
                while let Some(entry) = entries.next_element::<Spanned<Kind>>()? {
                    list.push(entry.into());
                }
                Ok(Kind::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
                let mut map = IndexMap::new();
                while let Some((key, value)) = entries.next_entry::<String, Spanned<Kind>>()? {
                    map.insert(key, value.into());
                }
                Ok(Kind::Map(map))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}
