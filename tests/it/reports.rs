//! Reports of tests in all dialects, whole, broken and hostile: what each says is in `expected.json`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::Path;

use hubcheck::model::TestResults;
use hubcheck::results::{Stdout, read_archive, read_junit};
use serde::{Deserialize, Serialize};

/// What is compared: enough to see what a person would see.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    counts: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failures: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

impl From<TestResults> for Said {
    fn from(results: TestResults) -> Self {
        let failures = results.failures.into_iter().map(|failed| {
            let place = failed
                .place
                .map(|place| format!(" @ {}:{}", place.path, place.line));
            format!(
                "{} | {}{}",
                failed.name,
                failed.message,
                place.unwrap_or_default()
            )
        });
        let remarks = results.remarks.into_iter().map(|remark| {
            let (level, place) = (remark.level, remark.place);
            format!(
                "{level:?} {}:{} [{}] {}",
                place.path, place.line, remark.title, remark.message
            )
        });
        Self {
            counts: results.counts.to_string(),
            failures: failures.collect(),
            remarks: remarks.collect(),
            problems: results.problems,
        }
    }
}

fn read(name: &str, bytes: &[u8]) -> TestResults {
    if Path::new(name).extension().is_some_and(|kind| kind == "xml") {
        return read_junit(name, bytes);
    }
    let mut stdout = Stdout::default();
    bytes.chunks(7).for_each(|piece| stdout.push(piece));
    stdout.finish(TestResults::default())
}

#[test]
fn every_report_says_what_is_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reports");
    let mut said = BTreeMap::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name != "expected.json" {
            let results = read(&name, &fs::read(&path).unwrap());
            said.insert(name, Said::from(results));
        }
    }
    let expected = folder.join("expected.json");
    if std::env::var_os("WRITE_FIXTURES").is_some() {
        fs::write(&expected, serde_json::to_string_pretty(&said).unwrap() + "\n").unwrap();
    }
    let expected: BTreeMap<String, Said> = serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
    assert!(said.len() >= 60, "{}", said.len());
    for (name, said) in &said {
        assert_eq!(Some(said), expected.get(name), "{name}");
    }
    assert_eq!(said.len(), expected.len());
}

/// `head`, then `piece` over and over, up to `bytes`.
fn endless(head: &'static str, piece: &'static str, bytes: u64) -> BufReader<impl Read> {
    let again = std::iter::repeat_n(piece.as_bytes(), usize::try_from(bytes).unwrap() / piece.len());
    BufReader::new(head.as_bytes().chain(Pieces(again, &[])))
}

struct Pieces<I>(I, &'static [u8]);

impl<I: Iterator<Item = &'static [u8]>> Read for Pieces<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1.is_empty() {
            self.1 = self.0.next().unwrap_or_default();
        }
        self.1.read(buffer)
    }
}

#[test]
fn a_thousand_and_a_million_nested_suites_are_refused_and_hurt_nobody() {
    for bytes in [20 * 1000, 20 << 20] {
        let results = read_junit("deep.xml", endless("", "<testsuite name='s'>", bytes));
        assert_eq!(
            results.problems,
            ["deep.xml: its elements are nested more than 200 deep"]
        );
    }
}

#[test]
fn of_a_report_of_a_hundred_megabytes_all_tests_are_counted_and_a_few_are_kept() {
    let printed = "x".repeat(64 << 10);
    let failing = format!(
        "<testcase name='a'><failure message='no'>stack</failure><system-out>{printed}</system-out></testcase>"
    )
    .leak();
    let results = read_junit("huge.xml", endless("<testsuite name='s'>", failing, 100 << 20));
    assert_eq!(results.counts.failed, (100 << 20) / failing.len() as u64);
    assert_eq!(results.failures.len(), 200);
    assert_eq!(
        results.problems,
        ["huge.xml: it is cut off: what comes before its end counts"]
    );
}

#[test]
fn an_archive_gives_only_regular_files_that_were_asked_for() {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: tar::EntryType, text: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        // Written as it is: the builder itself refuses paths that lead out.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        if kind == tar::EntryType::Symlink {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        archive.append(&header, text.as_bytes()).unwrap();
    };
    let passing = "<testsuite name='s'><testcase name='a'/></testsuite>";
    let regular = tar::EntryType::Regular;
    add("./", tar::EntryType::Directory, "");
    add("./a.xml", regular, passing);
    add("./deep/b.xml", regular, passing);
    add("./notes.txt", regular, passing);
    add("./link.xml", tar::EntryType::Symlink, "");
    add("./pipe.xml", tar::EntryType::Fifo, "");
    add("./../../etc/c.xml", regular, passing);
    add("/etc/d.xml", regular, passing);
    let bytes = archive.into_inner().unwrap();
    let pattern = |text: &str| text.parse::<hubcheck::model::FilePattern>().unwrap().compiled();
    for (patterns, passed) in [
        (&["/reports/*.xml"][..], 1),
        (&["/reports/**/*.xml"], 2),
        (&["/reports/a.xml", "/reports/*.xml"], 1),
        (&["/reports/*.json"], 0),
    ] {
        let patterns: Vec<_> = patterns.iter().map(|text| pattern(text)).collect();
        let results = read_archive("/reports", &patterns, bytes.as_slice());
        assert_eq!(results.counts.passed, passed, "{patterns:?}");
    }
    // Cut in the middle: what came counts, and it is told.
    let results = read_archive("/reports", &[pattern("/reports/*.xml")], &bytes[..1536 + 20]);
    assert_eq!(results.problems.len(), 1, "{:?}", results.problems);
}
