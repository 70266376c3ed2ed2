//! What arrives at the door: bodies, signatures, tokens.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use hmac::{Hmac, KeyInit, Mac};
use hubcheck::hooks::github::{GithubEvent, Signature, parse};
use hubcheck::hooks::{HookKeys, Parsed, Sender, TokenScope};
use secrecy::SecretString;
use sha2::Sha256;

use super::{assert_sentence, line, text_line};

/// An excerpt of a body in a refusal is 200 characters, the longest field's name aside.
const MAX_REFUSAL: usize = 2_000;

/// A body is read to the same end as it is and as a form, never as an image of another registry, and no
/// refusal repeats much of it.
pub(super) fn a_push_of_docker_hub_is_of_docker_hub(body: &[u8]) {
    let parsed = Sender::Dockerhub.parse(body);
    match &parsed {
        Ok(Parsed::Push { push, notes }) => {
            assert_eq!(push.image.registry(), "docker.io");
            assert_eq!(push.image.path().split('/').count(), 2, "{}", push.image);
            assert_eq!(push.digest, None, "Docker Hub gives none");
            assert!(!push.tag.holds_signatures() && !push.tag.holds_cache());
            assert_sentence(&notes.concat(), 200);
        }
        Ok(Parsed::Ignored(ignored)) => assert_sentence(&ignored.reason, 400),
        Err(error) => assert_sentence(&error.to_string(), MAX_REFUSAL),
    }
    // What was read can be stored as text by any database.
    assert!(parsed.is_err() || !body.contains(&0));
    if body.starts_with(b"{") && !body.contains(&0) && std::str::from_utf8(body).is_ok() {
        let form = [b"callback=1&payload=", encoded(body).as_bytes()].concat();
        assert_eq!(Sender::Dockerhub.parse(&form), parsed, "the same in a form");
    }
}

/// An event's name and its body: what is kept survives the store, holds nothing that could not be stored,
/// and grows with nothing but the lists of repositories.
pub(super) fn an_event_is_small_and_survives_the_store(input: &[u8]) {
    let (name, body) = text_line(input);
    let event = match parse(&name, body) {
        Ok(event) => event,
        Err(error) => return assert_sentence(&error.to_string(), MAX_REFUSAL),
    };
    let stored = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<GithubEvent>(&stored).unwrap(), event);
    // A backslash of its own is written twice.
    assert!(!stored.replace("\\\\", "").contains("\\u0000"));
    assert!(stored.len() <= 1_500 + body.len());
    if let GithubEvent::Other { event, action } = &event {
        assert_sentence(event, 320);
        assert_sentence(action.as_deref().unwrap_or_default(), 320);
    }
}

/// A header on the first line, then a body. The header of the documentation's form is read and no other;
/// it signs the body only if it is the very MAC. Where the header is `good` and two digits, the right one
/// is used with one of its bytes changed by that much.
pub(super) fn a_signature_is_that_of_its_body_alone(input: &[u8]) {
    let (header, body) = text_line(input);
    let secrets: [SecretString; 2] = ["new".into(), "old".into()];
    let mut mac = <Hmac<Sha256>>::new_from_slice(b"old")
        .unwrap()
        .chain_update(body)
        .finalize()
        .into_bytes();
    let header = match header.strip_prefix("good ").map(str::as_bytes) {
        Some([place, change, ..]) => {
            let length = mac.len();
            mac[usize::from(*place) % length] ^= change & 0x0f;
            format!("sha256={}", hex::encode(mac))
        }
        _ => header,
    };
    let right = <Hmac<Sha256>>::new_from_slice(b"old")
        .unwrap()
        .chain_update(body)
        .finalize()
        .into_bytes();
    let signature = Signature::read(&header);
    let well_formed = header.strip_prefix("sha256=").is_some_and(|digits| {
        digits.len() == 64
            && digits
                .bytes()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    });
    assert_eq!(signature.is_some(), well_formed, "{header:?}");
    let signs = signature.is_some_and(|signature| signature.signs(&secrets, body));
    assert_eq!(signs, header == format!("sha256={}", hex::encode(right)));
    assert!(!signature.is_some_and(|signature| signature.signs(&[], body)));
}

/// A token, or `good`, an image and a change to its token: only the exact token is good, and only for its
/// image. A second spelling of a good token would be a second URL that no rotation finds.
pub(super) fn a_token_is_taken_in_one_spelling_alone(input: &[u8]) {
    static KEYS: LazyLock<HookKeys> = LazyLock::new(|| {
        let operators = BTreeMap::from([("ci".to_owned(), SecretString::from("operator's own"))]);
        HookKeys::new(&["new".into(), "old".into()], &operators).unwrap()
    });
    let (first, rest) = text_line(input);
    let mut token = first.clone();
    if let Some(image) = first.strip_prefix("good ").and_then(|name| name.parse().ok()) {
        token = KEYS.token(Sender::Dockerhub, &image);
        if let ([place, letter, ..], _) = line(rest) {
            let place = usize::from(*place) % token.len();
            let letter = char::from(*letter);
            token.replace_range(place..=place, &letter.to_string());
        }
    }
    match KEYS.verify(Sender::Dockerhub, &token) {
        Some(TokenScope::Image(image)) => {
            assert_eq!(KEYS.token(Sender::Dockerhub, &image), token);
            assert!(TokenScope::Image(image.clone()).covers(&image));
        }
        Some(TokenScope::Operator { name }) => {
            assert_eq!((name.as_str(), token.as_str()), ("ci", "operator's own"));
        }
        None => {}
    }
}

/// As a form's value has it.
fn encoded(bytes: &[u8]) -> String {
    url::form_urlencoded::byte_serialize(bytes).collect()
}
