//! The server under the simulated GitHub: reads a request, lets it meet its trouble or the routes,
//! writes the ledger. A connection can be dropped without an answer, as the network does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::fmt::rfc2822;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::fault::Trouble;
use super::ledger;
use super::ledger::Caller;
use super::limits::HOURLY_LIMIT;
use super::page;
use super::refusal::{Refusal, Reply};
use super::routes::Call;
use super::world::World;
use super::{archive, attestations, browse, hook};

/// The largest body that is read.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// The world, and word of every change in it.
#[derive(Debug)]
pub(super) struct Shared {
    world: Mutex<World>,
    changes: watch::Sender<()>,
}

impl Shared {
    pub(super) fn new(world: World) -> Self {
        Self {
            world: Mutex::new(world),
            changes: watch::Sender::new(()),
        }
    }

    /// Looks at the world, or changes it. Never held over an `await`.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(super) fn changed(&self) {
        self.changes.send_replace(());
    }
}

/// The connection ends here, without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped")]
struct Dropped;

/// Serves until it is dropped; its connections end with it.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(|request| answer(Arc::clone(&shared), request));
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    // A broken connection is the business of whoever opened it.
                    let _ = connection.await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Dropped> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_LIMIT)
        .collect()
        .await
        .map_err(|_| Dropped)?
        .to_bytes();
    if let Some(page) = page::show(&shared, &parts.method, parts.uri.path()) {
        return Ok(page);
    }
    if let Some(file) = attestations::file(&shared, &parts.method, parts.uri.path()) {
        return Ok(file);
    }
    if let Some(file) = archive::file(&shared, &parts.method, parts.uri.path()) {
        return Ok(file);
    }
    let call = Call {
        method: &parts.method,
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body: &body,
    };
    if let Some(page) = browse::show(&shared, &call) {
        return Ok(page);
    }
    let Some(path) = shared.world().api_path(parts.uri.path()) else {
        let nowhere = Reply::from(Refusal::not_found());
        return Ok(response(&shared, &nowhere, &parts.method, Caller::Nobody));
    };
    let call = Call { path, ..call };
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    let trouble = shared.world().trouble_for(&parts.method, target);
    if let Some(Trouble::Latency(delay)) = trouble {
        tokio::time::sleep(delay).await;
    }
    let answered = meet(&mut shared.world(), &call, target, trouble.as_ref());
    shared.changed();
    if !shared.world().asked_again.is_empty() {
        tokio::spawn(hook::redeliver(Arc::clone(&shared)));
    }
    let reply = answered?;
    let caller = shared.world().caller(call.authorization());
    Ok(response(&shared, &reply, &parts.method, caller))
}

/// Does the work, or what trouble leaves of it, and notes it in the ledger.
fn meet(
    world: &mut World,
    call: &Call<'_>,
    target: &str,
    trouble: Option<&Trouble>,
) -> Result<Reply, Dropped> {
    let caller = world.caller(call.authorization());
    world.note_too_early(caller, target);
    let too_many = world.count(caller, call.method);
    let refused = too_many.or_else(|| world.refusal_by(trouble?));
    let untouched = refused.is_some() || trouble == Some(&Trouble::DropBefore);
    let done = match refused {
        Some(reply) => reply,
        None if untouched => Refusal::new(StatusCode::BAD_GATEWAY, "dropped").into(),
        None => world.handle(call).unwrap_or_else(Reply::from),
    };
    let wrote = done.changed;
    if done.status == StatusCode::NOT_MODIFIED {
        world.count_last_for_nothing();
    }
    if trouble != Some(&Trouble::DropBefore) {
        world.note_pause(caller, &done);
    }
    let reply = match trouble {
        Some(Trouble::DropBefore | Trouble::DropAfter) => Err(Dropped),
        Some(Trouble::ErrorAfter(status)) => Ok(Refusal::new(*status, "Server Error").into()),
        _ => Ok(done),
    };
    world.ledger.push(ledger::Request {
        method: call.method.clone(),
        path: target.to_owned(),
        caller,
        body: serde_json::from_slice(call.body).ok(),
        status: reply.as_ref().ok().map(|reply| reply.status),
        wrote,
    });
    reply
}

/// What is told of an installation's budget.
fn budget_headers(world: &World, caller: Caller) -> Vec<(&'static str, String)> {
    let Caller::Installation(installation) = caller else {
        return Vec::new();
    };
    if !world.app.is_limited {
        return Vec::new();
    }
    let used = world.used(installation);
    let reset = world.now() + Duration::from_hours(1);
    vec![
        ("x-ratelimit-limit", HOURLY_LIMIT.to_string()),
        ("x-ratelimit-used", used.to_string()),
        ("x-ratelimit-remaining", (HOURLY_LIMIT - used).to_string()),
        ("x-ratelimit-resource", "core".to_owned()),
        ("x-ratelimit-reset", reset.as_second().to_string()),
    ]
}

fn response(shared: &Shared, reply: &Reply, method: &Method, caller: Caller) -> Response<Full<Bytes>> {
    let world = shared.world();
    let now = world.now();
    let is_empty = *method == Method::HEAD || reply.status == StatusCode::NOT_MODIFIED;
    let body = if is_empty {
        Vec::new()
    } else {
        reply.body.to_string().into_bytes()
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = reply.status;
    let defaults = [
        ("x-github-request-id", format!("DEMO:{:04}", world.ledger.len())),
        (
            CONTENT_TYPE.as_str(),
            "application/json; charset=utf-8".to_owned(),
        ),
        (
            DATE.as_str(),
            rfc2822::DateTimePrinter::new()
                .timestamp_to_rfc9110_string(&now)
                .unwrap_or_default(),
        ),
    ];
    let budget = budget_headers(&world, caller);
    let headers = defaults.iter().chain(&budget);
    let headers = headers.map(|(name, value)| (*name, value.as_str()));
    let own = reply.headers.iter().map(|(name, value)| (*name, value.as_str()));
    for (name, value) in headers.chain(own) {
        if let Ok(value) = http::HeaderValue::from_str(value) {
            response
                .headers_mut()
                .insert(http::HeaderName::from_static(name), value);
        }
    }
    response
}
