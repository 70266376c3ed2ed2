//! A small read-only registry in this process: images are put in from Rust, read over HTTP on a
//! loopback port, and it can be told to ask for credentials and to misbehave.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{Method, header};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::images::Image;
use crate::model::{Digest, ImageName};

mod fault;
mod guard;
mod reply;
mod shelf;

pub use fault::{Fault, Misbehaviour};
pub use guard::{Account, Guard};

use fault::Faults;
use guard::Doorkeeper;
use shelf::Shelf;

/// Requests that the log holds; the demo and the tests stay far below.
const MAX_LOGGED: usize = 10_000;

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub target: String,
    /// Its `Authorization`.
    pub authorization: Option<String>,
}

/// A running registry; it stops when this is dropped.
pub struct DemoRegistry {
    address: SocketAddr,
    inside: Arc<Inside>,
    _running: DropGuard,
}

struct Inside {
    address: SocketAddr,
    shelf: Shelf,
    doorkeeper: Doorkeeper,
    faults: Faults,
    log: std::sync::Mutex<Vec<Logged>>,
}

impl DemoRegistry {
    /// Starts on a free port of 127.0.0.1, which Docker's Engine reads without TLS.
    pub async fn start(guard: Guard) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let inside = Arc::new(Inside {
            address,
            shelf: Shelf::default(),
            doorkeeper: Doorkeeper::new(guard),
            faults: Faults::default(),
            log: std::sync::Mutex::default(),
        });
        let router = Router::new().fallback(handle).with_state(Arc::clone(&inside));
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move {
            axum::serve(listener, router)
                .with_graceful_shutdown(stopped)
                .await
        });
        Ok(Self {
            address,
            inside,
            _running: stop.drop_guard(),
        })
    }

    /// `127.0.0.1:port`
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The image of this name in this registry; `None` where `path` is no name.
    pub fn image(&self, path: &str) -> Option<ImageName> {
        format!("{}/{path}", self.address).parse().ok()
    }

    /// Puts an image in, with all that hangs from it, and moves `tag` to it.
    pub fn put(&self, path: &str, tag: &str, image: &Image) -> Digest {
        self.inside.shelf.put(path, tag, image);
        image.digest().clone()
    }

    /// Misbehaves from now on, as the fault says. Of several that fit a request, the oldest is used.
    pub fn misbehave(&self, fault: Fault) {
        self.inside.faults.add(fault);
    }

    /// Forgets all tokens that were given out.
    pub fn revoke_tokens(&self) {
        self.inside.doorkeeper.revoke_tokens();
    }

    /// All requests so far (the first ten thousand).
    pub fn requests(&self) -> Vec<Logged> {
        lock(&self.inside.log).clone()
    }
}

async fn handle(State(inside): State<Arc<Inside>>, request: Request) -> Response {
    let target = request
        .uri()
        .path_and_query()
        .map_or_else(String::new, ToString::to_string);
    let authorization = header_of(&request, header::AUTHORIZATION);
    let agent = header_of(&request, header::USER_AGENT).unwrap_or_default();
    let logged = Logged {
        method: request.method().clone(),
        target,
        authorization,
    };
    inside.record(logged.clone());
    match inside.faults.take(&logged.target, &agent) {
        None => inside.answer(&logged),
        Some(misbehaviour) => misbehaviour.apply(|| inside.answer(&logged)).await,
    }
}

fn header_of(request: &Request, name: header::HeaderName) -> Option<String> {
    let value = request.headers().get(name)?;
    value.to_str().ok().map(str::to_owned)
}

impl Inside {
    fn record(&self, request: Logged) {
        let mut log = lock(&self.log);
        if log.len() < MAX_LOGGED {
            log.push(request);
        }
    }

    fn answer(&self, request: &Logged) -> Response {
        let path = request
            .target
            .split_once('?')
            .map_or(request.target.as_str(), |(path, _)| path);
        if path == "/token" {
            return self.doorkeeper.token(request);
        }
        if let Some(refusal) = self.doorkeeper.refusal(request, self.address) {
            return refusal;
        }
        match request.method {
            Method::GET | Method::HEAD => self.shelf.read(path),
            _ => reply::error(http::StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "read only"),
        }
    }
}

/// A poisoned lock means that a test has failed already: what it holds is still good.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
