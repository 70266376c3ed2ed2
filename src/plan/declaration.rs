//! What `.github/hubcheck.yml` says of an image: the keys, their defaults, and what they mean.
//!
//! The types are the file's own: serde reads them, and the JSON Schema is made of them.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::expect::{self, Expect};
use super::values;
use crate::model::{
    Arrival, Channels, Evidence, Expectation, FilePattern, GitRef, Network, Platform, Profile, RefRule, Tag,
    TagPattern, WhenUnsure,
};

/// What is declared of an image, or of the images of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Declaration {
    /// Tags that are tested; `*` stands for anything. Default: all but those that hold caches (`*cache*`) or
    /// signatures.
    #[schemars(with = "Option<Vec<String>>")]
    tags: Option<Vec<TagPattern>>,
    /// Tags that stand for a Git ref, as in Docker Hub's build rules; `*` carries over. The first that matches
    /// counts.
    #[serde(deserialize_with = "values::ref_rules")]
    #[schemars(with = "BTreeMap<String, String>")]
    refs: Vec<RefRule>,
    /// The weakest evidence that may turn a commit green. Default: `claimed`; for tags that `refs` matches:
    /// `inferred`.
    require: Option<Require>,
    /// What weaker evidence concludes: `block` is `action_required`, `pass` is `neutral`, which GitHub counts as
    /// passed.
    when_unsure: WhenUnsure,
    /// Tags with a check of their own, by its name. The first that matches counts.
    #[serde(deserialize_with = "values::variants")]
    #[schemars(with = "BTreeMap<String, String>")]
    variants: IndexMap<String, TagPattern>,
    /// Platforms that are tested, each with a check of its own. Default: the Docker Engine's.
    #[serde(deserialize_with = "values::some")]
    #[schemars(with = "Vec<String>", length(min = 1))]
    platforms: Vec<Platform>,
    /// How long a commit waits for its image before its check says that none came. Default: nothing is waited for, and
    /// nothing said before an image comes.
    #[serde(deserialize_with = "expect::read")]
    #[schemars(with = "Option<expect::ExpectSchema>")]
    expect: Option<Expect>,
    /// Where the verdict is told on GitHub. Default: both.
    #[serde(deserialize_with = "values::channels")]
    #[schemars(with = "Vec<values::Channel>", length(min = 1))]
    report: Channels,
    /// May everybody read the log of this private image, where everybody can read the repository?
    publish_private_logs: bool,
    /// What is tested. Default: `docker run IMAGE test`.
    #[serde(deserialize_with = "values::tests")]
    #[schemars(with = "Vec<Test>", length(min = 1, max = 50))]
    tests: Option<Vec<Test>>,
    /// How tightly containers are held. Default: the operator's.
    profile: Option<Profile>,
    /// Limits of each test, below the operator's.
    limits: WantedLimits,
    /// What the tests can reach.
    network: Network,
}

/// Evidence as a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Require {
    Verified,
    Built,
    Claimed,
    Inferred,
}

impl From<Require> for Evidence {
    fn from(require: Require) -> Self {
        match require {
            Require::Verified => Self::Verified,
            Require::Built => Self::Built,
            Require::Claimed => Self::Claimed,
            Require::Inferred => Self::Inferred,
        }
    }
}

