//! What an image says of how it is run.

use std::collections::BTreeMap;

/// An image's configuration, as far as containers start with it.
/// <https://github.com/opencontainers/image-spec/blob/main/config.md>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// What runs in it; empty where the image says nothing.
    pub entrypoint: Vec<String>,
    /// The arguments, or the command where there is no entrypoint.
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Who runs it; empty for the superuser.
    pub user: String,
    /// Where it runs; empty for the root.
    pub working_dir: String,
    /// Ports with their protocols: `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// Paths that the image wants to be volumes.
    pub volumes: Vec<String>,
    /// Labels, inherited ones among them.
    pub labels: BTreeMap<String, String>,
}

impl ImageConfig {
    /// The value of a variable that the image sets.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.env
            .iter()
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}
