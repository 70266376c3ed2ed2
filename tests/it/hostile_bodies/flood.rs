//! Many at once: senders that hold on to connections, and pushes by the thousand.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use hubcheck::web::server::ConnectionLimits;
use hyper::body::{Frame, SizeHint};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::wire::{Door, PATIENCE, all_of};
use crate::support::web::{House, post, signature};

/// Who attacks, and who does not.
const CROWD: &str = "127.0.0.2";
const OTHER: &str = "127.0.0.3";

/// Connections from one address that have sent this much and then stay, as many as one may have: all others
/// are turned away.
async fn crowd(door: &Door, size: usize, most: usize, sent: &[u8]) -> Vec<TcpStream> {
    let connect = |_| async {
        let mut stream = door.connect_from(CROWD).await;
        let _ = stream.write_all(sent).await;
        stream
    };
    let all: Vec<TcpStream> = stream::iter(0..size)
        .map(connect)
        .buffer_unordered(64)
        .collect()
        .await;
    let turned_away = |stream: &TcpStream| {
        let mut first = [0; 12];
        match stream.try_read(&mut first) {
            Ok(_) => assert!(first.starts_with(b"HTTP/1.1 503"), "{first:?}"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(_) => {}
        }
        true
    };
    let mut held = all;
    let refused = async {
        while held.len() > most {
            held.retain(|stream| !turned_away(stream));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused)
        .await
        .expect("too many are let in");
    assert_eq!(held.len(), most, "those that came first stay");
    held
}

/// Somebody else is answered at once, while the crowd is still there.
async fn assert_room_for_others(door: &Door, crowd: &[TcpStream]) {
    let begun = Instant::now();
    let answer = all_of(door.connect_from(OTHER).await, &door.good_push()).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "nobody waits for the crowd"
    );
    let mut none = [0; 1];
    let stays = |stream: &TcpStream| {
        stream
            .try_read(&mut none)
            .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    assert!(crowd.iter().any(stays), "the crowd was gone before");
}

#[tokio::test]
async fn half_sent_heads_by_the_thousand_leave_room_for_others() {
    let limits = ConnectionLimits {
        header: PATIENCE * 2,
        ..ConnectionLimits::default()
    };
    let per_peer = limits.per_peer;
    let door = Door::open(limits).await;
    let crowd = crowd(
        &door,
        1_000,
        per_peer,
        b"POST /hooks/dockerhub/x HTTP/1.1\r\nhost:",
    )
    .await;
    assert_room_for_others(&door, &crowd).await;
}

#[tokio::test]
async fn bodies_that_stall_by_the_hundred_leave_room_for_others() {
    let limits = ConnectionLimits {
        per_peer: 64,
        ..ConnectionLimits::default()
    };
    let door = Door::open(limits).await;
    let unfinished = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 700\r\n\r\n{{",
        door.house.hook()
    );
    let crowd = crowd(&door, 200, 64, unfinished.as_bytes()).await;
    assert_room_for_others(&door, &crowd).await;
}

#[tokio::test]
async fn of_a_burst_everything_that_was_promised_is_on_disk() {
    const PUSHES: usize = 500;
    let door = Door::open(ConnectionLimits::default()).await;
    let push = door.good_push();
    let one = |_| async {
        let answer = all_of(TcpStream::connect(door.address).await.unwrap(), &push).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        match head.split(' ').nth(1) {
            Some("202") => {
                let receipt: Value = serde_json::from_str(body).unwrap();
                Some(receipt["delivery"].as_str().unwrap().to_owned())
            }
            Some("429" | "503") => {
                assert!(head.contains("retry-after: "), "{head}");
                None
            }
            _ => panic!("{answer:?}"),
        }
    };
    let answers = stream::iter(0..PUSHES).map(one).buffer_unordered(64);
    let promised: HashSet<String> = answers.filter_map(async |answer| answer).collect().await;
    assert!(promised.len() > PUSHES / 2, "{} were taken", promised.len());
    let mut stored = HashSet::new();
    let mut before = None;
    loop {
        let page = door.house.shelf.store.deliveries(before, 200).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        stored.extend(page.iter().map(|delivery| delivery.id.to_string()));
    }
    assert_eq!(stored, promised);
}

/// A body that announces its length and never comes.
struct Stalled(u64);

impl HttpBody for Stalled {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

#[tokio::test]
async fn large_bodies_of_strangers_leave_room_for_what_github_sends() {
    let house = House::open().await;
    let large = |_| {
        let request = post("/hooks/github").header("x-hub-signature-256", signature("guessed", ""));
        house.ask(request.body(Body::new(Stalled(25 << 20))).unwrap())
    };
    let strangers = join_all((0..8).map(large));
    tokio::select! {
        biased;
        answers = strangers => panic!("GitHub waited for them: {answers:?}"),
        answer = house.event("ping", "guid", "{}") => assert_eq!(answer.status, StatusCode::ACCEPTED),
    }
}