/// One test: one of `run`, `structure`, `compose` and `healthy`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    /// What follows the image's name in `docker run IMAGE …`: a list of words, or a text that is split into words
    /// as a shell does, without running one.
    #[serde(default)]
    #[schemars(with = "Option<values::WordsSchema>")]
    run: Option<values::Words>,
    /// A container-structure-test file of the repository.
    #[serde(default, deserialize_with = "values::path")]
    #[schemars(with = "Option<String>")]
    structure: Option<String>,
    /// Beside `structure`: a `$NAME` in its commands is replaced before they are run, just as container-structure-test
    /// does it. Default: commands are run as they are written.
    #[serde(default)]
    compat: Option<bool>,
    /// A Compose file of the repository, by Docker Hub's convention: the exit code of its service `sut` decides.
    #[serde(default, deserialize_with = "values::path")]
    #[schemars(with = "Option<String>")]
    compose: Option<String>,
    /// The image stays up with its own command, and turns healthy within this time: `60s`.
    #[serde(default, deserialize_with = "values::time")]
    #[schemars(with = "Option<String>")]
    healthy: Option<Duration>,
    /// Shown in the check. Default: the command.
    #[serde(default, deserialize_with = "values::name")]
    #[schemars(with = "String", length(min = 1, max = 80))]
    pub(super) name: Option<String>,
    /// In place of the image's own entrypoint, as `docker run --entrypoint` has it; `""` takes it away.
    #[serde(default)]
    #[schemars(with = "Option<values::WordsSchema>")]
    pub(super) entrypoint: Option<values::Words>,
    /// Added to the image's environment.
    #[serde(default, deserialize_with = "values::env")]
    #[schemars(with = "BTreeMap<String, values::ScalarSchema>")]
    pub(super) env: BTreeMap<String, String>,
    /// The longest that it may take: `5m`.
    #[serde(default, deserialize_with = "values::time")]
    #[schemars(with = "String")]
    pub(super) timeout: Option<Duration>,
    /// `JUnit` files that it writes, in a folder of the container: `/reports/*.xml`. `*` stands for anything within a
    /// name, `**` for any folders.
    #[serde(default, deserialize_with = "values::reports")]
    #[schemars(with = "Vec<String>", length(min = 1, max = 20))]
    pub(super) reports: Vec<FilePattern>,
}

/// What a test does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Doing<'a> {
    Run(&'a values::Words),
    Structure { file: &'a str, compat: bool },
    Compose(&'a str),
    Healthy(Duration),
}

impl Test {
    /// What it does: `None` where it does nothing, or two things.
    pub(super) fn does(&self) -> Option<Doing<'_>> {
        let compat = self.compat.unwrap_or(false);
        let mut things = [
            self.run.as_ref().map(Doing::Run),
            self.structure
                .as_deref()
                .map(|file| Doing::Structure { file, compat }),
            self.compose.as_deref().map(Doing::Compose),
            self.healthy.map(Doing::Healthy),
        ]
        .into_iter()
        .flatten();
        things.next().filter(|_| things.next().is_none())
    }

    /// Of a test that was read: [`values::tests`] lets no other through.
    pub(super) fn doing(&self) -> Doing<'_> {
        self.does().expect("a test that was read does one thing")
    }

    /// The first key that means nothing beside what the test does, and beside what it does mean something.
    pub(super) fn idle_key(&self) -> Option<(&'static str, &'static str)> {
        let is_run = self.run.is_some();
        let (is_structure, is_healthy) = (self.structure.is_some(), self.healthy.is_some());
        [
            ("entrypoint", "`run`", self.entrypoint.is_some() && !is_run),
            ("env", "`run`", !self.env.is_empty() && !is_run),
            ("compat", "`structure`", self.compat.is_some() && !is_structure),
            (
                "reports",
                "`run` or `compose`",
                !self.reports.is_empty() && (is_structure || is_healthy),
            ),
        ]
        .into_iter()
        .find_map(|(key, beside, is_idle)| is_idle.then_some((key, beside)))
    }
}

/// Limits that a repository asks for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WantedLimits {
    /// Total time of a test: `10m`.
    #[serde(deserialize_with = "values::time")]
    #[schemars(with = "String")]
    pub(super) timeout: Option<Duration>,
    /// Time without output: `1m`.
    #[serde(deserialize_with = "values::time")]
    #[schemars(with = "String")]
    pub(super) idle_timeout: Option<Duration>,
    /// Memory: `512MiB`.
    #[serde(deserialize_with = "values::memory")]
    #[schemars(with = "String")]
    pub(super) memory: Option<u64>,
    /// Processors.
    #[serde(deserialize_with = "values::cpus")]
    #[schemars(with = "f64", range(min = 0.01))]
    pub(super) cpus: Option<f64>,
    /// Processes and threads.
    #[serde(deserialize_with = "values::pids")]
    #[schemars(with = "u32", range(min = 1))]
    pub(super) pids: Option<u32>,
    /// What may be written to the container's file system: `1GiB`.
    #[serde(deserialize_with = "values::size")]
    #[schemars(with = "String")]
    pub(super) disk: Option<u64>,
}

