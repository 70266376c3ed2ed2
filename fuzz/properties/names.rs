//! Names of images, tags, digests, platforms, repositories and commits.

use std::fmt::Display;
use std::str::FromStr;

use hubcheck::model::{CommitSha, Digest, ImageName, Platform, RepoName, RunId, Tag};
use hubcheck::registry::foreign::address;
use url::Position;

use super::{assert_sentence, text};

/// Whatever is read as a name is printed as one that is read as the same; no name can be an option, leave
/// its place in an address, or pass for an image of another registry.
pub(super) fn what_is_printed_is_read_as_the_same(input: &[u8]) {
    let text = text(input);
    if let Some(name) = read_again::<ImageName>(&text) {
        image(&name);
    }
    for name in [
        read_again::<Tag>(&text).map(|tag| tag.to_string()),
        read_again::<Digest>(&text).map(|digest| digest.to_string()),
        read_again::<Platform>(&text).map(|platform| platform.to_string()),
        read_again::<RepoName>(&text).map(|repo| repo.to_string()),
        read_again::<CommitSha>(&text).map(|sha| sha.to_string()),
        read_again::<RunId>(&text).map(|id| id.to_string()),
    ] {
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
        assert!(name.is_none_or(|name| name.bytes().all(harmless)), "{text:?}");
    }
}

fn read_again<T: FromStr<Err: Display> + Display + PartialEq + std::fmt::Debug>(text: &str) -> Option<T> {
    match text.parse::<T>() {
        Ok(name) => {
            let printed = name.to_string();
            let again = printed.parse::<T>().ok();
            assert_eq!(again.as_ref(), Some(&name), "{text:?} is printed as {printed:?}");
            Some(name)
        }
        Err(error) => {
            assert_sentence(&error.to_string(), 500);
            None
        }
    }
}

fn image(name: &ImageName) {
    assert_eq!(
        name.short().parse().as_ref(),
        Ok(name),
        "its short form is {}",
        name.short()
    );
    let printed = name.to_string();
    assert!(
        !printed.starts_with('-') && !name.path().starts_with(['-', '/', '.']),
        "{printed}"
    );
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte);
    assert!(printed.bytes().all(harmless), "{printed}");
    let Some((url, reference)) = address(name, "latest") else {
        return;
    };
    assert_eq!(url.path(), format!("/v2/{}/manifests/latest", name.path()));
    assert!(url.username().is_empty() && url.password().is_none() && url.query().is_none());
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let hub = name.registry() == "docker.io" && host == "registry-1.docker.io";
    // A default port is left out of an address, and zeros before a port; a name of digits is an IPv4 address.
    let written = name.registry();
    let same = url::Url::parse(&format!("{}://{written}/", url.scheme()))
        .is_ok_and(|own| own.origin() == url.origin());
    assert!(hub || same, "{printed} is read at {url}");
    let pulled: Result<ImageName, _> = reference.parse();
    assert!(
        pulled.is_ok_and(|pulled| pulled.path() == name.path()),
        "{reference}"
    );
}
