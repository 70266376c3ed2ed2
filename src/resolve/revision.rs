//! A revision as images write it → what it names. Pure.

use crate::model::{CommitSha, GitRef};

/// What tools write where they know no revision.
const PLACEHOLDERS: [&str; 6] = ["unknown", "null", "none", "undefined", "HEAD", "dirty"];

/// What is added to a revision that was built with changes on top.
const DIRTY: [&str; 2] = ["-dirty", "-modified"];

/// Hexadecimal digits that may be the beginning of a SHA.
const PREFIX: std::ops::Range<usize> = 7..40;

/// How a commit is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// By its full SHA.
    Commit(CommitSha),
    /// By the beginning of its SHA, in lower case: anybody can make another commit that begins so.
    Prefix(String),
    /// By a branch or a tag, with `heads/` or `tags/` before it where that is known.
    Ref(String),
    /// As the head of a pull request.
    Pull(u64),
}

/// What a revision says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The commit.
    pub named: Named,
    /// Was the image built from changes that are not in it?
    pub is_dirty: bool,
}

impl Revision {
    /// Reads a revision, or says why it names nothing: SHAs, long, short or at the end of something longer, what
    /// `git describe` prints, branches, tags and pull requests.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let clean = DIRTY.iter().find_map(|suffix| text.strip_suffix(suffix));
        let is_dirty = clean.is_some();
        let text = clean.unwrap_or(text);
        if is_placeholder(text) {
            return Err("it holds a placeholder");
        }
        // `6.1.8/<sha>`, `main@sha1:<sha>`, `git+…@<sha>`
        let last = text.rsplit(['/', '@', ':']).next().unwrap_or(text);
        if last.len() == 64 && is_hex(last) {
            return Err("it has 64 digits, and a commit of GitHub's has 40");
        }
        if last.bytes().all(|byte| byte == b'0') && last.len() == 40 {
            return Err("it holds a placeholder");
        }
        let named = if let Ok(sha) = last.parse() {
            Named::Commit(sha)
        } else if let Some(digits) = short_sha(text, last) {
            match digits.parse() {
                Ok(sha) => Named::Commit(sha),
                Err(_) => Named::Prefix(digits.to_ascii_lowercase()),
            }
        } else if let Some(number) = pull_request(text) {
            Named::Pull(number)
        } else {
            Named::Ref(reference(text).ok_or("it is no commit, no branch and no tag")?)
        };
        Ok(Self { named, is_dirty })
    }
}

impl Named {
    /// Its digits, where it is named by such.
    fn digits(&self) -> Option<&str> {
        match self {
            Self::Commit(sha) => Some(sha.as_str()),
            Self::Prefix(digits) => Some(digits),
            Self::Ref(_) | Self::Pull(_) => None,
        }
    }

    /// Can this be that commit? `None`: only GitHub knows.
    pub fn may_be(&self, sha: &CommitSha) -> Option<bool> {
        self.digits().map(|digits| sha.as_str().starts_with(digits))
    }
}

fn is_placeholder(text: &str) -> bool {
    PLACEHOLDERS.iter().any(|word| word.eq_ignore_ascii_case(text))
        || text.starts_with("${")
        || text.starts_with("$(")
        || text.bytes().all(|byte| byte == b'0')
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The digits of a short SHA: alone, behind `sha1:`, or at the end of `v1.2-3-gabc1234`.
fn short_sha<'t>(text: &'t str, last: &'t str) -> Option<&'t str> {
    let is_short = |digits: &str| PREFIX.contains(&digits.len()) && is_hex(digits);
    if is_short(text) || (text.ends_with(&format!("sha1:{last}")) && is_short(last)) {
        return Some(last);
    }
    let (described, digits) = text.rsplit_once("-g")?;
    let (_, count) = described.rsplit_once('-')?;
    let is_count = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    (is_count && (is_short(digits) || digits.len() == 40) && is_hex(digits)).then_some(digits)
}

/// `refs/pull/7/merge`, `refs/pull/7/head`
fn pull_request(text: &str) -> Option<u64> {
    let rest = text.strip_prefix("refs/").unwrap_or(text).strip_prefix("pull/")?;
    let number = rest
        .strip_suffix("/merge")
        .or_else(|| rest.strip_suffix("/head"))?;
    number.parse().ok()
}

/// A branch or a tag, if there could be one of that name.
fn reference(text: &str) -> Option<String> {
    if let Ok(reference) = text.parse::<GitRef>() {
        return Some(reference.to_string());
    }
    let is_name = !text.starts_with("refs/") && format!("heads/{text}").parse::<GitRef>().is_ok();
    is_name.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn every_form_is_read() {
        let commit = || Named::Commit(S.parse().unwrap());
        let prefix = |digits: &str| Named::Prefix(digits.to_owned());
        let reference = |name: &str| Named::Ref(name.to_owned());
        for (text, named, is_dirty) in [
            (S.to_owned(), commit(), false),
            (S.to_uppercase(), commit(), false),
            (format!(" {S}\n"), commit(), false),
            (format!("{S}-dirty"), commit(), true),
            (format!("{S}-modified"), commit(), true),
            (format!("6.1.8/{S}"), commit(), false),
            (format!("main@sha1:{S}"), commit(), false),
            (format!("sha1:{S}"), commit(), false),
            (format!("git+https://github.com/o/r@{S}"), commit(), false),
            (format!("v1.2-3-g{S}"), commit(), false),
            ("279FA63".to_owned(), prefix("279fa63"), false),
            ("main@sha1:279fa63".to_owned(), prefix("279fa63"), false),
            ("v1.2-3-gabc1234".to_owned(), prefix("abc1234"), false),
            ("v1.2-3-gabc1234-dirty".to_owned(), prefix("abc1234"), true),
            ("main".to_owned(), reference("main"), false),
            ("feature/deadbee".to_owned(), reference("feature/deadbee"), false),
            ("v1.2.3".to_owned(), reference("v1.2.3"), false),
            ("refs/heads/x/y".to_owned(), reference("heads/x/y"), false),
            ("refs/tags/v1".to_owned(), reference("tags/v1"), false),
            ("refs/pull/2/merge".to_owned(), Named::Pull(2), false),
            ("v1.2-gabc1234".to_owned(), reference("v1.2-gabc1234"), false),
            ("abc12".to_owned(), reference("abc12"), false),
        ] {
            assert_eq!(Revision::read(&text), Ok(Revision { named, is_dirty }), "{text}");
        }
    }

    #[test]
    fn what_names_nothing_is_told_from_what_does() {
        for text in [
            "",
            " ",
            "unknown",
            "NULL",
            "head",
            "-dirty",
            "dirty",
            "${GIT_SHA}",
            "$(git rev-parse HEAD)",
            "0000000",
            &"0".repeat(40),
            &format!("main@sha1:{}", "0".repeat(40)),
            &"a1".repeat(32),
            "a b",
            "refs/notes/x",
            "refs/pull/x/head",
            "a..b",
            "-",
        ] {
            let read = Revision::read(text);
            assert!(read.is_err() || text == "-", "{text}: {read:?}");
        }
    }
}
