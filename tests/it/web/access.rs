//! Who may see what: a private repository is not there for those without its key.

use http::StatusCode;
use http::header::{LOCATION, SET_COOKIE};
use hubcheck::model::{Outcome, RepoId, RunId, Verdict, Visibility};
use hubcheck::store::NewRun;

use crate::support::store::new_run;
use crate::support::web::{House, in_private_repo};

const LOG: &[u8] = b"what the image prints\n";

fn passed() -> Verdict {
    Verdict::without_steps(Outcome::Passed, "1 passed in 1.0s")
}

fn private(id: i64) -> NewRun {
    in_private_repo(new_run("v1", 'a', 1), id)
}

fn places(run: RunId) -> [String; 3] {
    [
        format!("/runs/{run}"),
        format!("/runs/{run}/log"),
        format!("/api/v1/runs/{run}"),
    ]
}

#[tokio::test]
async fn without_its_key_a_private_run_cannot_be_told_from_none() {
    let house = House::open().await;
    let run = house.judged(&private(8), &passed(), LOG).await;
    let neighbour = house.judged(&private(9), &passed(), LOG).await;
    let foreign_key = house.page_keys.key(RepoId(9));
    let foreign_cookie = house.cookie_for(neighbour, RepoId(9)).await;
    let renamed_cookie = foreign_cookie.replace("-9=", "-8=");
    for (hidden, missing) in places(run).iter().zip(places(RunId::new())) {
        for query in [
            String::new(),
            "?key=".to_owned(),
            "?key=wrong".to_owned(),
            format!("?key={foreign_key}"),
        ] {
            let answer = house.look(&format!("{hidden}{query}")).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{hidden}{query}");
            let nothing = house.look(&format!("{missing}{query}")).await;
            assert_eq!(answer.all(), nothing.all(), "{hidden}{query}");
        }
        for cookie in [&foreign_cookie, &renamed_cookie] {
            let answer = house.look_with(cookie, hidden).await;
            let nothing = house.look_with(cookie, &missing).await;
            assert_eq!(answer.all(), nothing.all(), "{hidden}");
        }
    }
    let no_id = house.look("/runs/none").await;
    assert_eq!(no_id.all(), house.look(&format!("/runs/{run}")).await.all());
}

#[tokio::test]
async fn a_key_in_the_address_becomes_a_cookie_that_opens_its_repository() {
    let house = House::open().await;
    let run = house.judged(&private(8), &passed(), LOG).await;
    let link = house
        .links
        .run(&house.shelf.store.run(run).await.unwrap().unwrap());
    assert!(link.contains("?key="), "{link}");
    let cookie = house.cookie_for(run, RepoId(8)).await;
    for place in places(run) {
        let answer = house.look_with(&cookie, &place).await;
        assert_eq!(answer.status, StatusCode::OK, "{place}");
        assert!(
            !answer.text().contains(&house.page_keys.key(RepoId(8))),
            "{place}"
        );
        assert_eq!(answer.header("cache-control"), "private, no-cache", "{place}");
    }
    let among_others = format!("theme=dark; {cookie}; other=1");
    assert_eq!(
        house.look_with(&among_others, &places(run)[0]).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_wrong_key_takes_nothing_from_who_may_see_the_page_anyway() {
    let house = House::open().await;
    let run = house.judged(&new_run("v1", 'a', 1), &passed(), LOG).await;
    let answer = house.look(&format!("/runs/{run}?key=wrong")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header(LOCATION), format!("/runs/{run}"));
    assert_eq!(answer.header(SET_COOKIE), "");
}

#[tokio::test]
async fn lists_show_private_runs_to_the_operator_alone() {
    let house = House::open().await;
    let open = house.judged(&new_run("v1", 'a', 1), &passed(), LOG).await;
    let hidden = house.judged(&private(8), &passed(), LOG).await;
    let cookie = house.cookie_for(hidden, RepoId(8)).await;
    for list in ["/", "/api/v1/runs"] {
        for answer in [house.look(list).await, house.look_with(&cookie, list).await] {
            assert!(answer.text().contains(&open.to_string()), "{list}");
            assert!(!answer.text().contains(&hidden.to_string()), "{list}");
            assert!(!answer.text().contains("secret"), "{list}");
        }
        let answer = house.look_as_operator(list).await;
        assert!(answer.text().contains(&hidden.to_string()), "{list}");
    }
    for place in places(hidden) {
        assert_eq!(house.look_as_operator(&place).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn what_a_private_image_prints_stays_private_on_a_public_repository() {
    let house = House::open().await;
    let new = NewRun {
        image_visibility: Visibility::Private,
        ..new_run("v1", 'a', 1)
    };
    let run = house.judged(&new, &passed(), LOG).await;
    let [page, log, api] = places(run);
    let shown = house.look(&page).await;
    assert_eq!(shown.status, StatusCode::OK);
    assert!(shown.text().contains("1 passed in 1.0s") && shown.text().contains("is not shown"));
    for place in [&page, &api] {
        let answer = house.look(place).await;
        assert!(
            !answer.text().contains("what the image prints") && !answer.text().contains("/log"),
            "{place}"
        );
    }
    let nothing = house.look(&format!("/runs/{}/log", RunId::new())).await;
    assert_eq!(house.look(&log).await.all(), nothing.all());
    assert_eq!(house.look_as_operator(&log).await.body, LOG);
    let page = house.look_as_operator(&page).await;
    assert!(page.text().contains("what the image prints"));
}

#[tokio::test]
async fn deliveries_are_the_operators() {
    let house = House::open().await;
    let run = house.judged(&private(8), &passed(), LOG).await;
    let delivery = house.shelf.store.run(run).await.unwrap().unwrap().delivery;
    let cookie = house.cookie_for(run, RepoId(8)).await;
    for place in [
        "/api/v1/deliveries".to_owned(),
        format!("/api/v1/deliveries/{delivery}"),
    ] {
        let nothing = house.look("/api/v1/nothing").await;
        assert_eq!(house.look(&place).await.all(), nothing.all());
        assert_eq!(house.look_with(&cookie, &place).await.all(), nothing.all());
        assert_eq!(house.look_as_operator(&place).await.status, StatusCode::OK);
    }
    let api = format!("/api/v1/runs/{run}");
    assert!(
        house
            .look_with(&cookie, &api)
            .await
            .json()
            .get("delivery")
            .is_none()
    );
    let told = house.look_as_operator(&api).await.json();
    assert_eq!(told["delivery"], delivery.to_string());
}
