//! Markdown around a stranger's text, so that it can neither leave its place nor call anybody.
//!
//! GitHub looks for mentions and references in the rendered page, where escapes are gone: outside of
//! code they are broken up with an invisible character.

use crate::model::terminal;

/// Keeps `@` and `#` from meaning anything, unseen: a word joiner.
const JOINER: char = '\u{2060}';

/// `text` as a person sees it on a terminal: without escape sequences, control characters and those
/// that turn the direction of writing; of a line that was written over, what was written last.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            plain.push('\n');
        }
        let line = terminal::shown(&line.trim_end_matches('\r').replace('\t', "    "));
        plain.extend(line.chars().filter(|char| !is_invisible(*char)));
    }
    plain
}

/// `text` on one line, as plain as on a terminal.
pub(super) fn one_line(text: &str) -> String {
    plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `text` as code within a line.
pub(super) fn code_span(text: &str) -> String {
    let text = one_line(text);
    let fence = "`".repeat(longest_run(&text) + 1);
    // The spaces belong to the fence: GitHub takes one off each side where both are there.
    let pad = if text.is_empty() || text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// `text` as code in a cell of a table, where a backtick's span would still end at a `|`.
pub(super) fn code_cell(text: &str) -> String {
    format!("<code>{}</code>", entities(&one_line(text)))
}

/// `text` as a block of code in `language`, on lines of its own.
pub(super) fn code_block(text: &str, language: &str) -> String {
    let text = plain(text);
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

/// `text` as prose, on one line, with nothing in it that Markdown or GitHub would act upon. Good
/// for cells of tables, too.
pub(super) fn prose(text: &str) -> String {
    let text = one_line(text);
    let apart: String = text
        .chars()
        .flat_map(|char| [Some(char), matches!(char, '@' | '#').then_some(JOINER)])
        .flatten()
        .collect();
    entities(&apart)
}

/// Every mark as a character reference: those are never read as Markdown or HTML.
fn entities(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_ascii_punctuation() && !matches!(char, ',' | '-' | '/') {
            escaped.extend(["&#", &u32::from(char).to_string(), ";"]);
        } else {
            escaped.push(char);
        }
    }
    escaped
}

fn longest_run(text: &str) -> usize {
    text.split(|char| char != '`').map(str::len).max().unwrap_or(0)
}

/// Characters that are not seen and change what is: controls, directions of writing, line ends of
/// other kinds, and those of no width but the joiners of scripts and emoji.
fn is_invisible(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_log_reads_as_on_a_terminal() {
        for (written, seen) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]8;;https://evil.example\u{7}link\u{1b}]8;;\u{7}", "link"),
            ("\u{1b}]0;title\nnext line", "\nnext line"),
            ("10%\r50%\r100%\r\ndone\r\n", "100%\ndone\n"),
            ("a\tb", "a    b"),
            ("bell\u{7} c1\u{9b}31m", "bell c131m"),
            ("\u{202e}txt.exe", "txt.exe"),
            ("zero\u{200b}width", "zerowidth"),
            ("äöü 👩\u{200d}🔧", "äöü 👩\u{200d}🔧"),
        ] {
            assert_eq!(plain(written), seen, "{written:?}");
        }
    }

    #[test]
    fn code_holds_what_is_in_it() {
        assert_eq!(code_span("npm test"), "`npm test`");
        assert_eq!(code_span("a `b` c"), "``a `b` c``");
        assert_eq!(code_span("`"), "`` ` ``");
        assert_eq!(code_span("two\nlines"), "`two lines`");
        assert_eq!(code_span(""), "`  `");
        assert_eq!(code_block("x\n```\ny", ""), "````\nx\n```\ny\n````\n");
        assert_eq!(code_cell("a|b</code>"), "<code>a&#124;b&#60;/code&#62;</code>");
    }

    #[test]
    fn prose_calls_nobody() {
        let text = prose("@acme/team fixes #12 ![x](https://t.example/p.png) <b>**bold**</b> `a|b`");
        for mark in ['@', '!', '[', '(', '<', '*', '`', '|', ':', '.'] {
            assert!(!text.contains(mark), "{mark}: {text}");
        }
        assert!(
            text.contains("&#64;\u{2060}acme") && text.contains("&#35;\u{2060}12"),
            "{text}"
        );
    }

    /// Does `line` close a block that was opened with `fence`, by the rule that GitHub follows?
    fn closes(line: &str, fence: &str) -> bool {
        let rest = line.trim_start_matches(' ');
        let run = rest.len() - rest.trim_start_matches('`').len();
        line.len() - rest.len() <= 3 && run >= fence.len() && rest[run..].trim_matches([' ', '\t']).is_empty()
    }

    proptest! {
        #[test]
        fn a_log_never_leaves_its_block(log in "([`~ \t\r\n\u{1b}\u{9b}\u{2028}|<a]|``|\u{1b}\\[0m){0,60}") {
            let block = code_block(&log, "text");
            let (fence, rest) = block.split_once("text\n").unwrap();
            let lines: Vec<&str> = rest.trim_end_matches('\n').split(['\n', '\r']).collect();
            let end = lines.iter().position(|line| closes(line, fence));
            prop_assert_eq!(end, Some(lines.len() - 1), "{:?}", block);
        }

        #[test]
        fn no_text_leaves_its_span(text in "[`a \n\u{1b}]{0,30}") {
            let span = code_span(&text);
            let fence = span.len() - span.trim_start_matches('`').len();
            let inside = &span[fence..span.len() - fence];
            prop_assert!(longest_run(inside) < fence);
            prop_assert!(!inside.starts_with('`') && !inside.ends_with('`') && !inside.contains('\n'));
        }

        #[test]
        fn no_text_leaves_its_cell(text in "\\PC*") {
            for cell in [prose(&text), code_cell(&text)] {
                let inside = cell.replace("<code>", "").replace("</code>", "");
                prop_assert!(!inside.contains(['|', '<', '>', '`', '@', '\n', '[', '\\']), "{}", cell);
            }
        }
    }
}
