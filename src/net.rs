//! What all our HTTP clients have in common, whomever they speak to.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use reqwest::{Client, ClientBuilder};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
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
    /// There is no TLS to be had.
    #[error("cannot use TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// How all our clients check servers: by the operator's certificates beside the system's.
#[derive(Clone, Debug)]
pub struct Trust(ClientConfig);

impl Trust {
    /// Reads the operator's certificates. The system's, some hundred files, are read when the first server is
    /// checked, and once for all clients that share this.
    pub fn new(net: &config::Net) -> Result<Self, TrustError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = net.ca_file.as_deref().map_or(Ok(Vec::new()), certificates)?;
        let verifier = WhenNeeded {
            roots,
            provider: provider.clone(),
            made: OnceLock::new(),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            // The platform's verifier is what reqwest itself would use.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self(config))
    }

    /// A client that checks servers so. Proxies come from the environment; time limits and redirects are for the
    /// caller to set.
    pub fn client_builder(&self) -> ClientBuilder {
        Client::builder()
            .user_agent(concat!("hubcheck/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(self.0.clone())
    }
}

/// The platform's verifier, made when the first server is checked.
#[derive(Debug)]
struct WhenNeeded {
    roots: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    made: OnceLock<Result<Verifier, rustls::Error>>,
}

impl WhenNeeded {
    fn verifier(&self) -> Result<&Verifier, rustls::Error> {
        let make = || Verifier::new_with_extra_roots(self.roots.clone(), self.provider.clone());
        self.made.get_or_init(make).as_ref().map_err(|error| {
            rustls::Error::General(format!(
                "cannot use the system's certificates: {error}; install the package ca-certificates"
            ))
        })
    }
}

impl ServerCertVerifier for WhenNeeded {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verifier()?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
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
        Trust::new(&net).unwrap_err().to_string()
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
