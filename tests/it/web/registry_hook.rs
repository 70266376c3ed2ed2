//! A registry's webhook: every refusal in its order, every reply in its shape.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use futures_util::{FutureExt as _, stream};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use hubcheck::hooks::Sender;
use hubcheck::store::{JobKind, Taken};
use hyper::body::{Frame, SizeHint};
use serde_json::json;

use crate::support::store::delivery;
use crate::support::web::{Answer, HOOK_TOKEN, House, MAX_BODY, image, post};

const TODAY: &str = include_str!("../../../fixtures/dockerhub/today.json");
const OF_2014: &str = include_str!("../../../fixtures/dockerhub/of_2014.json");
const FORM: &str = include_str!("../../../fixtures/dockerhub/form_body.form");
const SIGNATURE_TAG: &str = include_str!("../../../fixtures/dockerhub/signature_tag.json");

/// A body that announces its length and never comes.
struct Announced(u64);

impl HttpBody for Announced {
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

/// A body that never ends.
fn endless() -> Body {
    let spaces = || Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 1024]));
    Body::from_stream(stream::repeat_with(spaces))
}

/// An answer that must not wait for its request's body.
async fn at_once(answer: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout(Duration::from_secs(5), answer)
        .await
        .unwrap()
}

#[tokio::test]
async fn nobody_knows_a_sender_that_is_none_whatever_its_token() {
    let house = House::open().await;
    for token in ["wrong", HOOK_TOKEN] {
        let answer =
            at_once(house.post(&format!("/hooks/nosuch/{token}"), Body::new(Announced(1 << 40)))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_wrong_token_is_refused_before_the_body_is_read() {
    let house = House::open().await;
    let of_another_sender = house.hook().replace("/hooks/dockerhub/", "");
    for path in [
        "/hooks/dockerhub/wrong".to_owned(),
        format!("/hooks/dockerhub/{}", &of_another_sender[1..]),
        "/dockerhub-webhook/wrong".to_owned(),
        "/dockerhub-webhook/wrong/notify".to_owned(),
    ] {
        for body in [Body::new(Announced(1 << 40)), Body::new(Announced(10))] {
            let answer = at_once(house.post(&path, body)).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
            assert!(answer.error().contains("hubcheck hook-url IMAGE"));
        }
    }
    assert!(house.shelf.store.deliveries(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_announced_or_not() {
    let house = House::open().await;
    let bodies = [
        Body::new(Announced(MAX_BODY as u64 + 1)),
        Body::from("x".repeat(MAX_BODY + 1)),
        endless(),
    ];
    for body in bodies {
        let answer = at_once(house.post(&house.hook(), body)).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(answer.error().contains(&MAX_BODY.to_string()));
    }
}

#[tokio::test]
async fn a_body_that_is_not_the_senders_is_refused_with_its_field() {
    let house = House::open().await;
    for (body, said) in [
        ("", "empty"),
        ("[]", "not an object"),
        ("{", "not JSON"),
        ("{}", "push_data"),
        (
            r#"{"push_data":{"tag":7},"repository":{"repo_name":"acme/app"}}"#,
            "`push_data.tag`",
        ),
        (
            r#"{"push_data":{"tag":"a b"},"repository":{"repo_name":"acme/app"}}"#,
            "`push_data.tag`",
        ),
        (
            r#"{"push_data":{"tag":"v1"},"repository":{}}"#,
            "`repository.repo_name`",
        ),
    ] {
        let answer = house.post(&house.hook(), body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.error().contains(said), "{body}: {}", answer.error());
    }
}

#[tokio::test]
async fn a_token_is_good_for_its_own_image_alone_and_the_operators_for_all() {
    let house = House::open().await;
    let body = TODAY.replace("acme/app\"", "acme/other\"");
    for body in [body.clone(), SIGNATURE_TAG.replace("acme/app\"", "acme/other\"")] {
        let answer = house.post(&house.hook(), body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.error().contains("another image"));
    }
    assert!(house.shelf.store.deliveries(None, 10).await.unwrap().is_empty());
    for body in [body, TODAY.to_owned()] {
        let answer = house.post(&format!("/hooks/dockerhub/{HOOK_TOKEN}"), body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
    }
}

#[tokio::test]
async fn a_flood_is_turned_away_and_told_to_come_back() {
    let house = House::open().await;
    // Nothing is awaited here, so that the writer cannot take any of them.
    let full = (0..100_000)
        .any(|_| house.shelf.intake.take(delivery("acme/app", "v1")).now_or_never() == Some(Taken::Flooded));
    assert!(full, "the queue at the door has an end");
    let answer = house.post(&house.hook(), TODAY).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header(RETRY_AFTER), "5");
}

#[tokio::test]
async fn a_delivery_that_cannot_be_stored_is_not_taken() {
    let house = House::open().await;
    house.shelf.store.close().await;
    let answer = house.post(&house.hook(), TODAY).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header(RETRY_AFTER), "5");
    assert_eq!(answer.error(), "the delivery could not be stored: send it again");
    // What is wrong with the request is still said first.
    let answer = house.post("/hooks/dockerhub/wrong", TODAY).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_push_is_queued_once_it_is_on_disk() {
    let house = House::open().await;
    let answer = house.post(&house.hook(), TODAY).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let receipt = answer.json();
    let stored = house.shelf.store.deliveries(None, 10).await.unwrap();
    let wanted = json!({
        "delivery": stored[0].id,
        "decision": "queued",
        "reason": "the tag will be looked up at the registry",
        "images": [{ "image": "docker.io/acme/app", "tag": "v1.4.0", "digest": null }],
    });
    assert_eq!(receipt, wanted);
    assert_eq!(house.shelf.store.depth(JobKind::Resolve).await.unwrap().open, 1);
    // Docker Hub has no event id: the same again is another push.
    let again = house.post(&house.hook(), TODAY).await.json();
    assert_eq!(again["decision"], "queued");
    assert_ne!(again["delivery"], receipt["delivery"]);
}

#[tokio::test]
async fn an_image_that_nobody_bound_is_ignored_with_the_way_to_bind_it() {
    let house = House::open().await;
    let token = house.hook_keys.token(Sender::Dockerhub, &image("acme/other"));
    let body = TODAY.replace("acme/app\"", "acme/other\"");
    let answer = house.post(&format!("/hooks/dockerhub/{token}"), body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let receipt = answer.json();
    assert_eq!(receipt["decision"], "ignored");
    assert_eq!(receipt["images"][0]["image"], "docker.io/acme/other");
    let reason = receipt["reason"].as_str().unwrap();
    assert!(
        reason.contains("[[image]]") && reason.contains("docker.io/acme/other"),
        "{reason}"
    );
    assert_eq!(house.shelf.store.depth(JobKind::Resolve).await.unwrap().open, 0);
}

#[tokio::test]
async fn a_tag_of_signatures_is_ignored() {
    let house = House::open().await;
    let answer = house.post(&house.hook(), SIGNATURE_TAG).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let receipt = answer.json();
    assert_eq!(receipt["decision"], "ignored");
    assert!(receipt["reason"].as_str().unwrap().contains("signatures"));
    assert_eq!(receipt["images"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_payload_of_2014_means_latest_and_the_answer_says_so() {
    let house = House::open().await;
    for path in [
        house.hook(),
        house.hook().replace("/hooks/dockerhub/", "/dockerhub-webhook/"),
        house.hook().replace("/hooks/dockerhub/", "/dockerhub-webhook/") + "/notify",
    ] {
        for (body, content_type) in [
            (OF_2014, "application/json"),
            (OF_2014, "text/plain"),
            (OF_2014, "application/x-www-form-urlencoded"),
            (FORM, "application/x-www-form-urlencoded"),
            (FORM, "application/octet-stream"),
        ] {
            let request = post(&path).header(CONTENT_TYPE, content_type);
            let answer = house.ask(request.body(body.into()).unwrap()).await;
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{path} {content_type}");
            let receipt = answer.json();
            assert_eq!(receipt["decision"], "queued");
            assert_eq!(receipt["images"][0]["tag"], "latest");
            assert!(receipt["reason"].as_str().unwrap().contains("`latest`"));
        }
    }
    let answer = house.ask(post(&house.hook()).body(OF_2014.into()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "no content type at all");
}
