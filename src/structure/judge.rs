//! What an assertion comes to: sentences about what is not as it should be, none where all is.

use super::go_regex;
use crate::model::structure::{CommandCheck, ContentCheck, ExistenceCheck};

/// Bytes of a text that a sentence quotes.
const QUOTED_BYTES: usize = 300;

/// What a command came to.
#[derive(Clone, Copy, Debug)]
pub struct Printed<'a> {
    /// Its exit code.
    pub code: i64,
    /// Its standard output.
    pub stdout: &'a str,
    /// Its standard error.
    pub stderr: &'a str,
}

/// A file in an image, as the header of an archive tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Its mode's lower twelve bits.
    pub mode: u32,
    /// Of its owner.
    pub uid: u64,
    /// Of its group.
    pub gid: u64,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Bytes.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, which is not followed.
    Link,
}

/// In the order of container-structure-test, all of them.
pub fn command(check: &CommandCheck, printed: Printed<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let (out, err) = (
        ("the output", printed.stdout),
        ("the error output", printed.stderr),
    );
    search(&check.expected_error, true, err, &mut wrong);
    search(&check.excluded_error, false, err, &mut wrong);
    search(&check.expected_output, true, out, &mut wrong);
    search(&check.excluded_output, false, out, &mut wrong);
    if printed.code != check.exit_code {
        wrong.push(format!(
            "exit code {}, and {} was expected",
            printed.code, check.exit_code
        ));
    }
    wrong
}

/// What a file holds.
pub fn content(check: &ContentCheck, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    search(&check.expected, true, (&check.path, text), &mut wrong);
    search(&check.excluded, false, (&check.path, text), &mut wrong);
    wrong
}

/// Patterns that should be found, or should not.
fn search(patterns: &[String], expected: bool, (place, text): (&str, &str), wrong: &mut Vec<String>) {
    for pattern in patterns {
        match go_regex::compile(pattern) {
            Err(why) => wrong.push(bad_pattern(pattern, &why)),
            Ok(regex) if regex.is_match(text) == expected => {}
            Ok(_) if expected => {
                wrong.push(format!("`{}` is not in {place}: {}", quoted(pattern), seen(text)));
            }
            Ok(_) => wrong.push(format!("`{}` is in {place}", quoted(pattern))),
        }
    }
}

/// A pattern that does not compile finds nothing, and excludes nothing either.
pub(super) fn bad_pattern(pattern: &str, why: &str) -> String {
    format!("`{}` is no regular expression: {why}", quoted(pattern))
}

/// Whether a file is there, and how. `path` is the check's own with its variables replaced.
pub fn existence(check: &ExistenceCheck, path: &str, found: Option<&Entry>) -> Vec<String> {
    let Some(entry) = found else {
        return if check.should_exist {
            vec![format!("{path} is not there")]
        } else {
            Vec::new()
        };
    };
    if !check.should_exist {
        return vec![format!("{path} is there")];
    }
    let mut wrong = Vec::new();
    let mode_is = mode(entry);
    if let Some(expected) = &check.permissions
        && *expected != mode_is
    {
        wrong.push(format!(
            "{path} has the permissions {mode_is}, and {} were expected",
            quoted(expected)
        ));
    }
    let mut same = |of: &str, expected: Option<i64>, is: u64| {
        if let Some(expected) = expected.filter(|expected| i64::try_from(is) != Ok(*expected)) {
            wrong.push(format!("{path} is of the {of} {is}, and {expected} was expected"));
        }
    };
    same("user", check.uid, entry.uid);
    same("group", check.gid, entry.gid);
    if let Some(by) = &check.executable_by {
        let bits = match by.as_str() {
            "any" => 0o111,
            "owner" => 0o100,
            "group" => 0o010,
            "other" => 0o001,
            _ => 0,
        };
        if bits == 0 {
            wrong.push(format!(
                "`isExecutableBy` is owner, group, other or any, and not {}",
                quoted(by)
            ));
        } else if entry.mode & bits == 0 {
            wrong.push(format!("{path} cannot be executed by {by} ({mode_is})"));
        }
    }
    wrong
}

/// A mode as Go's `FileMode.String()` writes it, which is not as `ls` does.
/// <https://pkg.go.dev/io/fs#FileMode.String>
pub fn mode(entry: &Entry) -> String {
    let mut text = String::new();
    match entry.kind {
        EntryKind::Folder => text.push('d'),
        EntryKind::Link => text.push('L'),
        EntryKind::File => {}
    }
    for (bit, letter) in [(0o4000, 'u'), (0o2000, 'g'), (0o1000, 't')] {
        if entry.mode & bit != 0 {
            text.push(letter);
        }
    }
    if text.is_empty() {
        text.push('-');
    }
    for (place, letter) in "rwxrwxrwx".chars().enumerate() {
        let is_set = entry.mode & (0o400 >> place) != 0;
        text.push(if is_set { letter } else { '-' });
    }
    text
}

/// A licence's text. `None`: it could not be read, because it is not there.
pub fn license(path: &str, text: Option<&str>) -> Vec<String> {
    let Some(text) = text else {
        return vec![format!("{path} is not there: the licence is not known")];
    };
    let text = text.to_uppercase();
    ["AGPL", "WTFPL"]
        .iter()
        .filter(|unwanted| text.contains(*unwanted))
        .map(|unwanted| format!("{path} names the licence {unwanted}"))
        .collect()
}

/// A stranger's text within a sentence.
pub(super) fn quoted(text: &str) -> String {
    if text.len() <= QUOTED_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(QUOTED_BYTES)])
}

/// What was printed instead.
fn seen(text: &str) -> String {
    match text.trim_end() {
        "" => "it is empty".to_owned(),
        text => format!("`{}`", quoted(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_go_writes_them() {
        for (kind, bits, text) in [
            (EntryKind::File, 0o644, "-rw-r--r--"),
            (EntryKind::Folder, 0o755, "drwxr-xr-x"),
            (EntryKind::Link, 0o777, "Lrwxrwxrwx"),
            (EntryKind::File, 0o4755, "urwxr-xr-x"),
            (EntryKind::File, 0o2755, "grwxr-xr-x"),
            (EntryKind::Folder, 0o1777, "dtrwxrwxrwx"),
            (EntryKind::File, 0o6711, "ugrwx--x--x"),
            (EntryKind::File, 0, "----------"),
        ] {
            let entry = Entry {
                kind,
                mode: bits,
                uid: 0,
                gid: 0,
            };
            assert_eq!(mode(&entry), text);
        }
    }
}
