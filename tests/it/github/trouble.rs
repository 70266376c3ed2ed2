//! What the client makes of trouble: limits, lost answers, renames, and an App that is taken away.

use super::*;

#[tokio::test]
async fn a_403_is_a_rate_limit_until_shown_otherwise() {
    let secondary = |status, retry_after| Trouble::SecondaryLimit { status, retry_after };
    for (trouble, seconds) in [
        (secondary(StatusCode::FORBIDDEN, Some(17)), 17..=17),
        (
            secondary(StatusCode::TOO_MANY_REQUESTS, Some(86_400)),
            3_600..=3_600,
        ),
        (secondary(StatusCode::FORBIDDEN, None), 60..=60),
        (secondary(StatusCode::TOO_MANY_REQUESTS, None), 60..=60),
        (
            Trouble::PrimaryLimit {
                resets_in: Duration::from_mins(20),
            },
            1_199..=1_202,
        ),
        (Trouble::Refusal(StatusCode::FORBIDDEN, "Hm.".to_owned()), 60..=60),
    ] {
        let (scene, repo) = Scene::ready().await;
        scene
            .simulated
            .fail(Fault::on(Method::POST, "/check-runs", trouble.clone()));
        match scene.create_check(&repo).await {
            Err(GithubError::RateLimited { retry_after, .. }) => {
                assert!(
                    seconds.contains(&retry_after.as_secs()),
                    "{trouble:?}: {retry_after:?}"
                );
            }
            other => panic!("{trouble:?} became {other:?}"),
        }
        assert!(scene.simulated.writes().is_empty());
    }
}

