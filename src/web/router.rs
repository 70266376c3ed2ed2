//! Every address, and what every answer carries.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::routing::{get, post};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::health::Readiness;
use super::problem::Problem;
use super::{App, api, github_hook, health, operator, orders, pages, registry_hook, setup};
use crate::app_manifest::SETUP_PATH;

/// Nothing but our own files, and no script in the page.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What the world reaches.
pub fn public(app: App) -> Router {
    let ready = get(health::ready).with_state(Readiness::new(app.clone()));
    let from_github = post(github_hook::receive).with_state(github_hook::Door::new(app.clone()));
    let router = Router::new()
        .route("/hooks/github", from_github)
        .route("/hooks/{sender}/{token}", post(registry_hook::receive))
        .route(
            "/dockerhub-webhook/{token}",
            post(registry_hook::receive_at_jenkins_path),
        )
        .route(
            "/dockerhub-webhook/{token}/notify",
            post(registry_hook::receive_at_jenkins_path),
        )
        .route("/", get(pages::latest))
        .route("/runs/{id}", get(pages::run))
        .route("/runs/{id}/log", get(pages::log))
        .route("/runs/{id}/rerun", post(orders::rerun_button))
        .route("/runs/{id}/cancel", post(orders::cancel_button))
        .route("/deliveries", get(operator::deliveries).post(operator::enter))
        .route("/deliveries/sign-out", post(operator::leave))
        .route(SETUP_PATH, get(setup::steps))
        .route("/assets/style.css", get(pages::style))
        .route("/api/v1/runs", get(api::runs))
        .route("/api/v1/runs/{id}", get(api::run))
        .route("/api/v1/runs/{id}/rerun", post(orders::rerun))
        .route("/api/v1/runs/{id}/cancel", post(orders::cancel))
        .route("/api/v1/deliveries", get(api::deliveries))
        .route("/api/v1/deliveries/{id}", get(api::delivery))
        .route("/api/openapi.json", get(api::description))
        .route("/healthz", get(health::alive))
        .route("/readyz", ready);
    guarded(router, app)
}

/// What only the operator's own network reaches.
pub fn admin(app: App) -> Router {
    guarded(Router::new().route("/metrics", get(health::metrics)), app)
}

fn guarded(router: Router<App>, app: App) -> Router {
    let router = router.fallback(|| async { Problem::not_found() });
    dressed(router).with_state(app)
}

/// What every answer carries.
pub(super) fn dressed<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let set = |name: HeaderName, value| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let headers = ServiceBuilder::new()
        .layer(set(CONTENT_SECURITY_POLICY, POLICY))
        .layer(set(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(REFERRER_POLICY, "no-referrer"))
        .layer(set(X_FRAME_OPTIONS, "DENY"))
        // What is answered may be for this viewer alone.
        .layer(set(CACHE_CONTROL, "private, no-cache"))
        .layer(CatchPanicLayer::new());
    router.layer(headers)
}
