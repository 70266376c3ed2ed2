//! Where a store is: a file, or a database on a server.

use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use super::StoreError;

/// How the address of a file starts.
const SQLITE: &str = "sqlite://";

/// The address of a store, as the configuration's `store` has it.
#[derive(Clone, Debug)]
pub(in crate::store) enum Address {
    /// `sqlite://FILE`
    File(PathBuf),
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`
    Server(Box<PgConnectOptions>),
}

impl FromStr for Address {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        if let Some(file) = url.strip_prefix(SQLITE) {
            return Ok(Self::File(PathBuf::from(file)));
        }
        let options = PgConnectOptions::from_str(url).map_err(|error| StoreError::Unusable {
            // Not the address itself: it may hold a password.
            store: "store".to_owned(),
            reason: format!("{error}; write `{SQLITE}FILE` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`"),
        })?;
        Ok(Self::Server(Box::new(options)))
    }
}

/// A server's address without its password.
pub(super) fn shown(options: &PgConnectOptions) -> String {
    let user = options.get_username();
    let database = options.get_database().unwrap_or(user);
    format!(
        "postgres://{user}@{}:{}/{database}",
        options.get_host(),
        options.get_port()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let Ok(Address::Server(options)) = "postgres://bot:hush@db.example.org:5433/checks".parse() else {
            panic!("it is a server's address")
        };
        assert_eq!(shown(&options), "postgres://bot@db.example.org:5433/checks");
        let broken = "postgres://bot:hush@db.example.org:port/checks".parse::<Address>();
        assert!(!broken.unwrap_err().to_string().contains("hush"));
    }
}
