//! Patterns of tags and of images: `*` stands for anything, and nothing else is special.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::image::{ImageName, InvalidReference, Tag, excerpt};

/// What each `*` of a pattern stands for in `text`, as little as possible for all but the last.
fn captures<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut parts = pattern.split('*');
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut parts = parts.peekable();
    let mut captures = Vec::new();
    while let Some(part) = parts.next() {
        let (capture, after) = if parts.peek().is_none() {
            (rest.strip_suffix(part)?, "")
        } else {
            rest.split_once(part)?
        };
        captures.push(capture);
        rest = after;
    }
    rest.is_empty().then_some(captures)
}

/// A pattern of branches: `main`, `release/*`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct BranchPattern(String);

impl BranchPattern {
    /// Does it stand for this branch, which is named without `refs/heads/`?
    pub fn matches(&self, branch: &str) -> bool {
        captures(&self.0, branch).is_some()
    }
}

impl TryFrom<String> for BranchPattern {
    type Error = InvalidReference;

    /// What Git allows in a branch's name, and `*`.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_odd = |char: char| char.is_whitespace() || char.is_control() || "~^:?[\\".contains(char);
        if (1..=255).contains(&text.len()) && !text.contains(is_odd) && !text.starts_with("refs/") {
            Ok(Self(text))
        } else {
            Err(InvalidReference(format!(
                "`{}` is no branch and no pattern of branches: write its name like `main`, or `release/*`",
                excerpt(&text)
            )))
        }
    }
}

/// A pattern of tags: `v*`, `*-alpine`, `latest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TagPattern(String);

impl TagPattern {
    /// Does it stand for this tag?
    pub fn matches(&self, tag: &Tag) -> bool {
        self.captures(tag).is_some()
    }

    /// What each `*` stands for in this tag, as little as possible for all but the last; `None`: it does not match.
    pub fn captures<'t>(&self, tag: &'t Tag) -> Option<Vec<&'t str>> {
        captures(&self.0, tag.as_str())
    }

    /// How many `*` it has.
    pub fn wildcards(&self) -> usize {
        self.0.matches('*').count()
    }
}

impl FromStr for TagPattern {
    type Err = InvalidReference;

    /// The letters of tags, and `*`; at most 128 bytes, as a tag has.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=128).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'*'));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidReference(format!(
                "`{}` is no tag and no pattern of tags: letters, digits, `_`, `.`, `-`, and `*` for anything",
                excerpt(text)
            )))
        }
    }
}

impl TryFrom<String> for TagPattern {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TagPattern> for String {
    fn from(pattern: TagPattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The images that a repository declares: one by its name, or all of a namespace: `docker.io/acme/*`.
///
/// Never Docker Hub's `library/`, which belongs to nobody, and never more than one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImagePattern(Images);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Images {
    One(ImageName),
    /// Registry and namespace, without the slash behind it.
    Namespace(String),
}

impl ImagePattern {
    /// Does it stand for this image?
    pub fn matches(&self, image: &ImageName) -> bool {
        match &self.0 {
            Images::One(name) => name == image,
            Images::Namespace(namespace) => *namespace == namespace_of(image),
        }
    }

    /// Is it the name of one image?
    pub fn is_exact(&self) -> bool {
        self.image().is_some()
    }

    /// The image, where it is the name of one.
    pub fn image(&self) -> Option<&ImageName> {
        match &self.0 {
            Images::One(name) => Some(name),
            Images::Namespace(_) => None,
        }
    }

