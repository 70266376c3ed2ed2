//! Webhooks a second: ours, which answers when the delivery is durable and works on it meanwhile, against
//! `webhook`, which stores nothing and runs `/bin/true`.
//!
//! Each round starts both anew, one after the other, so that neither pays for what the other left to do.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::house::{House, WEBHOOK_SECRET, dockerhub_body};
use crate::load::{self, Load};
use crate::peer::Peer;
use crate::row::{Row, Samples};
use crate::sqlite;

const ROUNDS: usize = 5;
const SECONDS: u32 = 3;

/// What GitHub's larger events weigh.
const SIGNED_BYTES: usize = 6 * 1024;

/// What is posted, to whom.
struct Post {
    name: &'static str,
    ours: String,
    theirs: &'static str,
    body: PathBuf,
    headers: Vec<String>,
    goal: &'static str,
}

/// Docker Hub's webhook for one tag: the registry is asked, and all but the first push join a run that is
/// there.
pub(crate) async fn registry(house: &House) -> Result<Vec<Row>> {
    house.push("latest")?;
    let post = Post {
        name: "intake",
        ours: house.hook()?,
        theirs: "hub",
        body: house.file("hub.json", &dockerhub_body("latest")?)?,
        headers: Vec::new(),
        goal: "≥ 4×, toward 10×",
    };
    let mut rows = measure(house, &post, 16).await?;
    rows.extend(measure(house, &post, 64).await?);
    Ok(rows)
}

/// An event of GitHub's, each with an id of its own.
pub(crate) async fn signed(house: &House) -> Result<Vec<Row>> {
    let body = github_body(house)?;
    let post = Post {
        name: "signed",
        ours: house.url("/hooks/github"),
        theirs: "signed",
        headers: github_headers(&body)?,
        body: house.file("github.json", &body)?,
        goal: "≥ 2×",
    };
    let mut rows = measure(house, &post, 16).await?;
    rows.extend(measure(house, &post, 64).await?);
    Ok(rows)
}

/// A commit was pushed, and GitHub asks for its checks; as long as GitHub's own, whose repositories have
/// dozens of addresses.
pub(crate) fn github_body(house: &House) -> Result<String> {
    let commit = house
        .github
        .commit(&house.repo, "a commit")
        .context("there is no repository")?;
    let event = house
        .github
        .request_check_suite(&house.repo, &commit)
        .context("there is no suite")?;
    let mut body: Value = serde_json::from_str(&event.body)?;
    let mut number = 0;
    while body.to_string().len() < SIGNED_BYTES {
        number += 1;
        body["repository"][format!("resource_{number}_url")] = json!(format!(
            "https://api.github.com/repos/{}/resource_{number}{{/id}}",
            house.repo
        ));
    }
    Ok(body.to_string())
}

/// What GitHub sends with it; the id of the event is another one each time.
pub(crate) fn github_headers(body: &str) -> Result<Vec<String>> {
    let mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes())?.chain_update(body);
    Ok(vec![
        "X-GitHub-Event: check_suite".to_owned(),
        "X-GitHub-Delivery: 72d3162e-cc78-11e3-81ab-@guid@".to_owned(),
        format!(
            "X-Hub-Signature-256: sha256={}",
            hex::encode(mac.finalize().into_bytes())
        ),
    ])
}

async fn measure(house: &House, post: &Post, connections: u32) -> Result<Vec<Row>> {
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let ours = ours(
            house,
            post,
            connections,
            &format!("{}-{connections}-{round}", post.name),
        )
        .await?;
        let peer = Peer::start().await?;
        let theirs = peer.hook(post.theirs);
        let theirs = load::post(&theirs, connections, SECONDS, &post.body, &post.headers).await?;
        peer.server.kill().await?;
        rounds.push((ours, theirs));
    }
    let latency = |name: &str, (ours, theirs, ratio): (Samples, Samples, Samples)| Row {
        what: format!("{}: {name}, {connections} connections", post.name),
        ours: ours.spread(2, " ms"),
        against: format!("webhook {}", theirs.spread(2, " ms")),
        ratio: ratio.spread(2, "×"),
        goal: "",
    };
    let of = |pick: fn(&Load) -> f64| {
        let ours: Samples = rounds.iter().map(|(ours, _)| pick(ours)).collect();
        let theirs: Samples = rounds.iter().map(|(_, theirs)| pick(theirs)).collect();
        let ratio: Samples = rounds
            .iter()
            .map(|(ours, theirs)| pick(ours) / pick(theirs))
            .collect();
        (ours, theirs, ratio)
    };
    let (ours, theirs, ratio) = of(|load| load.per_second);
    let mut rows = vec![Row {
        what: format!("{}: requests/s, {connections} connections", post.name),
        ours: ours.spread(0, ""),
        against: format!("webhook {}", theirs.spread(0, "")),
        ratio: ratio.spread(1, "×"),
        goal: post.goal,
    }];
    rows.push(latency("p50", of(|load| load.p50_ms)));
    rows.push(latency("p99", of(|load| load.p99_ms)));
    Ok(rows)
}

/// One round: on an empty store, and at the end killed; what was answered must be there.
async fn ours(house: &House, post: &Post, connections: u32, store: &str) -> Result<Load> {
    let bot = house.serve(store).await?;
    let load = load::post(&post.ours, connections, SECONDS, &post.body, &post.headers).await?;
    bot.kill().await?;
    let stored: f64 = sqlite::ask(&house.store(store), "SELECT COUNT(*) FROM deliveries")
        .await?
        .parse()?;
    ensure!(
        stored >= load.requests,
        "{} requests were answered, and {stored} deliveries are stored",
        load.requests
    );
    Ok(load)
}
