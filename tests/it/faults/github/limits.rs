//! Too much, too fast; and tokens that are no longer good.

use std::time::Duration;

use http::{Method, StatusCode};
use hubcheck::demo::github::{Fault, Trouble};

use crate::support::outbox::Outbox;

#[tokio::test]
async fn an_expired_token_is_renewed_once_and_the_write_lands_once() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    for path in ["/check-runs", "/statuses"] {
        outbox
            .github
            .fail(Fault::on(Method::POST, path, Trouble::ExpiredToken));
    }
    outbox.open().await;
    outbox.shown(&paper).await;
    outbox.done().await;
    assert_eq!(outbox.requests(&Method::POST, "access_tokens").len(), 3);
    assert_eq!(outbox.github.writes().len(), 2);
    outbox.shut().await;
}

#[tokio::test]
async fn a_token_that_is_refused_for_good_holds_the_rows_until_it_is_taken() {
    let mut outbox = Outbox::new().await;
    let papers = [outbox.judged().await, outbox.judged().await];
    let refused = Fault::on(Method::POST, "/check-runs", Trouble::ExpiredToken);
    // Each try renews the token once: three tries.
    outbox.github.fail(refused.times(6));
    outbox.open().await;
    let (left, why) = outbox.put_off().await;
    assert!(
        left < Duration::from_secs(6) && why.contains("401"),
        "{left:?} {why}"
    );
    assert_eq!(outbox.github.writes().len(), 0, "nobody else knocks meanwhile");
    outbox.pass_until_done().await;
    for paper in &papers {
        outbox.shown(paper).await;
    }
    outbox.shut().await;
}

#[tokio::test]
async fn a_clock_that_jumps_is_corrected_by_githubs_own() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.waiting().await;
    outbox.open().await;
    outbox.seen(|_| outbox.status(&paper)).await;
    outbox.troubled(&paper).await;
    // Two hours at once, and a new token is needed: the App's own is dated by the wrong clock.
    outbox.github.revoke_tokens();
    outbox.pass(Duration::from_hours(2));
    let (check, _) = outbox.shown(&paper).await;
    assert_eq!(check.conclusion.as_deref(), Some("timed_out"));
    let asked = outbox.requests(&Method::POST, "access_tokens");
    let answers: Vec<_> = asked
        .iter()
        .map(|request| request.status.unwrap().as_u16())
        .collect();
    assert!(answers.ends_with(&[401, 201]), "{answers:?}");
    outbox.shut().await;
}

#[tokio::test]
async fn a_spent_budget_waits_for_its_reset_and_keeps_every_row() {
    let mut outbox = Outbox::new().await;
    let papers = [outbox.judged().await, outbox.judged().await];
    let resets_in = Duration::from_mins(20);
    outbox.github.fail(Fault::on(
        Method::POST,
        "/check-runs",
        Trouble::PrimaryLimit { resets_in },
    ));
    outbox.open().await;
    let (left, why) = outbox.put_off().await;
    assert!(Outbox::is_put_off_until(left, resets_in), "{left:?}");
    assert!(why.contains("rate limit exceeded"), "{why}");
    assert_eq!(outbox.github.writes().len(), 0, "the other rows wait as well");

    outbox.pass(left.saturating_sub(Duration::from_mins(1)));
    let (left, _) = outbox.put_off().await;
    assert!(left <= Duration::from_mins(1), "not a minute is added: {left:?}");
    outbox.pass(left);
    for paper in &papers {
        outbox.shown(paper).await;
    }
    outbox.shut().await;
}

#[tokio::test]
async fn a_limit_that_names_its_time_is_obeyed_as_403_and_as_429() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    let limits = [(StatusCode::FORBIDDEN, 170), (StatusCode::TOO_MANY_REQUESTS, 340)];
    for (status, seconds) in limits {
        let retry_after = Some(seconds);
        let trouble = Trouble::SecondaryLimit { status, retry_after };
        outbox.github.fail(Fault::on(Method::POST, "/statuses", trouble));
    }
    outbox.open().await;
    for (status, seconds) in limits {
        let (left, why) = outbox.put_off().await;
        assert!(
            Outbox::is_put_off_until(left, Duration::from_secs(seconds)),
            "{left:?}"
        );
        assert!(why.contains(status.as_str()), "{why}");
        outbox.pass(left);
    }
    outbox.shown(&paper).await;
    outbox.shut().await;
}

#[tokio::test]
async fn a_limit_that_names_no_time_waits_a_minute_and_longer_each_time() {
    let mut outbox = Outbox::new().await;
    let paper = outbox.judged().await;
    let trouble = Trouble::SecondaryLimit {
        status: StatusCode::FORBIDDEN,
        retry_after: None,
    };
    outbox
        .github
        .fail(Fault::on(Method::POST, "/check-runs", trouble).times(8));
    // The status goes out at the second knock, and is no reason to knock sooner after that.
    outbox.open().await;
    let mut waits = Vec::new();
    for _ in 0..8 {
        let (left, _) = outbox.put_off().await;
        waits.push(left.as_secs_f64() / 60.0);
        outbox.pass(left);
    }
    outbox.shown(&paper).await;
    let doubled = [1.0, 1.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0];
    for (wait, least) in waits.iter().zip(doubled) {
        assert!((least * 0.9..=least * 1.26).contains(wait), "{waits:?}");
    }
    outbox.shut().await;
}
