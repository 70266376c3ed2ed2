//! The GitHub App as it is described to GitHub: what `app-manifest/manifest.json` says, for an address.
//! <https://docs.github.com/apps/sharing-github-apps/registering-a-github-app-from-a-manifest>

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const TEXT: &str = include_str!("../app-manifest/manifest.json");

/// Where the webhook of the App is, below the public address.
pub const HOOK_PATH: &str = "/hooks/github";

/// Where the set-up's page is.
pub const SETUP_PATH: &str = "/setup";

/// What is posted to GitHub to make the App.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppManifest {
    /// Its name for people; GitHub wants one that nobody has.
    pub name: String,
    /// Its home page.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// May others install it?
    pub public: bool,
    /// Its webhook.
    pub hook_attributes: HookAttributes,
    /// Where GitHub leads the browser once the App is made.
    pub redirect_url: String,
    /// Where GitHub leads whoever installed it.
    pub setup_url: String,
    /// What it asks for: `checks` → `write`.
    pub default_permissions: BTreeMap<String, String>,
    /// What it is told of.
    pub default_events: Vec<String>,
}

/// The App's webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookAttributes {
    /// Where GitHub posts to. It takes no address of this machine alone.
    pub url: String,
    /// Is it in use?
    pub active: bool,
}

impl AppManifest {
    /// The App of a bot that is reached at `public_url`, which ends without a slash.
    pub fn at(public_url: &str) -> Self {
        let manifest: Self = serde_json::from_str(TEXT).expect("the manifest is part of the program");
        Self {
            url: public_url.to_owned(),
            redirect_url: format!("{public_url}{SETUP_PATH}/created"),
            setup_url: format!("{public_url}{SETUP_PATH}"),
            hook_attributes: HookAttributes {
                url: hook_url(public_url),
                ..manifest.hook_attributes
            },
            ..manifest
        }
    }

    /// The permissions of these that do not go as far as the App needs: `checks: write`.
    pub fn lacking_permissions(&self, granted: &BTreeMap<String, String>) -> Vec<String> {
        let rank = |access: &str| {
            ["read", "write", "admin"]
                .iter()
                .position(|known| *known == access)
        };
        let lacks = |(name, needed): &(&String, &String)| {
            granted.get(*name).and_then(|access| rank(access)) < rank(needed)
        };
        let needed = self.default_permissions.iter().filter(lacks);
        needed.map(|(name, access)| format!("{name}: {access}")).collect()
    }

    /// The events that are not among these.
    pub fn lacking_events(&self, told: &[String]) -> Vec<String> {
        let events = self.default_events.iter();
        events.filter(|event| !told.contains(event)).cloned().collect()
    }
}

/// Where GitHub posts to, for a bot that is reached at `public_url`.
pub fn hook_url(public_url: &str) -> String {
    format!("{public_url}{HOOK_PATH}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_made_for_an_address() {
        let manifest = AppManifest::at("https://checks.acme.example");
        assert_eq!(manifest.url, "https://checks.acme.example");
        assert_eq!(
            manifest.hook_attributes.url,
            "https://checks.acme.example/hooks/github"
        );
        assert_eq!(manifest.redirect_url, "https://checks.acme.example/setup/created");
        assert_eq!(manifest.default_permissions["checks"], "write");
    }

    #[test]
    fn what_is_granted_beyond_need_is_no_lack() {
        let manifest = AppManifest::at("https://checks.acme.example");
        let mut granted = manifest.default_permissions.clone();
        granted.insert("contents".to_owned(), "write".to_owned());
        granted.insert("issues".to_owned(), "read".to_owned());
        assert!(manifest.lacking_permissions(&granted).is_empty());
        granted.insert("checks".to_owned(), "read".to_owned());
        granted.remove("statuses");
        assert_eq!(
            manifest.lacking_permissions(&granted),
            ["checks: write", "statuses: write"]
        );
        assert_eq!(
            manifest.lacking_events(&["push".to_owned()]).len(),
            manifest.default_events.len() - 1
        );
    }
}
