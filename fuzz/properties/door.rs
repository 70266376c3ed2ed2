//! The whole HTTP edge over a real store: addresses, queries, cookies, tokens, bodies.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hubcheck::access::{PageKeys, PageLinks};
use hubcheck::clock::Clock;
use hubcheck::config::ImageBinding;
use hubcheck::hooks::{HookKeys, Sender};
use hubcheck::metrics::Metrics;
use hubcheck::pipeline::Surroundings;
use hubcheck::resolve::Bindings;
use hubcheck::store::{Intake, Store};
use hubcheck::web::{Parts, public};
use secrecy::SecretString;
use sha2::Sha256;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::{assert_sentence, line, text, text_line};

const MAX_BODY: usize = 64 << 10;

/// What stands behind the door: made once, for all requests.
struct House {
    runtime: Runtime,
    router: Router,
    store: Store,
    token: String,
    _surroundings: watch::Sender<Surroundings>,
    _directory: TempDir,
}

static HOUSE: Mutex<Option<House>> = Mutex::new(None);

/// `METHOD /path`, headers up to an empty line, a body; `{token}` is a good token and `{signed}` the
/// signature of the body. No request breaks anything, every answer carries the headers that keep it still,
/// every refusal is one sentence, and without token or signature nothing is stored.
pub(super) fn no_request_does_harm(input: &[u8]) {
    let mut house = HOUSE.lock().unwrap_or_else(PoisonError::into_inner);
    let House {
        runtime,
        router,
        store,
        token,
        ..
    } = house.get_or_insert_with(House::open);
    let Some((request, known)) = request(input, token) else {
        return;
    };
    runtime.block_on(async {
        let newest = async || {
            store
                .deliveries(None, 1)
                .await
                .unwrap()
                .first()
                .map(|last| last.id)
        };
        let before = newest().await;
        let response = router.clone().oneshot(request).await.unwrap();
        let status = harmless(response).await;
        assert!(
            known || (status != StatusCode::ACCEPTED && newest().await == before),
            "stored for a stranger"
        );
    });
}

/// Takes down what the requests went to.
pub fn close() {
    if let Some(house) = HOUSE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let House { runtime, store, .. } = &house;
        runtime.block_on(store.close());
    }
}

/// The request, and whether it came with a good token or signature.
fn request(input: &[u8], token: &str) -> Option<(Request<Body>, bool)> {
    let (start, mut rest) = text_line(input);
    let (method, path) = start.split_once(' ')?;
    let mut known = path.contains("{token}");
    let mut builder = Request::builder()
        .method(method)
        .uri(path.replace("{token}", token));
    let mut signed = Vec::new();
    while let (field @ [_, ..], after) = line(rest) {
        rest = after;
        let field = text(field);
        match field.split_once(": ") {
            Some((name, "{signed}")) => signed.push(name.to_owned()),
            Some((name, value)) => builder = builder.header(name, value),
            None => {}
        }
    }
    let body = line(rest).1;
    for name in signed {
        known = true;
        let mac = <Hmac<Sha256>>::new_from_slice(b"webhook")
            .unwrap()
            .chain_update(body)
            .finalize();
        builder = builder.header(name, format!("sha256={}", hex::encode(mac.into_bytes())));
    }
    Some((builder.body(Body::from(body.to_vec())).ok()?, known))
}

async fn harmless(response: Response<Body>) -> StatusCode {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let status = parts.status;
    assert!(!status.is_server_error(), "{status}: {}", text(&body));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(
            parts.headers.get(name).and_then(|value| value.to_str().ok()),
            Some(value)
        );
    }
    let policy = &parts.headers["content-security-policy"];
    assert!(policy.to_str().unwrap().starts_with("default-src 'none'"));
    if status.is_client_error() && status != StatusCode::METHOD_NOT_ALLOWED && !body.is_empty() {
        let refusal: serde_json::Value = serde_json::from_slice(&body).expect("a refusal is JSON");
        assert_sentence(refusal["error"].as_str().expect("a sentence"), 2_000);
    }
    assert!(!text(&body).contains("<script"), "{}", text(&body));
    status
}

impl House {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let directory = TempDir::new().unwrap();
        let url = format!("sqlite://{}", directory.path().join("hubcheck.db").display());
        let (surroundings, seen) = watch::channel(Surroundings::default());
        let (store, intake) = runtime.block_on(async {
            let store = Store::open(&url, Clock::default()).await.unwrap();
            (store.clone(), Intake::start(store))
        });
        let secret = |text: &str| SecretString::from(text);
        let bound = "acme/app".parse().unwrap();
        let hook_keys = HookKeys::new(&[secret("hooks")], &[].into()).unwrap();
        let token = hook_keys.token(Sender::Dockerhub, &bound);
        let page_keys = PageKeys::new(&secret("pages"));
        let router = public(Arc::new(Parts {
            store: store.clone(),
            intake,
            hook_keys,
            github_secrets: vec![secret("webhook")],
            bindings: Bindings::new(
                &[ImageBinding {
                    name: bound,
                    repo: "acme/app".parse().unwrap(),
                    env: [].into(),
                    mask: None,
                }],
                &[].into(),
            ),
            github_pages: "https://github.com".to_owned(),
            page_keys: page_keys.clone(),
            links: PageLinks::new("https://checks.example.org", page_keys),
            admin_token: Some(secret("operator")),
            max_body: MAX_BODY,
            https: true,
            surroundings: seen,
            metrics: Arc::new(Metrics::default()),
        }));
        Self {
            runtime,
            router,
            store,
            token,
            _surroundings: surroundings,
            _directory: directory,
        }
    }
}
