//! Alive, ready, and counted.

use std::time::Duration;

use axum::body::Body;
use http::StatusCode;
use tokio::time::{Instant, interval};

use crate::support::web::{House, ask, get};

const TODAY: &str = include_str!("../../../fixtures/dockerhub/today.json");

#[tokio::test]
async fn it_is_ready_while_deliveries_can_be_stored_whatever_else_is_broken() {
    let house = House::open().await;
    let ready = house.look("/readyz").await;
    assert_eq!(ready.status, StatusCode::OK);
    let told = ready.json();
    assert_eq!(told["store"]["state"], "ok");
    assert_eq!(told["docker"]["state"], "not looked at yet");
    house.shelf.store.close().await;
    let mut tick = interval(Duration::from_millis(50));
    let turned = async {
        loop {
            let answer = house.look("/readyz").await;
            if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                return answer;
            }
            tick.tick().await;
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(10), turned)
        .await
        .unwrap();
    assert_eq!(answer.json()["store"]["why"], "deliveries cannot be stored");
    assert_eq!(house.look("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn asking_often_writes_once_a_second() {
    // Where this takes longer than a second, the store is rightly asked again.
    loop {
        let house = House::open().await;
        let began = Instant::now();
        assert_eq!(house.look("/readyz").await.status, StatusCode::OK);
        house.shelf.store.close().await;
        let again = house.look("/readyz").await.status;
        if began.elapsed() < Duration::from_secs(1) {
            assert_eq!(again, StatusCode::OK, "the answer of a moment ago stands");
            return;
        }
    }
}

#[tokio::test]
async fn deliveries_are_counted_where_only_the_operator_looks() {
    let house = House::open().await;
    house.post(&house.hook(), TODAY).await;
    house.post("/hooks/dockerhub/wrong", TODAY).await;
    assert_eq!(house.look("/metrics").await.status, StatusCode::NOT_FOUND);
    let metrics = ask(&house.metrics, get("/metrics").body(Body::empty()).unwrap()).await;
    let text = metrics.text();
    assert!(
        text.contains("sender=\"dockerhub\"") && text.contains("Refused"),
        "{text}"
    );
    assert!(!text.contains("acme"), "{text}");
}
