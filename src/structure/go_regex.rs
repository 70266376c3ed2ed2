//! Go's regular expressions in the words of Rust's, so that a pattern means here what it means to
//! container-structure-test. Both come from RE2 and differ in details, which are told at each place. Whatever Go would
//! not compile is an error here too.
//! <https://pkg.go.dev/regexp/syntax>

use std::collections::HashSet;
use std::fmt::Write as _;

use regex::{Regex, RegexBuilder};

/// Go repeats nothing more often than this.
const MOST_REPEATS: u32 = 1000;
/// Bytes of a compiled pattern.
const COMPILED_BYTES: usize = 16 << 20;
/// Bytes of a pattern.
const PATTERN_BYTES: usize = 8 << 10;

/// Compiles a pattern of Go's. A sentence says what is wrong with it.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > PATTERN_BYTES {
        return Err(format!("it is longer than {} KiB", PATTERN_BYTES / 1024));
    }
    let translated = translate(pattern)?;
    RegexBuilder::new(&translated)
        .size_limit(COMPILED_BYTES)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it is too large when compiled".to_owned(),
            error => last_line(&error.to_string()),
        })
}

/// The reader's drawing of the pattern is left out.
fn last_line(message: &str) -> String {
    let last = message.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

fn translate(pattern: &str) -> Result<String, String> {
    let mut translator = Translator {
        rest: pattern,
        out: String::with_capacity(pattern.len() * 2),
        names: HashSet::new(),
    };
    translator.expression()?;
    Ok(translator.out)
}

struct Translator<'p> {
    rest: &'p str,
    out: String,
    names: HashSet<&'p str>,
}

impl<'p> Translator<'p> {
    fn next(&mut self) -> Option<char> {
        let char = self.rest.chars().next()?;
        self.rest = &self.rest[char.len_utf8()..];
        Some(char)
    }

