//! Who may do what.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Access, Scene, app_token, signed, words};

const NOTHING: Value = Value::Null;

#[test]
fn an_app_token_must_be_of_now() {
    let mut scene = Scene::new();
    let good = app_token(&scene.world, 0);
    assert_eq!(scene.call_as(&good, "GET", "/app", &NOTHING).0, 200);
    for shift in [-3_600, 3_600] {
        let token = app_token(&scene.world, shift);
        assert_eq!(scene.call_as(&token, "GET", "/app", &NOTHING).0, 401, "{shift}");
    }
}

#[test]
fn an_app_token_may_not_live_longer_than_ten_minutes() {
    let mut scene = Scene::new();
    let now = scene.world.now().as_second();
    let token = signed(&json!({ "iss": scene.world.app.id, "iat": now, "exp": now + 3_600 }));
    let answer = scene.call_as(&token, "GET", "/app", &NOTHING);
    assert_eq!(answer.0, 401);
    assert!(words(&answer).contains("too far in the future"));
}

#[test]
fn an_app_token_must_be_this_apps_and_untouched() {
    let mut scene = Scene::new();
    let now = scene.world.now().as_second();
    let other_app = signed(&json!({ "iss": 7, "iat": now, "exp": now + 300 }));
    let mut touched = app_token(&scene.world, 0);
    touched.truncate(touched.len() - 4);
    for token in [other_app, touched, "nonsense".to_owned()] {
        assert_eq!(scene.call_as(&token, "GET", "/app", &NOTHING).0, 401);
    }
}

#[test]
fn an_installation_token_looks_like_todays_and_lives_an_hour() {
    let mut scene = Scene::new();
    assert!(scene.token.starts_with("ghs_424242_") && scene.token.len() > 500);
    assert_eq!(scene.call("GET", "/repos/acme/app", &NOTHING).0, 200);
    scene.world.app.clock.advance(Duration::from_mins(61));
    assert_eq!(scene.call("GET", "/repos/acme/app", &NOTHING).0, 401);
}

#[test]
fn a_token_sees_its_own_account_only() {
    let mut scene = Scene::new();
    let other: crate::model::RepoName = "rival/app".parse().unwrap();
    scene.world.add_repo(other, crate::model::Visibility::Private);
    assert_eq!(scene.call("GET", "/repos/rival/app", &NOTHING).0, 404);
}

#[test]
fn a_narrowed_token_does_what_it_was_narrowed_to() {
    let mut scene = Scene::new();
    let narrow = json!({ "permissions": { "checks": "read", "metadata": "read" } });
    scene.token = scene.mint(&narrow).1["token"].as_str().unwrap().to_owned();
    let answer = scene.create_check(json!({}));
    assert_eq!(answer.0, 403);
    assert!(words(&answer).contains("not accessible by integration"));
    assert_eq!(
        scene
            .mint(&json!({ "permissions": { "administration": "write" } }))
            .0,
        422
    );
    assert_eq!(scene.mint(&json!({ "repositories": ["elsewhere"] })).0, 422);
}

#[test]
fn each_write_needs_its_permission() {
    let mut scene = Scene::new();
    scene.world.installations[0]
        .permissions
        .insert("checks".to_owned(), Access::Read);
    scene.world.installations[0].permissions.remove("statuses");
    scene.token = scene.mint(&NOTHING).1["token"].as_str().unwrap().to_owned();
    assert_eq!(scene.create_check(json!({})).0, 403);
    assert_eq!(scene.create_status(json!({})).0, 403);
    let list = format!("/repos/acme/app/commits/{}/check-runs", scene.sha);
    assert_eq!(scene.call("GET", &list, &NOTHING).0, 200);
}

#[test]
fn an_archived_repository_is_read_and_not_written() {
    let mut scene = Scene::new();
    scene.world.repos[0].is_archived = true;
    let answer = scene.create_check(json!({}));
    assert_eq!(answer.0, 403);
    assert!(words(&answer).contains("archived so is read-only"));
    assert_eq!(scene.create_status(json!({})).0, 403);
    let list = format!("/repos/acme/app/commits/{}/check-runs", scene.sha);
    assert_eq!(scene.call("GET", &list, &NOTHING).0, 200);
}

#[test]
fn a_suspended_app_may_nothing_and_gets_no_token() {
    let mut scene = Scene::new();
    scene.world.installations[0].is_suspended = true;
    let answer = scene.create_check(json!({}));
    assert_eq!(answer.0, 403);
    assert!(words(&answer).contains("suspended"));
    assert_eq!(scene.mint(&NOTHING).0, 403);
}

#[test]
fn an_uninstalled_app_is_a_stranger_at_once() {
    let mut scene = Scene::new();
    scene.world.uninstall("acme");
    assert_eq!(scene.call("GET", "/repos/acme/app", &NOTHING).0, 401);
    let token = app_token(&scene.world, 0);
    let answer = scene.call_as(&token, "GET", "/repos/acme/app/installation", &NOTHING);
    assert_eq!(answer.0, 404);
}

#[test]
fn a_request_without_a_user_agent_is_refused() {
    let mut scene = Scene::new();
    let headers = [("authorization", format!("Bearer {}", scene.token))];
    let reply = scene.reply(&headers, "GET", "/repos/acme/app", &NOTHING);
    assert_eq!(reply.status, 403);
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut scene = Scene::new();
    for path in [
        "/",
        "/no/such/route",
        "/repos/acme/other",
        "/repos/acme/app/check-runs/1",
    ] {
        assert_eq!(scene.call("GET", path, &NOTHING).0, 404, "{path}");
    }
    assert_eq!(scene.call("DELETE", "/repos/acme/app", &NOTHING).0, 404);
}

#[test]
fn a_renamed_repository_redirects_by_its_number() {
    let mut scene = Scene::new();
    let id = scene.world.repos[0].id.0;
    scene.world.repos[0].former_names.push(scene.repo.clone());
    scene.world.repos[0].name = "acme/renamed".parse().unwrap();
    for (method, status) in [("GET", 301), ("POST", 307), ("PATCH", 301)] {
        let headers = [("user-agent", "tests".to_owned())];
        let reply = scene.reply(&headers, method, "/repos/acme/app/check-runs?a=b", &NOTHING);
        let location = format!("http://github.test/repositories/{id}/check-runs?a=b");
        assert_eq!(reply.status.as_u16(), status);
        assert!(reply.headers.contains(&("location", location)));
    }
}

#[test]
fn files_and_branches_are_read_at_a_ref() {
    let mut scene = Scene::new();
    let files = [(".github/hubcheck.yml", "images: {}\n"), ("README.md", "# app\n")];
    let new = super::NewCommit {
        message: "Declare the image",
        files: &files,
        parents: None,
        ..super::NewCommit::default()
    };
    let head = scene.world.commit(&scene.repo, &new).unwrap();
    let file = scene.call("GET", "/repos/acme/app/contents/.github/hubcheck.yml", &NOTHING);
    assert_eq!((file.0, &file.1["content"]), (200, &json!("aW1hZ2VzOiB7fQo=")));
    let before = format!("/repos/acme/app/contents/.github/hubcheck.yml?ref={}", scene.sha);
    assert_eq!(scene.call("GET", &before, &NOTHING).0, 404);
    let root = scene.call("GET", "/repos/acme/app/contents/", &NOTHING).1;
    assert_eq!(
        (&root[0]["type"], &root[1]["name"]),
        (&json!("dir"), &json!("README.md"))
    );
    let branch = scene.call("GET", "/repos/acme/app/branches/main", &NOTHING);
    assert_eq!(branch.1["commit"]["sha"], json!(head));
}
