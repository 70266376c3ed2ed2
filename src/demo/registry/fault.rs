//! Faults to order, for tests of those who read from a registry.

use std::sync::Mutex;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::ready;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;

use super::lock;

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// One way to misbehave, on some requests.
#[derive(Clone, Debug)]
pub struct Fault {
    /// A part of the path and query of the requests that are meant.
    pub target: String,
    /// A part of the `User-Agent` of those who are meant: `docker/` is the Engine.
    pub agent: String,
    /// How many of them; the next ones are served well again.
    pub times: usize,
    /// What happens to them.
    pub misbehaviour: Misbehaviour,
}

/// What a registry in trouble does.
#[derive(Clone, Debug)]
pub enum Misbehaviour {
    /// Answers with a status, headers and a body of its own.
    Answer {
        /// The status.
        status: StatusCode,
        /// The headers.
        headers: HeaderMap,
        /// The body.
        body: Bytes,
    },
    /// Promises the whole body, sends half of it and then nothing, for as long as the reader waits.
    Stall,
    /// Takes its time, then serves well.
    Delay(Duration),
    /// Promises the whole body and breaks the connection in the middle of it.
    Truncate,
    /// Serves other bytes than those asked for, of the same length.
    Corrupt,
    /// Leaves out the header with the digest.
    NoDigest,
    /// Says that the digest is another.
    WrongDigest,
}

impl Misbehaviour {
    /// An answer with nothing but a status.
    pub fn status(status: StatusCode) -> Self {
        Self::Answer {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// An answer that sends the reader elsewhere.
    pub fn redirect(to: &str) -> Self {
        let location = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
        Self::Answer {
            status: StatusCode::TEMPORARY_REDIRECT,
            headers: HeaderMap::from_iter([(header::LOCATION, location)]),
            body: Bytes::new(),
        }
    }

    /// Does what it says, to the answer that would have been given.
    pub(super) async fn apply(self, answer: impl FnOnce() -> Response + Send) -> Response {
        match self {
            Self::Answer {
                status,
                headers,
                body,
            } => (status, headers, body).into_response(),
            Self::Delay(time) => {
                tokio::time::sleep(time).await;
                answer()
            }
            Self::Truncate => {
                let broken = Err(std::io::Error::other("broken off, as ordered"));
                half_of(answer(), stream::once(ready(broken))).await
            }
            Self::Stall => half_of(answer(), stream::pending()).await,
            Self::Corrupt => {
                let (parts, bytes) = taken_apart(answer()).await;
                let spaces = vec![b' '; bytes.len()];
                Response::from_parts(parts, Body::from(spaces))
            }
            Self::NoDigest => {
                let mut response = answer();
                response.headers_mut().remove(DIGEST);
                response
            }
            Self::WrongDigest => {
                let mut response = answer();
                let other = crate::model::Digest::of(b"another").to_string();
                if let Ok(other) = HeaderValue::from_str(&other) {
                    response.headers_mut().insert(DIGEST, other);
                }
                response
            }
        }
    }
}

/// The first half of the body that was promised, and then `rest`.
async fn half_of(
    response: Response,
    rest: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
) -> Response {
    let (parts, bytes) = taken_apart(response).await;
    let half = stream::once(ready(Ok(bytes.slice(..bytes.len() / 2))));
    let mut response = Response::from_parts(parts, Body::from_stream(half.chain(rest)));
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, bytes.len().into());
    response
}

async fn taken_apart(response: Response) -> (http::response::Parts, Bytes) {
    let (parts, body) = response.into_parts();
    let bytes = body
        .collect()
        .await
        .map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
    (parts, bytes)
}

/// The faults that were ordered and not used up.
#[derive(Default)]
pub(super) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        lock(&self.0).push(fault);
    }

    /// The misbehaviour that a request of `agent` for `target` meets.
    pub(super) fn take(&self, target: &str, agent: &str) -> Option<Misbehaviour> {
        let mut faults = lock(&self.0);
        let fault = faults.iter_mut().find(|fault| {
            fault.times > 0 && target.contains(&fault.target) && agent.contains(&fault.agent)
        })?;
        fault.times -= 1;
        Some(fault.misbehaviour.clone())
    }
}
