//! What is remembered of an image that was tested, so that the next one can be compared with it.

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::image_config::ImageConfig;

/// Entries of a list that are kept.
const MOST_ENTRIES: usize = 100;

/// Bytes of a text that are kept.
const TEXT_BYTES: usize = 200;

/// An image in facts that can be compared, bounded whatever it says. Of variables there are the names alone: values are
/// often secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageFacts {
    /// Configuration and layers as they are stored, in bytes.
    pub size_bytes: u64,
    /// Its layers, the lowest first.
    pub layers: Vec<Digest>,
    /// What runs in it.
    pub entrypoint: Vec<String>,
    /// Its arguments.
    pub cmd: Vec<String>,
    /// Who runs it; empty for the superuser.
    pub user: String,
    /// Where it runs; empty for the root.
    pub working_dir: String,
    /// Names of variables that it sets, sorted.
    pub variables: Vec<String>,
    /// Ports that it exposes, sorted.
    pub ports: Vec<String>,
    /// Paths that are volumes, sorted.
    pub volumes: Vec<String>,
}

impl ImageFacts {
    /// The facts of an image; every text as `shown` makes it.
    pub fn new(
        size_bytes: u64,
        layers: &[Digest],
        config: &ImageConfig,
        shown: impl Fn(&str) -> String,
    ) -> Self {
        let text = |text: &str| {
            let mut text = shown(text);
            text.truncate(text.floor_char_boundary(TEXT_BYTES));
            text
        };
        let words = |words: &[String]| -> Vec<String> {
            words.iter().take(MOST_ENTRIES).map(|word| text(word)).collect()
        };
        let sorted = |mut words: Vec<String>| {
            words.sort_unstable();
            words
        };
        let names: Vec<String> = config
            .env
            .iter()
            .map(|pair| {
                pair.split_once('=')
                    .map_or(pair.as_str(), |(name, _)| name)
                    .to_owned()
            })
            .collect();
        Self {
            size_bytes,
            layers: layers.iter().take(MOST_ENTRIES).cloned().collect(),
            entrypoint: words(&config.entrypoint),
            cmd: words(&config.cmd),
            user: text(&config.user),
            working_dir: text(&config.working_dir),
            variables: sorted(words(&names)),
            ports: sorted(words(&config.exposed_ports)),
            volumes: sorted(words(&config.volumes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_variables_are_not_kept_and_nothing_is_endless() {
        let config = ImageConfig {
            env: (0..1000)
                .map(|number| format!("NAME_{number:04}=secret"))
                .collect(),
            user: "x".repeat(10_000),
            ..ImageConfig::default()
        };
        let layers = vec![Digest::of(b"x"); 500];
        let facts = ImageFacts::new(1, &layers, &config, str::to_owned);
        assert_eq!((facts.variables.len(), facts.layers.len()), (100, 100));
        let text = serde_json::to_string(&facts).unwrap();
        assert!(!text.contains("secret") && text.len() < 20_000);
    }
}
