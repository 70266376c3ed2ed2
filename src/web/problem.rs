//! Answers that say no: a status and a sentence, as JSON.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::BodyError;
use crate::store::StoreError;

/// Seconds after which somebody whom we turned away may come back.
const COME_BACK: &str = "5";

/// A refusal. Never says more than its receiver may know.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    message: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// There is nothing here, or nothing for you: the two cannot be told apart.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing here")
    }

    pub(super) fn forbidden(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Is it ours, and not the sender's?
    pub(super) fn is_ours(&self) -> bool {
        matches!(
            self.status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        )
    }

    /// Too many wait already.
    pub(super) fn flooded() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many deliveries at once: send it again in a moment",
        )
    }

    /// The store did not take it.
    pub(super) fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the delivery could not be stored: send it again",
        )
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let status = match error {
            BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

impl From<QueryRejection> for Problem {
    fn from(error: QueryRejection) -> Self {
        Self::bad(error.body_text())
    }
}

impl From<PathRejection> for Problem {
    /// No address of ours holds what is not text.
    fn from(_: PathRejection) -> Self {
        Self::not_found()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // What went wrong inside is for the log alone.
        tracing::error!(%error, "a request failed");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the store cannot be read just now",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let turned_away = self.is_ours();
        let body = Json(json!({ "error": self.message }));
        if turned_away {
            (self.status, [(RETRY_AFTER, COME_BACK)], body).into_response()
        } else {
            (self.status, body).into_response()
        }
    }
}
