//! What stands in the way of a bot, looked at without changing anything: the machine, the registries, GitHub. Each
//! finding has a mend.

mod github;
mod machine;
mod registries;

use std::path::PathBuf;

use crate::clock::Clock;
use crate::config::Config;

/// How something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Good(String),
    /// Nothing is wrong, and something is to be known.
    Note(String),
    /// Not as it should be.
    Wrong {
        /// What was found.
        what: String,
        /// What to do.
        mend: String,
    },
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `app key`
    pub subject: String,
    /// How it is.
    pub state: State,
}

impl Finding {
    fn good(subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(subject, State::Good(what.into()))
    }

    fn note(subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(subject, State::Note(what.into()))
    }

    fn wrong(subject: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Self {
        let (what, mend) = (what.into(), mend.into());
        Self::new(subject, State::Wrong { what, mend })
    }

    fn new(subject: impl Into<String>, state: State) -> Self {
        Self {
            subject: subject.into(),
            state,
        }
    }

    /// Must somebody act?
    pub fn is_wrong(&self) -> bool {
        matches!(self.state, State::Wrong { .. })
    }
}

/// What is looked at.
pub struct Patient {
    /// The configuration, which could be read.
    pub config: Config,
    /// Where `docker login` keeps its credentials.
    pub docker_login_file: Option<PathBuf>,
    /// This machine's clock.
    pub clock: Clock,
}

impl Patient {
    /// Looks at everything, and tells of each finding as it is made.
    pub async fn examine(&self, mut tell: impl FnMut(Finding)) {
        let mut tell_all = |findings: Vec<Finding>| findings.into_iter().for_each(&mut tell);
        tell_all(vec![machine::address(&self.config)]);
        tell_all(vec![machine::store(&self.config).await]);
        tell_all(machine::docker(&self.config, &self.clock).await);
        tell_all(registries::accounts(self).await);
        tell_all(github::app(self).await);
    }
}
