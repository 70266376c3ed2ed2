//! Many at once: senders that hold on to connections, and pushes by the thousand.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use hubcheck::web::server::ConnectionLimits;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::wire::{Door, PATIENCE, all_of};

/// Who attacks, and who does not.
const CROWD: &str = "127.0.0.2";
const OTHER: &str = "127.0.0.3";

/// Connections from one address that have sent this much and then stay. Those that were turned away are let
/// go at once; how many of them there were comes second.
async fn crowd(door: &Door, size: usize, sent: &[u8]) -> (Vec<TcpStream>, usize) {
    let (mut held, mut refused) = (Vec::new(), 0);
    for _ in 0..size {
        let mut stream = door.connect_from(CROWD).await;
        let _ = stream.write_all(sent).await;
        let mut first = [0; 12];
        let turned = tokio::time::timeout(Duration::from_millis(1), stream.peek(&mut first)).await;
        match turned {
            Ok(answer) => {
                assert!(answer.is_err() || first.starts_with(b"HTTP/1.1 503"), "{first:?}");
                refused += 1;
            }
            Err(_) => held.push(stream),
        }
    }
    (held, refused)
}

#[tokio::test]
async fn half_sent_heads_by_the_thousand_leave_room_for_others() {
    let header = Duration::from_secs(3);
    let limits = ConnectionLimits {
        header,
        ..ConnectionLimits::default()
    };
    let per_peer = limits.per_peer;
    let door = Door::open(limits).await;
    let (held, refused) = crowd(&door, 1_000, b"POST /hooks/dockerhub/x HTTP/1.1\r\nhost:").await;
    assert!(refused >= 1_000 - 2 * per_peer, "{refused} were turned away");
    let push = door.good_push();
    let begun = Instant::now();
    let answer = all_of(door.connect_from(OTHER).await, &push).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "nobody waits for the crowd"
    );
    // The heads' deadline clears the place, whether the crowd lets go or not.
    let cleared = async {
        while !all_of(door.connect_from(CROWD).await, &push)
            .await
            .contains(" 202 ")
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, cleared)
        .await
        .expect("the crowd stays");
    drop(held);
}

#[tokio::test]
async fn bodies_that_stall_by_the_hundred_leave_room_for_others() {
    let limits = ConnectionLimits {
        per_peer: 128,
        ..ConnectionLimits::default()
    };
    let door = Door::open(limits).await;
    let unfinished = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 700\r\n\r\n{{",
        door.house.hook()
    );
    let (held, refused) = crowd(&door, 400, unfinished.as_bytes()).await;
    assert!(refused >= 400 - 2 * 128, "{refused} were turned away");
    let begun = Instant::now();
    let answer = all_of(door.connect_from(OTHER).await, &door.good_push()).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "nobody waits for the crowd"
    );
    drop(held);
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
