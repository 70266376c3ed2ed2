//! Who somebody is, is never what an unverified body says.

use futures_util::FutureExt as _;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::house::{House, IMAGE, today};

/// CVE-2026-58370: Woodpecker let a commit's author name decide who may run what. Docker Hub's body is
/// signed by nobody: besides image and tag nothing in it changes anything, and no address in it is visited.
#[tokio::test]
async fn what_a_body_says_of_people_and_addresses_counts_for_nothing() {
    let house = House::open().await;
    let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let lure = format!("http://{}/", trap.local_addr().unwrap());
    let (commit, image) = house.build_image("a change", "echo ok");
    house.registry.push(IMAGE, "v1", &image).await;
    let plain = house.post(&house.hook(), today("v1").to_string()).await;
    let mut body = today("v1");
    body["callback_url"] = json!(lure);
    body["push_data"]["pusher"] = json!("the-owner");
    for (field, value) in [
        ("repo_url", lure.as_str()),
        ("owner", "the-owner"),
        ("namespace", "another"),
        ("name", "another"),
        (
            "description",
            "org.opencontainers.image.revision=0123456789012345678901234567890123456789",
        ),
        (
            "dockerfile",
            "LABEL org.opencontainers.image.source=https://github.com/another/repo",
        ),
    ] {
        body["repository"][field] = json!(value);
    }
    body["repository"]["is_official"] = json!(true);
    body["installation"] = json!({ "id": 1 });
    let dressed = house.post(&house.hook(), body.to_string()).await;
    for field in ["decision", "reason", "images"] {
        assert_eq!(dressed[field], plain[field], "{field}");
    }
    let shown = house.shown(&commit, 1).await;
    assert_eq!(shown.check.conclusion.as_deref(), Some("success"));
    // Both lead to the one run, on the commit that the image itself names.
    for delivery in [&plain, &dressed] {
        let pushes = house.pushes(delivery, |push| push.run().is_some()).await;
        assert_eq!(pushes.len(), 1);
        assert_eq!(
            pushes[0].run().unwrap().to_string(),
            shown.check.external_id.clone().unwrap_or_default()
        );
    }
    assert_eq!(house.github.check_runs(&house.repo, &commit).len(), 1);
    assert!(
        trap.accept().now_or_never().is_none(),
        "somebody followed an address in the body"
    );
    house.close().await;
}