    /// The patterns that stand for an image, the narrower one first.
    pub fn of(image: &ImageName) -> [Self; 2] {
        [
            Self(Images::One(image.clone())),
            Self(Images::Namespace(namespace_of(image))),
        ]
    }
}

/// Everything before the last slash.
fn namespace_of(image: &ImageName) -> String {
    let name = image.to_string();
    name.rsplit_once('/')
        .map_or(String::new(), |(namespace, _)| namespace.to_owned())
}

impl FromStr for ImagePattern {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |why: &str| Err(InvalidReference(format!("`{}` {why}", excerpt(text))));
        let has_wildcard = text.contains('*');
        // Of a namespace any image does to see what it is.
        let sample = match text.strip_suffix("/*") {
            Some(namespace) if !namespace.contains('*') => format!("{namespace}/x"),
            _ if has_wildcard => {
                return refused("is too wide: give an image's exact name, or a namespace like `acme/*`");
            }
            _ => text.to_owned(),
        };
        let image: ImageName = sample.parse()?;
        if image.registry() == "docker.io" && image.path().starts_with("library/") {
            return refused("is one of Docker Hub's own images (`library/`), which no repository speaks for");
        }
        if !has_wildcard {
            return Ok(Self(Images::One(image)));
        }
        if image.path().contains('/') {
            Ok(Self(Images::Namespace(namespace_of(&image))))
        } else {
            refused("is a whole registry: name a namespace in it as well, like `ghcr.io/acme/*`")
        }
    }
}

impl TryFrom<String> for ImagePattern {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ImagePattern> for String {
    fn from(pattern: ImagePattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Images::One(name) => name.fmt(f),
            Images::Namespace(namespace) => write!(f, "{namespace}/*"),
        }
    }
}

/// Files in a container: an absolute path in which `*` stands for anything within a folder's or a file's name, and `**`
/// for any folders: `/reports/*.xml`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FilePattern(String);

impl FilePattern {
    /// The folder below which all files lie that it stands for: what comes before its first wildcard.
    pub fn folder(&self) -> &str {
        let literal = self.0.find(['*', '?', '[']).unwrap_or(self.0.len());
        let end = self.0[..literal].rfind('/').unwrap_or(0);
        &self.0[..end]
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For comparing it with paths.
    pub fn compiled(&self) -> glob::Pattern {
        glob::Pattern::new(&self.0).unwrap_or_default()
    }
}

impl FromStr for FilePattern {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |why: &str| Err(InvalidReference(format!("`{}` {why}", excerpt(text))));
        let pattern = Self(text.to_owned());
        if !text.starts_with('/') || text.len() > 1024 || text.contains(char::is_control) {
            return wrong("is no absolute path in the container");
        }
        if text
            .split('/')
            .skip(1)
            .any(|part| matches!(part, "" | "." | ".."))
        {
            return wrong("has an empty part, `.` or `..` in it");
        }
        if let Err(error) = glob::Pattern::new(text) {
            return wrong(&format!("is no pattern: {}", error.msg));
        }
        match pattern.folder().split('/').nth(1) {
            None => wrong("names no folder: write the reports to one of their own, like `/reports/*.xml`"),
            Some("proc" | "sys" | "dev") => wrong("lies where no files are kept"),
            Some(_) => Ok(pattern),
        }
    }
}

impl TryFrom<String> for FilePattern {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<FilePattern> for String {
    fn from(pattern: FilePattern) -> Self {
        pattern.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_is_carried_over() {
        for (pattern, tag, captures) in [
            ("latest", "latest", Some(vec![])),
            ("latest", "latest2", None),
            ("v*", "v1.2", Some(vec!["1.2"])),
            ("v*", "V1", None),
            ("1.*", "1.", Some(vec![""])),
            ("*-alpine", "1.2-alpine", Some(vec!["1.2"])),
            ("*-alpine", "alpine", None),
            ("*.*-*", "1.2.3-rc-1", Some(vec!["1", "2.3", "rc-1"])),
            ("*", "x", Some(vec!["x"])),
            ("a*a", "a", None),
            ("a**b", "acb", Some(vec!["", "c"])),
        ] {
            let pattern: TagPattern = pattern.parse().unwrap();
            let tag: Tag = tag.parse().unwrap();
            assert_eq!(pattern.captures(&tag), captures, "{pattern} {tag}");
        }
        for wrong in ["", "v?", "[ab]", "a/b", "ä", &"a".repeat(129)] {
            assert!(wrong.parse::<TagPattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn images_are_declared_by_name_or_by_namespace() {
        let image: ImageName = "acme/app".parse().unwrap();
        for (written, canonical) in [
            ("acme/app", "docker.io/acme/app"),
            ("docker.io/acme/*", "docker.io/acme/*"),
            ("acme/*", "docker.io/acme/*"),
            ("ghcr.io/acme/*", "ghcr.io/acme/*"),
            ("ghcr.io/acme/team/*", "ghcr.io/acme/team/*"),
            ("localhost:5000/app", "localhost:5000/app"),
        ] {
            let pattern: ImagePattern = written.parse().unwrap();
            assert_eq!(pattern.to_string(), canonical);
            assert_eq!(pattern.matches(&image), canonical.starts_with("docker.io/acme/"));
            assert_eq!(
                ImagePattern::of(&image).contains(&pattern),
                pattern.matches(&image)
            );
        }
        for wrong in [
            "*",
            "docker.io/*",
            "ghcr.io/*",
            "localhost:5000/*",
            "*/app",
            "acme/app-*",
            "acme/*/*",
            "library/*",
            "library/redis",
            "redis",
            "docker.io/redis",
            "acme/app:v1",
            "",
            "/*",
        ] {
            assert!(wrong.parse::<ImagePattern>().is_err(), "{wrong}");
        }
        let nested: ImageName = "ghcr.io/acme/team/app".parse().unwrap();
        assert!(!"ghcr.io/acme/*".parse::<ImagePattern>().unwrap().matches(&nested));
    }

    proptest! {
        #[test]
        fn captures_put_back_make_the_tag_again(pattern in "[ab*]{1,6}", tag in "[ab]{1,8}") {
            let pattern: TagPattern = pattern.parse().unwrap();
            let tag: Tag = tag.parse().unwrap();
            let regex = format!("^{}$", pattern.to_string().replace('*', ".*"));
            let captures = pattern.captures(&tag);
            prop_assert_eq!(captures.is_some(), regex::Regex::new(&regex).unwrap().is_match(tag.as_str()));
            if let Some(captures) = captures {
                let text = pattern.to_string();
                let mut captures = captures.into_iter();
                let again: String = text
                    .chars()
                    .map(|char| if char == '*' { captures.next().unwrap().to_owned() } else { char.to_string() })
                    .collect();
                prop_assert_eq!(again, tag.to_string());
            }
        }
    }

    #[test]
    fn patterns_of_files_lie_below_a_folder() {
        for (text, folder) in [
            ("/reports/*.xml", "/reports"),
            ("/app/build/test-results/**/*.xml", "/app/build/test-results"),
            ("/app/junit.xml", "/app"),
            ("/a/b*/c.xml", "/a"),
        ] {
            assert_eq!(text.parse::<FilePattern>().unwrap().folder(), folder, "{text}");
        }
        for text in [
            "",
            "reports/*.xml",
            "/*.xml",
            "/junit.xml",
            "/a/../b/x",
            "/a//b",
            "/proc/1/x",
            "/a/**b/c",
            "/a/[/c",
        ] {
            assert!(text.parse::<FilePattern>().is_err(), "{text}");
        }
    }
}
