//! The GitHub App as GitHub made it from the manifest.

use secrecy::SecretString;

/// An App that GitHub made from our manifest, with what only its owner knows.
/// <https://docs.github.com/rest/apps/apps#create-a-github-app-from-a-manifest>
#[derive(Clone, Debug)]
pub struct RegisteredApp {
    /// Its number.
    pub id: u64,
    /// Its name in URLs.
    pub slug: String,
    /// Its public page at GitHub, without a slash at the end.
    pub page: String,
    /// For signing in with GitHub.
    pub client_id: String,
    /// For signing in with GitHub.
    pub client_secret: SecretString,
    /// What GitHub signs its webhooks with.
    pub webhook_secret: SecretString,
    /// PEM.
    pub private_key: SecretString,
}
