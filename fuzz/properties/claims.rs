//! What an image says of its source.

use std::collections::BTreeMap;

use hubcheck::model::{Claim, Digest, Evidence, Fate, ImageConfig};
use hubcheck::registry::{ImageDetails, Provenance};
use hubcheck::resolve::claims::{base_of, collect, of_tag};
use hubcheck::resolve::{Judgement, Named, Revision, SourceUrl, Taken};

use super::{assert_sentence, text};

/// Annotations, labels and a statement of provenance, with an empty line between them; of the first two each line is
/// `key=value` with `\n` for a line's end and `\0` for NUL. A commit is one that a claim names in full; what is kept of
/// a claim can be stored and is bounded; where there is none, a sentence says what to do.
pub(super) fn a_commit_is_named_by_a_claim(input: &[u8]) {
    let input = text(input);
    let mut parts = input.splitn(3, "\n\n");
    let mut part = || parts.next().unwrap_or_default();
    speaks_soundly(&image(pairs(part()), pairs(part()), part()));
}

/// A statement of `BuildKit`'s alone.
pub(super) fn a_statement_names_no_more_than_it_says(input: &[u8]) {
    speaks_soundly(&image(BTreeMap::new(), BTreeMap::new(), &text(input)));
}

/// A revision, which may be a tag as well: what it names stands in it, and it is changed only where it says so.
pub(super) fn a_revision_is_read_as_it_is_written(input: &[u8]) {
    let input = text(input);
    let lower = input.to_ascii_lowercase();
    let says_dirty = ["-dirty", "-modified"]
        .iter()
        .any(|end| input.trim().ends_with(end));
    match Revision::read(&input) {
        Ok(Revision { named, is_dirty }) => {
            assert_eq!(is_dirty, says_dirty);
            let said = match &named {
                Named::Commit(commit) => commit.to_string(),
                Named::Prefix(digits) => digits.clone(),
                Named::Ref(name) => name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase(),
                Named::Pull(number) => number.to_string(),
            };
            assert!(lower.contains(&said), "{said:?}");
            if let Named::Commit(commit) = &named {
                assert_eq!(Revision::read(commit.as_str()).map(|read| read.named), Ok(named));
            }
        }
        Err(why) => assert_sentence(why, 200),
    }
    if let Ok(tag) = input.parse() {
        for claim in of_tag(&tag) {
            // Not everything that may be a tag of an image may be one in Git.
            if let Ok(read) = Revision::read(claim.revision.as_deref().unwrap_or_default()) {
                assert_eq!(read.is_dirty, says_dirty);
            }
        }
    }
}

fn speaks_soundly(image: &ImageDetails) {
    let claims = collect(image);
    let _ = base_of(image);
    for claim in &claims {
        for text in [&claim.source, &claim.revision].into_iter().flatten() {
            assert!(!text.trim().is_empty());
            assert_sentence(text, 1024);
        }
    }
    // Those whose source is somewhere else say nothing.
    let is_foreign = |claim: &Claim| {
        claim
            .source
            .as_ref()
            .is_some_and(|url| SourceUrl::read(url, "github.com") == SourceUrl::Elsewhere)
    };
    let judgement = Judgement::of(claims.clone(), is_foreign);
    let ranked = judgement.ranked();
    for (index, named) in &ranked {
        let claim = judgement.claim(*index);
        assert!(!is_foreign(claim) && claim.problem.is_none());
        let texts = [&claim.revision, &claim.source].map(|text| text.as_deref().unwrap_or_default());
        let says = |digits: &str| {
            texts
                .iter()
                .any(|text| text.to_ascii_lowercase().contains(digits))
        };
        match named {
            Named::Commit(commit) => assert!(says(commit.as_str())),
            Named::Prefix(digits) => assert!(says(digits) && (7..40).contains(&digits.len())),
            Named::Ref(name) => assert!(!name.contains("..") && !name.contains(' ')),
            Named::Pull(number) => assert!(says(&number.to_string())),
        }
    }
    if ranked.is_empty() {
        assert_sentence(&judgement.why_none(), 1_000);
    }
    let taken = ranked.first().and_then(|(index, named)| match named {
        Named::Commit(commit) => Some(Taken {
            index: *index,
            same: vec![commit.clone()],
            lost: BTreeMap::new(),
        }),
        _ => None,
    });
    let settled = judgement.settle(taken.as_ref());
    assert_eq!(settled.claims.len(), claims.len());
    let differs = settled.claims.iter().any(|judged| judged.fate == Fate::Differs);
    assert!(differs || settled.evidence != Evidence::Conflict);
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

fn image(
    annotations: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    statement: &str,
) -> ImageDetails {
    ImageDetails {
        annotations,
        config: ImageConfig {
            labels,
            ..ImageConfig::default()
        },
        provenance: (!statement.is_empty()).then(|| Provenance::Statement(statement.to_owned().into())),
        ..ImageDetails::unread(Digest::of(b""), "linux/amd64".parse().unwrap())
    }
}
