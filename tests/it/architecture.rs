//! The invariants of `ARCHITECTURE.md`, held against the code: who may name which library, and which
//! part may speak to which. Reads sources as text; tests beside the code are left out.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// A library, or a way of speaking to the world, and the only places that may name it.
struct Reserved {
    sentence: &'static str,
    /// A regular expression over one line of code.
    words: &'static str,
    /// Files, or folders with a slash at the end, below `src/`.
    only: &'static [&'static str],
}

/// A part, and the only other parts of the crate that it may name.
struct Part {
    sentence: &'static str,
    /// A file, or a folder with a slash at the end, below `src/`.
    place: &'static str,
    may_name: &'static [&'static str],
}

const RESERVED: &[Reserved] = &[
    Reserved {
        sentence: "Only `runner/engine.rs` imports bollard",
        words: r"\bbollard\b",
        only: &["runner/engine.rs"],
    },
    Reserved {
        sentence: "Only `github/` imports octocrab",
        words: r"\boctocrab\b",
        only: &["github/"],
    },
    Reserved {
        sentence: "Only `store/` speaks SQL",
        words: r"\bsqlx\b",
        only: &["store/"],
    },
    Reserved {
        sentence: "Only `registry/`, `github/` and `demo/` use reqwest, set up by `net.rs`",
        words: r"\breqwest\b",
        only: &["registry/", "github/", "demo/", "net.rs"],
    },
    Reserved {
        sentence: "Only `web/` and `demo/` serve HTTP",
        words: r"\b(axum|hyper|hyper_util|tower|tower_http)::",
        only: &["web/", "demo/"],
    },
    Reserved {
        sentence: "Only `web/` renders pages",
        words: r"\baskama\b",
        only: &["web/"],
    },
    Reserved {
        sentence: "Only `plan/` reads YAML",
        words: r"\bserde_saphyr\b",
        only: &["plan/"],
    },
    Reserved {
        sentence: "Only `signature/` checks signatures of Sigstore's",
        words: r"\bsigstore_verify\b",
        only: &["signature/"],
    },
    Reserved {
        sentence: "Only `cli/` reads the command line",
        words: r"\bclap\b",
        only: &["cli/"],
    },
    Reserved {
        sentence: "Only `metrics.rs` knows Prometheus",
        words: r"\bprometheus_client\b",
        only: &["metrics.rs"],
    },
    Reserved {
        sentence: "Only `cli/` reads the environment",
        words: r"\benv::vars?(_os)?\b",
        only: &["cli/"],
    },
    Reserved {
        sentence: "Only `cli/` prints, and `main.rs` where there is no runtime",
        words: r"\b(e?print(ln)?|dbg)!|\bstd(out|err)\(\)|\bio::std(out|err)\b",
        only: &["cli/", "main.rs"],
    },
    Reserved {
        sentence: "Nothing ends the process: `main` returns a code",
        words: r"\bprocess::(exit|abort)\b",
        only: &[],
    },
    Reserved {
        sentence: "One place gives a run its verdict: `finish_in` in `store/stages.rs`",
        words: r"UPDATE runs SET stage = 'finished'",
        only: &["store/stages.rs"],
    },
];

const PARTS: &[Part] = &[
    Part {
        sentence: "`model/` names nothing of the crate",
        place: "model/",
        may_name: &[],
    },
    Part {
        sentence: "`redact/` is pure: it names nothing of the crate",
        place: "redact/",
        may_name: &[],
    },
    Part {
        sentence: "`results/` is pure: it names `model` alone",
        place: "results/",
        may_name: &["model"],
    },
    Part {
        sentence: "`structure/` is pure: it names `model` alone",
        place: "structure/",
        may_name: &["model"],
    },
    Part {
        sentence: "`hooks/` is pure: it names `model` alone",
        place: "hooks/",
        may_name: &["model"],
    },
    Part {
        sentence: "`report/` is pure: it names `model` alone",
        place: "report/",
        may_name: &["model"],
    },
    Part {
        sentence: "`plan/` names `config` and `model`",
        place: "plan/",
        may_name: &["config", "model"],
    },
    Part {
        sentence: "`config/` names `model` alone",
        place: "config/",
        may_name: &["model"],
    },
    Part {
        sentence: "`registry/` names `config`, `model`, `net` and `tally`",
        place: "registry/",
        may_name: &["config", "model", "net", "tally"],
    },
    Part {
        sentence: "`github/` names `clock`, `config`, `model`, `net` and `tally`",
        place: "github/",
        may_name: &["clock", "config", "model", "net", "tally"],
    },
    Part {
        sentence: "`resolve/` names `clock`, `config`, `github`, `model`, `registry` and `signature`",
        place: "resolve/",
        may_name: &["clock", "config", "github", "model", "registry", "signature"],
    },
    Part {
        sentence: "`signature/` names `model`, and does no I/O",
        place: "signature/",
        may_name: &["model"],
    },
    Part {
        sentence: "`runner/` names `clock`, `config`, `model`, `redact`, `results` and `structure`",
        place: "runner/",
        may_name: &["clock", "config", "model", "redact", "results", "structure"],
    },
    Part {
        sentence: "`store/` names `clock` and `model`",
        place: "store/",
        may_name: &["clock", "model"],
    },
    Part {
        sentence: "`web/` never calls GitHub, a registry or the Engine",
        place: "web/",
        may_name: &[
            "access",
            "app_manifest",
            "clock",
            "delivery",
            "hooks",
            "metrics",
            "model",
            "pipeline",
            "report",
            "resolve",
            "store",
        ],
    },
    Part {
        sentence: "`delivery.rs` decides by what the store knows, and asks nobody",
        place: "delivery.rs",
        may_name: &["hooks", "model", "resolve", "store"],
    },
    Part {
        sentence: "`doctor/` looks through the parts' own eyes, and names neither stages nor `web`",
        place: "doctor/",
        may_name: &[
            "app_manifest",
            "clock",
            "config",
            "github",
            "model",
            "net",
            "registry",
            "runner",
            "store",
        ],
    },
    Part {
        sentence: "`pipeline/` names the stages, and neither `web` nor `cli` nor `demo`",
        place: "pipeline/",
        may_name: &[
            "access",
            "clock",
            "config",
            "delivery",
            "github",
            "hooks",
            "metrics",
            "model",
            "plan",
            "redact",
            "registry",
            "report",
            "resolve",
            "results",
            "runner",
            "signature",
            "store",
            "tally",
        ],
    },
];

