//! Every secret of a configuration, for hiding it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Config;

impl Config {
    /// All values that nobody else may see, in each form that they are written in.
    pub fn secrets(&self) -> Vec<SecretString> {
        let plain = [&self.web.admin_token, &self.github.client_secret]
            .into_iter()
            .flatten()
            .chain(&self.hooks.secret)
            .chain(self.hooks.tokens.values())
            .chain(&self.github.webhook_secret)
            .chain(
                self.registries
                    .values()
                    .filter_map(|registry| registry.password.as_ref()),
            )
            .chain(self.images.iter().flat_map(super::ImageBinding::masked_values))
            .cloned();
        let key = self.github.private_key.iter().flat_map(forms_of_key);
        plain.chain(key).chain(password_of(&self.store)).collect()
    }
}

/// The App's key as it was pasted, and as it is: with its lines, out of their escapes, out of base64.
fn forms_of_key(key: &SecretString) -> Vec<SecretString> {
    let pasted = key.expose_secret();
    let unpacked = STANDARD.decode(pasted.split_whitespace().collect::<String>());
    let unpacked = unpacked.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    [Some(pasted.replace("\\n", "\n")), unpacked]
        .into_iter()
        .flatten()
        .map(SecretString::from)
        .chain([key.clone()])
        .collect()
}

/// The password in the store's address, where there is one.
fn password_of(store: &str) -> Option<SecretString> {
    Some(Url::parse(store).ok()?.password()?.into())
}
