//! Variables in a Compose file's values: `$NAME`, `${NAME:-default}` and its kin. They come from the push and from the
//! repository's own `.env`: never from the environment that hubcheck runs in.
//! <https://docs.docker.com/reference/compose-file/interpolation/>

use std::collections::BTreeMap;

/// Defaults within defaults.
const DEEPEST: usize = 8;

/// Names and values.
pub(super) type Variables = BTreeMap<String, String>;

/// Variables that were asked for in vain.
#[derive(Debug, Default)]
pub(super) struct Unset {
    /// Was there any?
    pub(super) any: bool,
    /// Those that nothing stands for, each once: they are empty.
    pub(super) empty: Vec<String>,
}

/// `text` with its variables replaced. What has no value is empty, and is noted in `unset`.
pub(super) fn interpolate(text: &str, variables: &Variables, unset: &mut Unset) -> Result<String, String> {
    replaced(text, variables, unset, 0)
}

fn replaced(text: &str, variables: &Variables, unset: &mut Unset, depth: usize) -> Result<String, String> {
    if depth > DEEPEST {
        return Err("its defaults stand within defaults too often".to_owned());
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = closing(after).ok_or("a `${` is not closed: write `$$` for a dollar")?;
            out.push_str(&braced(&after[..end], variables, unset, depth)?);
            rest = &after[end + 1..];
        } else {
            let end = name_length(rest);
            if end == 0 {
                return Err("a `$` stands before no name: write `$$` for a dollar".to_owned());
            }
            out.push_str(&value(&rest[..end], variables, unset));
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// What stands between the braces.
fn braced(text: &str, variables: &Variables, unset: &mut Unset, depth: usize) -> Result<String, String> {
    let end = name_length(text);
    let (name, rest) = text.split_at(end);
    if end == 0 {
        return Err("a `${` stands before no name: write `$$` for a dollar".to_owned());
    }
    let set = variables.get(name);
    unset.any |= set.is_none();
    let filled = set.filter(|value| !value.is_empty());
    // With a colon an empty value counts as none.
    let (has, rest) = match rest.strip_prefix(':') {
        Some(rest) => (filled, rest),
        None => (set, rest),
    };
    let mut other = |word: &str| replaced(word, variables, unset, depth + 1);
    match (rest.chars().next(), rest.get(1..).unwrap_or_default()) {
        (None, _) => Ok(value(name, variables, unset)),
        (Some('-'), word) => has.map_or_else(|| other(word), |value| Ok(value.clone())),
        (Some('+'), word) => has.map_or_else(|| Ok(String::new()), |_| other(word)),
        (Some('?'), word) => has
            .cloned()
            .ok_or_else(|| format!("`{name}` has no value here: {word}")),
        _ => Err(format!("`${{{text}}}` is no variable: write `$$` for a dollar")),
    }
}

fn value(name: &str, variables: &Variables, unset: &mut Unset) -> String {
    variables.get(name).cloned().unwrap_or_else(|| {
        unset.any = true;
        if !unset.empty.iter().any(|known| known == name) {
            unset.empty.push(name.to_owned());
        }
        String::new()
    })
}

fn name_length(text: &str) -> usize {
    let is_letter = |(at, byte): (usize, u8)| {
        byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit())
    };
    text.bytes()
        .enumerate()
        .take_while(|letter| is_letter(*letter))
        .count()
}

/// Where the brace that is open closes.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    let mut before = ' ';
    for (at, char) in text.char_indices() {
        match char {
            '{' if before == '$' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
        before = char;
    }
    None
}

/// The variables of an `.env` file: `NAME=value` on lines, quotes and comments as Compose has them.
pub(super) fn env_file(text: &str) -> Variables {
    let mut variables = Variables::new();
    for line in text.lines() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let name = name.trim();
        if name_length(name) == name.len() && !name.is_empty() {
            variables.insert(name.to_owned(), unquoted(value.trim()));
        }
    }
    variables
}

fn unquoted(value: &str) -> String {
    for quote in ['\'', '"'] {
        if let Some(rest) = value.strip_prefix(quote)
            && let Some(end) = rest.find(quote)
        {
            let inside = &rest[..end];
            return if quote == '"' {
                inside.replace("\\n", "\n").replace("\\t", "\t")
            } else {
                inside.to_owned()
            };
        }
    }
    value.split(" #").next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str) -> Result<String, String> {
        let variables = [("A", "one"), ("EMPTY", ""), ("TAG_2", "v2")];
        let variables = variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        interpolate(text, &variables, &mut Unset::default())
    }

    #[test]
    fn variables_are_replaced_as_compose_does_it() {
        for (text, replacement) in [
            ("plain", "plain"),
            ("$A/$TAG_2", "one/v2"),
            ("${A}x", "onex"),
            ("$$A $${A}", "$A ${A}"),
            ("${NONE:-two}", "two"),
            ("${EMPTY:-two}", "two"),
            ("${EMPTY-two}", ""),
            ("${NONE-${A}}", "one"),
            ("${NONE:-${NEITHER:-x}}y", "xy"),
            ("${A:+set}", "set"),
            ("${EMPTY:+set}", ""),
            ("${EMPTY+set}", "set"),
            ("${A:?needed}", "one"),
            ("$NONE", ""),
            ("50% of $A}", "50% of one}"),
        ] {
            assert_eq!(replaced(text).as_deref(), Ok(replacement), "{text}");
        }
    }

    #[test]
    fn what_is_no_variable_is_told() {
        for (text, why) in [
            ("cost $5", "no name"),
            ("${A", "not closed"),
            ("${}", "no name"),
            ("${A/x}", "no variable"),
            ("${NONE:?set it}", "`NONE` has no value here: set it"),
            ("${EMPTY:?set it}", "`EMPTY` has no value"),
            ("$", "no name"),
        ] {
            assert!(replaced(text).unwrap_err().contains(why), "{text}");
        }
        let deep = "${X:-".repeat(20) + &"}".repeat(20);
        assert!(replaced(&deep).is_err());
    }

    #[test]
    fn env_files_are_read_as_compose_does_it() {
        let read = env_file(
            "# a comment\nA=1\nexport B=two words\nC='x # y'\nD=\"a\\nb\" # c\nE= v # c\nno name\n2X=1\nF=\n",
        );
        let read: Vec<_> = read
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(read, ["A=1", "B=two words", "C=x # y", "D=a\nb", "E=v", "F="]);
    }
}
