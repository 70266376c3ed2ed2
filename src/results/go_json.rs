//! `go test -json` on the standard output: one event on each line. What is no event is passed over: errors of the
//! compiler stand between them.
//! <https://pkg.go.dev/cmd/test2json>

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::model::{FailedTest, SourcePlace, TestResults};

use super::{Collector, DETAIL_BYTES, full_name, place};

/// Tests under way at a time, of which more is known than that they are.
const MOST_OPEN: usize = 4096;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    /// Of events of tests.
    package: Option<String>,
    /// Of events of builds, from Go 1.24 on.
    import_path: Option<String>,
    test: Option<String>,
    output: Option<String>,
}

/// A test by its package and name; a package by an empty name.
type Key = (String, String);

/// Reads events line by line.
#[derive(Debug, Default)]
pub(super) struct GoJson {
    found: Collector,
    /// What the tests under way have printed.
    open: HashMap<Key, String>,
    /// Those that others belong to: only the innermost ones are counted.
    parents: HashSet<Key>,
    /// Tests and packages in which something failed.
    failed_within: HashSet<Key>,
}

impl GoJson {
    pub(super) fn line(&mut self, line: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Event>(line) else {
            return;
        };
        let is_build = event.action.starts_with("build-");
        let Some(package) = event.package.or(event.import_path.filter(|_| is_build)) else {
            return;
        };
        let key = (package, event.test.unwrap_or_default());
        match event.action.as_str() {
            "run" => self.begin(key),
            "output" | "build-output" => self.print(key, &event.output.unwrap_or_default()),
            "pass" | "fail" | "skip" => self.end(&key, &event.action),
            _ => {}
        }
    }

    pub(super) fn finish(mut self) -> TestResults {
        if !self.found.has_tests() {
            return TestResults::default();
        }
        // A run that broke off says nothing of the tests that were under way.
        let mut open: Vec<(Key, String)> = self
            .open
            .drain()
            .filter(|((_, test), _)| !test.is_empty())
            .collect();
        open.sort();
        for (key, output) in open {
            if !self.parents.contains(&key) {
                self.fail(&key, output, "it did not end");
            }
        }
        self.found.0
    }

    fn begin(&mut self, key: Key) {
        if let Some((parent, _)) = key.1.rsplit_once('/')
            && self.parents.len() < MOST_OPEN
        {
            self.parents.insert((key.0.clone(), parent.to_owned()));
        }
        self.print(key, "");
    }

    fn print(&mut self, key: Key, text: &str) {
        if self.open.len() >= MOST_OPEN && !self.open.contains_key(&key) {
            return;
        }
        let printed = self.open.entry(key).or_default();
        let is_frame = ["=== RUN", "=== PAUSE", "=== CONT", "=== NAME", "--- "];
        if !is_frame.iter().any(|frame| text.trim_start().starts_with(frame)) {
            let room = DETAIL_BYTES.saturating_sub(printed.len());
            printed.push_str(&text[..text.floor_char_boundary(room)]);
        }
    }

    fn end(&mut self, key: &Key, action: &str) {
        let output = self.open.remove(key).unwrap_or_default();
        let had_parts = self.parents.remove(key);
        let part_failed = self.failed_within.remove(key);
        let is_package = key.1.is_empty();
        match action {
            // It failed because a part of it did, which is counted.
            "fail" if part_failed => self.note_failure(key),
            "fail" if is_package => {
                // Nothing of a package was built, or it broke off around its tests.
                self.fail(key, output, "the package failed");
            }
            "fail" => self.fail(key, output, ""),
            _ if is_package || had_parts => {}
            "skip" => self.found.skip(),
            _ => self.found.pass(),
        }
    }

    fn fail(&mut self, key: &Key, output: String, otherwise: &str) {
        self.note_failure(key);
        let (package, test) = key;
        let place = place::find(&output).map(|place| SourcePlace {
            // Go names files as they are called in their package's folder.
            path: if place.path.contains('/') {
                place.path
            } else {
                format!("{package}/{}", place.path)
            },
            ..place
        });
        let first = output.lines().map(str::trim).find(|line| !line.is_empty());
        self.found.fail(FailedTest {
            name: full_name(package, test),
            message: first.unwrap_or(otherwise).to_owned(),
            detail: output,
            place,
            source: None,
        });
    }

