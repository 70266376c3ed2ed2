//! How much is asked of GitHub: no limit of it is ever met, every verdict lands, and progress is told where there is
//! room for it.

use std::time::Duration;

use hubcheck::demo::github::Caller;

use crate::support::outbox::{Outbox, Paper};

/// What the bot asked as an installation: writes that people see, and questions.
fn asked(outbox: &Outbox) -> (usize, usize) {
    let ledger = outbox.github.ledger();
    let of_installation = |caller: &Caller| matches!(caller, Caller::Installation(_));
    let own = ledger.iter().filter(|request| of_installation(&request.caller));
    let (writes, questions): (Vec<_>, Vec<_>) = own.partition(|request| request.wrote);
    (writes.len(), questions.len())
}

/// Lets the Engine be given up, and the writer come to its end. How long that takes by the clock.
async fn end(outbox: &Outbox, papers: &[Paper]) -> Duration {
    for paper in papers {
        outbox.troubled(paper).await;
    }
    let installation = outbox.github.installation("acme").unwrap();
    let begun = outbox.clock.now();
    loop {
        // No time passes while something is written: a lease would run out.
        let left = outbox.rest().await.map(|(left, _)| left);
        let unfinished = outbox.store().unfinished_checks(installation).await.unwrap();
        if unfinished == 0 && left.is_none() {
            break;
        }
        outbox.pass(left.unwrap_or(Duration::from_mins(1)));
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(
            outbox.clock.now() - begun < 24 * 3_600_000,
            "a verdict never lands"
        );
    }
    for paper in papers {
        outbox.shown(paper).await;
    }
    Duration::from_millis(u64::try_from(outbox.clock.now() - begun).unwrap())
}

#[tokio::test]
async fn at_ease_progress_is_told_at_once() {
    let mut outbox = Outbox::limited().await;
    let papers = outbox.waiting_crowd(8).await;
    outbox.open().await;
    for paper in &papers {
        outbox.seen(|_| outbox.status(paper)).await;
        outbox.seen(|_| outbox.check(paper)).await;
    }
    end(&outbox, &papers).await;
    outbox.shut().await;
    assert_eq!(outbox.github.broken_limits(), 0);
}

#[tokio::test]
async fn a_thousand_runs_are_told_in_two_writes_each_and_every_verdict_lands() {
    let mut outbox = Outbox::limited().await;
    let papers = outbox.waiting_crowd(1000).await;
    outbox.open().await;
    let took = end(&outbox, &papers).await;
    outbox.shut().await;
    let (writes, questions) = asked(&outbox);
    println!(
        "{} runs: {writes} writes and {questions} questions, within {took:?}",
        papers.len()
    );
    assert!(writes <= papers.len() * 21 / 10, "{writes} writes");
    assert!(questions <= papers.len() / 20, "{questions} questions");
    assert_eq!(outbox.github.broken_limits(), 0);
}
