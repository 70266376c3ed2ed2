//! The last step of the manifest flow: a code becomes the App. It is asked as nobody, for there is no App yet.
//! <https://docs.github.com/apps/sharing-github-apps/registering-a-github-app-from-a-manifest>

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded::byte_serialize;

use super::error::{GithubError, SetupError};
use super::transport::{self, Request};
use super::{GitHub, TIMEOUT, wire};
use crate::config;
use crate::model::RegisteredApp;
use crate::net::Trust;

/// Why there is no App.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The client cannot be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The code is no longer good, or never was.
    #[error("GitHub does not know the code: it was used already, or is older than an hour")]
    UnknownCode,
    /// GitHub said something else, or nothing.
    #[error("{0}")]
    Github(String),
}

#[derive(Deserialize)]
struct Converted {
    id: u64,
    slug: String,
    html_url: String,
    client_id: String,
    client_secret: SecretString,
    webhook_secret: Option<SecretString>,
    pem: SecretString,
}

/// Has GitHub turn the code of a manifest into the App. A code is good once, and for an hour.
pub async fn register(
    config: &config::Github,
    trust: &Trust,
    code: &str,
) -> Result<RegisteredApp, RegistrationError> {
    let (api, _, crab) = GitHub::client(config, trust.client_builder(), TIMEOUT)?;
    let code: String = byte_serialize(code.as_bytes()).collect();
    let request = Request::post(format!("/app-manifests/{code}/conversions"), json!({}));
    // What is shown of the request must not hold the code.
    let shown = Request::post("/app-manifests/…/conversions".to_owned(), json!({}));
    let answer = match transport::send(&crab, &api, &request).await {
        Ok(answer) => answer,
        Err(GithubError::NotFound(_)) => return Err(RegistrationError::UnknownCode),
        Err(error) => return Err(RegistrationError::Github(error.to_string().replace(&code, "…"))),
    };
    let app: Converted =
        wire::read(&shown, &answer).map_err(|error| RegistrationError::Github(error.to_string()))?;
    let webhook_secret = app.webhook_secret.ok_or_else(|| {
        let why = "GitHub made the App without a webhook secret: delete it there, and begin again";
        RegistrationError::Github(why.to_owned())
    })?;
    Ok(RegisteredApp {
        id: app.id,
        slug: app.slug,
        page: app.html_url.trim_end_matches('/').to_owned(),
        client_id: app.client_id,
        client_secret: app.client_secret,
        webhook_secret,
        private_key: app.pem,
    })
}
