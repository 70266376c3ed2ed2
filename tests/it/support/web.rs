//! The router over a real store, without GitHub and without an Engine, and those who ask it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, COOKIE, LOCATION, SET_COOKIE};
use http::request::Builder;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use hubcheck::access::{PageKeys, PageLinks};
use hubcheck::config::ImageBinding;
use hubcheck::hooks::{HookKeys, Sender};
use hubcheck::metrics::Metrics;
use hubcheck::model::{ImageName, RepoId, RunId, Verdict, Visibility};
use hubcheck::pipeline::Surroundings;
use hubcheck::resolve::Bindings;
use hubcheck::store::{Admission, JobKind, Lease, NewRun};
use hubcheck::web::{Parts, admin, public};
use secrecy::SecretString;
use serde_json::Value;
use sha2::Sha256;
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::store::{LEASE, Shelf};

/// The largest body that registries may send.
pub(crate) const MAX_BODY: usize = 64 << 10;

/// The operator's token for pages and API.
pub(crate) const ADMIN_TOKEN: &str = "the operator";

/// The operator's token for hooks.
pub(crate) const HOOK_TOKEN: &str = "every-image";

/// Of the secrets that GitHub may sign with, the one that is on its way out.
pub(crate) const OLD_SECRET: &str = "old";

/// The router, what it stands on, and the keys to it. `docker.io/acme/app` is bound, nothing else.
pub(crate) struct House {
    pub(crate) shelf: Shelf,
    pub(crate) hook_keys: HookKeys,
    pub(crate) page_keys: PageKeys,
    pub(crate) links: PageLinks,
    pub(crate) metrics: Router,
    pub(crate) router: Router,
    _surroundings: watch::Sender<Surroundings>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The sentence of a refusal.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }

    /// Everything that the one who asked can see.
    pub(crate) fn all(&self) -> (StatusCode, &HeaderMap, &Bytes) {
        (self.status, &self.headers, &self.body)
    }
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::over(Shelf::on_sqlite().await)
    }

    /// Over a store of the test's choice.
    pub(crate) fn over(shelf: Shelf) -> Self {
        let secret = |text: &str| SecretString::from(text);
        let hook_keys = HookKeys::new(
            &[secret("hooks")],
            &[("ci".to_owned(), secret(HOOK_TOKEN))].into(),
        )
        .unwrap();
        let page_keys = PageKeys::new(&secret("pages"));
        let links = PageLinks::new("https://checks.example.org", page_keys.clone());
        let (surroundings, seen) = watch::channel(Surroundings::default());
        let bound = ImageBinding {
            name: image("acme/app"),
            repo: "acme/app".parse().unwrap(),
            env: [].into(),
            mask: None,
        };
        let parts = Arc::new(Parts {
            store: shelf.store.clone(),
            intake: shelf.intake.clone(),
            hook_keys: hook_keys.clone(),
            github_secrets: vec![secret("new"), secret(OLD_SECRET)],
            bindings: Bindings::new(&[bound], &[].into()),
            github_pages: "https://github.com".to_owned(),
            page_keys: page_keys.clone(),
            links: links.clone(),
            admin_token: Some(secret(ADMIN_TOKEN)),
            max_body: MAX_BODY,
            https: true,
            surroundings: seen,
            metrics: Arc::new(Metrics::default()),
        });
        Self {
            shelf,
            hook_keys,
            page_keys,
            links,
            metrics: admin(parts.clone()),
            router: public(parts),
            _surroundings: surroundings,
        }
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        ask(&self.router, request).await
    }

    /// Asks as anybody.
    pub(crate) async fn look(&self, path: &str) -> Answer {
        self.ask(get(path).body(Body::empty()).unwrap()).await
    }

    /// Asks as the operator.
    pub(crate) async fn look_as_operator(&self, path: &str) -> Answer {
        let request = get(path).header(AUTHORIZATION, format!("Bearer {ADMIN_TOKEN}"));
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    /// Asks as a browser that holds these cookies.
    pub(crate) async fn look_with(&self, cookies: &str, path: &str) -> Answer {
        let request = get(path).header(COOKIE, cookies);
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    /// Follows a details link with its key, and gives back the cookie that came of it.
    pub(crate) async fn cookie_for(&self, run: RunId, repo: RepoId) -> String {
        let answer = self
            .look(&format!("/runs/{run}?key={}", self.page_keys.key(repo)))
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(answer.header(LOCATION), format!("/runs/{run}"));
        let cookie = answer.header(SET_COOKIE);
        for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
            assert!(cookie.split("; ").any(|part| part == attribute), "{cookie}");
        }
        cookie.split(';').next().unwrap().to_owned()
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.ask(post(path).body(body.into()).unwrap()).await
    }

    /// Where `docker.io/acme/app` reports to.
    pub(crate) fn hook(&self) -> String {
        let token = self.hook_keys.token(Sender::Dockerhub, &image("acme/app"));
        format!("/hooks/dockerhub/{token}")
    }

    /// An event of GitHub's, signed.
    pub(crate) async fn event(&self, name: &str, guid: &str, body: &str) -> Answer {
        let request = post("/hooks/github")
            .header("x-hub-signature-256", signature(OLD_SECRET, body))
            .header("x-github-event", name)
            .header("x-github-delivery", guid);
        self.ask(request.body(body.to_owned().into()).unwrap()).await
    }

    /// A push that leads to this run.
    pub(crate) async fn admit(&self, new: &NewRun) -> RunId {
        let (pushes, lease) = self.shelf.push("acme/app", new.tag.as_str()).await;
        let new = std::slice::from_ref(new);
        let admitted = self.shelf.store.admit(&lease, &pushes, new).await.unwrap();
        match admitted.as_slice() {
            [Admission::Made { run, .. }] => *run,
            other => panic!("{other:?}"),
        }
    }

    /// The right to test this run.
    pub(crate) async fn lease(&self, run: RunId) -> Lease {
        while let Some(lease) = self.shelf.store.claim(JobKind::Test, LEASE).await.unwrap() {
            if lease.subject == run.to_string() {
                return lease;
            }
        }
        panic!("run {run} has no test to be done");
    }

    /// A run that is over.
    pub(crate) async fn judged(&self, new: &NewRun, verdict: &Verdict, log: &[u8]) -> RunId {
        let run = self.admit(new).await;
        let lease = self.lease(run).await;
        let store = &self.shelf.store;
        store.finish_run(&lease, run, verdict, log).await.unwrap();
        run
    }
}

pub(crate) async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

pub(crate) fn get(path: &str) -> Builder {
    Request::get(path)
}

pub(crate) fn post(path: &str) -> Builder {
    Request::post(path)
}

pub(crate) fn image(name: &str) -> ImageName {
    name.parse().unwrap()
}

/// The same run, in a private repository of its own.
pub(crate) fn in_private_repo(mut new: NewRun, id: i64) -> NewRun {
    new.source.repo.id = RepoId(id);
    new.source.repo.name = format!("acme/secret-{id}").parse().unwrap();
    new.source.repo.visibility = Visibility::Private;
    new
}

/// `X-Hub-Signature-256`
pub(crate) fn signature(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .unwrap()
        .chain_update(body)
        .finalize();
    format!("sha256={}", hex::encode(mac.into_bytes()))
}
