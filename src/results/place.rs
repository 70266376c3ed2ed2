//! Places in the source: found in what a failure tells, and led back from the container to the repository.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::model::SourcePlace;

/// `File "a.py", line 3`, `at f (/app/a.js:3:5)`, `a_test.go:3: why`, `in test file a.bats, line 3`, `a.php:3`.
static PLACES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r#"(?:File "(?P<quoted>[^"\n]+)", line (?P<quoted_line>\d{1,7}))"#,
        r"|(?:file (?P<said>[^\s,]+), line (?P<said_line>\d{1,7}))",
        r"|(?:\bat (?P<perl>\S+\.\w+) line (?P<perl_line>\d{1,7}))",
        r"|(?P<plain>[\w./@+-]*\w\.[A-Za-z][A-Za-z0-9]{0,6}):(?:line )?(?P<plain_line>\d{1,7})",
    ))
    .expect("a checked expression")
});

/// Where the parts of a path lead into somebody else's code.
const FOREIGN: [&str; 8] = [
    "node_modules",
    "site-packages",
    "dist-packages",
    "vendor",
    "gems",
    "internal",
    "lib64",
    "lib",
];

/// Matches that are looked at in a text: a stack of thousands of frames says no more.
const MOST_FRAMES: usize = 100;

/// The first place that a text names, in the project's own code where there is one.
pub(super) fn find(text: &str) -> Option<SourcePlace> {
    let mut first = None;
    for found in PLACES.captures_iter(text).take(MOST_FRAMES) {
        let named = |path, line| Some((found.name(path)?.as_str(), found.name(line)?.as_str()));
        let (path, line) = named("quoted", "quoted_line")
            .or_else(|| named("said", "said_line"))
            .or_else(|| named("perl", "perl_line"))
            .or_else(|| named("plain", "plain_line"))?;
        let Some(line) = line.parse().ok().filter(|line| *line > 0) else {
            continue;
        };
        let place = SourcePlace {
            path: path.trim_start_matches('(').to_owned(),
            line,
        };
        if !place.path.split('/').any(|part| FOREIGN.contains(&part)) {
            return Some(place);
        }
        first.get_or_insert(place);
    }
    first
}

/// The files of a repository at a commit.
#[derive(Clone, Debug, Default)]
pub struct SourceTree {
    paths: HashSet<String>,
    /// By the last part: the paths that end in it.
    by_name: HashMap<String, Vec<String>>,
}

impl SourceTree {
    /// Of these files.
    pub fn new(paths: impl IntoIterator<Item = String>) -> Self {
        let mut tree = Self::default();
        for path in paths {
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            tree.by_name.entry(name).or_default().push(path.clone());
            tree.paths.insert(path);
        }
        tree
    }

    /// The file that the tests call `path`, which run in `working_dir`; `None`: none for certain.
    ///
    /// The path below the working directory, if there is such a file, or if exactly one file's path ends so: the
    /// working directory may hold a part of the repository. Of a path elsewhere as much of its end as is a file's
    /// whole path: the repository may lie anywhere in the container.
    pub fn find(&self, working_dir: &str, path: &str) -> Option<&str> {
        let parts = resolved(path);
        let working_dir = resolved(working_dir);
        let is_absolute = path.starts_with('/') || path.starts_with("file:///");
        let below = match parts.strip_prefix(working_dir.as_slice()) {
            Some(below) if is_absolute => Some(below),
            _ if !is_absolute => Some(parts.as_slice()),
            _ => None,
        };
        if let Some(found) = below.and_then(|below| self.ending(below)) {
            return Some(found);
        }
        // Of an absolute path at least a folder and a name: any image has a `setup.py` somewhere.
        let least = if is_absolute { 2 } else { 1 };
        (1..parts.len())
            .filter(|from| parts.len() - from >= least)
            .find_map(|from| self.paths.get(&parts[from..].join("/")))
            .map(String::as_str)
    }

    /// The file at this path, or the only one whose path ends so.
    fn ending(&self, parts: &[&str]) -> Option<&str> {
        let path = parts.join("/");
        if let Some(found) = self.paths.get(&path) {
            return Some(found);
        }
        let end = format!("/{path}");
        let mut ending = self
            .by_name
            .get(*parts.last()?)?
            .iter()
            .filter(|candidate| candidate.ends_with(&end));
        let only = ending.next()?;
        ending.next().is_none().then_some(only.as_str())
    }
}

/// The parts of a path without `.` and what `..` takes back.
fn resolved(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in path.trim_start_matches("file://").split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_in_what_each_kind_of_suite_tells() {
        for (text, place) in [
            (
                "E   assert 1 == 2\n\ntests/test_api.py:12: AssertionError",
                "tests/test_api.py:12",
            ),
            (
                "File \"/usr/lib/python3/dist-packages/x.py\", line 9, in f\nFile \"/app/t.py\", line 4, in test",
                "/app/t.py:4",
            ),
            (
                "Error: no\n    at Object.<anonymous> (/app/test/login.test.js:10:5)\n    at node:internal/x:1:1",
                "/app/test/login.test.js:10",
            ),
            ("    login_test.go:31: got 500", "login_test.go:31"),
            ("(in test file test/run.bats, line 7)", "test/run.bats:7"),
            ("# ./spec/login_spec.rb:9:in `block'", "./spec/login_spec.rb:9"),
            (
                "at com.acme.LoginTest.fails(LoginTest.java:42)",
                "LoginTest.java:42",
            ),
            ("only /usr/lib/x/y.rb:3 here", "/usr/lib/x/y.rb:3"),
        ] {
            let found = find(text).map(|place| format!("{}:{}", place.path, place.line));
            assert_eq!(found.as_deref(), Some(place), "{text}");
        }
        for text in [
            "",
            "12:30:45",
            "v1.2.3",
            "https://example.com/x",
            "127.0.0.1:8080",
            "a.b:0",
        ] {
            assert_eq!(find(text), None, "{text}");
        }
    }

    #[test]
    fn paths_lead_from_the_container_to_the_repository() {
        let tree = SourceTree::new(
            [
                "backend/tests/test_api.py",
                "spec/login_spec.rb",
                "setup.py",
                "pkg/auth/login_test.go",
                "web/a/index.js",
                "web/b/index.js",
            ]
            .map(str::to_owned),
        );
        for (working_dir, path, found) in [
            ("/app", "/app/spec/login_spec.rb", Some("spec/login_spec.rb")),
            ("/app", "./spec/login_spec.rb", Some("spec/login_spec.rb")),
            (
                "/app/",
                "/app/x/../spec/login_spec.rb",
                Some("spec/login_spec.rb"),
            ),
            ("/srv", "tests/test_api.py", Some("backend/tests/test_api.py")),
            ("/srv", "test_api.py", Some("backend/tests/test_api.py")),
            ("", "/build/src/spec/login_spec.rb", Some("spec/login_spec.rb")),
            (
                "/go",
                "example.com/acme/app/pkg/auth/login_test.go",
                Some("pkg/auth/login_test.go"),
            ),
            ("/app", "file:///app/setup.py", Some("setup.py")),
            ("/app", "/usr/lib/python3/setup.py", None),
            ("/app", "index.js", None),
            ("/app", "a/index.js", Some("web/a/index.js")),
            ("/app", "/app", None),
            ("/app", "../../etc/passwd", None),
        ] {
            assert_eq!(tree.find(working_dir, path), found, "{path}");
        }
    }
}
