//! A registry that refuses: for want of an account, or because it was asked too often.

use super::*;

/// A registry that only answers to an account.
async fn guarded() -> DemoRegistry {
    let account = Account {
        username: USERNAME.to_owned(),
        password: PASSWORD.to_owned(),
    };
    let (account, realm) = (Some(account), None);
    DemoRegistry::start(Guard::Bearer { account, realm })
        .await
        .unwrap()
}

/// After the first wait the tag is still not asked for again, which takes longer than a poll to see; after the second
/// it is, and all is well.
async fn is_asked_again_after_both(
    registry: &DemoRegistry,
    house: House,
    commit: &CommitSha,
    [first, second]: [Duration; 2],
) {
    house.clock.advance(first);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(count(registry, "/manifests/v1"), 1, "not before its time");
    house.clock.advance(second);
    assert_eq!(house.shown(commit, 1).await.conclusion(), ("success", "success"));
    house.close().await;
}

#[tokio::test]
async fn a_registry_that_wants_an_account_is_asked_once_and_the_delivery_says_what_is_missing() {
    let registry = guarded().await;
    let house = house_on(&registry, |_| ()).await;
    let (commit, delivery) = push(&registry, &house, "echo fine").await;
    let pushes = house
        .pushes(&delivery, |push| push.stage == PushStage::Unmapped)
        .await;
    assert!(
        reason(&pushes).contains("set username and password in [registry.\"docker.io\"]"),
        "{pushes:?}"
    );
    house.clock.advance(Duration::from_hours(2));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let asked = registry.requests();
    let for_the_push = asked
        .iter()
        .filter(|request| request.target.contains("/manifests/"));
    assert_eq!(for_the_push.count(), 1, "{asked:?}");
    assert!(house.github.check_runs(&house.repo, &commit).is_empty());
    house.close().await;
}

#[tokio::test]
async fn a_token_that_ran_out_is_renewed_once_on_the_way() {
    let registry = guarded().await;
    let house = house_on(&registry, |config| {
        let hub = config.registries.get_mut("docker.io").unwrap();
        hub.username = Some(USERNAME.to_owned());
        hub.password = Some(PASSWORD.into());
    })
    .await;
    for _ in 0..2 {
        let (commit, _) = push(&registry, &house, "echo fine").await;
        assert_eq!(house.shown(&commit, 1).await.conclusion(), ("success", "success"));
        registry.revoke_tokens();
    }
    house.close().await;
}

#[tokio::test]
async fn an_engine_that_may_not_pull_asks_for_credentials_on_the_commit() {
    let denied = r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
    for (status, denied) in [(401, denied), (403, denied), (403, "<html>no</html>")] {
        let (registry, house) = open().await;
        registry.misbehave(fault(
            ENGINE,
            "/manifests/",
            usize::MAX,
            refusal(status, None, denied),
        ));
        let (commit, _) = push(&registry, &house, "echo fine").await;
        let shown = house.shown(&commit, 1).await;
        assert_eq!(shown.conclusion(), ("action_required", "error"));
        assert_eq!(
            shown.check.title.as_deref().unwrap(),
            "cannot pull docker.io/acme/app: set credentials that may read it in [registry.\"docker.io\"]"
        );
        house.close().await;
    }
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_as_long_as_it_says() {
    for is_old in [false, true] {
        let (registry, house) = open().await;
        let header = if is_old {
            (
                "x-retry-after",
                (jiff::Timestamp::now().as_second() + 600).to_string(),
            )
        } else {
            ("retry-after", "600".to_owned())
        };
        let body = "Too Many Requests";
        registry.misbehave(fault(US, "/manifests/v1", 1, refusal(429, Some(header), body)));
        let (commit, delivery) = push(&registry, &house, "echo fine").await;
        let pushes = house.pushes(&delivery, |push| push.reason.is_some()).await;
        assert!(
            reason(&pushes).contains("it asks to wait for 600 s")
                || reason(&pushes).contains("it asks to wait for 5"),
            "{pushes:?}"
        );
        let waits = [Duration::from_mins(9), Duration::from_mins(1)];
        is_asked_again_after_both(&registry, house, &commit, waits).await;
    }
}

#[tokio::test]
async fn a_rate_limit_that_does_not_say_for_how_long_is_waited_for_in_minutes() {
    let (registry, house) = open().await;
    registry.misbehave(fault(
        US,
        "/manifests/v1",
        1,
        refusal(429, None, "Too Many Requests"),
    ));
    let (commit, delivery) = push(&registry, &house, "echo fine").await;
    house.pushes(&delivery, |push| push.reason.is_some()).await;
    let waits = [Duration::from_secs(50), Duration::from_secs(10)];
    is_asked_again_after_both(&registry, house, &commit, waits).await;
}

#[tokio::test]
async fn the_engines_pull_limit_keeps_the_check_in_progress_and_says_when() {
    let (registry, house) = open().await;
    let limit = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit"}]}"#;
    // The pull ahead, the run's own, and one more.
    registry.misbehave(fault(ENGINE, "/manifests/", 3, refusal(429, None, limit)));
    let (commit, _) = push(&registry, &house, "echo fine").await;
    let check = house.told(&commit, "rate limit is reached").await;
    assert_eq!((check.status.as_str(), check.conclusion), ("in_progress", None));
    let title = check.title.unwrap();
    assert!(
        title.contains("the next try is at") && title.ends_with(" UTC"),
        "{title}"
    );
    let status = house.github.statuses(&house.repo, &commit).remove(0);
    assert_eq!(status.state, "pending");
    let time_passes = async {
        loop {
            house.clock.advance(Duration::from_mins(5));
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
    };
    tokio::select! {
        shown = house.shown(&commit, 1) => assert_eq!(shown.conclusion(), ("success", "success")),
        () = time_passes => {}
    }
    house.close().await;
}
