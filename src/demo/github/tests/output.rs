//! A check run's output.

use serde_json::{Value, json};

use super::{Scene, words};

fn annotation(more: Value) -> Value {
    let mut annotation = json!({
        "path": "src/app.rs", "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "no",
    });
    super::merge(&mut annotation, more);
    annotation
}

fn output(more: Value) -> Value {
    let mut output = json!({ "title": "1 failed", "summary": "so it is" });
    super::merge(&mut output, more);
    json!({ "output": output })
}

#[test]
fn an_output_has_a_title_and_a_summary() {
    let mut scene = Scene::new();
    assert_eq!(scene.create_check(json!({ "output": { "summary": "s" } })).0, 422);
    assert_eq!(scene.create_check(json!({ "output": { "title": "t" } })).0, 422);
    assert_eq!(scene.create_check(output(json!({}))).0, 201);
}

#[test]
fn texts_are_counted_in_bytes() {
    let mut scene = Scene::new();
    for field in ["summary", "text"] {
        let fits = "é".repeat(32_767) + "e";
        assert_eq!(scene.create_check(output(json!({ field: fits }))).0, 201);
        let answer = scene.create_check(output(json!({ field: "é".repeat(32_768) })));
        assert_eq!(answer.0, 422);
        assert!(words(&answer).contains("Only 65535 characters are allowed; 65536 were supplied."));
    }
}

#[test]
fn fifty_annotations_come_at_a_time_and_add_up() {
    let mut scene = Scene::new();
    let page = |count: usize| output(json!({ "annotations": vec![annotation(json!({})); count] }));
    assert_eq!(scene.create_check(page(51)).0, 422);
    let run = scene.create_check(page(50)).1;
    let run = scene.update_check(&run["id"], &page(10)).1;
    assert_eq!(run["output"]["annotations_count"], 60);
}

#[test]
fn annotations_keep_their_rules() {
    let mut scene = Scene::new();
    for wrong in [
        json!({ "path": "" }),
        json!({ "path": "./src/app.rs" }),
        json!({ "path": null }),
        json!({ "start_line": 0 }),
        json!({ "start_line": 9 }),
        json!({ "start_column": 1 }),
        json!({ "start_column": 0, "end_column": 1 }),
        json!({ "end_line": 2, "start_column": 1, "end_column": 2 }),
        json!({ "annotation_level": "error" }),
        json!({ "message": "m".repeat(64 * 1024 + 1) }),
        json!({ "raw_details": "r".repeat(64 * 1024 + 1) }),
        json!({ "title": "t".repeat(256) }),
    ] {
        let body = output(json!({ "annotations": [annotation(wrong.clone())] }));
        let status = scene.create_check(body).0;
        assert_eq!(
            status,
            422,
            "{}",
            &wrong.to_string()[..wrong.to_string().len().min(60)]
        );
    }
    let fits = json!({ "start_column": 2, "end_column": 4, "title": "t".repeat(255) });
    assert_eq!(
        scene
            .create_check(output(json!({ "annotations": [annotation(fits)] })))
            .0,
        201
    );
}

#[test]
fn images_need_a_link_and_actions_fit_their_buttons() {
    let mut scene = Scene::new();
    let image = |url: &str| output(json!({ "images": [{ "alt": "a", "image_url": url }] }));
    assert_eq!(scene.create_check(image("data:,x")).0, 422);
    assert_eq!(scene.create_check(image("https://example.org/x.png")).0, 201);
    let action = |label: &str| json!({ "label": label, "description": "d", "identifier": "i" });
    let too_long = action(&"l".repeat(21));
    assert_eq!(scene.create_check(json!({ "actions": [too_long] })).0, 422);
    assert_eq!(
        scene.create_check(json!({ "actions": vec![action("ok"); 4] })).0,
        422
    );
    assert_eq!(
        scene.create_check(json!({ "actions": vec![action("ok"); 3] })).0,
        201
    );
}
