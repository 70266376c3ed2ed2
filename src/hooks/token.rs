//! The token in a hook's URL: all the authentication that registries without signatures leave.
//!
//! It carries the image's canonical name and a MAC over sender and name, so that it can be made
//! offline, good for one image at one sender, without anything being stored.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Sender;
use crate::model::ImageName;

/// Sets these MACs apart from all others that the same key may ever make.
const DOMAIN: &[u8] = b"hubcheck hook token v1\0";

/// There is no key to sign tokens with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no master key for the hook URLs: set `hooks.secret`")]
pub struct NoHookKey;

/// What a token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenScope {
    /// One image.
    Image(ImageName),
    /// Every image.
    Operator {
        /// The token's name in the configuration.
        name: String,
    },
}

impl TokenScope {
    /// May who holds the token speak of `image`?
    pub fn covers(&self, image: &ImageName) -> bool {
        match self {
            Self::Image(own) => own == image,
            Self::Operator { .. } => true,
        }
    }
}

/// The keys that tokens are made and verified with.
#[derive(Clone)]
pub struct HookKeys {
    first: Hmac<Sha256>,
    others: Vec<Hmac<Sha256>>,
    /// By name, the SHA-256 of each operator token: equal in length, whatever the tokens are.
    operators: Vec<(String, [u8; 32])>,
}

impl HookKeys {
    /// Keys of which the first signs and all verify, and named tokens that are good for every image.
    pub fn new(keys: &[SecretString], operators: &BTreeMap<String, SecretString>) -> Result<Self, NoHookKey> {
        let mut macs = keys.iter().map(keyed);
        Ok(Self {
            first: macs.next().ok_or(NoHookKey)?,
            others: macs.collect(),
            operators: operators
                .iter()
                .map(|(name, token)| (name.clone(), Sha256::digest(token.expose_secret()).into()))
                .collect(),
        })
    }

    /// The token of `image` at `sender`: text that a URL's path can hold.
    pub fn token(&self, sender: Sender, image: &ImageName) -> String {
        let name = image.to_string();
        let mac = over(&self.first, sender, &name).finalize().into_bytes();
        format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(&name),
            URL_SAFE_NO_PAD.encode(mac)
        )
    }

    /// What `token` is good for at `sender`; `None`: nothing.
    pub fn verify(&self, sender: Sender, token: &str) -> Option<TokenScope> {
        self.operator(token).or_else(|| self.image(sender, token))
    }

    fn operator(&self, token: &str) -> Option<TokenScope> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        self.operators
            .iter()
            .find(|(_, known)| bool::from(known.ct_eq(&digest)))
            .map(|(name, _)| TokenScope::Operator { name: name.clone() })
    }

    fn image(&self, sender: Sender, token: &str) -> Option<TokenScope> {
        let (name, mac) = token.split_once('.')?;
        let name = String::from_utf8(URL_SAFE_NO_PAD.decode(name).ok()?).ok()?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        std::iter::once(&self.first)
            .chain(&self.others)
            .any(|key| over(key, sender, &name).verify_slice(&mac).is_ok())
            .then(|| name.parse().ok().map(TokenScope::Image))?
    }
}

fn keyed(secret: &SecretString) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes keys of any length")
}

fn over(key: &Hmac<Sha256>, sender: Sender, name: &str) -> Hmac<Sha256> {
    key.clone()
        .chain_update(DOMAIN)
        .chain_update(sender.as_str())
        .chain_update([0])
        .chain_update(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secrets: &[&str]) -> HookKeys {
        let secrets: Vec<SecretString> = secrets.iter().map(|&secret| secret.into()).collect();
        let operators = BTreeMap::from([("ci".to_owned(), "operator's own".into())]);
        HookKeys::new(&secrets, &operators).unwrap()
    }

    fn image(name: &str) -> ImageName {
        name.parse().unwrap()
    }

    #[test]
    fn a_token_is_good_for_its_image_alone() {
        let keys = keys(&["secret"]);
        let token = keys.token(Sender::Dockerhub, &image("acme/app"));
        let scope = keys.verify(Sender::Dockerhub, &token).unwrap();
        assert_eq!(scope, TokenScope::Image(image("docker.io/acme/app")));
        assert!(scope.covers(&image("acme/app")) && !scope.covers(&image("acme/other")));
        let (name, mac) = token.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode("docker.io/acme/other");
        for forged in [
            format!("{other}.{mac}"),
            format!("{name}.{}", &mac[1..]),
            format!("{name}.{mac}="),
            format!("{name}."),
            format!("{name}.{mac}.{mac}"),
            name.to_owned(),
            String::new(),
            "ä.ö".to_owned(),
        ] {
            assert_eq!(keys.verify(Sender::Dockerhub, &forged), None, "{forged}");
        }
    }

    #[test]
    fn a_token_fits_into_a_path_and_stays_the_same() {
        let token = keys(&["secret"]).token(Sender::Dockerhub, &image("acme/app"));
        assert!(
            token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        );
        assert_eq!(
            token,
            keys(&["secret"]).token(Sender::Dockerhub, &image("acme/app"))
        );
    }

    #[test]
    fn keys_are_turned_over_without_a_gap() {
        let old = keys(&["old"]).token(Sender::Dockerhub, &image("acme/app"));
        assert!(keys(&["new", "old"]).verify(Sender::Dockerhub, &old).is_some());
        assert_eq!(keys(&["new"]).verify(Sender::Dockerhub, &old), None);
        let both = keys(&["new", "old"]).token(Sender::Dockerhub, &image("acme/app"));
        assert!(keys(&["new"]).verify(Sender::Dockerhub, &both).is_some());
        assert_eq!(HookKeys::new(&[], &BTreeMap::new()).err(), Some(NoHookKey));
    }

    #[test]
    fn an_operators_token_is_good_for_every_image() {
        let keys = keys(&["secret"]);
        let scope = keys.verify(Sender::Dockerhub, "operator's own").unwrap();
        assert_eq!(
            scope,
            TokenScope::Operator {
                name: "ci".to_owned()
            }
        );
        assert!(scope.covers(&image("ghcr.io/any/thing")));
        assert_eq!(keys.verify(Sender::Dockerhub, "operator's ow"), None);
    }
}
