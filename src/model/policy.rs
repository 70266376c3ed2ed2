//! What a repository's owners say about the verdicts on one of its images.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::{Evidence, Outcome, Verdict};

/// What a commit gets that is not known well enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhenUnsure {
    /// Somebody must look: the check is not green.
    #[default]
    Block,
    /// It passes, with the reason. GitHub counts it as green.
    Pass,
}

/// Where a verdict is told on GitHub: at least one of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    /// As a check run.
    pub check: bool,
    /// As a commit status.
    pub status: bool,
}

impl Default for Channels {
    fn default() -> Self {
        Self {
            check: true,
            status: true,
        }
    }
}

/// How a run is judged and told, as its repository's default branch said when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// The weakest evidence that may turn a commit green.
    pub require: Evidence,
    /// What weaker evidence comes to.
    pub when_unsure: WhenUnsure,
    /// Where the verdict is told.
    pub report: Channels,
    /// May everybody read the log of a private image, where everybody can read the repository?
    pub publish_private_logs: bool,
    /// What sets its check apart from others of the image: a variant, a platform beside the Engine's own.
    pub suffix: Option<String>,
    /// What the repository asked for and does not get, and why: sentences for the check.
    pub notes: Vec<String>,
    /// What somebody must mend before anything can be run.
    pub blocked: Option<String>,
    /// Was the image built from changes that are in no commit? Then no commit turns green by it.
    pub is_dirty: bool,
    /// Could the image not even be read? Then its digest is not known, and what stands for it names the tag.
    pub is_unread: bool,
}

impl Default for Policy {
    /// That of a repository that says nothing.
    fn default() -> Self {
        Self {
            require: Evidence::Claimed,
            when_unsure: WhenUnsure::default(),
            report: Channels::default(),
            publish_private_logs: false,
            suffix: None,
            notes: Vec::new(),
            blocked: None,
            is_dirty: false,
            is_unread: false,
        }
    }
}

impl Policy {
    /// What the verdict of the tests comes to for a commit that is known so well. Only the tests' own verdict
    /// depends on it: what kept them from speaking stays what it is.
    pub fn conclude(&self, evidence: Evidence, tests: Verdict) -> Verdict {
        let is_sure = evidence >= self.require && !self.is_dirty;
        if is_sure || !tests.outcome.is_judgement() {
            return tests;
        }
        let outcome = match self.when_unsure {
            WhenUnsure::Block => Outcome::ActionRequired,
            WhenUnsure::Pass if tests.outcome == Outcome::Passed => Outcome::Neutral,
            WhenUnsure::Pass => return tests,
        };
        let title = match evidence {
            Evidence::Conflict => format!("claims name different commits; the tests: {}", tests.title),
            _ if evidence >= self.require => {
                format!(
                    "built with changes that are in no commit; the tests: {}",
                    tests.title
                )
            }
            weak => format!(
                "evidence `{weak}` is below `{}`; the tests: {}",
                self.require, tests.title
            ),
        };
        Verdict {
            outcome,
            title,
            ..tests
        }
    }

    /// May a signature that is still to come change this verdict of the tests? Only who requires one can be sure
    /// that there will be one.
    pub fn awaits_signature(&self, evidence: Evidence, tests: &Verdict) -> bool {
        self.require == Evidence::Verified
            && evidence != Evidence::Conflict
            && self.conclude(evidence, tests.clone()) != self.conclude(Evidence::Verified, tests.clone())
    }

    /// The verdict where something must be mended before anything can be run.
    pub fn blocked_verdict(&self) -> Option<Verdict> {
        let why = self.blocked.as_ref()?;
        Some(Verdict::without_steps(Outcome::ActionRequired, why))
    }

    /// The verdict where the commit cannot be told, and so nothing is run.
    pub fn unsure(&self, why: String) -> Verdict {
        let outcome = match self.when_unsure {
            WhenUnsure::Block => Outcome::ActionRequired,
            WhenUnsure::Pass => Outcome::Neutral,
        };
        Verdict::without_steps(outcome, why)
    }

    /// A name for how a run is judged, empty for what is usual: part of a run's key.
    pub fn fingerprint(&self) -> String {
        let judged = (
            self.require,
            self.when_unsure,
            self.report,
            &self.suffix,
            &self.blocked,
        );
        let usual = Self::default();
        let is_usual = judged == (usual.require, usual.when_unsure, usual.report, &None, &None);
        if is_usual {
            return String::new();
        }
        let json = serde_json::to_vec(&judged).expect("a policy is plain data");
        format!("-{}", hex::encode(&sha2::Sha256::digest(json)[..8]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_evidence_is_never_green_unasked() {
        let verdict = |outcome| Verdict::without_steps(outcome, "1 passed in 2s");
        let blocking = Policy::default();
        let passing = Policy {
            when_unsure: WhenUnsure::Pass,
            ..Policy::default()
        };
        for (policy, evidence, tests, outcome) in [
            (&blocking, Evidence::Claimed, Outcome::Passed, Outcome::Passed),
            (
                &blocking,
                Evidence::Inferred,
                Outcome::Passed,
                Outcome::ActionRequired,
            ),
            (
                &blocking,
                Evidence::Inferred,
                Outcome::Failed,
                Outcome::ActionRequired,
            ),
            (
                &blocking,
                Evidence::Conflict,
                Outcome::Passed,
                Outcome::ActionRequired,
            ),
            (&passing, Evidence::Inferred, Outcome::Passed, Outcome::Neutral),
            // That the tests failed is never hidden.
            (&passing, Evidence::Inferred, Outcome::Failed, Outcome::Failed),
            (&blocking, Evidence::Inferred, Outcome::Trouble, Outcome::Trouble),
        ] {
            assert_eq!(policy.conclude(evidence, verdict(tests)).outcome, outcome);
        }
        let told = blocking
            .conclude(Evidence::Inferred, verdict(Outcome::Passed))
            .title;
        assert_eq!(
            told,
            "evidence `inferred` is below `claimed`; the tests: 1 passed in 2s"
        );
    }

    #[test]
    fn only_what_changes_the_verdict_or_its_place_makes_another_run() {
        let usual = Policy::default();
        assert_eq!(usual.fingerprint(), "");
        let noted = Policy {
            notes: vec!["x".to_owned()],
            ..Policy::default()
        };
        assert_eq!(noted.fingerprint(), "");
        let variant = Policy {
            suffix: Some("alpine".to_owned()),
            ..Policy::default()
        };
        assert_ne!(variant.fingerprint(), "");
    }
}
