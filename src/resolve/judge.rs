//! From claims to a commit: which is taken, which agree, which differ.

use crate::model::{Claim, CommitSha, Evidence, Fate, JudgedClaim};

/// What tools write where they know no revision.
const PLACEHOLDERS: [&str; 6] = ["unknown", "null", "none", "undefined", "HEAD", "dirty"];

/// What the claims come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The commit that the strongest usable claim names.
    pub commit: Option<CommitSha>,
    /// How it is known.
    pub evidence: Evidence,
    /// Every claim with its fate, in the order in which they came.
    pub claims: Vec<JudgedClaim>,
}

/// Judges claims, of which the most believable comes first.
///
/// The first that names a full commit is taken; one below it that names another makes a conflict.
pub fn judge(claims: Vec<Claim>) -> Judgement {
    let mut taken: Option<CommitSha> = None;
    let mut differs = false;
    let mut judged = Vec::with_capacity(claims.len());
    for claim in claims {
        let fate = match (revision(claim.revision.as_deref()), &taken) {
            (Err(why), _) => Fate::Ignored(why.to_owned()),
            (Ok(sha), None) => {
                taken = Some(sha);
                Fate::Taken
            }
            (Ok(sha), Some(commit)) if sha == *commit => Fate::Agrees,
            (Ok(_), Some(_)) => {
                differs = true;
                Fate::Differs
            }
        };
        judged.push(JudgedClaim { claim, fate });
    }
    let evidence = match (&taken, differs) {
        (None, _) => Evidence::None,
        (Some(_), true) => Evidence::Conflict,
        (Some(_), false) => Evidence::Claimed,
    };
    Judgement {
        commit: taken,
        evidence,
        claims: judged,
    }
}

/// The commit that a revision names, or why it names none.
fn revision(text: Option<&str>) -> Result<CommitSha, &'static str> {
    let text = text.ok_or("it names no revision")?;
    if let Ok(sha) = text.parse() {
        return Ok(sha);
    }
    let placeholder = PLACEHOLDERS.iter().any(|word| word.eq_ignore_ascii_case(text))
        || text.starts_with("${")
        || text.starts_with("$(")
        || text.bytes().all(|byte| byte == b'0');
    Err(if placeholder {
        "it holds a placeholder"
    } else if text.ends_with("-dirty") || text.ends_with("-modified") {
        "it was built from changes that are in no commit"
    } else if (7..40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        "a short SHA does not name a commit for certain: give all 40 digits"
    } else {
        "it is no full commit SHA"
    })
}

impl Judgement {
    /// Why no commit is known: a sentence that says what to do.
    pub fn why_none(&self) -> String {
        const MEND: &str =
            "build with the label org.opencontainers.image.revision set to the full commit SHA";
        let Some(first) = self.claims.iter().find(|judged| judged.claim.revision.is_some()) else {
            return format!("the image names no revision: {MEND}");
        };
        let Fate::Ignored(why) = &first.fate else {
            return format!("no claim was taken: {MEND}");
        };
        let shown: String = first
            .claim
            .revision
            .iter()
            .flat_map(|text| text.chars())
            .take(60)
            .collect();
        format!(
            "the {} says revision `{shown}`, and {why}; {MEND}",
            first.claim.place
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Place;

    fn claim(place: Place, revision: &str) -> Claim {
        Claim {
            place,
            source: None,
            revision: Some(revision.to_owned()),
        }
    }

    #[test]
    fn the_strongest_full_sha_is_taken_and_equal_ones_agree() {
        let sha = "AB".repeat(20);
        let judgement = judge(vec![
            claim(Place::ManifestAnnotation, "unknown"),
            claim(Place::OciLabel, &sha),
            claim(Place::LabelSchema, &sha.to_lowercase()),
        ]);
        assert_eq!(judgement.commit.unwrap().as_str(), "ab".repeat(20));
        assert_eq!(judgement.evidence, Evidence::Claimed);
        let fates: Vec<_> = judgement.claims.iter().map(|claim| claim.fate.clone()).collect();
        assert_eq!(
            fates,
            [
                Fate::Ignored("it holds a placeholder".to_owned()),
                Fate::Taken,
                Fate::Agrees
            ]
        );
    }

    #[test]
    fn claims_of_two_commits_are_a_conflict_on_the_stronger_one() {
        let judgement = judge(vec![
            claim(Place::ManifestAnnotation, &"a1".repeat(20)),
            claim(Place::OciLabel, &"b2".repeat(20)),
        ]);
        assert_eq!(
            (judgement.evidence, judgement.claims[1].fate.clone()),
            (Evidence::Conflict, Fate::Differs)
        );
        assert_eq!(judgement.commit.unwrap().as_str(), "a1".repeat(20));
    }

    #[test]
    fn what_names_no_commit_is_never_taken() {
        let zeros = "0".repeat(40);
        let dirty = format!("{}-dirty", "a".repeat(40));
        let sha256 = "a".repeat(64);
        for text in [
            "unknown",
            "HEAD",
            "${GIT_SHA}",
            "$(git rev-parse HEAD)",
            &zeros,
            &dirty,
            &sha256,
            "279FA63",
            "main",
            "v1.2",
        ] {
            let judgement = judge(vec![claim(Place::OciLabel, text)]);
            assert_eq!(
                (judgement.commit.clone(), judgement.evidence),
                (None, Evidence::None),
                "{text}"
            );
            assert!(
                judgement.why_none().contains("org.opencontainers.image.revision"),
                "{text}"
            );
        }
    }
}
