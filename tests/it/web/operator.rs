//! The operator in a browser: signing in, what is seen then, and what nobody else's page can have done.

use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{Request, StatusCode};
use hubcheck::model::{Outcome, Verdict};
use hubcheck::store::JobKind;

use crate::support::store::new_run;
use crate::support::web::{ADMIN_TOKEN, Answer, House, post};

impl House {
    async fn sign_in(&self, token: &str) -> Answer {
        let body = format!("token={}", token.replace(' ', "+"));
        let request = post("/deliveries").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.ask(request.body(body.into()).unwrap()).await
    }

    /// The cookie of an operator who signed in.
    async fn operators_cookie(&self) -> String {
        let answer = self.sign_in(ADMIN_TOKEN).await;
        assert_eq!(
            (answer.status, answer.header(LOCATION)),
            (StatusCode::SEE_OTHER, "/deliveries")
        );
        let set = answer.header(SET_COOKIE);
        for wanted in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
            assert!(set.contains(wanted), "{set}");
        }
        assert!(!set.contains(ADMIN_TOKEN), "{set}");
        set.split(';').next().unwrap().to_owned()
    }

    async fn press(&self, cookie: &str, path: &str, site: &str) -> Answer {
        let request = post(path).header(COOKIE, cookie).header("sec-fetch-site", site);
        self.ask(request.body("".into()).unwrap()).await
    }
}

#[tokio::test]
async fn deliveries_are_seen_by_who_signs_in_and_by_nobody_else() {
    let house = House::open().await;
    let body = r#"{"push_data":{"tag":"v1"},"repository":{"repo_name":"acme/app"}}"#;
    house.post(&house.hook(), body).await;
    let form = house.look("/deliveries").await;
    assert_eq!(form.status, StatusCode::OK);
    assert!(form.text().contains("type=\"password\"") && !form.text().contains("acme/app"));

    let wrong = house.sign_in("a guess").await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert!(wrong.text().contains("That is not the token.") && !wrong.text().contains("a guess"));
    for forged in [
        "",
        "hubcheck-operator=",
        "hubcheck-operator=x",
        &format!("hubcheck-operator={ADMIN_TOKEN}"),
    ] {
        assert!(
            house
                .look_with(forged, "/deliveries")
                .await
                .text()
                .contains("password"),
            "{forged}"
        );
    }

    let cookie = house.operators_cookie().await;
    let page = house.look_with(&cookie, "/deliveries").await;
    for told in [
        "acme/app:v1",
        "dockerhub",
        "queued",
        "the tag will be looked up at the registry",
        "Sign out",
    ] {
        assert!(page.text().contains(told), "{told}: {}", page.text());
    }
    assert_eq!(
        house.look_with(&cookie, "/api/v1/deliveries").await.status,
        StatusCode::OK
    );
    let out = house.press(&cookie, "/deliveries/sign-out", "same-origin").await;
    assert!(
        out.header(SET_COOKIE).starts_with("hubcheck-operator=;")
            && out.header(SET_COOKIE).contains("Max-Age=0")
    );
}

#[tokio::test]
async fn an_operator_has_a_button_that_cancels_and_one_that_runs_again() {
    let house = House::open().await;
    let running = house.admit(&new_run("v1", 'a', 1)).await;
    let verdict = Verdict::without_steps(Outcome::Passed, "all is well".to_owned());
    let finished = house.judged(&new_run("v2", 'b', 2), &verdict, b"").await;
    let cookie = house.operators_cookie().await;
    for (run, order, words) in [
        (running, "cancel", "Cancel this run"),
        (finished, "rerun", "Run again"),
    ] {
        let path = format!("/runs/{run}");
        let page = house.look_with(&cookie, &path).await;
        assert!(page.text().contains(words) && page.text().contains(&format!("{path}/{order}")));
        assert!(
            !house.look(&path).await.text().contains("<form"),
            "nobody else has a button"
        );

        let order = format!("{path}/{order}");
        assert_eq!(house.post(&order, "").await.status, StatusCode::NOT_FOUND);
        for site in ["cross-site", "same-site"] {
            let led = house.press(&cookie, &order, site).await;
            assert_eq!(led.status, StatusCode::FORBIDDEN, "{site}");
        }
        assert_eq!(
            house.press(&cookie, &order, "same-origin").await.status,
            StatusCode::SEE_OTHER
        );
    }
    let depth = house.shelf.store.depth(JobKind::GithubEvent).await.unwrap();
    assert_eq!(depth.open, 2, "both are on disk, and wait for their turn");
    let page = house.look_with(&cookie, "/deliveries").await;
    for told in [
        "operator",
        "the run will be cancelled",
        "the run will be done again",
    ] {
        assert!(page.text().contains(told), "{told}");
    }
}

#[tokio::test]
async fn orders_that_come_too_early_or_too_late_say_so() {
    let house = House::open().await;
    let running = house.admit(&new_run("v1", 'a', 1)).await;
    let cookie = house.operators_cookie().await;
    let early = house
        .press(&cookie, &format!("/runs/{running}/rerun"), "same-origin")
        .await;
    assert_eq!(early.status, StatusCode::CONFLICT);
    assert_eq!(
        early.error(),
        "the run is not finished: wait for its verdict, or cancel it first"
    );
    let nothing = house.press(&cookie, "/runs/nonsense/cancel", "same-origin").await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    let get = Request::get(format!("/runs/{running}/cancel")).header(COOKIE, &cookie);
    let looked = house.ask(get.body("".into()).unwrap()).await;
    assert_eq!(
        looked.status,
        StatusCode::METHOD_NOT_ALLOWED,
        "a link cancels nothing"
    );
}
