//! The server: faults, the ledger, the page for people, webhooks.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use http::{Method, StatusCode};
use secrecy::ExposeSecret;

use crate::demo::github::{Caller, Fault, GitHub, SimulatedApp, Trouble};
use crate::model::{RepoName, Visibility};

const SOON: Duration = Duration::from_secs(10);

async fn started() -> (GitHub, RepoName) {
    let github = GitHub::start(SimulatedApp::default()).await.unwrap();
    let repo: RepoName = "acme/app".parse().unwrap();
    github.add_repo(&repo, Visibility::Public);
    (github, repo)
}

async fn fetch(url: String) -> reqwest::Result<reqwest::Response> {
    let client = reqwest::Client::builder().no_proxy().timeout(SOON);
    client.user_agent("tests").build().unwrap().get(url).send().await
}

#[tokio::test]
async fn a_fault_meets_as_many_requests_as_it_was_told_to() {
    let (github, _) = started().await;
    let trouble = Trouble::ErrorBefore(StatusCode::BAD_GATEWAY);
    github.fail(Fault::on(Method::GET, "/app", trouble).times(2));
    for expected in [502, 502, 401] {
        let answer = fetch(format!("{}/app", github.url())).await.unwrap();
        assert_eq!(answer.status().as_u16(), expected);
    }
}

#[tokio::test]
async fn a_dropped_connection_stands_in_the_ledger_without_a_status() {
    let (github, _) = started().await;
    github.fail(Fault::on_any("/app", Trouble::DropBefore));
    assert!(fetch(format!("{}/app", github.url())).await.is_err());
    let seen = github
        .wait_for(SOON, |github| github.ledger().into_iter().next())
        .await;
    let request = seen.unwrap();
    assert_eq!((request.status, request.caller), (None, Caller::Nobody));
    assert!(github.writes().is_empty());
}

#[tokio::test]
async fn every_answer_carries_the_date() {
    let (github, _) = started().await;
    let answer = fetch(format!("{}/app", github.url())).await.unwrap();
    assert!(answer.headers().contains_key("date"));
}

#[tokio::test]
async fn an_outage_lasts_until_it_is_over() {
    let (github, _) = started().await;
    github.outage(true);
    let down = fetch(format!("{}/app", github.url())).await.unwrap();
    github.outage(false);
    let up = fetch(format!("{}/app", github.url())).await.unwrap();
    assert_eq!((down.status().as_u16(), up.status().as_u16()), (503, 401));
}

#[tokio::test]
async fn waiting_ends_with_the_ledger_when_nothing_comes() {
    let (github, _) = started().await;
    let missed = github.wait_for(Duration::from_millis(10), |_| None::<()>).await;
    assert!(missed.unwrap_err().to_string().contains("0 requests so far"));
}

#[tokio::test]
async fn a_commits_page_shows_hostile_text_as_text() {
    let (github, repo) = started().await;
    let sha = github.commit(&repo, "<script>alert(1)</script>").unwrap();
    github
        .add_foreign_check_run(&repo, &sha, "\"><img src=x>")
        .unwrap();
    let answer = fetch(github.commit_page(&repo, &sha)).await.unwrap();
    let csp = answer.headers()["content-security-policy"].clone();
    let page = answer.text().await.unwrap();
    let csp = csp.to_str().unwrap();
    assert!(csp.starts_with("default-src 'none'; style-src 'sha256-"), "{csp}");
    assert!(page.contains("&lt;script&gt;") && page.contains("&quot;&gt;&lt;img src=x&gt;"));
    assert!(!page.contains("<script>") && !page.contains("<img"));
    assert!(github.ledger().is_empty(), "a page is no API request");
}

#[tokio::test]
async fn webhooks_are_signed_over_their_bytes() {
    let (github, repo) = started().await;
    let sha = github.commit(&repo, "One").unwrap();
    let id = github.add_foreign_check_run(&repo, &sha, "x").unwrap();
    let secret = SimulatedApp::default().webhook_secret;
    for webhook in [
        github.ping(),
        github.install("acme"),
        github.rerequest_check_run(id).unwrap(),
        github.rerequest_check_suite(&repo, &sha).unwrap(),
    ] {
        let digits = webhook.signature.strip_prefix("sha256=").unwrap();
        Hmac::<sha2::Sha256>::new_from_slice(secret.expose_secret().as_bytes())
            .unwrap()
            .chain_update(&webhook.body)
            .verify_slice(&hex::decode(digits).unwrap())
            .unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&webhook.body).is_ok());
    }
}

#[tokio::test]
async fn a_webhook_arrives_as_it_was_signed() {
    let (github, repo) = started().await;
    let (receiver, _) = started().await;
    let sha = github.commit(&repo, "One").unwrap();
    let webhook = github.request_check_suite(&repo, &sha).unwrap();
    let answered = webhook.post(&format!("{}/hooks/github", receiver.url())).await;
    assert_eq!(answered.unwrap(), StatusCode::NOT_FOUND);
    let arrived = receiver.ledger().remove(0);
    let body = arrived.body.unwrap();
    assert_eq!(body["action"], "requested");
    assert_eq!(body["check_suite"]["head_sha"], sha.as_str());
    assert_eq!(body["repository"]["full_name"], "acme/app");
}
