use super::*;

fn claim(place: Place, revision: &str) -> Claim {
    Claim {
        place,
        source: None,
        revision: Some(revision.to_owned()),
        problem: None,
    }
}

fn sha(digits: &str) -> CommitSha {
    digits.repeat(20).parse().unwrap()
}

fn read(claims: &[(Place, &str)]) -> Judgement {
    let claims = claims.iter().map(|(place, revision)| claim(*place, revision));
    Judgement::of(claims.collect(), |_| false)
}

/// Takes the best claim, for the commit that it names in full or this one.
fn settled(judgement: &Judgement, other: &CommitSha) -> Settled {
    let taken = judgement.ranked().first().map(|(index, named)| Taken {
        index: *index,
        same: vec![match named {
            Named::Commit(sha) => sha.clone(),
            _ => other.clone(),
        }],
        lost: BTreeMap::new(),
    });
    judgement.settle(taken.as_ref())
}

fn fates(settled: &Settled) -> Vec<Fate> {
    settled.claims.iter().map(|judged| judged.fate.clone()).collect()
}

#[test]
fn the_strongest_full_sha_is_taken_and_equal_ones_agree() {
    let full = "AB".repeat(20);
    let judgement = read(&[
        (Place::ManifestAnnotation, "unknown"),
        (Place::OciLabel, &full),
        (Place::LabelSchema, &full.to_lowercase()),
        (Place::LabelSchema, "abababa"),
    ]);
    let settled = settled(&judgement, &sha("ab"));
    assert_eq!(settled.evidence, Evidence::Claimed);
    assert_eq!(
        fates(&settled),
        [
            Fate::Ignored("it holds a placeholder".to_owned()),
            Fate::Taken,
            Fate::Agrees,
            Fate::Agrees
        ]
    );
}

#[test]
fn what_the_builder_resolved_comes_before_what_is_claimed_and_that_before_what_is_inferred() {
    let (one, two) = ("a1".repeat(20), "b2".repeat(20));
    let judgement = read(&[
        (Place::DescriptorAnnotation, "main"),
        (Place::OciLabel, &two),
        (Place::BuildContext, &one),
        (Place::Tag, &two),
    ]);
    let ranked: Vec<usize> = judgement.ranked().into_iter().map(|(index, _)| index).collect();
    assert_eq!(ranked, [2, 1, 0, 3]);
    assert_eq!(judgement.evidence(2), Evidence::Built);
    assert_eq!(judgement.others(&sha("a1")), [sha("b2")]);
}

#[test]
fn another_full_sha_in_the_image_is_a_conflict_and_a_tag_is_none() {
    let (one, two) = ("a1".repeat(20), "b2".repeat(20));
    for (second, evidence) in [
        (Place::OciLabel, Evidence::Conflict),
        (Place::Tag, Evidence::Claimed),
    ] {
        let settled = settled(
            &read(&[(Place::ManifestAnnotation, &one), (second, &two)]),
            &sha("a1"),
        );
        assert_eq!(settled.evidence, evidence, "{second}");
        assert_eq!(fates(&settled), [Fate::Taken, Fate::Differs]);
    }
}

#[test]
fn a_short_sha_differs_without_doubt_on_a_full_one_and_with_doubt_on_a_short_one() {
    let full = "a1".repeat(20);
    let beside_full = settled(
        &read(&[(Place::OciLabel, &full), (Place::LabelSchema, "b2b2b2b")]),
        &sha("a1"),
    );
    assert_eq!(beside_full.evidence, Evidence::Claimed);
    assert_eq!(fates(&beside_full), [Fate::Taken, Fate::Differs]);
    let beside_short = settled(
        &read(&[(Place::OciLabel, "a1a1a1a"), (Place::LabelSchema, "b2b2b2b")]),
        &sha("a1"),
    );
    assert_eq!(beside_short.evidence, Evidence::Conflict);
}

#[test]
fn dirt_counts_wherever_the_commit_is_the_one_taken() {
    let full = "a1".repeat(20);
    let dirty = format!("{full}-dirty");
    let settled = settled(
        &read(&[(Place::BuildContext, &full), (Place::OciLabel, &dirty)]),
        &sha("a1"),
    );
    assert_eq!((settled.evidence, settled.is_dirty), (Evidence::Built, true));
}

#[test]
fn a_test_merge_and_its_head_are_the_same() {
    let (merge, head) = ("a1".repeat(20), "b2".repeat(20));
    let judgement = read(&[(Place::BuildContext, &merge), (Place::OciLabel, &head)]);
    let settled = judgement.settle(Some(&Taken {
        index: 0,
        same: vec![sha("b2"), sha("a1")],
        lost: BTreeMap::new(),
    }));
    assert_eq!(settled.evidence, Evidence::Built);
    assert_eq!(fates(&settled), [Fate::Taken, Fate::Agrees]);
}

#[test]
fn claims_about_other_repositories_labels_of_the_base_and_problems_are_ignored() {
    let full = "a1".repeat(20);
    let foreign = Judgement::of(vec![claim(Place::OciLabel, &full)], |_| true);
    assert!(foreign.ranked().is_empty());
    assert!(
        foreign.why_none().contains("it is about another repository"),
        "{}",
        foreign.why_none()
    );
    let mut inherited = read(&[(Place::OciLabel, &full), (Place::ManifestAnnotation, &full)]);
    inherited.disown_labels("it came with the base image");
    assert_eq!(inherited.ranked().len(), 1);
    let broken = Claim {
        problem: Some("it is about another image".to_owned()),
        ..claim(Place::BuildContext, &full)
    };
    assert!(Judgement::of(vec![broken], |_| false).ranked().is_empty());
}

#[test]
fn the_ref_in_a_source_stands_in_for_a_revision() {
    let in_source = |source: &str| {
        let claim = Claim {
            source: Some(source.to_owned()),
            revision: None,
            ..claim(Place::DescriptorAnnotation, "")
        };
        let judgement = Judgement::of(vec![claim], |_| false);
        judgement.ranked().first().map(|(_, named)| (*named).clone())
    };
    let full = "a1".repeat(20);
    assert_eq!(
        in_source(&format!("https://github.com/o/r.git#{full}:8.3")),
        Some(Named::Commit(sha("a1")))
    );
    assert_eq!(
        in_source(&format!("https://github.com/o/r.git@{full}")),
        Some(Named::Commit(sha("a1")))
    );
    assert_eq!(
        in_source("https://github.com/o/r.git?ref=main&subdir=x"),
        Some(Named::Ref("main".to_owned()))
    );
    assert_eq!(in_source("https://github.com/o/r"), None);
}

#[test]
fn where_nothing_names_a_commit_a_sentence_says_what_to_do() {
    let none = Judgement::of(Vec::new(), |_| false);
    assert!(
        none.why_none().contains("names no revision"),
        "{}",
        none.why_none()
    );
    let placeholder = read(&[(Place::OciLabel, "${GIT_SHA}")]);
    let why = placeholder.why_none();
    assert!(
        why.contains("OCI label")
            && why.contains("${GIT_SHA}")
            && why.contains("org.opencontainers.image.revision"),
        "{why}"
    );
    let long = read(&[(Place::OciLabel, &"0".repeat(900))]);
    assert!(long.why_none().len() < 400);
}
