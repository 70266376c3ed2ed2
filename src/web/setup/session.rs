//! The one browser that the link was opened in: a cookie that nobody else has.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const NAME: &str = "hubcheck-setup";

/// How long a browser keeps it, in seconds: a day.
const SECONDS: u32 = 24 * 3600;

/// 256 random bits that nobody guesses.
pub(super) fn random() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// What is kept of a secret of a browser.
pub(super) fn digest(secret: &str) -> String {
    hex::encode(Sha256::digest(secret))
}

/// Equal? Takes the same time wherever they differ, and whatever their lengths.
pub(super) fn same(one: &str, other: &str) -> bool {
    bool::from(Sha256::digest(one).ct_eq(&Sha256::digest(other)))
}

/// The cookie that makes a browser the one. It comes along when GitHub leads back here: that is a plain link.
pub(super) fn cookie(secret: &str, https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    format!("{NAME}={secret}; Path=/setup; Max-Age={SECONDS}; HttpOnly; SameSite=Lax{secure}")
}

/// Is this request of the browser whose secret has this digest?
pub(super) fn is_of(headers: &HeaderMap, digested: &str) -> bool {
    let cookies = headers.get(COOKIE).and_then(|cookies| cookies.to_str().ok());
    let pairs = cookies.into_iter().flat_map(|cookies| cookies.split("; "));
    let mut ours = pairs
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| *name == NAME);
    ours.any(|(_, secret)| same(&digest(secret), digested))
}
