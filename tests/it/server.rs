//! The accept loop against senders that dawdle, flood and never end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use hubcheck::web::server::{ConnectionLimits, serve};
use hubcheck::web::{BodyError, read_body};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_mins(5);
/// The largest body that `/body` takes.
const MAX_BODY: usize = 64 * 1024;

/// A server on a port of its own, stopped when dropped.
struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// `/slow` tells that it runs, and waits to be let go.
    slow_runs: Arc<Notify>,
    let_slow_go: Arc<Notify>,
}

impl Server {
    async fn start(limits: ConnectionLimits) -> Self {
        let (slow_runs, let_slow_go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (runs, go) = (Arc::clone(&slow_runs), Arc::clone(&let_slow_go));
        let router = Router::new()
            .route(
                "/peer",
                get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
            )
            .route("/body", post(body))
            .route("/flood", get(|| async { vec![b'x'; 64 << 20] }))
            .route(
                "/slow",
                get(|| async move {
                    runs.notify_one();
                    go.notified().await;
                    "done"
                }),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, router, limits, stop.clone()));
        Self {
            address,
            stop,
            task,
            slow_runs,
            let_slow_go,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection that has sent `text`.
    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    async fn stopped(&mut self) {
        within(&mut self.task).await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.let_slow_go.notify_waiters();
    }
}

async fn body(body: Body) -> String {
    match read_body(body, MAX_BODY, Duration::from_millis(300)).await {
        Ok(bytes) => format!("{} bytes", bytes.len()),
        Err(BodyError::TooLarge { .. }) => "too large".to_owned(),
        Err(BodyError::TooSlow { .. }) => "too slow".to_owned(),
        Err(BodyError::Broken) => "broken".to_owned(),
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it took too long")
}

/// All that the server sends until it closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is closed over unread bytes ends in a reset.
    let _ = within(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer with a known length, read off a connection that stays open.
async fn answer(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    within(async {
        while !bytes.ends_with(end.as_bytes()) {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).await.unwrap(), 1, "closed too early");
            bytes.push(byte[0]);
        }
    })
    .await;
    String::from_utf8(bytes).unwrap()
}

fn limits() -> ConnectionLimits {
    ConnectionLimits::default()
}

#[tokio::test]
async fn a_handler_knows_its_peer() {
    let server = Server::start(limits()).await;
    let stream = server
        .send("GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    let own = stream.local_addr().unwrap().to_string();
    assert!(rest(stream).await.ends_with(&own));
}

#[tokio::test]
async fn a_half_sent_head_is_cut_at_its_deadline() {
    let header = Duration::from_millis(300);
    let server = Server::start(ConnectionLimits { header, ..limits() }).await;
    for sent in ["", "GET /peer HTTP/1.1\r\nhost:"] {
        let begun = Instant::now();
        assert_eq!(rest(server.send(sent).await).await, "");
        let took = begun.elapsed();
        assert!(took >= header && took < header * 20, "{took:?}");
    }
    // A drip of bytes buys no time.
    let mut stream = server.send("GET /peer HTTP/1.1\r\nx: ").await;
    let begun = Instant::now();
    let mut drip = tokio::time::interval(header / 10);
    within(async {
        while stream.write_all(b"x").await.is_ok() {
            drip.tick().await;
        }
    })
    .await;
    assert!(begun.elapsed() < header * 20);
}

#[tokio::test]
async fn a_second_head_has_the_same_deadline() {
    let server = Server::start(ConnectionLimits {
        header: Duration::from_millis(300),
        ..limits()
    })
    .await;
    let mut stream = server.send("GET /peer HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let own = stream.local_addr().unwrap().to_string();
    answer(&mut stream, &own).await;
    stream.write_all(b"GET /pe").await.unwrap();
    let begun = Instant::now();
    assert_eq!(rest(stream).await, "");
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "not the minute of an idle connection"
    );
}

#[tokio::test]
async fn an_idle_connection_outlives_the_heads_deadline_and_is_closed_at_its_own() {
    let (header, idle) = (Duration::from_millis(100), Duration::from_millis(600));
    let server = Server::start(ConnectionLimits {
        header,
        idle,
        ..limits()
    })
    .await;
    let mut stream = server.send("GET /peer HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let own = stream.local_addr().unwrap().to_string();
    answer(&mut stream, &own).await;
    let begun = Instant::now();
    assert_eq!(rest(stream).await, "");
    let took = begun.elapsed();
    assert!(took >= idle * 9 / 10 && took < idle * 20, "{took:?}");
}

#[tokio::test]
async fn a_slow_answer_is_not_cut_by_the_heads_deadline() {
    let server = Server::start(ConnectionLimits {
        header: Duration::from_millis(50),
        ..limits()
    })
    .await;
    let stream = server
        .send("GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    within(server.slow_runs.notified()).await;
    // A connection that is begun later and cut shows that the deadline has passed.
    assert_eq!(rest(server.connect().await).await, "");
    server.let_slow_go.notify_one();
    assert!(rest(stream).await.ends_with("done"));
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_dropped() {
    let server = Server::start(ConnectionLimits {
        write: Duration::from_millis(200),
        ..limits()
    })
    .await;
    let mut stream = server.send("GET /flood HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut first = [0; 16];
    within(stream.read_exact(&mut first)).await.unwrap();
    // Nothing more is read until the server has let go: its place is free again, and no other is taken.
    let begun = Instant::now();
    within(async {
        while stream.write_all(b"x").await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn the_cap_holds_and_a_place_is_free_again() {
    for limits in [
        ConnectionLimits { total: 2, ..limits() },
        ConnectionLimits {
            per_peer: 2,
            ..limits()
        },
    ] {
        let server = Server::start(limits).await;
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut stream = server.send("GET /peer HTTP/1.1\r\nhost: x\r\n\r\n").await;
            let own = stream.local_addr().unwrap().to_string();
            answer(&mut stream, &own).await;
            held.push(stream);
        }
        let refused = rest(server.connect().await).await;
        assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
        held.pop();
        within(async {
            let request = "GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            while !rest(server.send(request).await)
                .await
                .starts_with("HTTP/1.1 200 ")
            {}
        })
        .await;
    }
}

#[tokio::test]
async fn bodies_are_read_within_bounds() {
    let server = Server::start(limits()).await;
    let post = |rest: String| format!("POST /body HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{rest}");
    for (request, said) in [
        (post("content-length: 5\r\n\r\nhello".to_owned()), "5 bytes"),
        // Refused by its announcement: not one byte of it is ever sent.
        (post("content-length: 104857600\r\n\r\n".to_owned()), "too large"),
        (post("content-length: 5\r\n\r\nhell".to_owned()), "too slow"),
        (
            post(format!(
                "content-length: {MAX_BODY}\r\n\r\n{}",
                "x".repeat(MAX_BODY)
            )),
            "65536 bytes",
        ),
    ] {
        let answer = rest(server.send(&request).await).await;
        assert!(answer.ends_with(said), "{answer}");
    }
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_cap() {
    let server = Server::start(limits()).await;
    let stream = server
        .send("POST /body HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    let (mut reader, mut writer) = stream.into_split();
    let sending = tokio::spawn(async move {
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        let mut sent = 0_usize;
        while writer.write_all(chunk.as_bytes()).await.is_ok() {
            sent += chunk.len();
        }
        sent
    });
    let mut answer = Vec::new();
    let _ = within(reader.read_to_end(&mut answer)).await;
    assert!(String::from_utf8_lossy(&answer).ends_with("too large"));
    // What the kernel buffers on the way aside, no more than the cap goes through.
    assert!(within(sending).await.unwrap() < 32 << 20);
}

#[tokio::test]
async fn a_stop_lets_the_running_request_finish_and_takes_no_other() {
    let mut server = Server::start(limits()).await;
    let stream = server.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    within(server.slow_runs.notified()).await;
    let idle = server.connect().await;
    server.stop.cancel();
    assert_eq!(rest(idle).await, "", "an idle connection is closed at once");
    within(async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
    server.let_slow_go.notify_one();
    assert!(rest(stream).await.ends_with("done"));
    server.stopped().await;
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_its_grace() {
    let mut server = Server::start(ConnectionLimits {
        grace: Duration::from_millis(100),
        ..limits()
    })
    .await;
    let stream = server.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    within(server.slow_runs.notified()).await;
    server.stop.cancel();
    server.stopped().await;
    assert_eq!(rest(stream).await, "");
}
