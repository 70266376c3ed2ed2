//! Which signatures are believed: those of our own authority, altered in every way, and real ones of GitHub's.

use std::path::{Path, PathBuf};

use hubcheck::model::{CommitSha, Digest, RepoId};
use hubcheck::signature::{Signed, Unverified, Verifier};
use serde_json::{Value, json};

use crate::support::sigstore::{GITHUB, Sigstore, Workflow};

const SOURCE: &str = "https://github.com/acme/app";

fn commit() -> CommitSha {
    "5e".repeat(20).parse().unwrap()
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn workflow(commit: &CommitSha) -> Workflow<'_> {
    Workflow {
        issuer: GITHUB,
        repo: RepoId(7),
        source: SOURCE,
        commit,
    }
}

/// What comes of a bundle about an image, after it was altered.
fn verified(change: impl FnOnce(&mut Value)) -> Result<Signed, Unverified> {
    let sigstore = Sigstore::new();
    let image = digest("the image");
    let mut bundle = sigstore.bundle(&workflow(&commit()), &image);
    change(&mut bundle);
    let verifier = Verifier::trusting(&sigstore.root()).unwrap();
    verifier.verify(bundle.to_string().as_bytes(), &[digest("its index"), image])
}

#[test]
fn a_signature_that_holds_names_repository_and_commit() {
    let signed = verified(|_| ()).unwrap();
    assert_eq!(
        signed,
        Signed {
            repo: RepoId(7),
            source: SOURCE.to_owned(),
            commit: commit(),
            subject: digest("the image"),
        }
    );
}

/// What the fuzz target starts from: an authority that nobody holds the key of any more, and its one bundle.
#[test]
fn the_fuzzers_bundle_holds_for_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let (root, seed) = (
        folder.join("sigstore/root.json"),
        folder.join("corpus/bundle/seed-00"),
    );
    if std::env::var_os("WRITE_FIXTURES").is_some() {
        let sigstore = Sigstore::new();
        std::fs::create_dir_all(root.parent().unwrap()).unwrap();
        std::fs::create_dir_all(seed.parent().unwrap()).unwrap();
        std::fs::write(&root, sigstore.root()).unwrap();
        let bundle = sigstore.bundle(&workflow(&commit()), &digest("the image"));
        std::fs::write(&seed, bundle.to_string()).unwrap();
    }
    let verifier = Verifier::trusting(&std::fs::read_to_string(root).unwrap()).unwrap();
    let signed = verifier.verify(&std::fs::read(seed).unwrap(), &[digest("the image")]);
    assert_eq!(signed.unwrap().commit, commit());
}

#[test]
fn cosigns_older_form_says_the_same() {
    let sigstore = Sigstore::new();
    let image = digest("the image");
    let (envelope, annotations) = sigstore.cosigned(&workflow(&commit()), &image);
    let annotations = serde_json::from_value(annotations).unwrap();
    let bundle = hubcheck::signature::cosign::bundle(envelope.to_string().as_bytes(), &annotations).unwrap();
    let verifier = Verifier::trusting(&sigstore.root()).unwrap();
    assert_eq!(verifier.verify(&bundle, &[image]).unwrap().commit, commit());
}

#[test]
fn whatever_is_altered_breaks_it() {
    let is = |why: &str, result: Result<Signed, Unverified>| {
        let said = result.unwrap_err().to_string();
        assert!(said.contains(why), "wanted `{why}`, and it says: {said}");
    };
    let entry = "/verificationMaterial/tlogEntries/0";
    let set = |path: String, to: Value| move |bundle: &mut Value| *bundle.pointer_mut(&path).unwrap() = to;
    is(
        "what is signed was changed afterwards",
        verified(|bundle| {
            let other = Sigstore::new().bundle(&workflow(&commit()), &digest("the image"));
            let signatures = "/dsseEnvelope/signatures";
            *bundle.pointer_mut(signatures).unwrap() = other.pointer(signatures).unwrap().clone();
        }),
    );
    is(
        "cannot be checked",
        verified(set(
            format!("{entry}/inclusionProof/rootHash"),
            json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        )),
    );
    is(
        "cannot be checked",
        verified(|bundle| {
            let entry = bundle.pointer_mut(entry).unwrap().as_object_mut().unwrap();
            entry.remove("inclusionProof").unwrap();
        }),
    );
    is(
        "does not hold",
        verified(set(format!("{entry}/integratedTime"), json!("1767225601"))),
    );
    is(
        "nothing proves when it was made",
        verified(|bundle| {
            // Whole in itself, in the log of another.
            *bundle = Sigstore::new().bundle(&workflow(&commit()), &digest("the image"));
            let log = bundle.pointer_mut(entry).unwrap().as_object_mut().unwrap();
            log.remove("inclusionPromise").unwrap();
        }),
    );
    is(
        "no bundle",
        verified(|bundle| *bundle = json!({ "hello": "world" })),
    );
}