    /// What a test or a package belongs to has a part that failed.
    fn note_failure(&mut self, (package, test): &Key) {
        if test.is_empty() || self.failed_within.len() >= MOST_OPEN {
            return;
        }
        let parent = test.rsplit_once('/').map_or("", |(parent, _)| parent);
        self.failed_within.insert((package.clone(), parent.to_owned()));
        self.failed_within.insert((package.clone(), String::new()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> TestResults {
        let mut go = GoJson::default();
        for line in lines {
            go.line(line.as_bytes());
        }
        go.finish()
    }

    #[test]
    fn subtests_are_counted_instead_of_what_they_belong_to() {
        let results = read(&[
            r#"{"Action":"start","Package":"acme/app"}"#,
            r#"{"Action":"run","Package":"acme/app","Test":"TestA"}"#,
            r#"{"Action":"run","Package":"acme/app","Test":"TestA/one"}"#,
            r#"{"Action":"output","Package":"acme/app","Test":"TestA/one","Output":"=== RUN   TestA/one\n"}"#,
            r#"{"Action":"output","Package":"acme/app","Test":"TestA/one","Output":"    a_test.go:9: got 2\n"}"#,
            r#"{"Action":"run","Package":"acme/app","Test":"TestA/two"}"#,
            r#"{"Action":"pass","Package":"acme/app","Test":"TestA/two","Elapsed":0}"#,
            r#"{"Action":"fail","Package":"acme/app","Test":"TestA/one","Elapsed":0}"#,
            r#"{"Action":"fail","Package":"acme/app","Test":"TestA","Elapsed":0}"#,
            r#"{"Action":"run","Package":"acme/app","Test":"TestB"}"#,
            r#"{"Action":"skip","Package":"acme/app","Test":"TestB"}"#,
            r#"{"Action":"fail","Package":"acme/app","Elapsed":0.1}"#,
        ]);
        assert_eq!(results.counts.to_string(), "1 failed, 1 passed, 1 skipped");
        let failed = &results.failures[0];
        assert_eq!(
            (failed.name.as_str(), failed.message.as_str()),
            ("acme/app › TestA/one", "a_test.go:9: got 2")
        );
        let place = failed.place.clone().unwrap();
        assert_eq!((place.path.as_str(), place.line), ("acme/app/a_test.go", 9));
    }

    #[test]
    fn a_package_that_cannot_be_built_has_failed() {
        for lines in [
            &[
                "# acme/app",
                "./a.go:3:2: undefined: x",
                r#"{"Action":"output","Package":"acme/app","Output":"FAIL\tacme/app [build failed]\n"}"#,
                r#"{"Action":"fail","Package":"acme/app","Elapsed":0}"#,
            ][..],
            &[
                r#"{"ImportPath":"acme/app","Action":"build-output","Output":"./a.go:3:2: undefined: x\n"}"#,
                r#"{"ImportPath":"acme/app","Action":"build-fail"}"#,
                r#"{"Action":"fail","Package":"acme/app","Elapsed":0,"FailedBuild":"acme/app"}"#,
            ][..],
        ] {
            let results = read(lines);
            assert_eq!(
                (results.counts.failed, results.failures[0].name.as_str()),
                (1, "acme/app")
            );
        }
    }

    #[test]
    fn a_test_that_never_ended_has_failed() {
        let results = read(&[
            r#"{"Action":"run","Package":"p","Test":"TestA"}"#,
            r#"{"Action":"pass","Package":"p","Test":"TestA"}"#,
            r#"{"Action":"run","Package":"p","Test":"TestB"}"#,
        ]);
        assert_eq!(results.counts.to_string(), "1 failed, 1 passed");
        assert_eq!(results.failures[0].message, "it did not end");
    }

    #[test]
    fn other_json_says_nothing() {
        for line in [
            r#"{"level":"info"}"#,
            r#"{"Action":"pass"}"#,
            "{",
            r#"{"Action":"run","Package":"p","Test":"T"}"#,
        ] {
            assert!(read(&[line]).is_empty(), "{line}");
        }
    }
}
