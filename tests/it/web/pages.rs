//! Pages: what they say, and that nothing in them comes alive.

use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use hubcheck::model::{Cause, Claim, Fate, JudgedClaim, Outcome, Place, StepResult, TestResults, Verdict};
use hubcheck::store::NewRun;

use crate::support::store::new_run;
use crate::support::web::House;

/// A stranger's text: HTML, a colour, a title for the terminal, a turn of the direction of writing.
const HOSTILE: &str = "</title></pre><script>alert(1)</script><img src=x onerror=alert(1)>\"'\u{1b}[31mred\u{1b}]0;t\u{7}\u{202e}live";

fn hostile_run() -> NewRun {
    NewRun {
        claims: vec![JudgedClaim {
            claim: Claim {
                place: Place::OciLabel,
                source: Some(HOSTILE.to_owned()),
                revision: Some(HOSTILE.to_owned()),
                problem: None,
            },
            fate: Fate::Ignored(HOSTILE.to_owned()),
        }],
        ..new_run("v1", 'a', 1)
    }
}

fn assert_inert(page: &str) {
    for alive in ["<script", "<img", "</title></pre>", "\u{1b}", "\u{7}", "\u{202e}"] {
        assert!(!page.contains(alive), "{alive:?} in {page}");
    }
    assert!(page.contains("alert(1)"), "the text is shown: {page}");
}

#[tokio::test]
async fn a_strangers_texts_are_inert() {
    let house = House::open().await;
    let verdict = Verdict {
        outcome: Outcome::ActionRequired,
        title: HOSTILE.to_owned(),
        steps: vec![StepResult {
            name: HOSTILE.to_owned(),
            cause: Cause::CommandNotFound {
                command: HOSTILE.to_owned(),
            },
            duration: Duration::from_secs(1),
            tests: TestResults::default(),
        }],
        superseded_by: None,
    };
    let run = house.judged(&hostile_run(), &verdict, HOSTILE.as_bytes()).await;
    assert_inert(house.look("/").await.text());
    assert_inert(house.look(&format!("/runs/{run}")).await.text());
    let log = house.look(&format!("/runs/{run}/log")).await;
    assert_eq!(log.text(), HOSTILE);
    assert_eq!(log.header(CONTENT_TYPE), "text/plain; charset=utf-8");
    assert_eq!(log.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn trouble_is_inert_too() {
    let house = House::open().await;
    let run = house.admit(&new_run("v1", 'a', 1)).await;
    let lease = house.lease(run).await;
    let store = &house.shelf.store;
    store.run_waits(&lease, run, HOSTILE, 0).await.unwrap();
    let page = house.look(&format!("/runs/{run}")).await;
    assert_inert(page.text());
    assert!(page.text().contains("Trying again"));
    assert_inert(house.look("/").await.text());
}

#[tokio::test]
async fn a_runs_page_tells_the_verdict_the_evidence_and_how_to_reproduce_it() {
    let house = House::open().await;
    let new = new_run("v1", 'a', 1);
    let verdict = Verdict::of_steps(vec![StepResult {
        name: "test".to_owned(),
        cause: Cause::ExitCode { code: 3 },
        duration: Duration::from_secs(72),
        tests: TestResults::default(),
    }]);
    let run = house.judged(&new, &verdict, b"not ok 1\n").await;
    let page = house.look(&format!("/runs/{run}")).await;
    assert_eq!(page.status, StatusCode::OK);
    for told in [
        "<html lang=\"en\">",
        "test: exit code 3",
        "Failed",
        "names this commit; nothing proves it",
        "the operator&#39;s configuration lets this image speak",
        "<span>docker</span> <span>run</span> <span>--rm</span>",
        new.digest.as_str(),
        "not ok 1",
        "1m 12s",
        new.source.commit.as_str(),
    ] {
        assert!(page.text().contains(told), "{told}: {}", page.text());
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_keep_it_still() {
    let house = House::open().await;
    let run = house.admit(&new_run("v1", 'a', 1)).await;
    let page = format!("/runs/{run}");
    let mut answers = vec![house.post("/hooks/github", "").await, house.post("/", "").await];
    for path in [
        "/",
        &page,
        "/nothing",
        "/api/v1/runs",
        "/assets/style.css",
        "/healthz",
        "/readyz",
        "/api/openapi.json",
    ] {
        answers.push(house.look(path).await);
    }
    for answer in answers {
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
        assert!(policy.contains("frame-ancestors 'none'"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("x-frame-options"), "DENY");
    }
    for path in ["/", &page] {
        let page = house.look(path).await;
        for inline in ["style=", "<style", "<script", " onclick"] {
            assert!(!page.text().contains(inline), "{path} has {inline}");
        }
    }
}

#[tokio::test]
async fn who_installed_the_app_is_told_what_is_left_and_nobody_is_told_more() {
    let house = House::open().await;
    assert_eq!(house.look("/setup").await.status, 404);
    for (action, title) in [
        ("install", "hubcheck is installed"),
        ("request", "hubcheck is asked for"),
    ] {
        let page = house
            .look(&format!("/setup?installation_id=1&setup_action={action}"))
            .await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains(title), "{}", page.text());
        assert!(page.text().contains(".github/hubcheck.yml"), "{}", page.text());
        assert!(!page.text().contains("/hooks/"), "the hook's address is a secret");
    }
}
