//! GitHub's webhook of the App: believed only if it is signed, and each event acted on once.

use std::time::Duration;

use axum::body::Body;
use futures_util::stream;
use http::StatusCode;
use hubcheck::model::{DeliveryId, RunId};
use hubcheck::store::JobKind;

use crate::support::store::LEASE;
use crate::support::web::{House, OLD_SECRET, post, signature};

const PING: &str = r#"{"zen":"Keep it logically awesome.","hook_id":1}"#;

fn rerequested(run: RunId) -> String {
    let sha = "ab".repeat(20);
    format!(
        r#"{{"action":"rerequested","sender":{{"login":"wile","email":"wile@example.org"}},
            "check_run":{{"id":7,"external_id":"{run}","head_sha":"{sha}","output":{{"text":"long"}}}},
            "repository":{{"id":5,"full_name":"acme/app"}},"installation":{{"id":9}}}}"#
    )
}

#[tokio::test]
async fn what_is_not_signed_is_refused() {
    let house = House::open().await;
    let good = signature(OLD_SECRET, PING);
    for header in [
        None,
        Some(String::new()),
        Some("sha256=".to_owned()),
        Some(good[..good.len() - 2].to_owned()),
        Some(good.to_uppercase()),
        Some(good.to_uppercase().replace("SHA256", "sha256")),
        Some(good.replace("sha256=", "sha1=")),
        Some(signature("another secret", PING)),
        Some(signature(OLD_SECRET, "another body")),
    ] {
        let mut request = post("/hooks/github")
            .header("x-github-event", "ping")
            .header("x-github-delivery", "guid");
        if let Some(header) = &header {
            request = request.header("x-hub-signature-256", header);
        }
        let answer = house.ask(request.body(PING.into()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{header:?}");
    }
    assert!(house.shelf.store.deliveries(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn without_a_signature_of_the_right_form_nothing_is_read() {
    let house = House::open().await;
    let never = || Body::from_stream(stream::pending::<Result<&'static str, std::io::Error>>());
    let request = post("/hooks/github").header("x-hub-signature-256", "sha256=abcd");
    let answer = house.ask(request.body(never()).unwrap());
    let answer = tokio::time::timeout(Duration::from_secs(5), answer)
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_ping_and_events_that_nobody_knows_are_ignored() {
    let house = House::open().await;
    for (event, body, reason) in [
        ("ping", PING, "the webhook works"),
        ("ping_of_tomorrow", "{}", "ping_of_tomorrow is nothing"),
        (
            "check_run",
            r#"{"action":"created"}"#,
            "check_run.created is nothing",
        ),
    ] {
        let answer = house.event(event, event, body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        let receipt = answer.json();
        assert_eq!(receipt["decision"], "ignored");
        assert!(receipt["reason"].as_str().unwrap().contains(reason), "{receipt}");
        assert_eq!(receipt["images"].as_array().unwrap().len(), 0);
    }
    assert_eq!(
        house.shelf.store.depth(JobKind::GithubEvent).await.unwrap().open,
        0
    );
}

#[tokio::test]
async fn an_event_that_comes_twice_is_acted_on_once() {
    let house = House::open().await;
    let body = rerequested(RunId::new());
    let first = house.event("check_run", "one guid", &body).await.json();
    assert_eq!(first["decision"], "queued");
    let again = house.event("check_run", "one guid", &body).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    let again = again.json();
    assert_eq!(again["decision"], "duplicate");
    assert_eq!(again["delivery"], first["delivery"]);
    assert_eq!(
        house.shelf.store.depth(JobKind::GithubEvent).await.unwrap().open,
        1
    );
}

#[tokio::test]
async fn a_wish_for_another_run_is_queued_and_only_what_is_used_is_stored() {
    let house = House::open().await;
    let run = RunId::new();
    let receipt = house.event("check_run", "guid", &rerequested(run)).await.json();
    let id: DeliveryId = receipt["delivery"].as_str().unwrap().parse().unwrap();
    let store = &house.shelf.store;
    let job = store.claim(JobKind::GithubEvent, LEASE).await.unwrap().unwrap();
    assert_eq!(job.subject, id.to_string());
    let stored = store.delivery(id).await.unwrap().unwrap();
    assert_eq!(stored.summary.event, "check_run");
    assert!(stored.body.contains(&run.to_string()));
    for unused in ["wile", "output", "long", "login"] {
        assert!(!stored.body.contains(unused), "{}", stored.body);
    }
}

#[tokio::test]
async fn a_signed_body_of_the_wrong_shape_is_refused_with_its_field() {
    let house = House::open().await;
    let answer = house
        .event("check_run", "guid", r#"{"action":"rerequested"}"#)
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.error().contains("repository"), "{}", answer.error());
    let body = "{}";
    let request = post("/hooks/github").header("x-hub-signature-256", signature(OLD_SECRET, body));
    let answer = house.ask(request.body(body.into()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.error().contains("X-GitHub-Event"));
}
