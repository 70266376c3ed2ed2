//! Alive, and able to store deliveries.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::App;

/// `GET /healthz`
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: red only when deliveries cannot be stored. A registry does not ask twice, so neither
/// Docker's nor GitHub's absence turns deliveries away.
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let store = app.store.check_writable().await;
    let around = app.surroundings.borrow().clone();
    let told = |seen: &Option<Result<String, String>>| match seen {
        None => json!({ "state": "not looked at yet" }),
        Some(Ok(name)) => json!({ "state": "ok", "is": name }),
        Some(Err(why)) => json!({ "state": "trouble", "why": why }),
    };
    let (status, stored) = match store {
        Ok(()) => (StatusCode::OK, json!({ "state": "ok" })),
        Err(error) => {
            tracing::error!(%error, "the store takes no deliveries");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                json!({ "state": "trouble", "why": "deliveries cannot be stored" }),
            )
        }
    };
    let body = json!({ "store": stored, "docker": told(&around.docker), "github": told(&around.github) });
    (status, Json(body))
}

/// `GET /metrics`, on the admin listener alone.
pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, TYPE)], app.metrics.text())
}
