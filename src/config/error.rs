//! What is wrong with a configuration, and where it stands: the text a person needs to mend it,
//! which never holds a secret's value.

use std::fmt;
use std::path::PathBuf;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file is not there, or may not be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The configuration file, or the file of a secret.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{origin}: this is not TOML: {why}")]
    Syntax {
        /// The file and its line.
        origin: Origin,
        /// What the parser says.
        why: String,
    },
    /// A key that does not exist.
    #[error("{origin}: unknown key `{key}` in {}{}", table_name(table), suggestion(nearest.as_deref()))]
    UnknownKey {
        /// Where it stands.
        origin: Origin,
        /// The key.
        key: String,
        /// Its table, with dots between levels; empty at the top.
        table: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// A key whose value cannot be used.
    #[error("{origin}: `{key}` {why}")]
    Invalid {
        /// Where it stands.
        origin: Origin,
        /// The key, with dots between levels.
        key: String,
        /// What is wrong with its value, and what to write instead.
        why: String,
    },
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of the configuration file; none where the file says nothing of the key.
    File(PathBuf, Option<usize>),
    /// An environment variable.
    Environment(String),
    /// The program's defaults.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, Some(line)) => write!(f, "{}:{line}", path.display()),
            Self::File(path, None) => write!(f, "{}", path.display()),
            Self::Environment(variable) => f.write_str(variable),
            Self::Default => f.write_str("configuration"),
        }
    }
}

fn table_name(table: &str) -> String {
    if table.is_empty() {
        "the top level".to_owned()
    } else {
        format!("[{table}]")
    }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || "; hubcheck.example.toml lists them all".to_owned(),
        |nearest| format!(": did you mean `{nearest}`?"),
    )
}
