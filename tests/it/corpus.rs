//! Every input that the fuzz targets keep is held against the same properties, in a moment and without
//! a nightly compiler.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

#[path = "../../fuzz/properties/mod.rs"]
#[expect(
    unreachable_pub,
    reason = "the fuzz targets call these from a crate of their own"
)]
mod properties;

/// Of a corpus: what a person can look through, and a clone can carry.
const MOST_FILES: usize = 40;
const MOST_BYTES: usize = 8192;

fn fuzz(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(folder)
}

/// The names in a folder, without what follows a dot.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz(folder)).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    entries
        .map(|entry| name(entry).split('.').next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_kept_input_holds_its_property() {
    let mut broken = Vec::new();
    for (name, _) in properties::ALL {
        for entry in fs::read_dir(fuzz("corpus").join(name)).unwrap() {
            let path = entry.unwrap().path();
            let input = fs::read(&path).unwrap();
            if std::panic::catch_unwind(|| properties::hold(name, &input)).is_err() {
                broken.push(path);
            }
        }
    }
    properties::close();
    assert!(
        broken.is_empty(),
        "what is wrong with them stands above: {broken:#?}"
    );
}

#[test]
fn every_property_has_its_target_and_a_small_corpus() {
    let properties: BTreeSet<String> = properties::ALL
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(names("fuzz_targets"), properties);
    assert_eq!(names("corpus"), properties);
    let manifest: toml::Table = fs::read_to_string(fuzz("Cargo.toml")).unwrap().parse().unwrap();
    let targets = manifest["bin"].as_array().unwrap().iter();
    let targets: BTreeSet<String> = targets
        .map(|bin| bin["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(targets, properties);
    for name in properties {
        let sizes: Vec<usize> = fs::read_dir(fuzz("corpus").join(&name))
            .unwrap()
            .map(|entry| fs::read(entry.unwrap().path()).unwrap().len())
            .collect();
        assert!(
            !sizes.is_empty() && sizes.len() <= MOST_FILES,
            "{name}: {} files",
            sizes.len()
        );
        assert!(sizes.iter().all(|size| *size <= MOST_BYTES), "{name}: {sizes:?}");
    }
}