#[test]
fn another_image_another_issuer_and_another_authority_are_refused() {
    let mut sigstore = Sigstore::new();
    let image = digest("the image");
    let verifier = Verifier::trusting(&sigstore.root()).unwrap();
    let why = |bundle: &Value, subjects: &[Digest]| {
        let refused = verifier.verify(bundle.to_string().as_bytes(), subjects);
        refused.unwrap_err().to_string()
    };
    let commit = commit();
    let good = &workflow(&commit);
    let bundle = sigstore.bundle(good, &image);
    assert_eq!(
        why(&bundle, &[digest("another image")]),
        "it is about another image"
    );
    assert_eq!(why(&bundle, &[]), "there is nothing that it could be about");
    let elsewhere = Workflow {
        issuer: "https://gitlab.example",
        ..workflow(&commit)
    };
    let bundle = sigstore.bundle(&elsewhere, &image);
    assert_eq!(
        why(&bundle, std::slice::from_ref(&image)),
        "no workflow of GitHub's made it"
    );
    sigstore.usurp();
    let bundle = sigstore.bundle(good, &image);
    assert_eq!(
        why(&bundle, &[image]),
        "its certificate is neither Sigstore's nor GitHub's, or was not valid when it was used"
    );
}

/// Bundles of others are not part of this project: the folder with GitHub CLI's test data
/// (`pkg/cmd/attestation/test/data`) lies beside it, or where `SIGSTORE_BUNDLES` says.
fn real_bundles() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/sigstore");
    let folder = std::env::var_os("SIGSTORE_BUNDLES").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

#[test]
fn real_bundles_hold_offline_and_broken_ones_do_not() {
    let Some(folder) = real_bundles() else {
        println!("skipped: no folder with GitHub CLI's bundles; SIGSTORE_BUNDLES says where it is");
        return;
    };
    let verifier = Verifier::default();
    let verify = |file: &str, sha256: &str| {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        // Some files hold one bundle to a line.
        let first = serde_json::Deserializer::from_str(&text)
            .into_iter::<Value>()
            .next();
        let bundle = first.unwrap().unwrap().to_string();
        let subject = format!("sha256:{sha256}").parse().unwrap();
        verifier.verify(bundle.as_bytes(), &[subject])
    };
    let package = "f0c641fce0310cb43208f4272dc1423153630e44ba8cdc0b5ce8466f724e0eed";
    let reusable = "49a3aa6075e0f49f82843e74b5baa614ad2a588e6675612bf108a0a008c5ac25";
    let custom = "afa27b44d43b02a9fea41d13cedc2e4016cfcf87c5dbf990e593669aa8ce286d";
    let wheel = "ae57936def59bc4c75edd3a837d89bcefc6d3a5e31d55a6fa7a71624f92c3c3b";

    for (file, sha256, source) in [
        (
            "github_provenance_demo-0.0.12-py3-none-any-bundle.jsonl",
            wheel,
            "https://github.com/actions/attest-demo",
        ),
        // The workflow that signed is another repository's; the source is the caller's.
        (
            "reusable-workflow-attestation.sigstore.json",
            reusable,
            "https://github.com/malancas/attest-demo",
        ),
    ] {
        let signed = verify(file, sha256).unwrap_or_else(|why| panic!("{file}: {why}"));
        assert_eq!(signed.source, source, "{file}");
        assert!(signed.repo.0 > 0, "{file}");
        assert!(verify(file, custom).is_err(), "{file} is about another artifact");
    }
    for (file, sha256) in [
        ("custom-issuer.sigstore.json", custom),
        // They speak of a package by its SHA-512: of no image, whatever was asked about.
        ("sigstore-js-2.1.0-bundle.json", package),
        ("sigstore-js-2.1.0-bundle-v0.1.json", package),
        ("sigstoreBundle-invalid-signature.json", package),
        (
            "github_provenance_demo-0.0.12-py3-none-any-bundle-missing-cert.jsonl",
            wheel,
        ),
        (
            "github_provenance_demo-0.0.12-py3-none-any-bundle-missing-verification-material.jsonl",
            wheel,
        ),
    ] {
        assert!(verify(file, sha256).is_err(), "{file}");
    }
}