/// Lines of `main.rs` at most.
const MAIN_LINES: usize = 40;

/// Lines of any file at most, tests included: beyond it nobody keeps a file in mind.
const FILE_LINES: usize = 600;

/// A source file, without comments and without the tests in it.
struct Source {
    /// Below `src/`.
    path: String,
    /// Numbers count from 1.
    code: Vec<(usize, String)>,
    lines: usize,
}

impl Source {
    fn lies_in(&self, place: &str) -> bool {
        self.path == place || (place.ends_with('/') && self.path.starts_with(place))
    }

    fn matches<'a>(&'a self, words: &'a Regex) -> impl Iterator<Item = &'a (usize, String)> {
        self.code.iter().filter(|(_, line)| words.is_match(line))
    }
}

#[test]
fn libraries_stay_where_they_belong() {
    let sources = sources();
    let mut broken = Vec::new();
    for rule in RESERVED {
        let words = Regex::new(rule.words).unwrap();
        let outside = |source: &&Source| !rule.only.iter().any(|place| source.lies_in(place));
        for source in sources.iter().filter(outside) {
            for (number, line) in source.matches(&words) {
                broken.push(format!(
                    "src/{}:{number}: {} — `{}`",
                    source.path,
                    rule.sentence,
                    line.trim()
                ));
            }
        }
    }
    assert!(broken.is_empty(), "broken invariants:\n{}", broken.join("\n"));
}

#[test]
fn parts_name_only_those_that_they_may() {
    let named = Regex::new(r"\bcrate::(\w+|\{)").unwrap();
    let sources = sources();
    let mut broken = Vec::new();
    for rule in PARTS {
        let own = rule.place.trim_end_matches('/');
        for source in sources.iter().filter(|source| source.lies_in(rule.place)) {
            for (number, line) in &source.code {
                for found in named.captures_iter(line) {
                    let other = &found[1];
                    if other != own && !rule.may_name.contains(&other) {
                        broken.push(format!(
                            "src/{}:{number}: {} — `{}`",
                            source.path,
                            rule.sentence,
                            line.trim()
                        ));
                    }
                }
            }
        }
    }
    assert!(broken.is_empty(), "broken invariants:\n{}", broken.join("\n"));
}

#[test]
fn every_rule_speaks_of_places_that_exist() {
    let sources = sources();
    let places = RESERVED.iter().flat_map(|rule| rule.only.iter().copied());
    for place in places.chain(PARTS.iter().map(|rule| rule.place)) {
        assert!(
            sources.iter().any(|source| source.lies_in(place)),
            "a rule speaks of src/{place}, which is not there"
        );
    }
}

#[test]
fn every_invariant_stands_in_the_document() {
    let document = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let sentences = RESERVED
        .iter()
        .map(|rule| rule.sentence)
        .chain(PARTS.iter().map(|rule| rule.sentence));
    for sentence in sentences {
        assert!(
            document.contains(sentence),
            "ARCHITECTURE.md does not say: {sentence}"
        );
    }
}

#[test]
fn files_stay_small() {
    for source in sources() {
        let most = if source.path == "main.rs" {
            MAIN_LINES
        } else {
            FILE_LINES
        };
        assert!(
            source.lines <= most,
            "src/{} has {} lines, more than {most}: split it",
            source.path,
            source.lines
        );
    }
}

#[test]
fn every_test_that_the_tables_of_faults_and_threats_name_exists() {
    let table = |name: &str| fs::read_to_string(root().join("docs").join(name)).unwrap();
    let table = [table("faults.md"), table("threats.md")].concat();
    let named = Regex::new("`([a-z0-9_]{16,})`").unwrap();
    let mut tests = String::new();
    for folder in ["tests/it", "src"] {
        collect(&root().join(folder), &mut tests);
    }
    let mut count = 0;
    for (_, [name]) in named.captures_iter(&table).map(|found| found.extract()) {
        assert!(
            tests.contains(&format!("fn {name}(")),
            "there is no test `{name}`"
        );
        count += 1;
    }
    assert!(count > 84, "the tables were not read: {count}");
}

/// The text of all sources below a folder.
fn collect(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *text += &fs::read_to_string(path).unwrap();
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file that is no test.
fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut folders = vec![src.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(read(&src, &path));
            }
        }
    }
    sources
}

fn read(src: &Path, path: &PathBuf) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // Tests stand at a file's end, in a module of their own.
    let tests = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{'));
    let code = lines[..tests.unwrap_or(lines.len())]
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, (*line).to_owned()))
        .collect();
    Source {
        path: path
            .strip_prefix(src)
            .unwrap()
            .to_str()
            .unwrap()
            .replace('\\', "/"),
        code,
        lines: lines.len(),
    }
}
