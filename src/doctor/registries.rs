//! The registries: whether they take the accounts that are configured for them.

use super::{Finding, Patient};
use crate::model::ImageName;
use crate::net::Trust;
use crate::registry::RegistryClient;

/// Each configured account at its registry.
pub(super) async fn accounts(patient: &Patient) -> Vec<Finding> {
    let config = &patient.config;
    let client = Trust::new(&config.net)
        .map_err(|error| error.to_string())
        .and_then(|trust| {
            RegistryClient::new(&config.registries, &trust, patient.docker_login_file.clone())
                .map_err(|error| error.to_string())
        });
    let client = match client {
        Ok(client) => client,
        Err(why) => {
            return vec![Finding::wrong(
                "registries",
                why,
                "change it in the configuration",
            )];
        }
    };
    let mut findings = Vec::new();
    for host in config.registries.keys() {
        let bound = config.images.iter().find(|image| image.name.registry() == host);
        // Any name will do: that there is such an image is not asked.
        let image = match bound {
            Some(image) => Some(image.name.clone()),
            None => format!("{host}/hubcheck/doctor").parse::<ImageName>().ok(),
        };
        let Some(image) = image else { continue };
        let subject = format!("registry {host}");
        findings.push(match client.takes_account(&image).await {
            Ok(true) => Finding::good(subject, "takes the account that is configured for it"),
            Ok(false) => Finding::good(
                subject,
                "is read as anybody can read it: no account is configured",
            ),
            Err(error) => Finding::wrong(
                subject,
                error.to_string(),
                format!(
                    "check `username` and `password` of [registry.\"{host}\"], and that it can be reached"
                ),
            ),
        });
    }
    findings
}
