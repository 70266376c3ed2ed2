//! What a store with a million runs costs over one with a thousand: p99 of lists, duplicates and intake.

use anyhow::Result;
use hubcheck::clock::Clock;
use hubcheck::model::RepoId;
use hubcheck::store::{RunFilter, Store};
use std::time::Instant;

use crate::house::{House, dockerhub_body};
use crate::intake::{github_body, github_headers};
use crate::load::{self, Load};
use crate::million::{RUNS, filled};
use crate::row::{Row, Samples};
use crate::sqlite;

const FEW: u32 = 1_000;
const ROUNDS: usize = 3;
const SECONDS: u32 = 2;

/// Lists of one repository to a round.
const LISTS: usize = 200;

/// The p99 of each operation, in milliseconds.
#[derive(Clone, Copy)]
struct Tails {
    list: f64,
    of_repo: f64,
    duplicate: f64,
    intake: f64,
}

pub(crate) async fn measure(house: &House) -> Result<Vec<Row>> {
    filled(house, "few", FEW).await?;
    filled(house, "million", RUNS).await?;
    let (mut few, mut million) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // A new copy each time: what a round takes in must not make it large.
        let copy = format!("few-{round}");
        std::fs::create_dir_all(house.folder(&copy))?;
        std::fs::copy(house.store("few"), house.store(&copy))?;
        few.push(tails(house, &copy).await?);
        million.push(tails(house, "million").await?);
    }
    let row = |what: &str, pick: fn(&Tails) -> f64| {
        let [few, million]: [Samples; 2] = [&few, &million].map(|rounds| rounds.iter().map(pick).collect());
        Row {
            what: format!("scale: p99, {what}"),
            ours: million.spread(2, " ms"),
            against: format!("with 1,000 runs {}", few.spread(2, " ms")),
            ratio: format!("{:.2}×", million.median() / few.median()),
            goal: "≤ 1.2×",
        }
    };
    Ok(vec![
        row("newest 50 runs", |tails| tails.list),
        row("newest 50 of a repository", |tails| tails.of_repo),
        row("an event of GitHub's again", |tails| tails.duplicate),
        row("intake, 16 connections", |tails| tails.intake),
    ])
}

async fn tails(house: &House, store: &str) -> Result<Tails> {
    let of_repo = lists_of_repo(house, store).await?;
    let bot = house.serve(store).await?;
    let list = load::get(&house.url("/api/v1/runs"), 1, SECONDS).await?;
    let duplicate = duplicates(house).await?;
    let body = house.file("hub.json", &dockerhub_body("latest")?)?;
    let intake = load::post(&house.hook()?, 16, SECONDS, &body, &[]).await?;
    bot.kill().await?;
    // The next round begins with nothing to do.
    sqlite::ask(&house.store(store), "DELETE FROM jobs").await?;
    Ok(Tails {
        list: list.p99_ms,
        of_repo,
        duplicate: duplicate.p99_ms,
        intake: intake.p99_ms,
    })
}

/// The same event, again and again.
async fn duplicates(house: &House) -> Result<Load> {
    let body = github_body(house)?;
    let headers: Vec<String> = github_headers(&body)?
        .into_iter()
        .map(|header| header.replace("@guid@", "012345678901"))
        .collect();
    let body = house.file("github.json", &body)?;
    load::post(&house.url("/hooks/github"), 1, SECONDS, &body, &headers).await
}

/// No page lists the runs of one repository yet: the store itself is asked.
async fn lists_of_repo(house: &House, store: &str) -> Result<f64> {
    let file = house.store(store);
    let repos = sqlite::ask(&file, "SELECT MIN(id) FROM repos").await?;
    let first: i64 = repos.parse()?;
    let store = Store::open(&format!("sqlite://{}", file.display()), Clock::default()).await?;
    let mut times = Vec::new();
    for repo in (0..100).cycle().take(LISTS) {
        let filter = RunFilter {
            repo: Some(RepoId(first + repo)),
            limit: 50,
            ..RunFilter::default()
        };
        let begun = Instant::now();
        store.runs(&filter).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    store.close().await;
    Ok(times.into_iter().collect::<Samples>().quantile(0.99))
}
