//! The rules of a check run's output: texts counted in bytes, annotations, images and actions.

use serde::Deserialize;
use serde_json::{Value, json};

use super::refusal::Refusal;

/// Bytes of `summary` and of `text`.
const TEXT_LIMIT: usize = 65_535;
/// Annotations in one request; more are sent with further ones.
const ANNOTATIONS_LIMIT: usize = 50;
/// Bytes of an annotation's `message` and `raw_details`.
const MESSAGE_LIMIT: usize = 64 * 1024;
/// Characters of an annotation's title.
const ANNOTATION_TITLE_LIMIT: usize = 255;
/// Buttons below a check run.
const ACTIONS_LIMIT: usize = 3;

/// `output` of a check run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Output {
    pub(super) title: Option<String>,
    pub(super) summary: String,
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) annotations: Vec<Annotation>,
    #[serde(default)]
    images: Vec<Image>,
}

/// A remark on lines of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Annotation {
    path: String,
    start_line: i64,
    end_line: i64,
    start_column: Option<i64>,
    end_column: Option<i64>,
    #[serde(rename = "annotation_level")]
    level: Level,
    message: String,
    title: Option<String>,
    raw_details: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Notice,
    Warning,
    Failure,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "alt")]
    _alt: String,
    #[serde(rename = "image_url")]
    url: String,
    #[serde(rename = "caption")]
    _caption: Option<String>,
}

/// A button below a check run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Action {
    label: String,
    description: String,
    identifier: String,
}

impl Output {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        for (field, text) in [("summary", Some(&self.summary)), ("text", self.text.as_ref())] {
            at_most(field, text, TEXT_LIMIT)?;
        }
        if self.annotations.len() > ANNOTATIONS_LIMIT {
            return Err(Refusal::schema(format!(
                "No more than {ANNOTATIONS_LIMIT} items are allowed; {} were supplied.",
                self.annotations.len()
            )));
        }
        self.annotations.iter().try_for_each(Annotation::check)?;
        self.images
            .iter()
            .try_for_each(|image| check_url("image_url", &image.url))
    }
}

impl Annotation {
    fn check(&self) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal::rule("CheckRun", "annotations", why));
        if self.path.is_empty() || self.path.starts_with("./") || self.path.starts_with('/') {
            return refuse("path must be relative to the repository's root");
        }
        if self.start_line < 1 || self.end_line < self.start_line {
            return refuse("lines start at 1 and end_line must not be before start_line");
        }
        match (self.start_column, self.end_column) {
            (None, None) => {}
            (Some(start), Some(end)) if self.start_line == self.end_line => {
                if start < 1 || end < start {
                    return refuse("columns start at 1 and end_column must not be before start_column");
                }
            }
            (Some(_), Some(_)) => return refuse("columns are for annotations on a single line"),
            _ => return refuse("start_column and end_column must be given together"),
        }
        at_most("message", Some(&self.message), MESSAGE_LIMIT)?;
        at_most("raw_details", self.raw_details.as_ref(), MESSAGE_LIMIT)?;
        let title = self.title.as_deref().unwrap_or_default();
        if title.chars().count() > ANNOTATION_TITLE_LIMIT {
            return refuse("title is too long (maximum is 255 characters)");
        }
        Ok(())
    }

    /// As GitHub gives it back.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "path": self.path, "start_line": self.start_line, "end_line": self.end_line,
            "start_column": self.start_column, "end_column": self.end_column,
            "annotation_level": self.level, "message": self.message,
            "title": self.title, "raw_details": self.raw_details,
        })
    }
}

/// The rules of the buttons below a check run.
pub(super) fn check_actions(actions: &[Action]) -> Result<(), Refusal> {
    if actions.len() > ACTIONS_LIMIT {
        return Err(Refusal::schema(format!(
            "No more than {ACTIONS_LIMIT} items are allowed; {} were supplied.",
            actions.len()
        )));
    }
    actions.iter().try_for_each(|action| {
        at_most("label", Some(&action.label), 20)?;
        at_most("description", Some(&action.description), 40)?;
        at_most("identifier", Some(&action.identifier), 20)
    })
}

/// The rule of every link: `http` or `https`, and not empty.
pub(super) fn check_url(field: &str, url: &str) -> Result<(), Refusal> {
    let is_web = url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    is_web
        .then_some(())
        .ok_or_else(|| Refusal::rule("CheckRun", field, format!("{field} must use http(s) scheme")))
}

/// GitHub speaks of characters and counts bytes.
fn at_most(field: &str, text: Option<&String>, limit: usize) -> Result<(), Refusal> {
    match text.map_or(0, String::len) {
        length if length > limit => Err(Refusal::schema(format!(
            "For 'properties/{field}', Only {limit} characters are allowed; {length} were supplied."
        ))),
        _ => Ok(()),
    }
}
