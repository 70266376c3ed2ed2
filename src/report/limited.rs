//! Text within a bound, cut between characters, with a sign that something is missing.

use std::borrow::Cow;

/// Stands for what was cut: three bytes, one character.
const ELLIPSIS: &str = "…";

/// `text` in at most `max` bytes of UTF-8. GitHub's bound of 65,535 counts bytes.
pub fn limited_bytes(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let Some(room) = max.checked_sub(ELLIPSIS.len()) else {
        return Cow::Borrowed("");
    };
    Cow::Owned(format!("{}{ELLIPSIS}", &text[..text.floor_char_boundary(room)]))
}

/// `text` in at most `max` characters. GitHub's bound of a status' description counts characters.
pub fn limited_chars(text: &str, max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max) {
        None => Cow::Borrowed(text),
        Some(_) if max == 0 => Cow::Borrowed(""),
        Some(_) => Cow::Owned(text.chars().take(max - 1).chain(ELLIPSIS.chars()).collect()),
    }
}

/// The end of `text` in at most `max` bytes, from the start of a line where there is one.
pub(super) fn last_bytes(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = &text[text.ceil_char_boundary(text.len() - max)..];
    end.split_once('\n')
        .map_or(end, |(_, lines)| if lines.is_empty() { end } else { lines })
}

/// The last `count` lines of `text`.
pub(super) fn last_lines(text: &str, count: usize) -> &str {
    let text = text.trim_end_matches(['\r', '\n']);
    text.rmatch_indices('\n')
        .nth(count.saturating_sub(1))
        .map_or(text, |(at, _)| &text[at + 1..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(limited_bytes("hello", 5), "hello");
        assert_eq!(limited_bytes("hello!", 5), "he…");
        assert_eq!(limited_bytes("ääää", 6), "ä…");
        assert_eq!(limited_bytes("hello", 2), "");
        assert_eq!(limited_chars("ääää", 4), "ääää");
        assert_eq!(limited_chars("ääääö", 4), "äää…");
    }

    #[test]
    fn the_end_starts_with_a_line() {
        assert_eq!(last_bytes("one\ntwo\nthree", 8), "three");
        assert_eq!(last_bytes("one\ntwo", 100), "one\ntwo");
        assert_eq!(last_bytes("ääää", 3), "ä");
        assert_eq!(last_lines("one\ntwo\nthree\n\n", 2), "two\nthree");
        assert_eq!(last_lines("one", 2), "one");
    }

    proptest! {
        #[test]
        fn the_bound_holds(text in "\\PC*", max in 0_usize..40) {
            prop_assert!(limited_bytes(&text, max).len() <= max);
            prop_assert!(limited_chars(&text, max).chars().count() <= max);
            prop_assert!(last_bytes(&text, max).len() <= max);
        }
    }
}
