//! `expect`: for which commits an image is waited for, and how long.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::config::duration;
use crate::model::{Arrival, BranchPattern, Expectation};

/// No build is waited for longer than a day.
const LONGEST: Duration = Duration::from_hours(24);

/// For which commits an image is waited for.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// How long: `30m`. At most `24h`.
    #[serde(deserialize_with = "within")]
    #[schemars(with = "String")]
    within: Duration,
    /// Branches whose commits are waited for; `*` stands for anything. Default: all.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    branches: Option<Vec<BranchPattern>>,
    /// Are the heads of pull requests waited for? Default: yes.
    #[serde(default = "yes")]
    pull_requests: bool,
    /// What the heads of pull requests of forks get. Default: what other pull requests get.
    #[serde(default)]
    forks: Option<Forks>,
    /// Are images built for the commits of a merge queue? `false` tells them at once that there is none to wait for.
    /// Default: what `branches` says of the branch that is merged into.
    #[serde(default)]
    merge_group: Option<bool>,
}

/// What the heads of pull requests of forks get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Forks {
    /// They are waited for.
    Wait,
    /// They are told at once that no image is built for them.
    Skip,
    /// Nothing.
    Ignore,
}

fn yes() -> bool {
    true
}

impl Expect {
    /// What a commit gets; `None`: nothing.
    pub(super) fn of(&self, arrival: &Arrival) -> Option<Expectation> {
        let wait = Some(Expectation::Wait(self.within));
        let skip = |whose: &str| {
            let why = format!("no image is built for {whose}, by the repository's own file");
            Some(Expectation::Skip { why })
        };
        match arrival {
            Arrival::Branch { name } => wait.filter(|_| self.names(name)),
            Arrival::PullRequest { is_fork: false, .. } => wait.filter(|_| self.pull_requests),
            Arrival::PullRequest { is_fork: true, .. } => match self.forks {
                Some(Forks::Wait) => wait,
                Some(Forks::Skip) => skip("the pull requests of forks"),
                Some(Forks::Ignore) => None,
                None => wait.filter(|_| self.pull_requests),
            },
            Arrival::MergeGroup { base } => match self.merge_group {
                Some(true) => wait,
                Some(false) => skip("the merge queue"),
                None => wait.filter(|_| self.names(base)),
            },
        }
    }

    fn names(&self, branch: &str) -> bool {
        self.branches
            .as_ref()
            .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(branch)))
    }
}

/// `expect`: a time, or what is waited for and how long.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Expect>, D::Error> {
    struct Reader;

    impl<'de> Visitor<'de> for Reader {
        type Value = Expect;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a time like `30m`, or a mapping with `within: 30m`")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Expect, E> {
            Ok(Expect {
                within: bounded(text).map_err(E::custom)?,
                branches: None,
                pull_requests: true,
                forks: None,
                merge_group: None,
            })
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Expect, A::Error> {
            Expect::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_any(Reader).map(Some)
}

/// How it is written.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the schema is made of it")]
pub(super) enum ExpectSchema {
    Time(String),
    Mapping(Expect),
}

fn within<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    bounded(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn bounded(text: &str) -> Result<Duration, String> {
    let time = duration::parse(text)?;
    match time {
        _ if time.is_zero() => Err("this is no time at all".to_owned()),
        _ if time > LONGEST => Err("an image is waited for no longer than 24h".to_owned()),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::File;

    fn branch(name: &str) -> Arrival {
        Arrival::Branch {
            name: name.to_owned(),
        }
    }

    fn pull_request(is_fork: bool) -> Arrival {
        Arrival::PullRequest { number: 7, is_fork }
    }

    fn merge_group(base: &str) -> Arrival {
        Arrival::MergeGroup {
            base: base.to_owned(),
        }
    }

    /// What a file with this `expect` comes to: `wait`, `skip` or nothing.
    fn told(expect: &str, arrival: &Arrival) -> &'static str {
        let text = format!("images: {{ acme/app: {{ expect: {expect} }} }}");
        let file = File::parse(&text).unwrap();
        let declared = file.of(&"acme/app".parse().unwrap()).unwrap();
        match declared.expects(arrival) {
            Some(Expectation::Wait(within)) => {
                assert_eq!(within, Duration::from_mins(30));
                "wait"
            }
            Some(Expectation::Skip { .. }) => "skip",
            None => "-",
        }
    }

    #[test]
    fn each_commit_gets_what_the_file_says_of_its_kind() {
        let arrivals = [
            branch("main"),
            branch("fix/typo"),
            pull_request(false),
            pull_request(true),
            merge_group("main"),
            merge_group("next"),
        ];
        for (expect, expected) in [
            ("30m", ["wait", "wait", "wait", "wait", "wait", "wait"]),
            (
                "{ within: 30m, branches: [main] }",
                ["wait", "-", "wait", "wait", "wait", "-"],
            ),
            (
                "{ within: 30m, branches: [\"fix/*\"], pull_requests: false }",
                ["-", "wait", "-", "-", "-", "-"],
            ),
            (
                "{ within: 30m, branches: [main], pull_requests: true, forks: skip, merge_group: true }",
                ["wait", "-", "wait", "skip", "wait", "wait"],
            ),
            (
                "{ within: 30m, branches: [], forks: ignore, merge_group: false }",
                ["-", "-", "wait", "-", "skip", "skip"],
            ),
            (
                "{ within: 30m, pull_requests: false, forks: wait }",
                ["wait", "wait", "-", "wait", "wait", "wait"],
            ),
        ] {
            let found: Vec<&str> = arrivals.iter().map(|arrival| told(expect, arrival)).collect();
            assert_eq!(found, expected, "{expect}");
        }
    }
}
