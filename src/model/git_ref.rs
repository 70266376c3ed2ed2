//! Git's references: branches and tags of a repository.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::image::{InvalidReference, Tag, excerpt};
use super::pattern::TagPattern;

/// A branch or a tag: `heads/main`, `tags/v1.2.3`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GitRef(String);

impl GitRef {
    /// `heads/main`, `tags/v1.2.3`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GitRef {
    type Err = InvalidReference;

    /// `heads/` or `tags/` and a name, with or without `refs/` before it; the rules are those of
    /// `git check-ref-format`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let short = text.strip_prefix("refs/").unwrap_or(text);
        let name = short
            .strip_prefix("heads/")
            .or_else(|| short.strip_prefix("tags/"));
        let good_part = |part: &str| {
            !part.is_empty() && !part.starts_with('.') && part.rsplit('.').next() != Some("lock")
        };
        let is_good = name.is_some_and(|name| {
            name.len() <= 250
                && name.split('/').all(good_part)
                && !name.ends_with('.')
                && !name.contains("..")
                && !name.contains("@{")
                && !name.contains(|char: char| {
                    char.is_control() || char.is_whitespace() || "~^:?*[\\".contains(char)
                })
        });
        if is_good {
            Ok(Self(short.to_owned()))
        } else {
            Err(InvalidReference(format!(
                "`{}` is no branch and no tag: write it like `heads/main` or `tags/v1.2.3`",
                excerpt(text)
            )))
        }
    }
}

impl TryFrom<String> for GitRef {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<GitRef> for String {
    fn from(reference: GitRef) -> Self {
        reference.0
    }
}

impl fmt::Display for GitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Image tags that stand for a Git reference: `1.*` for `tags/v1.*`, where `*` carries over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefRule {
    tags: TagPattern,
    target: String,
}

impl RefRule {
    /// A rule. Refused where the target has a `*` too many, or could never be a reference.
    pub fn new(tags: TagPattern, target: String) -> Result<Self, InvalidReference> {
        let (given, wanted) = (tags.wildcards(), target.matches('*').count());
        if wanted > given {
            return Err(InvalidReference(format!(
                "`{}` has {wanted} `*` and `{tags}` has {given}: each carries over what one stands for",
                excerpt(&target)
            )));
        }
        if target.replace('*', "x").parse::<GitRef>().is_err() {
            // Told with its own stars.
            return Err(InvalidReference(format!(
                "`{}` is no branch and no tag: write it like `heads/main` or `tags/v1.*`",
                excerpt(&target)
            )));
        }
        Ok(Self { tags, target })
    }

    /// The reference that `tag` stands for. `None`: the rule is not about it, or what carries over makes no
    /// reference.
    pub fn resolve(&self, tag: &Tag) -> Option<GitRef> {
        let captures = self.tags.captures(tag)?;
        let mut captures = captures.into_iter();
        let mut reference = String::new();
        for char in self.target.chars() {
            match char {
                '*' => reference.push_str(captures.next()?),
                other => reference.push(other),
            }
        }
        reference.parse().ok()
    }

    /// The tags that it is about.
    pub fn tags(&self) -> &TagPattern {
        &self.tags
    }

    /// Where they lead, with its stars.
    pub fn target(&self) -> &str {
        &self.target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_those_that_git_takes() {
        for (written, kept) in [
            ("heads/main", "heads/main"),
            ("refs/heads/release/1.x", "heads/release/1.x"),
            ("tags/v1.2.3", "tags/v1.2.3"),
        ] {
            assert_eq!(written.parse::<GitRef>().unwrap().as_str(), kept);
        }
        for wrong in [
            "main",
            "heads/",
            "heads/a..b",
            "tags/v1.",
            "heads/a b",
            "heads/a/",
            "pull/2/merge",
            "heads/a~1",
            "heads/.a",
            "heads/a.lock",
            "heads/a//b",
            "heads/*",
            "heads/a@{1}",
            "heads/a:b",
        ] {
            assert!(wrong.parse::<GitRef>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_star_carries_over() {
        for (tags, target, tag, reference) in [
            ("latest", "heads/main", "latest", Some("heads/main")),
            ("1.*", "tags/v1.*", "1.2.3", Some("tags/v1.2.3")),
            ("*", "tags/v*", "1.2.3", Some("tags/v1.2.3")),
            (
                "*-*",
                "heads/release/*/*",
                "1-alpine",
                Some("heads/release/1/alpine"),
            ),
            ("*-alpine", "heads/main", "1-alpine", Some("heads/main")),
            ("1.*", "tags/v1.*", "2.0", None),
            ("1*", "tags/v1*", "1..2", None),
        ] {
            let rule = RefRule::new(tags.parse().unwrap(), target.to_owned()).unwrap();
            let resolved = rule.resolve(&tag.parse().unwrap());
            assert_eq!(
                resolved.as_ref().map(GitRef::as_str),
                reference,
                "{tags} {target} {tag}"
            );
        }
        for (tags, target) in [("latest", "tags/*"), ("1.*", "v1.*"), ("*", "tags/*.*")] {
            assert!(
                RefRule::new(tags.parse().unwrap(), target.to_owned()).is_err(),
                "{target}"
            );
        }
    }
}
