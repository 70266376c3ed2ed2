//! `$NAME` in the texts of a structure file.

use std::iter::Peekable;
use std::str::Chars;

/// Replaces `$NAME` and `${NAME}` by what `value` says; what it knows nothing of stays as it is written, and so does any
/// other `$`.
pub fn plain(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let (name, whole) = first_name(rest);
        let is_name = !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit());
        if let Some(value) = is_name.then(|| value(name)).flatten() {
            out.push_str(&value);
            rest = &rest[whole..];
        } else {
            out.push('$');
            rest = &rest[1..];
        }
    }
    out + rest
}

/// The name after the `$` that `text` begins with, and the bytes of both.
fn first_name(text: &str) -> (&str, usize) {
    let after = &text[1..];
    if let Some((name, _)) = after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        return (name, name.len() + "${}".len());
    }
    let is_end = |char: char| !char.is_ascii_alphanumeric() && char != '_';
    let name = &after[..after.find(is_end).unwrap_or(after.len())];
    (name, name.len() + 1)
}

/// Replaces them as Go's `os.Expand` does: what is not set is empty, special parameters of shells are names like any
/// other, and nothing keeps a `$` from being read so.
/// <https://pkg.go.dev/os#Expand>
pub fn like_go(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '$' || chars.peek().is_none() {
            out.push(char);
            continue;
        }
        match go_name(&mut chars) {
            Name::Of(name) => out.push_str(&value(&name).unwrap_or_default()),
            Name::Bad => {}
            Name::None => out.push('$'),
        }
    }
    out
}

enum Name {
    Of(String),
    /// It is taken away.
    Bad,
    /// The `$` stays.
    None,
}

fn go_name(chars: &mut Peekable<Chars<'_>>) -> Name {
    let is_special = |char: char| "*#$@!?-0123456789".contains(char);
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    match chars.peek().copied() {
        Some('{') => {
            let inner: String = chars.clone().skip(1).take_while(|char| *char != '}').collect();
            let is_closed = chars.clone().any(|char| char == '}');
            if !is_closed {
                // Go takes the brace away, and nothing more.
                chars.next();
                return Name::Bad;
            }
            for _ in 0..inner.chars().count() + 2 {
                chars.next();
            }
            if inner.is_empty() {
                Name::Bad
            } else {
                Name::Of(inner)
            }
        }
        Some(special) if is_special(special) => {
            chars.next();
            Name::Of(special.to_string())
        }
        _ => {
            let mut name = String::new();
            while let Some(char) = chars.next_if(|char| is_word(*char)) {
                name.push(char);
            }
            if name.is_empty() {
                Name::None
            } else {
                Name::Of(name)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<String> {
        [("PATH", "/bin"), ("A", "1"), ("EMPTY", "")]
            .into_iter()
            .find_map(|(known, value)| (known == name).then(|| value.to_owned()))
    }

    #[test]
    fn plainly_only_what_is_set_is_replaced() {
        for (text, expanded) in [
            ("/x:$PATH", "/x:/bin"),
            ("${A}b$A", "1b1"),
            ("$EMPTY|", "|"),
            ("$UNSET ${UNSET}", "$UNSET ${UNSET}"),
            ("cost $5.00 $$ $", "cost $5.00 $$ $"),
            ("${A:-d} $(date) \\$A", "${A:-d} $(date) \\1"),
            ("ä$A", "ä1"),
            ("${", "${"),
        ] {
            assert_eq!(plain(text, value), expanded, "{text}");
        }
    }

    #[test]
    fn in_compatible_files_it_is_as_go_has_it() {
        for (text, expanded) in [
            ("/x:$PATH", "/x:/bin"),
            ("${A}b$A", "1b1"),
            ("$UNSET|${UNSET}", "|"),
            ("$$", ""),
            ("$1 $* $?", "  "),
            ("cost $5.00", "cost .00"),
            (r"\$PATH", r"\/bin"),
            ("${A:-d}", ""),
            ("$(date) $", "$(date) $"),
            ("for i in 1 2; do echo $i; done", "for i in 1 2; do echo ; done"),
            ("${}x", "x"),
            ("${x", "x"),
            ("$ A", "$ A"),
        ] {
            assert_eq!(like_go(text, value), expanded, "{text}");
        }
    }
}
