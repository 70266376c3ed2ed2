//! Bytes that are no request, or two: one answer at most, and a connection that is closed.

use std::net::SocketAddr;
use std::time::Duration;

use hubcheck::web::server::{ConnectionLimits, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::house::today;
use crate::support::web::House;

/// No test waits longer for anything.
pub(super) const PATIENCE: Duration = Duration::from_mins(5);

/// The door on a port of its own; closed when dropped.
pub(super) struct Door {
    pub(super) house: House,
    pub(super) address: SocketAddr,
    _open: DropGuard,
    _serving: JoinHandle<()>,
}

impl Door {
    pub(super) async fn open(limits: ConnectionLimits) -> Self {
        let house = House::open().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, house.router.clone(), limits, stop.clone()));
        Self {
            house,
            address,
            _open: stop.drop_guard(),
            _serving: serving,
        }
    }

    /// A connection from an address of this machine.
    pub(super) async fn connect_from(&self, peer: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{peer}:0").parse().unwrap()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// All that is answered to these bytes, whose sender then waits for the end.
    pub(super) async fn told(&self, bytes: &[u8]) -> String {
        let stream = TcpStream::connect(self.address).await.unwrap();
        all_of(stream, bytes).await
    }

    /// Docker Hub's webhook, as one request that closes its connection.
    pub(super) fn good_push(&self) -> Vec<u8> {
        let body = today("v1").to_string();
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            self.house.hook(),
            body.len()
        );
        [head, body].concat().into_bytes()
    }
}

/// Sends `bytes`, and reads to the end.
pub(super) async fn all_of(stream: TcpStream, bytes: &[u8]) -> String {
    let (mut reader, mut writer) = stream.into_split();
    let mut answer = Vec::new();
    let exchange = async {
        // Who is refused early finds the way closed.
        let _ = writer.write_all(bytes).await;
        let _ = reader.read_to_end(&mut answer).await;
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("no end");
    String::from_utf8_lossy(&answer).into_owned()
}

/// How many answers these are.
fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count() + text.matches("HTTP/1.0 ").count()
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_its_connection_closed() {
    let door = Door::open(ConnectionLimits::default()).await;
    let long = |length: usize| "a".repeat(length);
    let many = "x: y\r\n".repeat(2_000);
    for (bytes, status) in [
        ("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n".to_owned(), "400"),
        (
            "GET / HTTP/1.1\r\nhost: x\r\nspaced : x\r\n\r\n".to_owned(),
            "400",
        ),
        ("GET / HTTP/1.1\r\nhost: x\r\nnul: \0\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/9.9\r\nhost: x\r\n\r\n".to_owned(), "400"),
        // Another protocol is not answered in ours.
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
        (
            format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", long(70_000)),
            "414",
        ),
        (
            format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", long(900_000)),
            "431",
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", long(900_000)),
            "431",
        ),
        (format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n"), "431"),
    ] {
        let answer = door.told(bytes.as_bytes()).await;
        let shown = &bytes[..bytes.len().min(60)];
        assert_eq!(
            answer.split(' ').nth(1).unwrap_or_default(),
            status,
            "{shown:?}: {answer:?}"
        );
        assert!(answers(&answer) <= 1, "{shown:?}: {answer:?}");
    }
    assert!(door.told(&door.good_push()).await.starts_with("HTTP/1.1 202 "));
}

/// Two lengths, or one that can be read in two ways, would let one request hide in another behind a proxy
/// that reads it the other way.
#[tokio::test]
async fn no_request_is_smuggled_inside_another() {
    let door = Door::open(ConnectionLimits::default()).await;
    let hidden = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let post = |fields: &str, body: &str| {
        format!("POST /hooks/dockerhub/wrong HTTP/1.1\r\nhost: x\r\n{fields}\r\n\r\n{body}{hidden}")
    };
    for bytes in [
        post("content-length: 5\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
        post("transfer-encoding: chunked\r\ncontent-length: 5", "0\r\n\r\n"),
        post("content-length: 0\r\ncontent-length: 5", ""),
        post("content-length: 0, 5", ""),
        post("content-length: +0", ""),
        post("content-length: -1", ""),
        post("content-length: 0x0", ""),
        post("content-length: 99999999999999999999999", ""),
        post("transfer-encoding: chunked, identity", "0\r\n\r\n"),
        post("transfer-encoding: xchunked", "0\r\n\r\n"),
        post("transfer-encoding:\u{b}chunked", "0\r\n\r\n"),
        post("transfer-encoding : chunked", "0\r\n\r\n"),
        post("x: y\r\n transfer-encoding: chunked", "0\r\n\r\n"),
    ] {
        let answer = door.told(bytes.as_bytes()).await;
        assert!(answers(&answer) <= 1, "{bytes:?}: {answer:?}");
        assert!(
            !answer.contains(" 200 "),
            "the hidden request was answered: {answer:?}"
        );
    }
    // An honest sender of two requests has two answers.
    let two = post("content-length: 5", "hello");
    let answer = door.told(two.as_bytes()).await;
    assert!(answers(&answer) == 2 && answer.contains(" 200 "), "{answer:?}");
}

#[tokio::test]
async fn garbage_after_a_good_request_takes_nothing_from_it() {
    let door = Door::open(ConnectionLimits::default()).await;
    let keep_alive = String::from_utf8(door.good_push())
        .unwrap()
        .replace("connection: close\r\n", "");
    let answer = door
        .told(format!("{keep_alive}\0\0 rubbish\r\n\r\n").as_bytes())
        .await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer:?}");
    assert!(!answer[10..].contains("HTTP/1.1 2"), "{answer:?}");
    assert_eq!(
        door.house.shelf.store.deliveries(None, 10).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn an_old_client_is_answered_and_let_go() {
    let door = Door::open(ConnectionLimits::default()).await;
    let answer = door.told(b"GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.0 200 ") || answer.starts_with("HTTP/1.1 200 "),
        "{answer:?}"
    );
    let push = String::from_utf8(door.good_push()).unwrap();
    let push = push
        .replace("HTTP/1.1", "HTTP/1.0")
        .replace("connection: close\r\n", "");
    let answer = door.told(push.as_bytes()).await;
    assert!(answer.contains(" 202 "), "{answer:?}");
    // It knows no chunks, so that nobody can agree with it on where its body ends.
    let chunked = "POST /hooks/dockerhub/x HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = door.told(chunked.as_bytes()).await;
    assert!(answer.contains(" 400 "), "{answer:?}");
}
