//! What all our HTTP clients have in common, whomever they speak to.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::{Client, ClientBuilder};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;

use crate::config;

/// Servers' certificates cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file of `[net] ca_file` cannot be used.
    #[error("cannot use {} for [net] ca_file: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system has no certificates, or none that can be read.
    #[error("cannot use the system's certificates: {0}; install the package ca-certificates")]
    System(rustls::Error),
}

/// A client that trusts the operator's certificates beside the system's. Proxies come from the
/// environment; time limits and redirects are for the caller to set.
pub fn client_builder(net: &config::Net) -> Result<ClientBuilder, TrustError> {
    Ok(Client::builder()
        .user_agent(concat!("hubcheck/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(trust(net.ca_file.as_deref())?))
}

/// How servers are checked. What was made last is used again: the system has hundreds of certificates, and to read
/// them takes longer than all the rest of a start.
fn trust(ca_file: Option<&Path>) -> Result<ClientConfig, TrustError> {
    static MADE: Mutex<Option<(Option<PathBuf>, ClientConfig)>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    match &*made {
        Some((file, trust)) if file.as_deref() == ca_file => Ok(trust.clone()),
        _ => {
            let trust = make_trust(ca_file)?;
            *made = Some((ca_file.map(Path::to_owned), trust.clone()));
            Ok(trust)
        }
    }
}

fn make_trust(ca_file: Option<&Path>) -> Result<ClientConfig, TrustError> {
    let roots = ca_file.map_or(Ok(Vec::new()), certificates)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots, provider.clone()).map_err(TrustError::System)?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TrustError::System)?
        // The platform's verifier is what reqwest itself would use.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let unusable = |reason: String| TrustError::CaFile {
        path: path.to_owned(),
        reason,
    };
    let pem = std::fs::read(path)
        .map_err(|error| unusable(format!("{error}; check the path, and that this user may read it")))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
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