/// What sets a check apart from others of the image: its variant, and a platform beside the Engine's own.
pub fn check_suffix(variant: Option<&str>, beside: Option<&str>) -> Option<String> {
    let parts: Vec<&str> = variant.into_iter().chain(beside).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

impl Declaration {
    /// Why a push of `tag` is not tested, if so.
    pub fn declines(&self, tag: &Tag) -> Option<String> {
        match &self.tags {
            Some(patterns) if patterns.iter().any(|pattern| pattern.matches(tag)) => None,
            Some(_) => Some(format!(
                "tag `{tag}` is not among the `tags` that the repository has tested"
            )),
            None if tag.holds_cache() => Some(format!("`{tag}` looks like a build cache, not like an image")),
            None => tag
                .holds_signatures()
                .then(|| format!("`{tag}` holds signatures, not an image")),
        }
    }

    /// The Git ref that `tag` stands for.
    pub fn reference(&self, tag: &Tag) -> Option<GitRef> {
        self.refs.iter().find_map(|rule| rule.resolve(tag))
    }

    /// The name of the check that `tag` has for itself.
    pub fn variant(&self, tag: &Tag) -> Option<&str> {
        let (name, _) = self.variants.iter().find(|(_, pattern)| pattern.matches(tag))?;
        Some(name)
    }

    /// The variants of which a commit has a check for certain: all that `tags` lists, if it lists nothing else. `None`
    /// stands for the image itself.
    pub fn certain_variants(&self) -> Vec<Option<&str>> {
        let of = |pattern| {
            let mut variants = self.variants.iter();
            variants.find_map(|(name, own)| (own == pattern).then_some(name.as_str()))
        };
        let listed: Option<Vec<&str>> = self
            .tags
            .iter()
            .filter(|patterns| !patterns.is_empty())
            .find_map(|patterns| patterns.iter().map(of).collect());
        match listed {
            Some(variants) => variants.into_iter().map(Some).collect(),
            None => vec![None],
        }
    }

    /// The weakest evidence that may turn a commit green for `tag`.
    pub fn require(&self, tag: &Tag) -> Evidence {
        match self.require {
            Some(require) => require.into(),
            None if self.reference(tag).is_some() => Evidence::Inferred,
            None => Evidence::Claimed,
        }
    }

    /// What weaker evidence comes to.
    pub fn when_unsure(&self) -> WhenUnsure {
        self.when_unsure
    }

    /// The platforms that are tested; none: the Engine's own.
    pub fn platforms(&self) -> &[Platform] {
        &self.platforms
    }

    /// What a commit that came to be like this waits for; `None`: for nothing.
    pub fn expects(&self, arrival: &Arrival) -> Option<Expectation> {
        self.expect.as_ref()?.of(arrival)
    }

    /// Is the image waited for at all?
    pub(super) fn is_expected(&self) -> bool {
        self.expect.is_some()
    }

    /// Where the verdict is told.
    pub fn report(&self) -> Channels {
        self.report
    }

    /// May everybody read a private image's log, where everybody can read the repository?
    pub fn publishes_private_logs(&self) -> bool {
        self.publish_private_logs
    }

    pub(super) fn tests(&self) -> Option<&[Test]> {
        self.tests.as_deref()
    }

    pub(super) fn profile(&self) -> Option<Profile> {
        self.profile
    }

    pub(super) fn limits(&self) -> &WantedLimits {
        &self.limits
    }

    pub(super) fn network(&self) -> Network {
        self.network
    }

    /// The keys in which another declaration differs, of those that are read on the default branch alone.
    pub(super) fn guarded_differences(&self, other: &Self) -> Vec<&'static str> {
        [
            ("tags", self.tags == other.tags),
            ("refs", self.refs == other.refs),
            ("require", self.require == other.require),
            ("when_unsure", self.when_unsure == other.when_unsure),
            ("variants", self.variants == other.variants),
            ("platforms", self.platforms == other.platforms),
            ("expect", self.expect == other.expect),
            ("report", self.report == other.report),
            (
                "publish_private_logs",
                self.publish_private_logs == other.publish_private_logs,
            ),
            ("profile", self.profile == other.profile),
            ("limits", self.limits == other.limits),
            ("network", self.network == other.network),
        ]
        .into_iter()
        .filter_map(|(key, same)| (!same).then_some(key))
        .collect()
    }
}
