//! `JUnit` XML in all its dialects. There is no standard: what counts is what each test's own element says, and the
//! numbers of the suites, which some write in words, are passed over.

use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use crate::model::{FailedTest, SourcePlace, TestResults};

use super::{Collector, DETAIL_BYTES, full_name, place};

/// Elements within elements. No suite nests its tests so deep.
const DEEPEST: usize = 200;

/// Reads one report. What stands before the place where it breaks off counts, and a sentence says that it does.
pub fn read_junit(name: &str, report: impl BufRead) -> TestResults {
    let mut junit = Junit::default();
    if let Err(why) = junit.read(report) {
        junit.found.problem(&format!("{name}: {why}"));
    }
    junit.found.0
}

#[derive(Debug, Default)]
struct Junit {
    found: Collector,
    /// The names of the elements that we are in.
    path: Vec<String>,
    /// The suites that we are in.
    suites: Vec<Suite>,
    /// The test that we are in.
    case: Option<Case>,
    has_root: bool,
}

#[derive(Debug, Default)]
struct Suite {
    name: String,
    file: Option<String>,
}

/// A test's own element.
#[derive(Debug, Default)]
struct Case {
    name: String,
    file: Option<String>,
    line: Option<u32>,
    failed: bool,
    skipped: bool,
    message: String,
    /// What stands for the message where there is none, and nothing else either.
    kind: String,
    detail: String,
}

/// What of an element's attributes is looked at.
#[derive(Debug, Default)]
struct Attributes {
    name: String,
    classname: String,
    file: Option<String>,
    line: Option<u32>,
    message: String,
    kind: String,
    status: String,
}

