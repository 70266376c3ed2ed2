//! What an image says of its source.

use std::collections::BTreeMap;

use hubcheck::model::{Digest, Evidence, Fate};
use hubcheck::registry::ImageDetails;
use hubcheck::resolve::claims::collect;
use hubcheck::resolve::judge;

use super::{assert_sentence, text};

/// Annotations and, after an empty line, labels, each as `key=value` with `\n` for a line's end and `\0`
/// for NUL. A commit is one that a claim names in full; what is kept of a claim can be stored and is
/// bounded; where there is none, a sentence says what to do.
pub(super) fn a_commit_is_named_by_a_claim(input: &[u8]) {
    let input = text(input);
    let (annotations, labels) = input.split_once("\n\n").unwrap_or(("", &input));
    let claims = collect(&image(pairs(annotations), pairs(labels)));
    for claim in &claims {
        for text in [&claim.source, &claim.revision].into_iter().flatten() {
            assert!(!text.trim().is_empty());
            assert_sentence(text, 1024);
        }
    }
    let judgement = judge(claims.clone());
    assert_eq!(judgement.claims.len(), claims.len());
    let named = |sha: &str| {
        let own = |text: &String| text.eq_ignore_ascii_case(sha);
        claims
            .iter()
            .any(|claim| claim.revision.as_ref().is_some_and(own))
    };
    let differs = judgement.claims.iter().any(|judged| judged.fate == Fate::Differs);
    match (&judgement.commit, judgement.evidence) {
        (None, Evidence::None) => assert_sentence(&judgement.why_none(), 1_000),
        (Some(commit), Evidence::Claimed) => assert!(named(commit.as_str()) && !differs),
        (Some(commit), Evidence::Conflict) => assert!(named(commit.as_str()) && differs),
        other => panic!("{other:?}"),
    }
}

fn pairs(lines: &str) -> BTreeMap<String, String> {
    let pairs = lines.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(key, value)| {
            let key = match key {
                "source" | "revision" => format!("org.opencontainers.image.{key}"),
                "vcs-url" | "vcs-ref" => format!("org.label-schema.{key}"),
                other => other.to_owned(),
            };
            (key, value.replace("\\n", "\n").replace("\\0", "\0"))
        })
        .collect()
}

fn image(annotations: BTreeMap<String, String>, labels: BTreeMap<String, String>) -> ImageDetails {
    ImageDetails {
        index: None,
        digest: Digest::of(b""),
        platform: "linux/amd64".parse().unwrap(),
        annotations,
        descriptor_annotations: BTreeMap::new(),
        index_annotations: BTreeMap::new(),
        labels,
        entrypoint: None,
        cmd: None,
        working_dir: String::new(),
        created: None,
        size_bytes: 0,
        unfit: None,
    }
}
