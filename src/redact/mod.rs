//! Hides secrets in what strangers print, before anything of it is stored or shown.
//!
//! A stream: bytes come in pieces, and leave as soon as they cannot be the beginning of a secret. So no
//! secret passes in two halves, and nothing is held back for longer than it must. Pure.

mod needles;

use std::fmt;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};

/// What stands where a secret stood.
pub const MASK: &str = "***";

/// Knows secrets and what becomes of them when they are encoded. Cheap to clone.
///
/// Hidden are a secret itself, its base64 wherever in a longer text it stands, its base64url, its
/// URL-encoded forms and its hexadecimal ones, also where a line break goes through them: `base64` breaks
/// lines. Of a secret of several lines each line is hidden. What is shorter than
/// [`Redactor::SHORTEST`] bytes is no secret: it would be found in every other word.
#[derive(Clone, Default)]
pub struct Redactor(Option<Arc<Haystack>>);

/// The forms of all secrets.
struct Haystack {
    finder: AhoCorasick,
    /// Sorted, so that those which begin with something stand together.
    needles: Vec<String>,
    longest: usize,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// Shorter values are not hidden, in bytes.
    pub const SHORTEST: usize = 6;

    /// Hides these.
    ///
    /// Fails where they are too many to be looked for at once, which takes megabytes of them.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Result<Self, TooManySecrets> {
        let mut needles: Vec<String> = secrets
            .into_iter()
            .flat_map(|secret| needles::of(secret.expose_secret()))
            .collect();
        needles.sort();
        needles.dedup();
        let Some(longest) = needles.iter().map(String::len).max() else {
            return Ok(Self::default());
        };
        let finder = AhoCorasick::new(&needles).map_err(|_| TooManySecrets)?;
        Ok(Self(Some(Arc::new(Haystack {
            finder,
            needles,
            longest,
        }))))
    }

    /// For a text that comes in pieces.
    pub fn stream(&self) -> RedactedStream {
        RedactedStream {
            haystack: self.0.clone(),
            held: Vec::new(),
            hidden: 0,
        }
    }

    /// A whole text.
    pub fn text(&self, text: &str) -> String {
        let mut stream = self.stream();
        let mut bytes = stream.push(Bytes::copy_from_slice(text.as_bytes())).to_vec();
        bytes.extend(stream.finish());
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The configuration holds more secrets than can be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration holds more secrets than can be hidden: remove those that are not needed")]
pub struct TooManySecrets;

/// A text on its way through a [`Redactor`].
pub struct RedactedStream {
    /// `None`: there is nothing to hide.
    haystack: Option<Arc<Haystack>>,
    /// What may be the beginning of a secret: shorter than the longest, line breaks aside.
    held: Vec<u8>,
    /// So many bytes of `held` belong to a secret whose mask has left already.
    hidden: usize,
}

impl RedactedStream {
    /// Takes the next piece in, and lets go what is certain by now.
    pub fn push(&mut self, piece: Bytes) -> Bytes {
        let Some(haystack) = self.haystack.clone() else {
            return piece;
        };
        self.held.extend_from_slice(&piece);
        let view = View::of(&self.held);
        let certain = haystack
            .beginning(&view.bytes)
            .map_or(self.held.len(), |begins| view.position(begins));
        self.release(&haystack.find(&view), certain)
    }

    /// Lets go the rest: nothing more will come.
    pub fn finish(&mut self) -> Bytes {
        let Some(haystack) = self.haystack.clone() else {
            return Bytes::new();
        };
        let found = haystack.find(&View::of(&self.held));
        self.release(&found, self.held.len())
    }

    /// Lets go the first `certain` bytes, with a mask in place of what was found.
    fn release(&mut self, found: &[(usize, usize)], certain: usize) -> Bytes {
        let mut released = Vec::with_capacity(certain);
        let mut done = self.hidden;
        for &(start, end) in found {
            if start >= certain {
                break;
            }
            if start >= done {
                released.extend_from_slice(&self.held[done..start]);
                released.extend_from_slice(MASK.as_bytes());
            }
            done = done.max(end);
        }
        released.extend_from_slice(self.held.get(done..certain).unwrap_or_default());
        self.hidden = done.saturating_sub(certain);
        self.held.drain(..certain);
        released.into()
    }
}

impl Haystack {
    /// Where there is a secret, in bytes of the text, by their starts. They may overlap.
    fn find(&self, view: &View) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = self
            .finder
            .find_overlapping_iter(&view.bytes)
            .map(|found| (view.position(found.start()), view.position(found.end() - 1) + 1))
            .collect();
        found.sort_unstable();
        found
    }

    /// Where the end of `bytes` may be the beginning of a secret, if anywhere.
    fn beginning(&self, bytes: &[u8]) -> Option<usize> {
        let first = bytes.len().saturating_sub(self.longest - 1);
        (first..bytes.len()).find(|&start| {
            let end = &bytes[start..];
            let candidate = self.needles.partition_point(|needle| needle.as_bytes() <= end);
            self.needles
                .get(candidate)
                .is_some_and(|needle| needle.as_bytes().starts_with(end))
        })
    }
}

/// A text without its line breaks; of several in a row only the first is left out, and no secret goes on
/// beyond the second.
struct View {
    bytes: Vec<u8>,
    /// Where a line begins: in `bytes`, and in the text.
    lines: Vec<(usize, usize)>,
}

impl View {
    fn of(text: &[u8]) -> Self {
        let mut view = Self {
            bytes: Vec::with_capacity(text.len()),
            lines: Vec::new(),
        };
        let mut position = 0;
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            let content = line.strip_suffix(b"\n").unwrap_or(line);
            // A carriage return at the very end may be the first half of a line break.
            let content = content.strip_suffix(b"\r").unwrap_or(content);
            view.lines.push((view.bytes.len(), position));
            view.bytes
                .extend_from_slice(if content.is_empty() { line } else { content });
            position += line.len();
        }
        view
    }

    /// Where in the text the byte at `index` stands.
    fn position(&self, index: usize) -> usize {
        let line = self.lines.partition_point(|(start, _)| *start <= index);
        let (start, position) = line
            .checked_sub(1)
            .and_then(|line| self.lines.get(line))
            .copied()
            .unwrap_or_default();
        position + (index - start)
    }
}

#[cfg(test)]
mod tests;
