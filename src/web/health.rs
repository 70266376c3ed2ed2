//! Alive, and able to store deliveries.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::App;

/// How long an answer of the store stands: asking must be no cheap way to keep the disk busy.
const STANDS: Duration = Duration::from_secs(1);

/// Whether deliveries can be stored, asked once for all who want to know within a second.
pub(super) struct Readiness {
    app: App,
    /// When the store was asked, and whether it could. Held while it is being asked.
    seen: Mutex<Option<(Instant, bool)>>,
}

impl Readiness {
    pub(super) fn new(app: App) -> Arc<Self> {
        let seen = Mutex::default();
        Arc::new(Self { app, seen })
    }

    async fn can_store(&self) -> bool {
        let mut seen = self.seen.lock().await;
        if let Some((at, able)) = *seen
            && at.elapsed() < STANDS
        {
            return able;
        }
        let able = match self.app.store.check_writable().await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "the store takes no deliveries");
                false
            }
        };
        *seen = Some((Instant::now(), able));
        able
    }
}

/// `GET /healthz`
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: red only when deliveries cannot be stored. A registry does not ask twice, so neither
/// Docker's nor GitHub's absence turns deliveries away.
pub(super) async fn ready(State(readiness): State<Arc<Readiness>>) -> (StatusCode, Json<Value>) {
    let able = readiness.can_store().await;
    let around = readiness.app.surroundings.borrow().clone();
    let told = |seen: &Option<Result<String, String>>| match seen {
        None => json!({ "state": "not looked at yet" }),
        Some(Ok(name)) => json!({ "state": "ok", "is": name }),
        Some(Err(why)) => json!({ "state": "trouble", "why": why }),
    };
    let (status, stored) = if able {
        (StatusCode::OK, json!({ "state": "ok" }))
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({ "state": "trouble", "why": "deliveries cannot be stored" }),
        )
    };
    let mut docker = told(&around.docker);
    if let Some(warning) = &around.warning {
        docker["warning"] = json!(warning);
    }
    let body = json!({ "store": stored, "docker": docker, "github": told(&around.github) });
    (status, Json(body))
}

/// `GET /metrics`, on the admin listener alone.
pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, TYPE)], app.metrics.text())
}
