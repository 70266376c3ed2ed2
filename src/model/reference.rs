//! References to images as people write them: a name, maybe with a tag or a digest, or an Engine's own id.

use std::str::FromStr;

use super::digest::Digest;
use super::image::{ImageName, InvalidReference, Tag};

/// An image as somebody asked for it: `acme/app`, `acme/app:v1`, `acme/app@sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReference {
    /// As it was written: what the Docker Engine is asked for.
    pub text: String,
    /// The image.
    pub name: ImageName,
    /// The tag, where one is named.
    pub tag: Option<Tag>,
    /// The digest, where one is named.
    pub digest: Option<Digest>,
}

impl FromStr for ImageReference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash is that of a port.
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[last..].split_once(':') {
            Some((_, tag)) => (&rest[..rest.len() - tag.len() - 1], Some(tag)),
            None => (rest, None),
        };
        let digest = digest.map(|digest| {
            digest.parse().map_err(|_| {
                InvalidReference("what stands behind the `@` is no digest like `sha256:…`".to_owned())
            })
        });
        Ok(Self {
            text: text.to_owned(),
            name: name.parse()?,
            tag: tag.map(str::parse).transpose()?,
            digest: digest.transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tags_ports_and_digests_are_told_apart() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for (text, name, tag, has_digest) in [
            ("acme/app".to_owned(), "docker.io/acme/app", None, false),
            ("app:dev".to_owned(), "docker.io/library/app", Some("dev"), false),
            ("localhost:5000/app".to_owned(), "localhost:5000/app", None, false),
            (
                "localhost:5000/app:v1".to_owned(),
                "localhost:5000/app",
                Some("v1"),
                false,
            ),
            (
                format!("ghcr.io/acme/app@{digest}"),
                "ghcr.io/acme/app",
                None,
                true,
            ),
            (
                format!("acme/app:v1@{digest}"),
                "docker.io/acme/app",
                Some("v1"),
                true,
            ),
        ] {
            let reference: ImageReference = text.parse().unwrap();
            assert_eq!(reference.name.to_string(), name);
            assert_eq!(reference.tag.as_ref().map(Tag::as_str), tag);
            assert_eq!(reference.digest.is_some(), has_digest, "{text}");
        }
        for wrong in ["", "Acme/App", "acme/app:", "acme/app@sha256:1", "--flag", "a b"] {
            assert!(wrong.parse::<ImageReference>().is_err(), "{wrong}");
        }
    }
}
