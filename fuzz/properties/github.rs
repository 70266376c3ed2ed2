//! What GitHub answers, and the key that people paste.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use hubcheck::github::{GithubError, foreign};
use hubcheck::registry::foreign as registry;
use url::Url;

use super::{assert_sentence, line, text, text_line};

const HOUR: Duration = Duration::from_hours(1);

/// A method, a status, headers up to an empty line, a body: every refusal is sorted into one error with a
/// short sentence; a rate limit waits from a second to an hour; a write whose outcome is unknown is never
/// said to have failed. As a success, the body shows in no error.
pub(super) fn every_answer_is_sorted_and_shown_shortly(input: &[u8]) {
    let (method, rest) = text_line(input);
    let method = if method == "POST" {
        Method::POST
    } else {
        Method::GET
    };
    let (status, rest) = text_line(rest);
    let status: StatusCode = status.parse().unwrap_or(StatusCode::FORBIDDEN);
    let (headers, body) = headers(rest);
    let body = bytes::Bytes::copy_from_slice(body);
    for error in foreign::read_as_everything(body.clone()) {
        assert_sentence(&error.to_string(), 2_000);
        assert!(matches!(error, GithubError::Unavailable(_)));
    }
    let error = foreign::refusal(method.clone(), status, headers, body);
    assert_sentence(&error.to_string(), 2_000);
    match error {
        GithubError::RateLimited { retry_after, .. } => {
            assert!((Duration::from_secs(1)..=HOUR).contains(&retry_after));
            assert!(matches!(status.as_u16(), 403 | 429));
        }
        GithubError::OutcomeUnknown(_) => assert_eq!(method, Method::POST),
        GithubError::Unavailable(_) => assert_eq!(method, Method::GET),
        _ => assert!(
            !status.is_server_error(),
            "{status} says nothing of what was done"
        ),
    }
}

/// An address, a Unix time, a header's value: no wait is longer than an hour, and no redirect leaves the
/// API's own address.
pub(super) fn waits_are_bounded_and_redirects_stay(input: &[u8]) {
    let (api, rest) = text_line(input);
    let (now, value) = text_line(rest);
    let Ok(value) = HeaderValue::from_bytes(value) else {
        return;
    };
    let now = now.parse().unwrap_or(1_700_000_000);
    for name in ["retry-after", "x-retry-after"] {
        let wait = registry::wait(&HeaderName::from_static(name), value.clone(), now);
        assert!(wait.is_none_or(|wait| wait <= HOUR));
    }
    let plain = |api: &Url| matches!(api.scheme(), "http" | "https") && api.as_str().ends_with(api.path());
    let Some(api) = Url::parse(&api).ok().filter(plain) else {
        return;
    };
    let headers = HeaderMap::from_iter([(header::LOCATION, value)]);
    assert_eq!(
        foreign::redirect(&api, StatusCode::FORBIDDEN, headers.clone()),
        None
    );
    if let Some(path) = foreign::redirect(&api, StatusCode::PERMANENT_REDIRECT, headers) {
        assert!(path.starts_with('/'), "{path:?} would be read as a host's name");
        let asked = format!("{}{path}", api.as_str().trim_end_matches('/'));
        let asked = Url::parse(&asked).expect("an address");
        assert_eq!(asked.origin(), api.origin(), "{path:?}");
    }
}

/// What is no key is refused with a sentence of ours that shows nothing of it; what is one, or what fails
/// for one cause, does so quoted, escaped and in base64 as well.
pub(super) fn a_key_is_a_key_in_every_wrapping(input: &[u8]) {
    let key = text(input);
    let plain = foreign::private_key(&key);
    if let Err(error) = &plain {
        assert_sentence(&error.to_string(), 200);
    }
    let bare = key.trim();
    let is_quoted = bare.starts_with(['"', '\'', '\u{feff}']) || bare.ends_with(['"', '\'']);
    if bare.contains("-----BEGIN ") && !is_quoted {
        for wrapped in [
            format!("\"{bare}\""),
            format!("\u{feff}'{bare}'\n"),
            bare.replace('\n', "\\n"),
            bare.replace('\n', "\\r\\n"),
            STANDARD.encode(bare),
        ] {
            assert_eq!(foreign::private_key(&wrapped), plain, "{wrapped:?}");
        }
    }
}

/// `name: value` up to an empty line, and what follows.
fn headers(mut input: &[u8]) -> (HeaderMap, &[u8]) {
    let mut headers = HeaderMap::new();
    while let (field @ [_, ..], rest) = line(input) {
        input = rest;
        let mut parts = field.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name),
            HeaderValue::from_bytes(value.trim_ascii()),
        ) {
            headers.append(name, value);
        }
    }
    (headers, line(input).1)
}
