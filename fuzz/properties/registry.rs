//! What registries send, and the file in which `docker login` keeps accounts.

use http::HeaderValue;
use hubcheck::model::{ImageName, Platform};
use hubcheck::registry::RegistryError;
use hubcheck::registry::foreign::{self, Lead};
use secrecy::ExposeSecret as _;

use super::{assert_sentence, text, text_line};

/// Token services that are not on their registry's own host.
const ELSEWHERE: [(&str, &str); 2] = [
    ("docker.io", "auth.docker.io"),
    ("registry.gitlab.com", "gitlab.com"),
];

/// A registry's name, then its challenge: a token is asked for at the registry's own host or at a service
/// that is known to be its own, over https unless the registry itself goes without, and nobody's account
/// is in the address. The challenge is a token service's answer, too.
pub(super) fn tokens_are_asked_for_at_home(input: &[u8]) {
    let (registry, challenge) = text_line(input);
    if let Some((header, life)) = foreign::token(challenge) {
        assert!(header.is_sensitive() && life.as_secs() <= 3600);
        assert!(header.as_bytes().starts_with(b"Bearer "));
    }
    let Ok(image) = format!("{registry}/some/image").parse::<ImageName>() else {
        return;
    };
    let Ok(challenge) = HeaderValue::from_bytes(challenge) else {
        return;
    };
    let long = challenge.len() > 4096;
    let Some(asked) = foreign::token_address(image.registry(), challenge) else {
        return;
    };
    assert!(!long, "such a header is not read");
    let (home, _) = foreign::address(&image, "latest").expect("a registry that is asked has an address");
    assert!(
        asked.username().is_empty() && asked.password().is_none(),
        "{asked}"
    );
    let host = |url: &url::Url| url.host_str().unwrap_or_default().to_owned();
    let known = ELSEWHERE.contains(&(image.registry(), host(&asked).as_str()));
    assert!(
        host(&asked) == host(&home) || known,
        "{registry} sends us to {asked}"
    );
    assert!(
        asked.scheme() == "https" || asked.origin() == home.origin(),
        "{asked}"
    );
}

/// A platform, then a document. An index leads to a manifest, a manifest to a configuration; what is
/// refused is refused in one short sentence.
pub(super) fn a_lead_is_one_that_runs_here(input: &[u8]) {
    let (platform, document) = text_line(input);
    let engine: Platform = platform
        .parse()
        .unwrap_or_else(|_| "linux/amd64".parse().unwrap());
    match foreign::lead(document, &engine) {
        Ok(Lead::Manifest(digest)) => {
            assert!(
                text(document).to_ascii_lowercase().contains(digest.as_str()) || document.contains(&b'\\')
            );
        }
        Ok(Lead::Config(_, bytes)) => assert!(bytes == 0 || document.len() > 100),
        Err(error) => refusal(&error),
    }
    match foreign::platform(document) {
        Ok(platform) => assert_eq!(platform.to_string().parse(), Ok(platform)),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &RegistryError) {
    // Sixteen platforms are named at most.
    assert_sentence(&error.to_string(), 2_000);
}

/// A host, then Docker's file: an account has a name and a password, and what is said where there is none
/// shows nothing of the file.
pub(super) fn accounts_are_whole_and_never_shown(input: &[u8]) {
    let (host, file) = text_line(input);
    match foreign::account(&text(file), &host) {
        Some(Ok((username, password))) => {
            assert!(!username.is_empty() && !password.expose_secret().is_empty());
            assert!(host.is_empty() || !host.contains('/'));
        }
        Some(Err(Some(hint))) => {
            let hints = [
                "the credential helper of  keeps none",
                " names it without a password",
            ];
            assert!(hints.contains(&hint.as_str()), "{hint}");
        }
        Some(Err(None)) | None => {}
    }
}
