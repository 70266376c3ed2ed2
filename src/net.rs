//! What all our HTTP clients have in common, whomever they speak to.

use std::path::{Path, PathBuf};

use reqwest::{Certificate, Client, ClientBuilder};

use crate::config;

/// The file of `[net] ca_file` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {} for [net] ca_file: {reason}", path.display())]
pub struct CaFileError {
    path: PathBuf,
    reason: String,
}

/// A client that trusts the operator's certificates beside the system's. Proxies come from the
/// environment; time limits and redirects are for the caller to set.
pub fn client_builder(net: &config::Net) -> Result<ClientBuilder, CaFileError> {
    let roots = net.ca_file.as_deref().map_or(Ok(Vec::new()), certificates)?;
    Ok(Client::builder()
        .user_agent(concat!("hubcheck/", env!("CARGO_PKG_VERSION")))
        .tls_certs_merge(roots))
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, CaFileError> {
    let unusable = |reason: String| CaFileError {
        path: path.to_owned(),
        reason,
    };
    let pem = std::fs::read(path)
        .map_err(|error| unusable(format!("{error}; check the path, and that this user may read it")))?;
    let certificates = Certificate::from_pem_bundle(&pem)
        .map_err(|_| unusable("a certificate in it is damaged: it must be PEM".to_owned()))?;
    if certificates.is_empty() {
        return Err(unusable(
            "there is no certificate in PEM form in it (`-----BEGIN CERTIFICATE-----`)".to_owned(),
        ));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn refusal(path: &Path) -> String {
        let net = config::Net {
            ca_file: Some(path.to_owned()),
        };
        client_builder(&net).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_the_reason() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let name = file.path().display().to_string();
        let empty = refusal(file.path());
        assert!(
            empty.contains(&name) && empty.contains("no certificate"),
            "{empty}"
        );
        file.write_all(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")
            .unwrap();
        let garbage = refusal(file.path());
        assert!(
            garbage.contains(&name) && garbage.contains("damaged"),
            "{garbage}"
        );
        let missing = refusal(Path::new("/nowhere/ca.pem"));
        assert!(
            missing.contains("/nowhere/ca.pem") && missing.contains("check the path"),
            "{missing}"
        );
    }
}
