//! The store: nothing that was taken is lost, nothing is done under a lost lease, and runs are found,
//! joined and superseded as the contract says. Each story is told on both engines.

mod app;
mod budget;
mod declarations;
mod intake;
mod keep;
mod pushes;
mod queue;
mod reports;
mod reruns;
mod runs;

use hubcheck::model::{Outcome, Verdict};
use hubcheck::store::ShownCheck;

fn passed() -> Verdict {
    Verdict::without_steps(Outcome::Passed, "passed")
}

/// A check run that GitHub shows under this number, with its verdict.
fn shown(github_id: i64) -> ShownCheck {
    ShownCheck {
        github_id,
        fingerprint: "shown".to_owned(),
        completed: true,
    }
}
