//! What a terminal shows of what programs print.

/// What is left on the screen of one line, without its end: escape sequences show nothing, and after a carriage
/// return the line is written over. Other control characters stay.
pub fn shown(line: &str) -> String {
    // One line, so that an unfinished sequence swallows no other.
    strip_ansi_escapes::strip_str(line.rsplit('\r').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn colours_and_what_was_written_over_are_not_shown() {
        for (printed, seen) in [
            ("plain", "plain"),
            ("\x1b[1;31mred\x1b[0m", "red"),
            ("50 %\r100 %", "100 %"),
            ("title \x1b]0;window\x07after", "title after"),
            ("unfinished \x1b[3", "unfinished "),
        ] {
            assert_eq!(shown(printed), seen, "{printed:?}");
        }
    }
}
