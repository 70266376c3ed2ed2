//! What a push costs at the registry and at GitHub, by the bot's own count.

use hubcheck::demo::images::{Image, IndexBuilder};
use hubcheck::model::CommitSha;
use serde_json::json;

use crate::support::house::{House, plain};
use crate::support::images::attestation_manifest;

/// An image whose provenance says that it was built from a commit, and nothing else.
fn built_from(commit: &CommitSha) -> Image {
    let image = plain("echo fine").build();
    let hex = image.digest().as_str().strip_prefix("sha256:").unwrap();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://slsa.dev/provenance/v1",
        "subject": [{ "name": "pkg:docker/acme/app@v1", "digest": { "sha256": hex } }],
        "predicate": { "buildDefinition": {
            "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
            "externalParameters": { "configSource": {
                "uri": "https://github.com/acme/app.git#refs/heads/main",
                "digest": { "sha1": commit.as_str() },
            } },
        } },
    });
    let attestation = attestation_manifest(&statement, Some(image.digest()));
    IndexBuilder::default()
        .annotated_image(&image, &[])
        .attestation(&attestation, image.digest())
        .build()
}

/// Requests of all looks at pushes so far: to registries, and to GitHub.
async fn sent(house: &House) -> (f64, f64) {
    let address = house.service.admin_address().unwrap();
    let request = house.client.get(format!("http://{address}/metrics"));
    let metrics = request.send().await.unwrap().text().await.unwrap();
    let sum = |name: &str| {
        let line = format!("hubcheck_resolve_requests_sum{{name=\"{name}\"}} ");
        let sum = metrics
            .lines()
            .find_map(|found| found.strip_prefix(line.as_str()));
        sum.map_or(0.0, |sum| sum.parse::<f64>().unwrap())
    };
    (sum("registry"), sum("github"))
}

#[tokio::test]
async fn an_image_with_provenance_takes_few_requests_and_a_known_digest_one() {
    few_requests("images:\n  acme/app: { tests: [{ run: test }] }\n", 4.0).await;
}

#[tokio::test]
async fn where_no_file_says_what_is_tested_one_request_looks_for_compose_files() {
    few_requests("images:\n  acme/app:\n", 5.0).await;
}

/// A repository with this file, and how many requests to GitHub the first push may cost.
async fn few_requests(file: &str, most_at_github: f64) {
    let house = House::with_file(file, |config| {
        config.images.clear();
        "127.0.0.1:0".clone_into(&mut config.admin_listen);
    })
    .await;
    house.is_indexed(1).await;
    let commit = house.github.commit(&house.repo, "a change").unwrap();
    let image = built_from(&commit);

    house.push("v1", &image).await;
    let shown = house.shown(&commit, 1).await;
    assert!(shown.summary().contains("**built**"), "{}", shown.summary());
    let (registry, github) = sent(&house).await;
    // A token service, which this registry has not, takes two more: the challenge and the token.
    assert!((1.0..=6.0).contains(&registry), "{registry} at the registry");
    assert!((1.0..=most_at_github).contains(&github), "{github} at GitHub");

    house.registry.move_tag("acme/app", "v2", &image).await;
    let delivery = house.announce("v2").await;
    house.pushes(&delivery, |push| push.run().is_some()).await;
    let (registry_now, github_now) = sent(&house).await;
    assert_eq!(
        format!("{} {}", registry_now - registry, github_now - github),
        "1 0"
    );
    house.close().await;
}
