//! Docker Hub's webhook, in the form of 2014 (no tag) and of today.
//!
//! Only the fields in use are read: numbers have come as integers, floats and strings, and lists as
//! null. `callback_url` and `repo_url` are a stranger's text, and are not even looked at.

use serde::Deserialize;

use super::{BadBody, Parsed, body};
use crate::model::{Ignored, ImageName, Push, Tag};

/// What the hub stores beside images, by the start of its media type, with a word for people.
/// An unknown type is left to the registry to judge: losing a push would be worse.
const NOT_IMAGES: [(&str, &str); 4] = [
    ("application/vnd.cncf.helm.", "a Helm chart"),
    ("application/vnd.dev.cosign.", "a signature"),
    ("application/vnd.dev.sigstore.", "a signature"),
    ("application/vnd.in-toto", "an attestation"),
];

#[derive(Deserialize)]
struct Payload {
    push_data: PushData,
    repository: Repository,
}

#[derive(Deserialize)]
struct PushData {
    tag: Option<String>,
    media_type: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    repo_name: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

/// Reads a body of Docker Hub.
pub fn parse(body: &[u8]) -> Result<Parsed, BadBody> {
    let Payload {
        push_data,
        repository,
    } = body::read(body)?;
    let image = image_name(repository)?;
    let mut notes = Vec::new();
    if push_data.tag.is_none() {
        notes.push("the payload names no tag (2014 form): testing `latest`".to_owned());
    }
    let tag = push_data
        .tag
        .map_or(Ok(Tag::latest()), |tag| tag.parse())
        .map_err(|error| BadBody::field("push_data.tag", error))?;
    let push = Push {
        image,
        tag,
        digest: None,
    };
    Ok(match no_image(&push.tag, push_data.media_type.as_deref()) {
        Some(reason) => Parsed::Ignored(Ignored {
            push: Some(push),
            reason,
        }),
        None => Parsed::Push { push, notes },
    })
}

/// `repo_name`, which is `ns/app`, or bare for an official image; else `namespace` and `name`.
fn image_name(repository: Repository) -> Result<ImageName, BadBody> {
    const FIELD: &str = "repository.repo_name";
    let name = match repository {
        Repository {
            repo_name: Some(name),
            ..
        } if !name.is_empty() => name,
        Repository {
            namespace: Some(namespace),
            name: Some(name),
            ..
        } if !namespace.is_empty() && !name.is_empty() => format!("{namespace}/{name}"),
        _ => return Err(BadBody::field(FIELD, "missing, and so is `namespace` or `name`")),
    };
    // With the registry written out, no name can stand for an image of another registry.
    let image: ImageName = format!("docker.io/{name}")
        .parse()
        .map_err(|error| BadBody::field(FIELD, error))?;
    if image.registry() != "docker.io" || image.path().split('/').count() != 2 {
        return Err(BadBody::field(
            FIELD,
            "not a name of Docker Hub like `namespace/name`",
        ));
    }
    Ok(image)
}

/// Why what was pushed is no image to test, if it is none.
fn no_image(tag: &Tag, media_type: Option<&str>) -> Option<String> {
    if tag.holds_signatures() {
        return Some(format!("`{tag}` is a tag of signatures, not of an image"));
    }
    if tag.holds_cache() {
        return Some(format!("`{tag}` looks like a build cache, not like an image"));
    }
    let media_type = media_type?;
    let (_, what) = NOT_IMAGES
        .iter()
        .find(|(start, _)| media_type.starts_with(start))?;
    Some(format!("`{tag}` is {what}, not an image"))
}

#[cfg(test)]
mod tests;
