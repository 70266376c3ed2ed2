//! Check runs.

use serde_json::{Value, json};

use super::{Scene, words};

#[test]
fn a_check_run_is_made_and_completed() {
    let mut scene = Scene::new();
    let (status, run) = scene.create_check(json!({ "status": "in_progress", "external_id": "run-1" }));
    assert_eq!((status, &run["external_id"]), (201, &json!("run-1")));
    let (status, run) = scene.update_check(&run["id"], &json!({ "conclusion": "success" }));
    assert_eq!((status, &run["status"]), (200, &json!("completed")));
    assert!(run["completed_at"].is_string());
}

#[test]
fn completed_needs_a_conclusion() {
    let mut scene = Scene::new();
    assert_eq!(scene.create_check(json!({ "status": "completed" })).0, 422);
    let run = scene.create_check(json!({})).1;
    assert_eq!(
        scene
            .update_check(&run["id"], &json!({ "status": "completed" }))
            .0,
        422
    );
}

#[test]
fn stale_is_for_github_alone_and_pending_for_actions() {
    let mut scene = Scene::new();
    assert_eq!(scene.create_check(json!({ "conclusion": "stale" })).0, 422);
    assert_eq!(scene.create_check(json!({ "conclusion": "great" })).0, 422);
    assert_eq!(scene.create_check(json!({ "status": "pending" })).0, 422);
}

#[test]
fn the_commit_is_a_full_sha_that_is_there() {
    let mut scene = Scene::new();
    for sha in ["main".to_owned(), scene.sha.short().to_owned(), "a".repeat(40)] {
        let answer = scene.create_check(json!({ "head_sha": sha }));
        assert_eq!(answer.0, 422);
        assert!(words(&answer).contains("No commit found for SHA"));
    }
}

#[test]
fn name_and_commit_are_required() {
    let mut scene = Scene::new();
    let sha = scene.sha.clone();
    for body in [json!({ "head_sha": sha }), json!({ "name": "x" })] {
        assert_eq!(scene.call("POST", "/repos/acme/app/check-runs", &body).0, 422);
    }
    assert_eq!(scene.create_check(json!({ "name": "" })).0, 422);
}

#[test]
fn unknown_fields_wrong_types_and_nulls_are_refused() {
    let mut scene = Scene::new();
    for wrong in [
        json!({ "state": "queued" }),
        json!({ "name": 7 }),
        json!({ "conclusion": null }),
        json!({ "started_at": "yesterday" }),
        json!({ "output": { "title": "t", "summary": "s", "colour": "red" } }),
    ] {
        assert_eq!(scene.create_check(wrong.clone()).0, 422, "{wrong}");
    }
    let run = scene.create_check(json!({})).1;
    let moved = json!({ "head_sha": scene.sha });
    assert_eq!(scene.update_check(&run["id"], &moved).0, 422);
}

#[test]
fn links_are_http() {
    let mut scene = Scene::new();
    for url in ["", "javascript:alert(1)", "/runs/1"] {
        assert_eq!(scene.create_check(json!({ "details_url": url })).0, 422, "{url}");
    }
    assert_eq!(
        scene
            .create_check(json!({ "details_url": "http://127.0.0.1:1/runs/1" }))
            .0,
        201
    );
}

#[test]
fn a_completed_check_run_is_final() {
    let mut scene = Scene::new();
    let run = scene.create_check(json!({ "conclusion": "failure" })).1;
    for change in [
        json!({ "status": "in_progress" }),
        json!({ "status": "queued" }),
        json!({ "conclusion": "success" }),
    ] {
        let answer = scene.update_check(&run["id"], &change);
        assert_eq!(answer.0, 422, "{change}");
        assert!(words(&answer).contains("final"));
    }
    assert_eq!(
        scene
            .update_check(&run["id"], &json!({ "conclusion": "failure" }))
            .0,
        200
    );
}

#[test]
fn another_apps_check_run_is_not_ours_to_change() {
    let mut scene = Scene::new();
    let run = scene.create_check(json!({})).1;
    scene.world.repos[0].check_runs[0].app_id += 1;
    let answer = scene.update_check(&run["id"], &json!({ "conclusion": "success" }));
    assert_eq!(answer.0, 403);
    assert!(words(&answer).contains("can only be modified by the GitHub App that created it"));
}

#[test]
fn lists_show_the_latest_of_a_name_or_all_of_them_in_pages() {
    let mut scene = Scene::new();
    for id in ["1", "2", "3"] {
        scene.create_check(json!({ "external_id": id }));
    }
    scene.create_check(json!({ "name": "another" }));
    let path = format!("/repos/acme/app/commits/{}/check-runs", scene.sha);
    let mut listed = |query: &str| -> (u64, Vec<Value>) {
        let list = scene.call("GET", &format!("{path}?{query}"), &Value::Null).1;
        let ids = list["check_runs"].as_array().unwrap().iter();
        (
            list["total_count"].as_u64().unwrap(),
            ids.map(|run| run["external_id"].clone()).collect(),
        )
    };
    assert_eq!(
        listed("check_name=hubcheck+%2F+acme%2Fapp"),
        (1, vec![json!("3")])
    );
    assert_eq!(listed("").0, 2);
    assert_eq!(
        listed("filter=all&check_name=hubcheck%20/%20acme/app&per_page=2&page=2"),
        (3, vec![json!("1")])
    );
    assert_eq!(listed("app_id=1").0, 0);
}
