//! Bodies of every wrong shape, with a good token: refused with their field, and nothing is stored.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use futures_util::stream;
use http::StatusCode;
use hubcheck::store::JobKind;
use serde_json::json;

use crate::support::house::today;
use crate::support::web::{House, OLD_SECRET, post, signature};

/// A body of today's with something else in the place of a field.
fn with(pointer: &str, value: serde_json::Value) -> Vec<u8> {
    let mut body = today("v1");
    *body.pointer_mut(pointer).unwrap() = value;
    body.to_string().into_bytes()
}

fn replaced(this: &str, that: &[u8]) -> Vec<u8> {
    let body = today("v1").to_string();
    let (before, after) = body.split_once(this).unwrap();
    [before.as_bytes(), that, after.as_bytes()].concat()
}

#[tokio::test]
async fn every_wrong_shape_is_refused_with_a_sentence_and_nothing_is_stored() {
    let house = House::open().await;
    let deep = |open: &str, close: &str| [open.repeat(10_000), close.repeat(10_000)].concat().into_bytes();
    let refused: [(Vec<u8>, &str); 13] = [
        (deep("[", "]"), "not an object"),
        (deep("{\"a\":", "}"), "not JSON"),
        (replaced("wile", b"\xff\xfe"), "not UTF-8"),
        (replaced("wile", b"\0"), "not UTF-8"),
        (
            replaced("\"tag\":", b"\"tag\":\"v0\",\"tag\":"),
            "duplicate field `tag`",
        ),
        (
            replaced("\"repo_name\":", b"\"repo_name\":\"acme/other\",\"repo_name\":"),
            "duplicate field",
        ),
        (with("/push_data/tag", json!("")), "`push_data.tag`"),
        (with("/push_data/tag", json!("v1\u{0}")), "`push_data.tag`"),
        (with("/push_data/tag", json!(["v1"])), "`push_data.tag`"),
        (with("/push_data", json!("v1")), "`push_data`"),
        (
            with("/repository/repo_name", json!({"a": 1})),
            "`repository.repo_name`",
        ),
        (
            with("/repository/repo_name", json!("a".repeat(60_000))),
            "`repository.repo_name`",
        ),
        (replaced("{", b""), "not an object"),
    ];
    for (body, said) in refused {
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        let answer = house.post(&house.hook(), body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{shown}");
        assert!(answer.error().contains(said), "{shown}: {}", answer.error());
        assert!(
            answer.body.len() < 600,
            "little of it is repeated: {}",
            answer.text()
        );
    }
    assert!(house.shelf.store.deliveries(None, 1).await.unwrap().is_empty());
    assert_eq!(house.shelf.store.depth(JobKind::Resolve).await.unwrap().open, 0);
}

#[tokio::test]
async fn what_nobody_reads_may_have_any_shape() {
    let house = House::open().await;
    for (pointer, value) in [
        ("/push_data/pushed_at", json!(1.417_566_161e9)),
        ("/push_data/pushed_at", json!("yesterday")),
        ("/push_data/pushed_at", json!(null)),
        ("/repository/star_count", json!(i64::MIN)),
        ("/repository/is_private", json!([[[[]]]])),
        ("/push_data/images", json!({"\u{0}": "\u{202e}"})),
    ] {
        let answer = house.post(&house.hook(), with(pointer, value)).await;
        assert_eq!(
            answer.status,
            StatusCode::ACCEPTED,
            "{pointer}: {}",
            answer.text()
        );
    }
    // Deeper than any stack and larger than any type, which only the text can say.
    let deep = ["[".repeat(10_000), "]".repeat(10_000)].concat();
    for body in [
        replaced("\"wile\"", deep.as_bytes()),
        replaced("1790000000", &b"9".repeat(400)),
    ] {
        assert_eq!(house.post(&house.hook(), body).await.status, StatusCode::ACCEPTED);
    }
}

#[tokio::test]
async fn a_body_that_never_comes_to_its_end_is_given_up_at_its_deadline() {
    let house = House::open().await;
    let stalled = || {
        let begin = Bytes::from_static(b"{\"push_data\":");
        let pieces = stream::once(async move { Ok::<_, std::io::Error>(begin) });
        Body::from_stream(futures_util::StreamExt::chain(pieces, stream::pending()))
    };
    let to_github = || {
        let signature = signature(OLD_SECRET, "{}");
        let request = post("/hooks/github").header("x-hub-signature-256", signature);
        request.body(stalled()).unwrap()
    };
    let begun = Instant::now();
    let hook = house.hook();
    let (of_hub, of_github) = tokio::join!(house.post(&hook, stalled()), house.ask(to_github()));
    for answer in [of_hub, of_github] {
        assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
        assert!(answer.error().contains("10000 ms"), "{}", answer.error());
    }
    assert!(begun.elapsed() >= Duration::from_secs(10));
}
