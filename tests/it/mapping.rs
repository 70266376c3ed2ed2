//! The conformance table: for each way in which images name their source, the commit that it leads to, or why it
//! leads nowhere. The rows are data, for other programs too: `fixtures/mapping/README.md`.

mod world;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use world::World;

/// One row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    about: String,
    #[serde(default)]
    binding: Bound,
    #[serde(default)]
    refs: BTreeMap<String, String>,
    /// How well the commit must be known.
    #[serde(default)]
    require: Required,
    tag: String,
    image: Told,
    expect: Expected,
}

/// Who lets the image speak for `acme/app`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Bound {
    #[default]
    Declared,
    Operator,
    None,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Required {
    #[default]
    Claimed,
    Verified,
}

/// What the registry holds.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Told {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    descriptor_annotations: BTreeMap<String, String>,
    index_annotations: BTreeMap<String, String>,
    created: Option<String>,
    provenance: Option<Attested>,
    signatures: Vec<Signature>,
    base: Option<Box<Told>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attested {
    statement_type: String,
    predicate_type: String,
    predicate: serde_json::Value,
    layout: Layout,
    /// In place of the image's own digest.
    subject: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Layout {
    Image,
    Artifact,
}

/// What a workflow signed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    lies: Lies,
    over: Over,
    /// For which the workflow ran.
    commit: String,
    #[serde(default)]
    by: Signer,
    #[serde(default)]
    altered: bool,
}

/// Where the signature is found.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Lies {
    /// GitHub hands it out.
    Github,
    /// GitHub says where it lies.
    Packed,
    /// In the registry's list of what refers to it, as a tag has it where the registry has none.
    Referrer,
    /// In the registry, under cosign's older tag.
    Cosign,
}

/// What is signed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Over {
    /// What the tag points at.
    Top,
    /// The platform's manifest.
    Manifest,
    /// The manifest with `BuildKit`'s attestations.
    Attestation,
    /// Another image.
    Other,
}

/// Whose workflow signed.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Signer {
    /// One of the repository that the image speaks for.
    #[default]
    Own,
    /// One of another repository.
    Other,
    /// Nobody whom GitHub vouches for.
    Stranger,
}

/// What it comes to.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged, deny_unknown_fields)]
enum Expected {
    Commit {
        commit: String,
        evidence: String,
        #[serde(default)]
        dirty: bool,
        merged_with: Option<String>,
        note: Option<String>,
    },
    Unmapped {
        unmapped: String,
    },
}

#[tokio::test]
async fn every_row_of_the_conformance_table_leads_where_it_should() {
    let world = World::new().await;
    let mut rows = 0;
    let mut wrong = Vec::new();
    for (name, text) in rows_as_written() {
        let read = |text: &str| -> Row {
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        let base = match read(&text).image.base {
            Some(base) => world.push_base(&base).await,
            None => String::new(),
        };
        let row = read(&world.filled_in(&text, &base));
        let found = world.resolve(&row).await;
        if !found.is(&row.expect) {
            wrong.push(format!(
                "{name}: {}\n  wanted {:?}\n  found  {found:?}",
                row.about, row.expect
            ));
        }
        rows += 1;
    }
    assert!(
        wrong.is_empty(),
        "{} of {rows}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(rows >= 90, "{rows} rows");
}

fn rows_as_written() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mapping");
    let paths = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    paths.iter().map(read).collect()
}