impl Junit {
    fn read(&mut self, report: impl BufRead) -> Result<(), String> {
        let mut reader = Reader::from_reader(report);
        reader.config_mut().check_end_names = false;
        reader.config_mut().allow_dangling_amp = true;
        let mut buffer = Vec::new();
        loop {
            let event = match reader.read_event_into(&mut buffer) {
                Ok(event) => event,
                Err(error) => {
                    return Err(format!(
                        "it cannot be read from byte {} on: {error}",
                        reader.error_position()
                    ));
                }
            };
            match event {
                Event::Start(element) => {
                    if self.path.len() >= DEEPEST {
                        return Err(format!("its elements are nested more than {DEEPEST} deep"));
                    }
                    let name = local_name(&element);
                    self.begin(&name, &element);
                    self.path.push(name);
                }
                Event::Empty(element) => {
                    let name = local_name(&element);
                    self.begin(&name, &element);
                    self.end(&name);
                }
                Event::End(_) => {
                    if let Some(name) = self.path.pop() {
                        self.end(&name);
                    }
                }
                Event::Text(text) => self.text(&String::from_utf8_lossy(&text)),
                Event::CData(text) => self.text(&String::from_utf8_lossy(&text)),
                Event::GeneralRef(reference) => {
                    let reference = format!("&{};", String::from_utf8_lossy(&reference));
                    let text = unescaped(&reference);
                    self.text(&text);
                }
                Event::Eof => return self.at_end(),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
            buffer.clear();
        }
    }

    fn at_end(&mut self) -> Result<(), String> {
        if !self.has_root {
            return Err("it is no JUnit report: there is no `testsuite` in it".to_owned());
        }
        if self.path.is_empty() {
            return Ok(());
        }
        // The test in which the report breaks off may have failed: it counts by what is known.
        if self.case.as_ref().is_some_and(|case| case.failed) {
            self.end_case();
        }
        Err("it is cut off: what comes before its end counts".to_owned())
    }

    fn begin(&mut self, name: &str, element: &BytesStart<'_>) {
        match name {
            "testsuites" => self.has_root = true,
            "testsuite" => {
                self.has_root = true;
                let attributes = attributes(element);
                self.suites.push(Suite {
                    name: attributes.name,
                    file: attributes.file,
                });
            }
            "testcase" => self.begin_case(attributes(element)),
            "failure" | "error" => self.not_passed(attributes(element)),
            "skipped" | "disabled" => {
                if let Some(case) = &mut self.case {
                    case.skipped = true;
                }
            }
            _ => {}
        }
    }

    fn begin_case(&mut self, attributes: Attributes) {
        let suite = self.suites.last();
        let group = match (attributes.classname.as_str(), suite) {
            ("", Some(suite)) => suite.name.clone(),
            (classname, _) => classname.to_owned(),
        };
        let status = attributes.status.to_ascii_lowercase();
        self.case = Some(Case {
            name: full_name(&group, &attributes.name),
            file: attributes.file.or_else(|| suite?.file.clone()),
            line: attributes.line,
            skipped: matches!(status.as_str(), "notrun" | "skipped" | "disabled"),
            ..Case::default()
        });
    }

    fn not_passed(&mut self, attributes: Attributes) {
        let mut of_suite = None;
        // Outside of a test it is the suite itself that failed: nothing of it could be run.
        let case = match &mut self.case {
            Some(case) => case,
            None => of_suite.insert(Case {
                name: self
                    .suites
                    .last()
                    .map(|suite| suite.name.clone())
                    .unwrap_or_default(),
                ..Case::default()
            }),
        };
        let is_first = !case.failed;
        case.failed = true;
        if is_first {
            case.message = attributes.message;
            case.kind = attributes.kind;
        } else {
            tell(&mut case.detail, "\n");
            tell(&mut case.detail, &attributes.message);
            tell(&mut case.detail, "\n");
        }
        case.file = attributes.file.or_else(|| case.file.take());
        case.line = attributes.line.or(case.line);
        if let Some(case) = of_suite {
            self.case = Some(case);
        }
    }

    fn text(&mut self, text: &str) {
        let within = self.path.last().map(String::as_str);
        if matches!(within, Some("failure" | "error"))
            && let Some(case) = &mut self.case
        {
            tell(&mut case.detail, text);
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "testcase" => self.end_case(),
            "testsuite" => {
                self.suites.pop();
            }
            "failure" | "error" if !self.path.iter().any(|name| name == "testcase") => self.end_case(),
            _ => {}
        }
    }

    fn end_case(&mut self) {
        let Some(case) = self.case.take() else { return };
        if case.failed {
            let first = case.detail.lines().map(str::trim).find(|line| !line.is_empty());
            let message = if case.message.trim().is_empty() {
                first.unwrap_or(&case.kind).to_owned()
            } else {
                case.message
            };
            let told = place::find(&case.detail);
            let place = match (case.file, case.line, told) {
                (Some(path), Some(line), _) => Some(SourcePlace { path, line }),
                // Which line, the stack may know.
                (Some(path), None, Some(told)) if is_same_file(&path, &told.path) => Some(told),
                (Some(path), None, _) => Some(SourcePlace { path, line: 1 }),
                (None, _, told) => told,
            };
            self.found.fail(FailedTest {
                name: case.name,
                message,
                detail: case.detail,
                place,
                source: None,
            });
        } else if case.skipped {
            self.found.skip();
        } else {
            self.found.pass();
        }
    }
}

/// Does one of the paths end in the other?
fn is_same_file(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim_start_matches("./"), other.trim_start_matches("./"));
    one.ends_with(other) || other.ends_with(one)
}

fn tell(detail: &mut String, text: &str) {
    let room = DETAIL_BYTES.saturating_sub(detail.len());
    detail.push_str(&text[..text.floor_char_boundary(room)]);
}

/// Without its namespace.
fn local_name(element: &BytesStart<'_>) -> String {
    String::from_utf8_lossy(element.local_name().as_ref()).into_owned()
}

fn attributes(element: &BytesStart<'_>) -> Attributes {
    let mut found = Attributes::default();
    // What is written twice counts as it is written first.
    for attribute in element.attributes().with_checks(false).flatten() {
        let value = || unescaped(&String::from_utf8_lossy(&attribute.value));
        let filled = || Some(value()).filter(|value| !value.is_empty());
        match attribute.key.local_name().as_ref() {
            b"name" => found.name = value(),
            b"classname" => found.classname = value(),
            b"file" | b"filepath" => found.file = filled(),
            b"line" | b"lineno" => found.line = value().trim().parse().ok().filter(|line| *line > 0),
            b"message" => found.message = value(),
            b"type" => found.kind = value(),
            b"status" | b"result" => found.status = value(),
            _ => {}
        }
    }
    found
}

/// References to characters as the characters; all others stay as they are: no entity is ever expanded.
fn unescaped(text: &str) -> String {
    unescape(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}
