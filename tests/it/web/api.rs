//! The API: pages of runs by key, and answers as they are described.

use http::StatusCode;
use hubcheck::model::{Cause, Claim, Fate, JudgedClaim, Place, StepResult, TestResults, Verdict};
use hubcheck::store::NewRun;
use serde_json::Value;

use crate::support::openapi::{answer_schema, assert_described};
use crate::support::store::new_run;
use crate::support::web::House;

fn ids(page: &Value) -> Vec<String> {
    let runs = page["runs"].as_array().unwrap();
    runs.iter()
        .map(|run| run["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn runs_are_read_page_by_page_newest_first() {
    let house = House::open().await;
    let mut made = Vec::new();
    for (tag, digit) in [("v1", 'a'), ("v2", 'b'), ("v3", 'c'), ("v4", 'd'), ("v5", 'e')] {
        made.push(house.admit(&new_run(tag, digit, 1)).await.to_string());
    }
    made.reverse();
    let mut read = Vec::new();
    let mut path = "/api/v1/runs?limit=2".to_owned();
    loop {
        let page = house.look(&path).await.json();
        read.extend(ids(&page));
        // One that is made in between moves no page.
        if read.len() == 2 {
            house.admit(&new_run("v6", 'f', 1)).await;
        }
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/runs?limit=2&before={next}");
    }
    assert_eq!(read, made);
}

#[tokio::test]
async fn a_page_has_its_bounds() {
    let house = House::open().await;
    for (tag, digit) in [("v1", 'a'), ("v2", 'b')] {
        house.admit(&new_run(tag, digit, 1)).await;
    }
    for (limit, rows) in [("0", 1), ("-1", 1), ("100000", 2)] {
        let page = house.look(&format!("/api/v1/runs?limit={limit}")).await.json();
        assert_eq!(ids(&page).len(), rows, "{limit}");
    }
    for query in ["before=none", "limit=many", "limit=1&limit=2"] {
        let answer = house.look(&format!("/api/v1/runs?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(!answer.error().is_empty(), "{query}");
    }
}

/// A run with something in every part of its description.
async fn full_run(house: &House) -> String {
    let claim = |fate| JudgedClaim {
        claim: Claim {
            place: Place::OciLabel,
            source: Some("https://github.com/acme/app".to_owned()),
            revision: Some("a".repeat(40)),
            problem: None,
        },
        fate,
    };
    let new = NewRun {
        claims: vec![claim(Fate::Taken), claim(Fate::Ignored("why".to_owned()))],
        ..new_run("v1", 'a', 1)
    };
    let verdict = Verdict::of_steps(vec![StepResult {
        name: "test".to_owned(),
        cause: Cause::Passed,
        duration: std::time::Duration::from_secs(1),
        tests: TestResults::default(),
    }]);
    house.judged(&new, &verdict, b"ok\n").await.to_string()
}

#[tokio::test]
async fn answers_have_the_names_of_their_description() {
    let house = House::open().await;
    let run = full_run(&house).await;
    let description = house.look("/api/openapi.json").await;
    assert_eq!(description.header("content-type"), "application/json");
    let description = description.json();
    let run = house
        .look_as_operator(&format!("/api/v1/runs/{run}"))
        .await
        .json();
    let delivery = format!("/api/v1/deliveries/{}", run["delivery"].as_str().unwrap());
    let answers = [
        ("/api/v1/runs/{id}", run),
        (
            "/api/v1/runs",
            house.look_as_operator("/api/v1/runs?limit=1").await.json(),
        ),
        (
            "/api/v1/deliveries",
            house.look_as_operator("/api/v1/deliveries?limit=1").await.json(),
        ),
        (
            "/api/v1/deliveries/{id}",
            house.look_as_operator(&delivery).await.json(),
        ),
    ];
    for (path, answer) in answers {
        let schema = answer_schema(&description, "get", path, "200");
        assert_described(&description, schema, &answer, path);
    }
}
