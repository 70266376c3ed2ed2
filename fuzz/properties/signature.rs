//! Signatures over images, as they lie at GitHub and in registries.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use hubcheck::github::foreign as github;
use hubcheck::model::{Digest, RepoId};
use hubcheck::registry::foreign as registry;
use hubcheck::signature::{Verifier, cosign};

use super::{assert_sentence, text};

/// An authority of nobody's, whose one bundle is in the corpus.
const ROOT: &str = include_str!("../sigstore/root.json");

/// A bundle: whatever it says, it holds only as the one that was signed says it, and under the built-in roots never.
/// The same bytes are what GitHub packs.
pub(super) fn nothing_altered_holds(input: &[u8]) {
    static OURS: OnceLock<Verifier> = OnceLock::new();
    static BUILT_IN: OnceLock<Verifier> = OnceLock::new();
    let image = Digest::of(b"the image");
    let subjects = [Digest::of(b"its index"), image.clone()];
    let ours = OURS.get_or_init(|| Verifier::trusting(ROOT).expect("it is a root"));
    match ours.verify(input, &subjects) {
        Ok(signed) => {
            assert_eq!((signed.repo, signed.subject), (RepoId(7), image));
            assert_eq!(signed.commit.as_str(), "5e".repeat(20));
            assert_eq!(signed.source, "https://github.com/acme/app");
        }
        Err(why) => assert_sentence(&why.to_string(), 200),
    }
    let theirs = BUILT_IN.get_or_init(Verifier::default).verify(input, &subjects);
    assert_sentence(&theirs.expect_err("nobody signed this").to_string(), 200);
    if let Err(why) = github::unpack(input) {
        assert_sentence(&why, 200);
    }
}

/// A layer's annotations, each a line `key=value` with `\n` for a line's end, an empty line, its envelope; the last part
/// is a list of referrers as well. What is made a bundle of is one, and none of it holds.
pub(super) fn what_lies_beside_an_image_is_bounded(input: &[u8]) {
    static BUILT_IN: OnceLock<Verifier> = OnceLock::new();
    let input = text(input);
    let (annotations, envelope) = input.split_once("\n\n").unwrap_or(("", &input));
    let pairs = annotations.lines().filter_map(|line| line.split_once('='));
    let annotations: BTreeMap<String, String> = pairs
        .map(|(key, value)| (format!("dev.sigstore.cosign/{key}"), value.replace("\\n", "\n")))
        .collect();
    if let Some(bundle) = cosign::bundle(envelope.as_bytes(), &annotations) {
        assert!(serde_json::from_slice::<serde_json::Value>(&bundle).is_ok());
        let subjects = [Digest::of(b"the image")];
        let verified = BUILT_IN.get_or_init(Verifier::default).verify(&bundle, &subjects);
        assert_sentence(&verified.expect_err("nobody signed this").to_string(), 200);
    }
    for digest in registry::listed(envelope.as_bytes()) {
        let is_listed = envelope.to_ascii_lowercase().contains(digest.as_str());
        assert!(is_listed || envelope.contains('\\'));
    }
}
