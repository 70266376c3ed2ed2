//! Commit statuses.

use serde_json::{Value, json};

use super::{Scene, words};

#[test]
fn the_newest_of_each_context_adds_up_without_regard_to_case() {
    let mut scene = Scene::new();
    let path = format!("/repos/acme/app/commits/{}/status", scene.sha);
    let combined = |scene: &mut Scene| scene.call("GET", &path, &Value::Null).1["state"].clone();
    assert_eq!(combined(&mut scene), "pending");
    scene.create_status(json!({ "state": "failure" }));
    assert_eq!(combined(&mut scene), "failure");
    scene.create_status(json!({ "state": "success", "context": "HubCheck/acme/app" }));
    assert_eq!(combined(&mut scene), "success");
    scene.create_status(json!({ "context": "other" }));
    assert_eq!(combined(&mut scene), "pending");
}

#[test]
fn a_state_is_one_of_four() {
    let mut scene = Scene::new();
    for state in [json!("neutral"), json!("skipped"), json!(null), json!(1)] {
        assert_eq!(scene.create_status(json!({ "state": state })).0, 422);
    }
}

#[test]
fn a_description_has_140_characters() {
    let mut scene = Scene::new();
    assert_eq!(
        scene.create_status(json!({ "description": "é".repeat(140) })).0,
        201
    );
    let answer = scene.create_status(json!({ "description": "e".repeat(141) }));
    assert_eq!(answer.0, 422);
    assert!(words(&answer).contains("description is too long (maximum is 140 characters)"));
}

#[test]
fn a_link_is_http_and_a_context_is_short() {
    let mut scene = Scene::new();
    assert_eq!(
        scene
            .create_status(json!({ "target_url": "javascript:alert(1)" }))
            .0,
        422
    );
    assert_eq!(scene.create_status(json!({ "target_url": null })).0, 201);
    assert_eq!(scene.create_status(json!({ "context": "c".repeat(256) })).0, 422);
}

#[test]
fn unknown_fields_are_refused() {
    assert_eq!(Scene::new().create_status(json!({ "colour": "green" })).0, 422);
}

#[test]
fn the_commit_must_be_there() {
    let mut scene = Scene::new();
    let path = format!("/repos/acme/app/statuses/{}", "b".repeat(40));
    let answer = scene.call("POST", &path, &json!({ "state": "success" }));
    assert_eq!(answer.0, 422);
    assert!(words(&answer).contains("No commit found for SHA"));
}

#[test]
fn a_context_has_a_thousand_statuses_and_no_more() {
    let mut scene = Scene::new();
    for _ in 0..1_000 {
        assert_eq!(scene.create_status(json!({})).0, 201);
    }
    let answer = scene.create_status(json!({ "context": "HUBCHECK/acme/app" }));
    assert_eq!(answer.0, 422);
    assert!(words(&answer).contains("reached the maximum number of statuses"));
    assert_eq!(scene.create_status(json!({ "context": "another" })).0, 201);
}