#[tokio::test]
async fn a_missing_permission_is_no_rate_limit() {
    let (scene, repo) = Scene::ready().await;
    let foreign = scene
        .simulated
        .add_foreign_check_run(&scene.name, &scene.sha, "theirs");
    let id = CheckRunId(i64::try_from(foreign.unwrap()).unwrap());
    let check = scene.check(Progress::InProgress);
    let refused = scene.github.update_check(&repo, id, &check).await;
    assert!(matches!(refused, Err(GithubError::Forbidden(_))), "{refused:?}");

    scene.simulated.grant("acme", "checks", Some(Access::Read));
    scene.simulated.revoke_tokens();
    let refused = scene.create_check(&repo).await;
    match refused {
        Err(GithubError::Forbidden(why)) => assert!(why.contains("`checks=write`"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_that_expired_is_renewed_once() {
    let (scene, repo) = Scene::ready().await;
    scene.simulated.revoke_tokens();
    scene.create_check(&repo).await.unwrap();
    assert_eq!(scene.requests(&Method::POST, "access_tokens"), 2);
    assert_eq!(scene.simulated.writes().len(), 1);

    scene
        .simulated
        .fail(Fault::on_any("/check-runs", Trouble::ExpiredToken).times(2));
    let refused = scene.create_check(&repo).await;
    assert!(
        matches!(refused, Err(GithubError::Unauthorized(_))),
        "{refused:?}"
    );
    assert_eq!(scene.requests(&Method::POST, "access_tokens"), 3);
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_sent_once_and_can_be_looked_up() {
    let (scene, repo) = Scene::ready().await;
    for (trouble, done) in [
        (Trouble::ErrorBefore(StatusCode::BAD_GATEWAY), false),
        (Trouble::ErrorAfter(StatusCode::BAD_GATEWAY), true),
        (Trouble::ErrorAfter(StatusCode::CONFLICT), true),
        (Trouble::DropBefore, false),
        (Trouble::DropAfter, true),
    ] {
        let sent = scene.requests(&Method::POST, "/check-runs");
        let check = scene.check(Progress::InProgress);
        scene
            .simulated
            .fail(Fault::on(Method::POST, "/check-runs", trouble.clone()));
        let lost = scene.github.create_check(&repo, &check).await;
        assert!(
            matches!(lost, Err(GithubError::OutcomeUnknown(_))),
            "{trouble:?}: {lost:?}"
        );
        assert_eq!(
            scene.requests(&Method::POST, "/check-runs"),
            sent + 1,
            "{trouble:?}"
        );
        let found = scene
            .github
            .find_check(&repo, &scene.sha, check.external_id, &check.name);
        assert_eq!(found.await.unwrap().is_some(), done, "{trouble:?}");
    }
}

#[tokio::test]
async fn a_question_without_an_answer_did_no_harm() {
    let (scene, repo) = Scene::ready().await;
    for trouble in [
        Trouble::ErrorBefore(StatusCode::INTERNAL_SERVER_ERROR),
        Trouble::DropBefore,
    ] {
        scene.simulated.fail(Fault::on(Method::GET, "/commits/", trouble));
        let lost = scene.github.commit(&repo, &scene.sha).await;
        assert!(matches!(lost, Err(GithubError::Unavailable(_))), "{lost:?}");
    }
    scene.simulated.outage(true);
    let lost = scene.github.repo(&scene.name).await;
    assert!(matches!(lost, Err(GithubError::Unavailable(_))), "{lost:?}");
}

#[tokio::test]
async fn patience_ends() {
    let (scene, repo) = Scene::ready().await;
    let patience = Duration::from_millis(200);
    let http = reqwest::Client::builder();
    let hasty = GitHub::with_http(&scene.simulated.config().unwrap(), http, patience).unwrap();
    let late = Trouble::Latency(Duration::from_hours(1));
    scene.simulated.fail(Fault::on(Method::POST, "/check-runs", late));
    let check = scene.check(Progress::InProgress);
    // Its own token first: the simulated GitHub has no delay there, a busy machine may have.
    let lost = loop {
        match hasty.create_check(&repo, &check).await {
            Err(GithubError::Unavailable(_)) => {}
            settled => break settled,
        }
    };
    assert!(matches!(lost, Err(GithubError::OutcomeUnknown(_))), "{lost:?}");
}

#[tokio::test]
async fn an_endless_answer_is_not_read() {
    let (scene, repo) = Scene::ready().await;
    let flood = Trouble::Refusal(StatusCode::UNPROCESSABLE_ENTITY, "x".repeat(9 << 20));
    scene.simulated.fail(Fault::on(Method::GET, "/commits/", flood));
    let refused = scene
        .github
        .commit(&repo, &scene.sha)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("the answer broke off") && refused.len() < 500,
        "{refused}"
    );
}

#[tokio::test]
async fn what_github_refuses_is_told_apart() {
    let (scene, repo) = Scene::ready().await;
    let why = |result: Result<(), GithubError>| match result {
        Err(GithubError::Unprocessable { refused, .. }) => refused,
        other => panic!("{other:?}"),
    };
    let mut check = scene.check(Progress::InProgress);
    check.summary = "é".repeat(40_000);
    assert_eq!(
        why(scene.github.create_check(&repo, &check).await.map(drop)),
        Refused::TooLong
    );

    let mut status = scene.status(StatusValue::Error);
    status.description = "e".repeat(141);
    let refused = scene.github.create_status(&repo, &scene.sha, &status).await;
    assert_eq!(why(refused), Refused::TooLong);
    status.description.clear();
    let gone = "b".repeat(40).parse().unwrap();
    assert_eq!(
        why(scene.github.create_status(&repo, &gone, &status).await),
        Refused::NoCommit
    );
    for _ in 0..1_000 {
        scene
            .github
            .create_status(&repo, &scene.sha, &status)
            .await
            .unwrap();
    }
    let refused = scene.github.create_status(&repo, &scene.sha, &status).await;
    assert_eq!(why(refused), Refused::TooManyStatuses);

    let done = scene.check(Progress::Completed(Conclusion::Success));
    let id = scene.github.create_check(&repo, &done).await.unwrap();
    let reopened = scene.check(Progress::InProgress);
    assert_eq!(
        why(scene.github.update_check(&repo, id, &reopened).await),
        Refused::Completed
    );
}

#[tokio::test]
async fn a_renamed_repository_is_followed() {
    let (scene, repo) = Scene::ready().await;
    let renamed: RepoName = "acme/renamed".parse().unwrap();
    scene.simulated.rename(&scene.name, &renamed);
    let mut check = scene.check(Progress::InProgress);
    let id = scene.github.create_check(&repo, &check).await.unwrap();
    check.progress = Progress::Completed(Conclusion::Success);
    scene.github.update_check(&repo, id, &check).await.unwrap();
    assert_eq!(scene.simulated.check_runs(&renamed, &scene.sha).len(), 1);

    for github in [
        &scene.github,
        &GitHub::new(&scene.simulated.config().unwrap(), &trust()).unwrap(),
    ] {
        let now = github.repo(&scene.name).await.unwrap();
        assert_eq!((now.id, now.name), (repo.id, renamed.clone()));
    }
}

#[tokio::test]
async fn a_redirect_to_elsewhere_is_not_followed() {
    let (scene, repo) = Scene::ready().await;
    let away = Trouble::Refusal(StatusCode::MOVED_PERMANENTLY, "Moved Permanently".to_owned());
    scene.simulated.fail(Fault::on(Method::POST, "/check-runs", away));
    let moved = scene.create_check(&repo).await;
    assert!(matches!(moved, Err(GithubError::Moved(_))), "{moved:?}");
}

#[tokio::test]
async fn an_app_that_was_taken_away_and_installed_anew_is_found_again() {
    let (scene, repo) = Scene::ready().await;
    scene.simulated.uninstall("acme").unwrap();
    let refused = scene.create_check(&repo).await;
    assert_eq!(refused, Err(GithubError::NotInstalled(scene.name.clone())));
    let refused = scene.github.repo(&scene.name).await;
    assert_eq!(refused, Err(GithubError::NotInstalled(scene.name.clone())));

    scene.simulated.install("acme");
    let anew = scene.github.repo(&scene.name).await.unwrap();
    assert_ne!(anew.installation, repo.installation);
    assert!(scene.create_check(&anew).await.is_ok());
}

#[tokio::test]
async fn no_secret_shows_in_errors_or_debug_output() {
    let (scene, repo) = Scene::ready().await;
    scene.simulated.outage(true);
    let error = scene.create_check(&repo).await.unwrap_err();
    for text in [
        error.to_string(),
        format!("{error:?}"),
        format!("{:?}", scene.github),
    ] {
        assert!(
            !text.contains("ghs_") && !text.contains("Bearer") && !text.contains("PRIVATE KEY"),
            "{text}"
        );
    }
}
