//! What the App may ask for itself: its webhook's deliveries, and its own keys, once.

use serde_json::{Value, json};

use super::{Scene, app_token, words};
use crate::demo::github::browse::Made;
use crate::demo::github::hook::Attempt;

const NOTHING: Value = Value::Null;

/// A scene in which these answers were given to the App's webhooks, oldest first.
fn answered(statuses: &[u16]) -> Scene {
    let mut scene = Scene::new();
    for status in statuses {
        let (id, at) = (scene.world.next_id(), scene.world.now());
        let webhook = scene.world.ping();
        scene.world.attempts.push(Attempt {
            id,
            webhook,
            at,
            status: *status,
            is_redelivery: false,
        });
    }
    scene
}

fn as_app(scene: &mut Scene, method: &str, path: &str) -> (u16, Value) {
    let token = app_token(&scene.world, 0);
    scene.call_as(&token, method, path, &NOTHING)
}

#[test]
fn deliveries_are_listed_newest_first_and_by_what_was_answered() {
    let mut scene = answered(&[200, 502, 404]);
    let list = "/app/hook/deliveries";
    let codes = |answer: &(u16, Value)| -> Vec<u64> {
        let listed = answer.1.as_array().unwrap();
        listed
            .iter()
            .map(|one| one["status_code"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(codes(&as_app(&mut scene, "GET", list)), [404, 502, 200]);
    let failed = as_app(&mut scene, "GET", "/app/hook/deliveries?status=failure");
    assert_eq!(codes(&failed), [404, 502]);
    let good = as_app(&mut scene, "GET", "/app/hook/deliveries?status=success");
    assert_eq!(codes(&good), [200]);
}

#[test]
fn deliveries_come_by_pages_that_a_cursor_leads_to() {
    let mut scene = answered(&[200, 200, 200]);
    let newest = scene.world.attempts[2].id;
    let token = app_token(&scene.world, 0);
    let headers = [
        ("user-agent", "tests".to_owned()),
        ("authorization", format!("Bearer {token}")),
    ];
    let reply = scene.reply(&headers, "GET", "/app/hook/deliveries?per_page=1", &NOTHING);
    assert_eq!(reply.body.as_array().unwrap().len(), 1);
    let (_, link) = reply.headers.iter().find(|(name, _)| *name == "link").unwrap();
    assert!(link.contains(&format!("cursor=v1_{newest}")), "{link}");

    let next = format!("/app/hook/deliveries?per_page=2&cursor=v1_{newest}");
    let rest = scene.reply(&headers, "GET", &next, &NOTHING);
    assert_eq!(rest.body.as_array().unwrap().len(), 2);
    assert!(
        rest.headers.iter().all(|(name, _)| *name != "link"),
        "the last page"
    );
    let made_up = as_app(&mut scene, "GET", "/app/hook/deliveries?cursor=made-up");
    assert_eq!(made_up.0, 422);
}

#[test]
fn a_delivery_is_sent_again_under_its_own_number_and_only_for_the_app() {
    let mut scene = answered(&[502]);
    let (id, guid) = (
        scene.world.attempts[0].id,
        scene.world.attempts[0].webhook.delivery,
    );
    let path = format!("/app/hook/deliveries/{id}/attempts");
    assert_eq!(
        scene.call("POST", &path, &NOTHING).0,
        401,
        "an installation's token"
    );
    assert_eq!(
        as_app(&mut scene, "POST", "/app/hook/deliveries/1/attempts").0,
        404
    );
    assert!(scene.world.asked_again.is_empty());
    assert_eq!(as_app(&mut scene, "POST", &path).0, 202);
    let again: Vec<_> = scene
        .world
        .asked_again
        .iter()
        .map(|webhook| webhook.delivery)
        .collect();
    assert_eq!(again, [guid]);
}

#[test]
fn the_app_is_told_of_what_it_asked_for() {
    let mut scene = Scene::new();
    scene.world.app.events = vec!["push".to_owned()];
    for (event, is_sent) in [
        ("push", true),
        ("merge_group", false),
        ("registry_package", false),
        ("installation", true),
        ("check_run", true),
    ] {
        assert_eq!(scene.world.sends(event), is_sent, "{event}");
    }
    scene.world.app.permissions.remove("checks");
    assert!(!scene.world.sends("check_run"), "for those who write checks");
}

#[test]
fn a_manifests_code_gives_the_keys_once() {
    let mut scene = Scene::new();
    scene.world.codes.push(Made {
        code: "made".to_owned(),
        owner: "acme".to_owned(),
    });
    let headers = [("user-agent", "tests".to_owned())];
    let mut convert = |code: &str| {
        let path = format!("/app-manifests/{code}/conversions");
        let reply = scene.reply(&headers, "POST", &path, &NOTHING);
        (reply.status.as_u16(), reply.body)
    };
    assert_eq!(convert("guessed").0, 404);
    let made = convert("made");
    assert_eq!((made.0, &made.1["owner"]), (201, &json!({ "login": "acme" })));
    for key in ["id", "slug", "pem", "webhook_secret", "client_secret"] {
        assert!(!made.1[key].is_null(), "{key}");
    }
    let twice = convert("made");
    assert_eq!(twice.0, 404, "{}", words(&twice));
}
