//! The registry's answers.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use serde_json::json;

use crate::demo::images::Content;

/// An error in the form of the OCI distribution specification.
pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({"errors": [{"code": code, "message": message}]});
    (status, Json(body)).into_response()
}

/// A manifest or a blob. For `HEAD` the server itself leaves the body out.
pub(super) fn content(content: &Content) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content.media_type.clone()),
        (
            header::HeaderName::from_static("docker-content-digest"),
            content.digest.to_string(),
        ),
    ];
    (headers, content.bytes.clone()).into_response()
}
