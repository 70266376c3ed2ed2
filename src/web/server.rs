//! The accept loop: every connection within a cap, every wait within a limit, and a way to stop
//! that lets running requests finish.
//!
//! axum's own `serve` installs no timer, so that a half-sent head holds its connection for ever.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
use std::io::Write;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::connection::{HeldBody, Phases, Watched};

/// The pause after an `accept` that failed for want of something that only time brings back, such
/// as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What a connection above the cap is told.
const NO_ROOM: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How many connections there may be, and how long each may wait.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// Connections at a time.
    pub total: usize,
    /// Connections at a time from one address, of IPv6 from one /64. Behind a proxy, all come from it.
    pub per_peer: usize,
    /// From a head's first byte to its last.
    pub header: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// How long an answer may wait for its reader to take the next bytes.
    pub write: Duration,
    /// How long running requests may go on after a signal to stop.
    pub grace: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            total: 512,
            per_peer: 256,
            header: Duration::from_secs(5),
            idle: Duration::from_mins(1),
            write: Duration::from_mins(1),
            grace: Duration::from_secs(10),
        }
    }
}

/// Serves `router` on `listener` until `shutdown`; then takes no more connections, lets running
/// requests finish within the grace, and closes what is left.
///
/// Handlers can extract `ConnectInfo<SocketAddr>`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    shutdown: CancellationToken,
) {
    let grace = limits.grace;
    let server = Arc::new(Server {
        router,
        room: Room::new(&limits),
        limits,
        stop: shutdown,
        abort: CancellationToken::new(),
    });
    let connections = TaskTracker::new();
    while let Some(accepted) = server.stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => server.admit(stream, peer, &connections),
            // Of that one connection, not of ours.
            Err(error)
                if matches!(
                    error.kind(),
                    ConnectionAborted | ConnectionReset | ConnectionRefused
                ) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; trying again");
                server
                    .stop
                    .run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE))
                    .await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(grace, connections.wait()).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "the grace is over: closing what is left"
        );
        server.abort.cancel();
        connections.wait().await;
    }
}

struct Server {
    router: Router,
    limits: ConnectionLimits,
    room: Room,
    /// No more requests.
    stop: CancellationToken,
    /// No more anything.
    abort: CancellationToken,
}

impl Server {
    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, connections: &TaskTracker) {
        let Some(place) = self.room.place(peer.ip()) else {
            tracing::debug!(%peer, "no room for another connection");
            refuse(stream);
            return;
        };
        let server = Arc::clone(self);
        connections.spawn(async move {
            server.converse(stream, peer).await;
            drop(place);
        });
    }

    async fn converse(&self, stream: TcpStream, peer: SocketAddr) {
        // Answers are small and whole: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let phases = Phases::new();
        let service = service_fn(|request| self.answer(request, peer, &phases));
        let io = TokioIo::new(Watched::new(stream, phases.clone(), self.limits.write));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.idle)
            .serve_connection(io, service);
        let mut connection = std::pin::pin!(connection);
        let mut stopping = false;
        loop {
            tokio::select! {
                // An answer that is given after the stop says so: no request follows it on this connection.
                biased;
                () = self.abort.cancelled() => return,
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, %error, "a connection broke");
                    }
                    return;
                }
                () = phases.overdue(self.limits.header) => return,
            }
        }
    }

    fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        phases: &Phases,
    ) -> impl Future<Output = Result<http::Response<Body>, Infallible>> + use<> {
        let busy = phases.busy();
        let router = self.router.clone();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        async move {
            let response = router.oneshot(request).await?;
            Ok(response.map(|body| Body::new(HeldBody::new(body, busy))))
        }
    }
}

/// Tells a connection that there is no room for it, as far as that can be done without waiting.
fn refuse(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(NO_ROOM);
    }
}

/// The places for connections, in all and for each peer.
#[derive(Clone)]
struct Room {
    total: usize,
    per_peer: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    total: usize,
    by_peer: HashMap<IpAddr, usize>,
}

impl Room {
    fn new(limits: &ConnectionLimits) -> Self {
        Self {
            total: limits.total,
            per_peer: limits.per_peer,
            taken: Arc::default(),
        }
    }

    /// A place for a connection from `address`, if there is one left.
    fn place(&self, address: IpAddr) -> Option<Place> {
        let peer = network(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = taken.by_peer.get(&peer).copied().unwrap_or(0);
        if taken.total >= self.total || of_peer >= self.per_peer {
            return None;
        }
        taken.total += 1;
        taken.by_peer.insert(peer, of_peer + 1);
        Some(Place {
            taken: Arc::clone(&self.taken),
            peer,
        })
    }
}

/// One connection's place, free again when dropped.
struct Place {
    taken: Arc<Mutex<Taken>>,
    peer: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        if let Entry::Occupied(mut count) = taken.by_peer.entry(self.peer) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Who counts as one peer: an IPv4 address, or an IPv6 /64, which one customer has whole.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        four @ IpAddr::V4(_) => four,
    }
}
