use serde_json::{Value, json};

use super::*;

const S: &str = "0123456789abcdef0123456789abcdef01234567";

fn image(statement: &Value) -> ImageDetails {
    ImageDetails {
        provenance: Some(Provenance::Statement(statement.to_string().into())),
        ..ImageDetails::unread(Digest::of(b"the image"), "linux/amd64".parse().unwrap())
    }
}

fn about_it(predicate: &Value) -> Value {
    let digest = Digest::of(b"the image");
    let hex = digest.as_str().strip_prefix("sha256:").unwrap().to_owned();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "pkg:docker/acme/app@v1", "digest": { "sha256": hex } }],
        "predicate": predicate,
    })
}

fn old(invocation: &Value, metadata: &Value) -> Value {
    about_it(&json!({
        "buildType": BUILDKIT[0], "builder": { "id": "" }, "invocation": invocation, "metadata": metadata,
        "materials": [
            { "uri": "pkg:docker/alpine@3.17?platform=linux%2Famd64", "digest": { "sha256": "ab".repeat(32) } },
        ],
    }))
}

fn new(external: &Value, metadata: &Value) -> Value {
    about_it(&json!({
        "buildDefinition": { "buildType": BUILDKIT[1], "externalParameters": external,
            "resolvedDependencies": [{ "uri": "https://github.com/evil/lib.git#x", "digest": { "sha1": "b".repeat(40) } }] },
        "runDetails": { "metadata": metadata },
    }))
}

fn said(statement: &Value) -> Vec<(Place, Option<String>, bool)> {
    let claims = read(&image(statement)).claims.into_iter();
    claims
        .map(|claim| (claim.place, claim.revision, claim.problem.is_some()))
        .collect()
}

#[test]
fn the_context_that_buildkit_fetched_is_read_of_both_predicates() {
    let context =
        json!({ "uri": "https://github.com/acme/app.git#refs/heads/main", "digest": { "sha1": S } });
    let built = vec![(Place::BuildContext, Some(S.to_owned()), false)];
    assert_eq!(said(&old(&json!({ "configSource": context }), &json!({}))), built);
    assert_eq!(said(&new(&json!({ "configSource": context }), &json!({}))), built);
}

#[test]
fn what_the_client_said_of_its_directory_is_a_hint() {
    let vcs = json!({ "vcs": { "source": "git@github.com:acme/app.git", "revision": S } });
    let hint = vec![(Place::BuildHint, Some(S.to_owned()), false)];
    assert_eq!(
        said(&old(
            &json!({ "configSource": {} }),
            &json!({ "https://mobyproject.org/buildkit@v1#metadata": vcs })
        )),
        hint
    );
    assert_eq!(said(&new(&json!({}), &json!({ "buildkit_metadata": vcs }))), hint);
}

#[test]
fn a_context_that_is_no_repository_is_told_and_a_local_one_is_none() {
    let tarball = json!({ "configSource": { "uri": "https://example.org/app.tar.gz", "digest": {} } });
    assert_eq!(
        said(&new(&tarball, &json!({}))),
        [(Place::BuildContext, None, true)]
    );
    assert!(said(&new(&json!({ "configSource": { "uri": "" } }), &json!({}))).is_empty());
}

#[test]
fn what_is_about_another_image_or_by_another_builder_does_not_count() {
    let context =
        json!({ "configSource": { "uri": "https://github.com/acme/app.git", "digest": { "sha1": S } } });
    let mut other = new(&context, &json!({}));
    other["subject"][0]["digest"]["sha256"] = json!("cd".repeat(32));
    assert_eq!(said(&other), [(Place::BuildContext, None, true)]);
    let mut somebody = new(&context, &json!({}));
    somebody["predicate"]["buildDefinition"]["buildType"] = json!("https://example.org/mine");
    assert!(said(&somebody).is_empty());
    assert_eq!(said(&json!("{")), [(Place::BuildContext, None, true)]);
}

#[test]
fn the_base_image_and_the_labels_of_the_build_itself_are_known() {
    let with_label = json!({ "parameters": { "args": { "label:org.opencontainers.image.revision": S } } });
    let image = image(&old(&with_label, &json!({})));
    assert!(read(&image).sets_the_revision);
    let base = base_of(&image).unwrap();
    assert_eq!(base.name.to_string(), "docker.io/library/alpine");
    assert_eq!(
        base.digest.unwrap().as_str(),
        format!("sha256:{}", "ab".repeat(32))
    );
}
