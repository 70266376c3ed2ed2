//! What a tag says by its own name, as docker/metadata-action and others give names: `sha-1a2b3c4`, a whole SHA,
//! `pr-7`, `v1.2.3`. Whoever may push may move it, so it is never more than inferred.

use crate::model::{Claim, CommitSha, GitRef, Place, Tag};

/// The claims of a tag, the best first. Moving tags (`latest`, `1.2`, a branch's name) name no commit.
pub fn of_tag(tag: &Tag) -> Vec<Claim> {
    let text = tag.as_str();
    let revisions = if text.parse::<CommitSha>().is_ok() {
        vec![text.to_owned()]
    } else if let Some(digits) = text.strip_prefix("sha-") {
        let is_sha = (7..=40).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_sha.then(|| digits.to_owned()).into_iter().collect()
    } else if let Some(number) = text
        .strip_prefix("pr-")
        .and_then(|number| number.parse::<u64>().ok())
    {
        vec![format!("refs/pull/{number}/head")]
    } else if is_release(text.strip_prefix('v').unwrap_or(text)) {
        let bare = text.strip_prefix('v').unwrap_or(text);
        vec![format!("refs/tags/v{bare}"), format!("refs/tags/{bare}")]
    } else {
        Vec::new()
    };
    revisions
        .into_iter()
        .map(|revision| of(Place::Tag, revision))
        .collect()
}

/// What a tag stands for by a rule of the repository's.
pub fn by_rule(reference: &GitRef) -> Claim {
    of(Place::RefRule, reference.to_string())
}

fn of(place: Place, revision: String) -> Claim {
    Claim {
        place,
        source: None,
        revision: Some(revision),
        problem: None,
    }
}

/// `1.2.3`, with what may follow it: fewer numbers move.
fn is_release(text: &str) -> bool {
    let numbers = text.split(['-', '_']).next().unwrap_or_default();
    let mut parts = numbers.split('.');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.by_ref().take(3).filter(|part| is_number(part)).count() == 3 && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_name_a_commit_are_told_from_those_that_move() {
        let sha = "a1".repeat(20);
        for (tag, revisions) in [
            (sha.as_str(), vec![sha.as_str()]),
            ("sha-860c190", vec!["860c190"]),
            (&format!("sha-{sha}"), vec![&*sha]),
            ("pr-7", vec!["refs/pull/7/head"]),
            ("v1.2.3", vec!["refs/tags/v1.2.3", "refs/tags/1.2.3"]),
            (
                "1.2.3-rc.1",
                vec!["refs/tags/v1.2.3-rc.1", "refs/tags/1.2.3-rc.1"],
            ),
            ("latest", vec![]),
            ("main", vec![]),
            ("1.2", vec![]),
            ("1.2.3.4", vec![]),
            ("1", vec![]),
            ("nightly", vec![]),
            ("pr-x", vec![]),
            ("sha-xyz", vec![]),
            ("sha-abc", vec![]),
        ] {
            let claims = of_tag(&tag.parse().unwrap());
            let found: Vec<_> = claims
                .iter()
                .filter_map(|claim| claim.revision.as_deref())
                .collect();
            assert_eq!(found, revisions, "{tag}");
        }
    }
}
