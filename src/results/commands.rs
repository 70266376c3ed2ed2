//! GitHub's workflow commands: `::error file=src/a.c,line=3::message`.
//! <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>

use crate::model::{Remark, RemarkLevel, SourcePlace, TestResults};

use super::{Collector, is_possible};

/// Reads workflow commands, and of these the remarks on places.
#[derive(Debug, Default)]
pub(super) struct Commands {
    found: Collector,
    /// Nothing is obeyed until this is said: what is printed meanwhile is not the tests' own.
    stopped: Option<String>,
}

impl Commands {
    pub(super) fn line(&mut self, line: &str) {
        let Some((command, message)) = line
            .trim_start()
            .strip_prefix("::")
            .and_then(|line| line.split_once("::"))
        else {
            return;
        };
        if let Some(token) = &self.stopped {
            if command == token {
                self.stopped = None;
            }
            return;
        }
        let (name, properties) = command.split_once(' ').unwrap_or((command, ""));
        let level = match name.to_ascii_lowercase().as_str() {
            "error" => RemarkLevel::Failure,
            "warning" => RemarkLevel::Warning,
            "notice" => RemarkLevel::Notice,
            "stop-commands" if !message.trim().is_empty() => {
                self.stopped = Some(message.trim().to_owned());
                return;
            }
            _ => return,
        };
        let property = |wanted: &str| {
            properties.split(',').find_map(|property| {
                let (name, value) = property.split_once('=')?;
                name.trim()
                    .eq_ignore_ascii_case(wanted)
                    .then(|| decoded(value, &PROPERTY))
            })
        };
        let place = SourcePlace {
            path: property("file").unwrap_or_default(),
            line: property("line").map_or(1, |line| line.trim().parse().unwrap_or(0)),
        };
        // GitHub shows a remark without a file on the workflow's page alone.
        if is_possible(&place) {
            self.found.remark(Remark {
                level,
                place,
                source: None,
                title: property("title").unwrap_or_default(),
                message: decoded(message, &MESSAGE),
            });
        }
    }

    pub(super) fn finish(self) -> TestResults {
        self.found.0
    }
}

/// What stands in a message for what would end it.
const MESSAGE: [(&str, char); 3] = [("0D", '\r'), ("0A", '\n'), ("25", '%')];
/// And in a property.
const PROPERTY: [(&str, char); 5] = [("0D", '\r'), ("0A", '\n'), ("25", '%'), ("3A", ':'), ("2C", ',')];

fn decoded(text: &str, escapes: &[(&str, char)]) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let known = escapes.iter().find(|(escape, _)| {
            let code = part.get(..escape.len());
            code.is_some_and(|code| code.eq_ignore_ascii_case(escape))
        });
        match known {
            Some((escape, char)) => {
                decoded.push(*char);
                decoded.push_str(&part[escape.len()..]);
            }
            None => decoded.extend(["%", part]),
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remarks(lines: &[&str]) -> Vec<String> {
        let mut commands = Commands::default();
        for line in lines {
            commands.line(line);
        }
        let line = |remark: Remark| {
            let SourcePlace { path, line } = remark.place;
            format!(
                "{:?} {path}:{line} [{}] {}",
                remark.level, remark.title, remark.message
            )
        };
        commands.finish().remarks.into_iter().map(line).collect()
    }

    #[test]
    fn remarks_name_their_place() {
        for (line, remark) in [
            ("::error file=src/a.c,line=3::no", "Failure src/a.c:3 [] no"),
            (
                "  ::Warning file=a,line=2,endLine=4,title=T::x::y",
                "Warning a:2 [T] x::y",
            ),
            (
                "::notice file=a%2Cb,title=50%25::one%0Atwo",
                "Notice a,b:1 [50%] one\ntwo",
            ),
            (
                "::error file=a%3a,line=7::100%2525 %3A",
                "Failure a::7 [] 100%25 %3A",
            ),
        ] {
            assert_eq!(remarks(&[line]), [remark], "{line}");
        }
    }

    #[test]
    fn what_names_no_place_or_is_no_command_is_passed_over() {
        for line in [
            "::error::no file",
            "::error file=a,line=x::no line",
            "::group::a",
            "::error file=a",
            "error::x",
            ":: ::",
            "::stop-commands::",
        ] {
            assert_eq!(remarks(&[line]), [""; 0], "{line}");
        }
    }

    #[test]
    fn between_stop_and_start_nothing_is_obeyed() {
        let found = remarks(&[
            "::stop-commands::x1",
            "::error file=a::quoted",
            "::x2::",
            "::x1::",
            "::error file=b::own",
        ]);
        assert_eq!(found, ["Failure b:1 [] own"]);
    }
}