    /// Takes `text` if it comes next.
    fn takes(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn literal(&mut self, char: char) {
        let _ = write!(self.out, "\\x{{{:x}}}", u32::from(char));
    }

    fn expression(&mut self) -> Result<(), String> {
        let mut after_repeat = false;
        while let Some(char) = self.next() {
            let mut is_repeat = false;
            match char {
                '*' | '+' | '?' => {
                    self.out.push(char);
                    is_repeat = true;
                }
                '{' => match self.repeat()? {
                    Some(repeat) => {
                        self.out.push('{');
                        self.out.push_str(repeat);
                        is_repeat = true;
                    }
                    // What opens no repetition is a brace, and not an error.
                    None => self.literal('{'),
                },
                '(' => self.group()?,
                '[' => self.class()?,
                '\\' => self.escape()?,
                '.' | '^' | '$' | '|' | ')' => self.out.push(char),
                char => self.literal(char),
            }
            if is_repeat {
                if after_repeat {
                    return Err("one repetition directly follows another".to_owned());
                }
                if self.takes("?") {
                    self.out.push('?');
                }
            }
            after_repeat = is_repeat;
        }
        Ok(())
    }

    /// What follows the opening brace of a repetition; `None`: it opens none.
    fn repeat(&mut self) -> Result<Option<&'p str>, String> {
        let whole = self.rest;
        let Some((inner, rest)) = whole.split_once('}') else {
            return Ok(None);
        };
        let (from, to) = inner
            .split_once(',')
            .map_or((inner, None), |(from, to)| (from, Some(to)));
        let is_number = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
        };
        if from.is_empty() || !is_number(from) || !to.is_none_or(is_number) {
            return Ok(None);
        }
        let bounds: Vec<u32> = [Some(from), to]
            .into_iter()
            .flatten()
            .filter(|text| !text.is_empty())
            .map(|text| text.parse().unwrap_or(u32::MAX))
            .collect();
        if bounds.iter().any(|bound| *bound > MOST_REPEATS) || !bounds.is_sorted() {
            return Err(format!(
                "`{{{inner}}}` is no repetition: at most {MOST_REPEATS} times"
            ));
        }
        self.rest = rest;
        Ok(Some(&whole[..=inner.len()]))
    }

    /// What began with a parenthesis. Names do not matter, but must be good.
    fn group(&mut self) -> Result<(), String> {
        if !self.takes("?") {
            self.out.push('(');
            return Ok(());
        }
        if (self.takes("P<") || self.takes("<")) && !self.rest.starts_with(['=', '!']) {
            let (name, rest) = self.rest.split_once('>').ok_or("a group's name has no end")?;
            let is_good = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !is_good || !self.names.insert(name) {
                return Err(format!("`{name}` is no name of a group, or stands here twice"));
            }
            self.rest = rest;
            self.out.push('(');
            return Ok(());
        }
        let end = self
            .rest
            .find([')', ':'])
            .ok_or("a group that begins with `(?` has no end")?;
        let flags = &self.rest[..end];
        // Rust knows more of them; and what looks around is known to neither.
        let is_good = flags.bytes().all(|byte| b"imsU-".contains(&byte));
        if !is_good {
            return Err(format!("`(?{flags}` is not known"));
        }
        self.out.push_str("(?");
        self.out.push_str(&self.rest[..=end]);
        self.rest = &self.rest[end + 1..];
        Ok(())
    }

    /// What began with a backslash, outside of a class.
    fn escape(&mut self) -> Result<(), String> {
        if self.takes("Q") {
            let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
            self.rest = rest;
            quoted.chars().for_each(|char| self.literal(char));
            return Ok(());
        }
        for (ours, theirs) in [("A", r"\A"), ("z", r"\z"), ("b", r"(?-u:\b)"), ("B", r"(?-u:\B)")] {
            if self.takes(ours) {
                self.out.push_str(theirs);
                return Ok(());
            }
        }
        if let Some(class) = self.perl_or_unicode()? {
            self.out.push_str(&class);
            return Ok(());
        }
        let char = self.character()?;
        self.literal(char);
        Ok(())
    }

    /// `\d` and its kin mean ASCII alone; `\pL` and its kin are the same for both.
    fn perl_or_unicode(&mut self) -> Result<Option<String>, String> {
        for (letter, class) in [
            ("d", "[0-9]"),
            ("D", "[^0-9]"),
            ("s", r"[\t\n\x0c\r ]"),
            ("S", r"[^\t\n\x0c\r ]"),
            ("w", "[0-9A-Za-z_]"),
            ("W", "[^0-9A-Za-z_]"),
        ] {
            if self.takes(letter) {
                return Ok(Some(class.to_owned()));
            }
        }
        let mut is_negated = match self.rest.as_bytes().first() {
            Some(b'p') => false,
            Some(b'P') => true,
            _ => return Ok(None),
        };
        self.next();
        let name = if self.takes("{") {
            let (name, rest) = self.rest.split_once('}').ok_or("`\\p{` has no end")?;
            self.rest = rest;
            if let Some(name) = name.strip_prefix('^') {
                is_negated = !is_negated;
                name.to_owned()
            } else {
                name.to_owned()
            }
        } else {
            self.next().map(String::from).unwrap_or_default()
        };
        // Go knows categories and scripts, written as Unicode has them.
        let is_good = name.starts_with(|first: char| first.is_ascii_uppercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        if !is_good {
            return Err(format!("`{name}` is no class of Unicode"));
        }
        let letter = if is_negated { 'P' } else { 'p' };
        Ok(Some(format!("\\{letter}{{{name}}}")))
    }

    /// One character after a backslash.
    fn character(&mut self) -> Result<char, String> {
        let char = self.next().ok_or("it ends in a backslash")?;
        match char {
            // One digit alone would be a reference back, which neither knows; zero is one character in any case.
            '1'..='7' if !self.rest.starts_with(|next: char| ('0'..='7').contains(&next)) => {
                Err(format!("`\\{char}` refers back, which is not supported"))
            }
            '0'..='7' => {
                let mut code = u32::from(char) - u32::from('0');
                for _ in 0..2 {
                    let Some(digit) = self.rest.chars().next().and_then(|next| next.to_digit(8)) else {
                        break;
                    };
                    code = code * 8 + digit;
                    self.next();
                }
                Ok(char::from_u32(code).unwrap_or_default())
            }
            'x' => self.hexadecimal(),
            'a' => Ok('\x07'),
            'f' => Ok('\x0c'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\x0b'),
            char if char.is_ascii() && !char.is_ascii_alphanumeric() => Ok(char),
            char => Err(format!("`\\{char}` is not known")),
        }
    }

    fn hexadecimal(&mut self) -> Result<char, String> {
        let digits = if self.takes("{") {
            let (digits, rest) = self.rest.split_once('}').ok_or("`\\x{` has no end")?;
            self.rest = rest;
            digits
        } else {
            let digits = self.rest.get(..2).ok_or("`\\x` needs two digits")?;
            self.rest = &self.rest[2..];
            digits
        };
        let is_good = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_good
            .then(|| u32::from_str_radix(digits, 16).ok())
            .flatten()
            .and_then(char::from_u32)
            .ok_or_else(|| format!("`\\x{digits}` is no character"))
    }

    /// What began with a bracket. Sets are not calculated with: `[a&&b]` is three characters, `[[]` is one.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.takes("^") {
            self.out.push('^');
        }
        let mut is_first = true;
        loop {
            if self.rest.is_empty() {
                return Err("a `[` has no end".to_owned());
            }
            if !is_first && self.takes("]") {
                break;
            }
            is_first = false;
            if self.rest.starts_with("[:")
                && let Some((name, rest)) = self.rest[2..].split_once(":]")
            {
                self.rest = rest;
                self.named(name)?;
                continue;
            }
            self.item()?;
        }
        self.out.push(']');
        Ok(())
    }

    fn named(&mut self, name: &str) -> Result<(), String> {
        const KNOWN: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
            "space", "upper", "word", "xdigit",
        ];
        if !KNOWN.contains(&name.trim_start_matches('^')) || name.starts_with("^^") {
            return Err(format!("`[:{name}:]` is no class of characters"));
        }
        let _ = write!(self.out, "[:{name}:]");
        Ok(())
    }

    /// A character, a range, or a class that has a name of one letter.
    fn item(&mut self) -> Result<(), String> {
        let after_backslash = self.rest.strip_prefix('\\');
        if let Some(rest) = after_backslash
            && rest.starts_with(['d', 'D', 's', 'S', 'w', 'W', 'p', 'P'])
        {
            self.rest = rest;
            if let Some(class) = self.perl_or_unicode()? {
                self.out.push_str(&class);
            }
            return Ok(());
        }
        let low = self.class_character()?;
        let mut high = low;
        if self.rest.starts_with('-') && !self.rest[1..].starts_with(']') && self.rest.len() > 1 {
            self.next();
            high = self.class_character()?;
        }
        if high < low {
            return Err(format!("`{low}-{high}` is no range"));
        }
        self.literal(low);
        if high != low {
            self.out.push('-');
            self.literal(high);
        }
        Ok(())
    }

    fn class_character(&mut self) -> Result<char, String> {
        match self.next() {
            Some('\\') => self.character(),
            Some(char) => Ok(char),
            None => Err("a `[` has no end".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
