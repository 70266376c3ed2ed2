//! Who may read: everybody, an account with Basic authentication, or whoever holds a Bearer token.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Mutex;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use uuid::Uuid;

use super::{Logged, lock, reply};

/// A name and a password, both made up.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl Account {
    fn matches(&self, authorization: Option<&str>) -> bool {
        let pair = STANDARD.encode(format!("{}:{}", self.username, self.password));
        authorization.is_some_and(|value| value.strip_prefix("Basic ") == Some(&pair))
    }
}

/// What a registry asks of its readers.
#[derive(Clone, Debug)]
pub enum Guard {
    /// Nothing.
    Open,
    /// Basic authentication.
    Basic(Account),
    /// A token.
    Bearer {
        /// Who is given one; `None`: everybody.
        account: Option<Account>,
        /// Where the readers are sent for it; `None`: to this registry's own `/token`.
        realm: Option<String>,
    },
}

/// Keeps the tokens that were given out.
pub(super) struct Doorkeeper {
    guard: Guard,
    tokens: Mutex<HashSet<String>>,
}

impl Doorkeeper {
    pub(super) fn new(guard: Guard) -> Self {
        Self {
            guard,
            tokens: Mutex::default(),
        }
    }

    pub(super) fn revoke_tokens(&self) {
        lock(&self.tokens).clear();
    }

    /// What a request is told that may not come in.
    pub(super) fn refusal(&self, request: &Logged, address: SocketAddr) -> Option<Response> {
        let authorization = request.authorization.as_deref();
        let (admitted, challenge) = match &self.guard {
            Guard::Open => (true, String::new()),
            Guard::Basic(account) => (account.matches(authorization), "Basic realm=\"demo\"".to_owned()),
            Guard::Bearer { realm, .. } => {
                let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
                let known = token.is_some_and(|token| lock(&self.tokens).contains(token));
                let realm = realm.clone().unwrap_or_else(|| format!("http://{address}/token"));
                (known, format!("Bearer realm=\"{realm}\",service=\"demo\""))
            }
        };
        (!admitted).then(|| unauthorized(&challenge))
    }

    /// Answers a request for a token.
    pub(super) fn token(&self, request: &Logged) -> Response {
        let given = match &self.guard {
            Guard::Bearer {
                account: Some(account),
                ..
            } => account.matches(request.authorization.as_deref()),
            _ => true,
        };
        if !given {
            return unauthorized("Basic realm=\"demo\"");
        }
        let token = Uuid::new_v4().simple().to_string();
        lock(&self.tokens).insert(token.clone());
        Json(json!({"token": token, "expires_in": 300})).into_response()
    }
}

fn unauthorized(challenge: &str) -> Response {
    let mut response = reply::error(
        StatusCode::UNAUTHORIZED,
        "UNAUTHORIZED",
        "authentication required",
    );
    if let Ok(challenge) = HeaderValue::from_str(challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
