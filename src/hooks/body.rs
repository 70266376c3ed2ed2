//! From raw bytes to a typed value: JSON as it is, or in the `payload` field of a form.
//!
//! Typed structs only: they refuse a known field that stands twice, which two readers could read
//! differently, and their depth bounds the nesting of what is kept.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// The most of a parser's message that is repeated to the sender, in characters.
const MAX_MESSAGE: usize = 200;

/// A body that is not what its sender sends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBody {
    /// Not UTF-8, or with a NUL, which no database stores in a text.
    #[error("the body is not UTF-8 text")]
    NotText,
    /// Neither a JSON object nor a form with one in its `payload` field.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// JSON, but not of this sender's shape.
    #[error("the body is not of this sender's shape: `{field}`: {why}")]
    Field {
        /// The way to the field, with dots between levels.
        field: String,
        /// What is wrong with it.
        why: String,
    },
}

impl BadBody {
    /// A field whose value cannot be used.
    pub(super) fn field(field: &str, why: impl std::fmt::Display) -> Self {
        Self::Field {
            field: field.to_owned(),
            why: excerpt(&why.to_string()),
        }
    }
}

/// Reads `body`, whatever content type it came with.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadBody> {
    let text = std::str::from_utf8(body)
        .ok()
        .filter(|text| !text.contains('\0'))
        .ok_or(BadBody::NotText)?;
    let json = json_text(text)?;
    let mut deserializer = serde_json::Deserializer::from_str(&json);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        if error.inner().is_data() {
            BadBody::field(&error.path().to_string(), error.inner())
        } else {
            BadBody::NotJson(excerpt(&error.inner().to_string()))
        }
    })?;
    deserializer
        .end()
        .map_err(|error| BadBody::NotJson(excerpt(&error.to_string())))?;
    Ok(value)
}

/// The JSON object that the body is, or that its form carries.
fn json_text(text: &str) -> Result<Cow<'_, str>, BadBody> {
    let text = text.trim_start();
    if text.starts_with('{') {
        return Ok(Cow::Borrowed(text));
    }
    // Some senders put the prefix before JSON that they do not encode.
    if let Some(json) = text.strip_prefix("payload=")
        && json.starts_with('{')
    {
        return Ok(Cow::Borrowed(json));
    }
    let mut payloads = url::form_urlencoded::parse(text.as_bytes())
        .filter(|(name, _)| name == "payload")
        .map(|(_, value)| value);
    match (payloads.next(), payloads.next()) {
        (Some(payload), None) if payload.trim_start().starts_with('{') => Ok(payload),
        (Some(_), Some(_)) => Err(BadBody::NotJson(
            "the form has `payload` more than once".to_owned(),
        )),
        _ if text.is_empty() => Err(BadBody::NotJson("it is empty".to_owned())),
        _ => Err(BadBody::NotJson("it is not an object".to_owned())),
    }
}

/// A parser's message without what a stranger could hide in it.
fn excerpt(message: &str) -> String {
    message
        .chars()
        .filter(|char| !char.is_control())
        .take(MAX_MESSAGE)
        .collect()
}
