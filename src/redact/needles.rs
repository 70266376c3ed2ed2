//! What a secret looks like when it was encoded.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

use super::Redactor;

/// What encoders of URLs leave as it is, beside letters and digits: RFC 3986, browsers' components,
/// Python's paths, forms.
const LEFT_BY_URLS: [&[u8]; 4] = [b"-._~", b"-_.!~*'()", b"-._~/", b"-._*"];

/// All forms of `secret` that are looked for.
pub(super) fn of(secret: &str) -> Vec<String> {
    secret
        .lines()
        .map(str::trim)
        // The first and the last line of a key say what it is, and nothing of it.
        .filter(|line| line.len() >= Redactor::SHORTEST && !line.starts_with("-----"))
        .flat_map(forms)
        .collect()
}

fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let lower = hex::encode(bytes);
    let every = url_encoded(bytes, |_| false);
    let mut forms = vec![
        secret.to_owned(),
        lower.to_uppercase(),
        lower,
        with_lower_escapes(&every),
        every,
    ];
    for left in LEFT_BY_URLS {
        let is_left = |byte: u8| byte.is_ascii_alphanumeric() || left.contains(&byte);
        let upper = url_encoded(bytes, is_left);
        for upper in [upper.replace("%20", "+"), upper] {
            forms.push(with_lower_escapes(&upper));
            forms.push(upper);
        }
    }
    for alphabet in [STANDARD, URL_SAFE] {
        let engine = GeneralPurpose::new(&alphabet, NO_PAD);
        forms.extend((0..3).map(|before| base64_within(&engine, bytes, before)));
    }
    forms
}

/// The characters that stand for `bytes` and nothing else, where so many others stand `before` them in their
/// group of three.
fn base64_within(engine: &GeneralPurpose, bytes: &[u8], before: usize) -> String {
    let encoded = engine.encode([&[0; 2][..before], bytes].concat());
    let (first, last) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
    encoded[first..last].to_owned()
}

fn url_encoded(bytes: &[u8], is_left: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::new();
    for &byte in bytes {
        if is_left(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// `%2F` as `%2f`.
fn with_lower_escapes(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escape, rest) = part.split_at(2);
        lower.extend(["%", &escape.to_lowercase(), rest]);
    }
    lower
}
