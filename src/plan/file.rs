//! `.github/hubcheck.yml`: a stranger's YAML → declarations, or an error that a person can act on.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::declaration::Declaration;
use super::values;
use super::yaml::{self, FileError};
use crate::model::{ImageName, ImagePattern};

/// Where the file stands in a repository.
pub const PATH: &str = ".github/hubcheck.yml";

/// What a repository declares.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = ".github/hubcheck.yml",
    description = "Which images speak for this repository, and how hubcheck tests them"
)]
pub struct File {
    /// By image: an exact name, or a namespace like `acme/*`; `docker.io/` may be left out.
    #[serde(deserialize_with = "values::images")]
    #[schemars(with = "std::collections::BTreeMap<String, Option<Declaration>>")]
    images: IndexMap<ImagePattern, Declaration>,
}

impl File {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        yaml::read(text, "images")
    }

    /// What is declared of an image: under its own name, else under its namespace.
    pub fn of(&self, image: &ImageName) -> Option<&Declaration> {
        ImagePattern::of(image)
            .iter()
            .find_map(|pattern| self.images.get(pattern))
    }

    /// The images that are declared.
    pub fn images(&self) -> impl Iterator<Item = &ImagePattern> {
        self.images.keys()
    }

    /// The images that are declared by their name, with what is said of each.
    pub fn named(&self) -> impl Iterator<Item = (&ImageName, &Declaration)> {
        let named = self.images.iter();
        named.filter_map(|(pattern, declared)| Some((pattern.image()?, declared)))
    }

    /// The JSON Schema, for editors.
    pub fn schema() -> serde_json::Value {
        // Serde's defaults are Rust's values, not the file's: the descriptions tell the defaults.
        let undefaulted = schemars::transform::RecursiveTransform(|schema: &mut schemars::Schema| {
            schema.remove("default");
        });
        let settings = schemars::generate::SchemaSettings::draft2020_12().with_transform(undefaulted);
        settings
            .into_generator()
            .into_root_schema_for::<Self>()
            .to_value()
    }
}
