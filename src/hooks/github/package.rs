//! `registry_package`: an image was pushed to GitHub's own registry, as the App's webhook tells it.
//!
//! One event comes for each manifest: of each platform, without a tag, and of the index, with it. The tag alone leads
//! to a run, so that an image has one.

use serde::Deserialize;

use super::{BadBody, GithubEvent, body};
use crate::model::{ImageName, Push, Tag};

/// GitHub's registry, where the event does not name one.
const HOST: &str = "ghcr.io";

#[derive(Deserialize)]
struct Payload {
    registry_package: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    owner: Owner,
    /// `CONTAINER`, or `docker`.
    #[serde(rename = "package_type")]
    kind: String,
    #[serde(rename = "package_version")]
    version: Option<Version>,
}

#[derive(Deserialize)]
struct Owner {
    login: String,
}

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "version")]
    digest: Option<String>,
    /// `ghcr.io/acme/app:v1`; without a tag it may end in a colon.
    package_url: Option<String>,
    container_metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    tag: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
    digest: Option<String>,
}

/// Reads the body of a version that was published or updated.
pub(super) fn read(body: &[u8]) -> Result<GithubEvent, BadBody> {
    let Payload { registry_package } = body::read(body)?;
    let ignored = |reason: &str| {
        Ok(GithubEvent::PackageIgnored {
            reason: reason.to_owned(),
        })
    };
    let kind = registry_package.kind.to_ascii_lowercase();
    if !matches!(kind.as_str(), "container" | "docker") {
        return ignored("the package is not an image");
    }
    let Some(version) = registry_package.version.as_ref() else {
        return ignored("the event names no version of the package");
    };
    let named = version
        .container_metadata
        .as_ref()
        .and_then(|metadata| metadata.tag.as_ref());
    let tag = named.and_then(|named| named.name.as_deref()).unwrap_or_default();
    if tag.is_empty() {
        return ignored("the manifest has no tag: the event of the one that has it counts");
    }
    let image = image(&registry_package, version.package_url.as_deref())?;
    let tag: Tag = tag.parse().map_err(|error| {
        BadBody::field(
            "registry_package.package_version.container_metadata.tag.name",
            error,
        )
    })?;
    if tag.holds_signatures() {
        return ignored("it is a signature, not an image");
    }
    Ok(GithubEvent::PackagePushed {
        push: Push {
            image,
            tag,
            // What is no digest is none: then the registry is asked.
            digest: named
                .and_then(|named| named.digest.as_deref())
                .or(version.digest.as_deref())
                .and_then(|digest| digest.parse().ok()),
        },
    })
}

/// As the address has it, else by owner and name. GitHub keeps capitals that no image name has.
fn image(package: &Package, url: Option<&str>) -> Result<ImageName, BadBody> {
    let of_url = url.and_then(|url| {
        let name = url.split_once('@').map_or(url, |(name, _)| name);
        let (folder, last) = name.rsplit_once('/')?;
        let last = last.split_once(':').map_or(last, |(last, _)| last);
        folder.contains('/').then(|| format!("{folder}/{last}"))
    });
    let name = of_url.unwrap_or_else(|| format!("{HOST}/{}/{}", package.owner.login, package.name));
    name.to_lowercase()
        .parse()
        .map_err(|error| BadBody::field("registry_package.package_version.package_url", error))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(change: impl FnOnce(&mut Value)) -> GithubEvent {
        let mut body = json!({
            "action": "published",
            "registry_package": {
                "id": 1, "name": "app", "namespace": "Acme", "ecosystem": "CONTAINER", "package_type": "CONTAINER",
                "owner": { "login": "Acme" },
                "package_version": {
                    "version": "sha256:aaaa", "package_url": "ghcr.io/Acme/app:v1", "body": {},
                    "container_metadata": { "tag": { "name": "v1", "digest": "sha256:aaaa" }, "manifest": "…" },
                },
            },
            "repository": { "id": 3, "name": "app", "full_name": "Acme/app" },
        });
        change(&mut body);
        super::super::parse("registry_package", body.to_string().as_bytes()).unwrap()
    }

    fn pushed(change: impl FnOnce(&mut Value)) -> String {
        match event(change) {
            GithubEvent::PackagePushed { push } => format!("{}:{}", push.image, push.tag),
            GithubEvent::PackageIgnored { reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    const VERSION: &str = "/registry_package/package_version";

    #[test]
    fn an_image_is_named_by_its_address_in_lower_case() {
        assert_eq!(pushed(|_| ()), "ghcr.io/acme/app:v1");
        let at = |body: &mut Value, url: Value| body.pointer_mut(VERSION).unwrap()["package_url"] = url;
        for (url, image) in [
            (json!("ghcr.io/acme/app:"), "ghcr.io/acme/app:v1"),
            (json!("ghcr.io/acme/tools/app:v1"), "ghcr.io/acme/tools/app:v1"),
            (json!("ghcr.io/acme/app@sha256:aaaa"), "ghcr.io/acme/app:v1"),
            (
                json!("containers.ghe.example.org/acme/app:v1"),
                "containers.ghe.example.org/acme/app:v1",
            ),
            (json!(null), "ghcr.io/acme/app:v1"),
            (json!(""), "ghcr.io/acme/app:v1"),
        ] {
            assert_eq!(pushed(|body| at(body, url.clone())), image, "{url}");
        }
    }

    #[test]
    fn the_digest_that_was_pushed_is_told() {
        let digest = |change: &dyn Fn(&mut Value)| match event(change) {
            GithubEvent::PackagePushed { push } => push.digest.map(|digest| digest.to_string()),
            other => panic!("{other:?}"),
        };
        let (of_tag, of_version) = (
            format!("sha256:{}", "1".repeat(64)),
            format!("sha256:{}", "2".repeat(64)),
        );
        let version = |body: &mut Value| body.pointer_mut(VERSION).unwrap()["version"] = json!(of_version);
        let tag = |body: &mut Value, digest: Value| {
            body.pointer_mut(VERSION).unwrap()["container_metadata"]["tag"]["digest"] = digest;
        };
        assert_eq!(digest(&|_| ()), None, "`sha256:aaaa` is no digest");
        let both = |body: &mut Value| {
            version(body);
            tag(body, json!(of_tag));
        };
        assert_eq!(digest(&both).as_ref(), Some(&of_tag));
        let one = |body: &mut Value| {
            version(body);
            tag(body, json!(null));
        };
        assert_eq!(digest(&one).as_ref(), Some(&of_version));
    }

    #[test]
    fn what_is_no_tagged_image_is_told_and_left() {
        let tag = |body: &mut Value, tag: Value| {
            body.pointer_mut(VERSION).unwrap()["container_metadata"]["tag"] = tag;
        };
        let untagged = "the manifest has no tag: the event of the one that has it counts";
        assert_eq!(pushed(|body| tag(body, json!({ "name": "" }))), untagged);
        assert_eq!(pushed(|body| tag(body, json!(null))), untagged);
        let signature = format!("sha256-{}.sig", "a".repeat(64));
        assert_eq!(
            pushed(|body| tag(body, json!({ "name": signature }))),
            "it is a signature, not an image"
        );
        let kind = |body: &mut Value, kind: &str| body["registry_package"]["package_type"] = json!(kind);
        assert_eq!(pushed(|body| kind(body, "npm")), "the package is not an image");
        assert_eq!(pushed(|body| kind(body, "docker")), "ghcr.io/acme/app:v1");
    }
}
