//! `hubcheck doctor`: what stands in the way, a line to each finding, with its mend.

use super::{Common, Failure};
use crate::clock::Clock;
use crate::config::docker_login_file;
use crate::doctor::{Finding, Patient, State};
use crate::setup::adopt_stored_app;

pub(super) async fn run(common: &Common) -> Result<(), Failure> {
    let mut config = common.load()?;
    // What is wrong with the store is one of the findings.
    if let Err(error) = adopt_stored_app(&mut config).await {
        tracing::debug!(%error, "cannot look for an App in the store");
    }
    let patient = Patient {
        config,
        docker_login_file: docker_login_file(|name| std::env::var(name).ok()),
        clock: Clock::default(),
    };
    super::test::print(&line(&Finding {
        subject: "configuration".to_owned(),
        state: State::Good("could be read".to_owned()),
    }));
    let mut wrong = 0;
    let examined = patient.examine(|finding| {
        wrong += usize::from(finding.is_wrong());
        super::test::print(&line(&finding));
    });
    Box::pin(examined).await;
    match wrong {
        0 => Ok(()),
        1 => Err(Failure::No("one thing is to be mended".to_owned())),
        wrong => Err(Failure::No(format!("{wrong} things are to be mended"))),
    }
}

fn line(finding: &Finding) -> String {
    let subject = &finding.subject;
    match &finding.state {
        State::Good(what) => format!("ok     {subject}: {what}\n"),
        State::Note(what) => format!("note   {subject}: {what}\n"),
        State::Wrong { what, mend } => format!("WRONG  {subject}: {what}\n       mend: {mend}\n"),
    }
}
