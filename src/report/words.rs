//! The model's single words as people read them, on GitHub and on the pages alike.

use crate::model::{Binding, Evidence, Fate, Outcome};

/// The headline of a verdict.
pub fn outcome_in_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "Passed",
        Outcome::Failed => "Failed",
        Outcome::TimedOut => "Timed out",
        Outcome::ActionRequired => "Action required",
        Outcome::Neutral => "Passed, not sure of the commit",
        Outcome::Trouble => "Could not be tested",
        Outcome::Cancelled => "Cancelled",
    }
}

/// What makes us believe that an image was built from the commit.
pub fn evidence_in_words(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Verified => "a signature that was verified names this commit",
        Evidence::Built => "the builder itself recorded this commit",
        Evidence::Claimed => "an annotation or a label of the image names this commit; nothing proves it",
        Evidence::Inferred => "a tag, a short SHA or a Git ref leads to this commit",
        Evidence::None => "nothing names a commit",
        Evidence::Conflict => "what the image says names different commits",
    }
}

/// Why the image may speak for the repository.
pub fn binding_in_words(binding: Binding) -> &'static str {
    match binding {
        Binding::Operator => "the operator's configuration lets this image speak for this repository",
        Binding::Declared => "a file on the default branch lets this image speak for this repository",
        Binding::None => "nothing lets this image speak for this repository",
    }
}

/// What came of a claim. The reason in it may quote the image: a stranger's text.
pub fn fate_in_words(fate: &Fate) -> String {
    match fate {
        Fate::Taken => "taken".to_owned(),
        Fate::Agrees => "says the same".to_owned(),
        Fate::Differs => "names another commit".to_owned(),
        Fate::Ignored(why) => format!("ignored: {why}"),
    }
}
