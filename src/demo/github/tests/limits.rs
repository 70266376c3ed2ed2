//! The limits of an installation.

use std::time::Duration;

use http::Method;

use super::Scene;
use crate::demo::github::ledger::Caller;

/// Sends so many requests of a method as the scene's installation, and says how many were refused.
fn refused(scene: &mut Scene, method: &Method, count: usize) -> usize {
    let installation = scene.world.installation_of("acme").unwrap().id;
    let caller = Caller::Installation(installation);
    let answers = (0..count).filter_map(|_| scene.world.count(caller, method));
    answers.count()
}

#[test]
fn without_limits_nothing_is_counted() {
    let mut scene = Scene::new();
    assert_eq!(refused(&mut scene, &Method::POST, 6_000), 0);
}

#[test]
fn of_writes_the_81st_in_a_minute_is_refused_and_the_501st_in_an_hour() {
    let mut scene = Scene::new();
    scene.world.app.is_limited = true;
    let clock = scene.world.app.clock.clone();
    assert_eq!(refused(&mut scene, &Method::POST, 81), 1);
    for _ in 0..5 {
        clock.advance(Duration::from_secs(61));
        assert_eq!(refused(&mut scene, &Method::PATCH, 80), 0);
    }
    clock.advance(Duration::from_secs(61));
    assert_eq!(refused(&mut scene, &Method::POST, 20), 1, "81 + 5 × 80 + 20");
    assert_eq!(scene.world.broken_limits, 2);
}

#[test]
fn of_questions_the_901st_in_a_minute_is_refused_and_the_5001st_in_an_hour() {
    let mut scene = Scene::new();
    scene.world.app.is_limited = true;
    let clock = scene.world.app.clock.clone();
    assert_eq!(refused(&mut scene, &Method::GET, 901), 1);
    for _ in 0..4 {
        clock.advance(Duration::from_secs(61));
        assert_eq!(refused(&mut scene, &Method::GET, 900), 0);
    }
    clock.advance(Duration::from_secs(61));
    assert_eq!(refused(&mut scene, &Method::GET, 500), 1, "901 + 4 × 900 + 500");
}

#[test]
fn a_write_costs_as_much_as_five_questions() {
    let mut scene = Scene::new();
    scene.world.app.is_limited = true;
    assert_eq!(refused(&mut scene, &Method::POST, 60), 0);
    assert_eq!(refused(&mut scene, &Method::GET, 601), 1);
}
