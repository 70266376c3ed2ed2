//! Layers to one configuration: the defaults, the file over them, the environment over both.

use std::path::Path;

use serde::Deserialize;
use serde_path_to_error::Segment;
use toml::{Table, Value};

use super::Config;
use super::environment::Environment;
use super::error::{ConfigError, Origin};
use super::file::{File, Step};
use super::secret_file::{self, BadSecret};
use super::validate;

/// Docker's own variable: where the Engine is, unless `docker.host` says otherwise.
pub const DOCKER_HOST: &str = "DOCKER_HOST";

impl Config {
    /// The configuration of `file` (default: `./hubcheck.toml` if it is there), with what
    /// `environment` sets over it.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut file = File::read(file)?;
        let variables: Vec<(String, String)> = environment.collect();
        let docker_host = variables
            .iter()
            .find(|(name, _)| name == DOCKER_HOST)
            .map(|(_, host)| host.clone());
        let mut environment = Environment::read(variables.into_iter())?;
        let base = file.folder().to_owned();
        secret_file::resolve(&mut file.table, &base)
            .map_err(|bad| bad_secret(bad, |key| file.origin(&keys(key))))?;
        secret_file::resolve(&mut environment.table, &base).map_err(|bad| {
            bad_secret(bad, |key| {
                variable(&environment, &keys(key)).unwrap_or(Origin::Default)
            })
        })?;

        let mut merged = super::known::defaults();
        overlay(&mut merged, file.table.clone());
        overlay(&mut merged, environment.table.clone());
        let invalid = |path: &[Step], why: String| ConfigError::Invalid {
            origin: variable(&environment, path).unwrap_or_else(|| file.origin(path)),
            key: dotted(path),
            why,
        };
        let mut config: Self = serde_path_to_error::deserialize(merged).map_err(|error| {
            invalid(
                &steps(error.path()),
                format!("cannot be used: {}", error.inner().message()),
            )
        })?;
        validate::check(&config).map_err(|problem| invalid(&problem.path, problem.why))?;
        config.anchor_paths(&base);
        config.docker.host = config.docker.host.or(docker_host);
        Ok(config)
    }

    /// The defaults alone: what `hubcheck.example.toml` says.
    pub fn defaults() -> Self {
        Self::deserialize(super::known::defaults()).expect("the example file is tested")
    }

    /// Makes relative paths start from `base`.
    fn anchor_paths(&mut self, base: &Path) {
        if let Some(ca_file) = &mut self.net.ca_file {
            *ca_file = base.join(&*ca_file);
        }
        if let Some(file) = self.store.strip_prefix(validate::SQLITE) {
            self.store = format!("{}{}", validate::SQLITE, base.join(file).display());
        }
    }
}

/// Lays `upper` over `lower`: tables are merged, everything else is replaced.
fn overlay(lower: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(lower)), Value::Table(upper)) => overlay(lower, upper),
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

/// The variable that set the key at `path`, or a table around it.
fn variable(environment: &Environment, path: &[Step]) -> Option<Origin> {
    (1..=path.len())
        .rev()
        .find_map(|length| environment.variables.get(&dotted(&path[..length])))
        .map(|variable| Origin::Environment(variable.clone()))
}

fn bad_secret(bad: BadSecret, origin: impl Fn(&str) -> Origin) -> ConfigError {
    match bad {
        BadSecret::Unreadable(path, source) => ConfigError::Unreadable { path, source },
        BadSecret::Invalid(key, why) => ConfigError::Invalid {
            origin: origin(&key),
            key,
            why,
        },
    }
}

/// A key with dots between levels as a path.
fn keys(dotted: &str) -> Vec<Step> {
    dotted.split('.').map(|key| Step::Key(key.to_owned())).collect()
}

fn steps(path: &serde_path_to_error::Path) -> Vec<Step> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

fn dotted(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.clone_from(key),
            Step::Key(key) => text.extend([".", key]),
            Step::Index(index) => text.extend(["[", &(index + 1).to_string(), "]"]),
        }
    }
    text
}

#[cfg(test)]
mod tests;
