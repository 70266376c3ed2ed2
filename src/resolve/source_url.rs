//! The URL of a source repository, as images name it: a stranger's text → a repository of our GitHub, or not.
//!
//! Strict, and of our own: what reads URLs in general decodes and guesses, and takes `https://evil.example/?github.com/o/r`
//! or `o%2Fr` for what they are not. The URL itself is never fetched.

use crate::model::RepoName;

/// What a source URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceUrl {
    /// A repository of the GitHub that we are an App of.
    Repo(RepoName),
    /// Something else, or nothing that can be made out.
    Elsewhere,
}

impl SourceUrl {
    /// Reads `text`. `host`: of GitHub's pages, in lower case, with its port where it has one.
    ///
    /// Taken are `https`, `http`, `ssh` and `git` URLs, with `git+` or `scm:git:` before them, `user@host:owner/name`,
    /// and `host/owner/name`; after the name may stand `.git`, `/tree/…`, `/blob/…`, `/commit/…`, and a ref behind
    /// `#`, `?` or `@`.
    pub fn read(text: &str, host: &str) -> Self {
        match repo_of(text.trim(), host) {
            Some(repo) => Self::Repo(repo),
            None => Self::Elsewhere,
        }
    }
}

impl SourceUrl {
    /// The branch, tag or commit that a source URL names beside its repository: behind `#` up to a `:`, as `ref`,
    /// `tag`, `branch`, `commit` or `checksum` of its query, or behind an `@` after the repository's name.
    pub fn reference(text: &str) -> Option<&str> {
        let text = text.trim();
        let (before, fragment) = match text.split_once('#') {
            Some((before, fragment)) => (before, fragment.split(':').next()),
            None => (text, None),
        };
        let (path, query) = before.split_once('?').unwrap_or((before, ""));
        let of_query = |wanted: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .into_iter()
                .find(|(key, _)| *key == wanted)
                .map(|(_, value)| value)
        };
        // What stands before the host is whoever signs in.
        let of_path = || {
            let (_, rest) = path.split_once("://")?;
            rest.split_once('/')?
                .1
                .split_once('@')
                .map(|(_, reference)| reference)
        };
        ["checksum", "commit"]
            .into_iter()
            .find_map(of_query)
            .or(fragment)
            .or_else(|| ["ref", "tag", "branch"].into_iter().find_map(of_query))
            .or_else(of_path)
            .filter(|reference| !reference.is_empty())
    }
}

fn repo_of(text: &str, host: &str) -> Option<RepoName> {
    let is_odd = |char: char| char.is_control() || char.is_whitespace() || matches!(char, '%' | '\\');
    if text.contains(is_odd) {
        return None;
    }
    let text = text.strip_prefix("scm:git:").unwrap_or(text);
    let text = text.strip_prefix("git+").unwrap_or(text);
    let text = text.split(['#', '?']).next()?;
    let path = match text.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/')?;
            is_ours(authority, scheme, host).then_some(path)?
        }
        None => path_of_scp(text, host)?,
    };
    name_of(path)
}

/// Is this GitHub, under one of the names it has, at the port that the scheme has anyway?
fn is_ours(authority: &str, scheme: &str, host: &str) -> bool {
    // Whoever stands before the `@` does not matter.
    let authority = authority
        .rsplit('@')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let port = match scheme.to_ascii_lowercase().as_str() {
        "https" => "443",
        "http" => "80",
        "ssh" => "22",
        "git" => "9418",
        _ => return false,
    };
    let bare = authority
        .strip_suffix(port)
        .and_then(|rest| rest.strip_suffix(':'))
        .unwrap_or(&authority);
    let is_ssh_alias = host == "github.com" && scheme.eq_ignore_ascii_case("ssh");
    bare == host
        || bare.strip_prefix("www.") == Some(host)
        || (is_ssh_alias && matches!(authority.as_str(), "ssh.github.com" | "ssh.github.com:443"))
}

/// `git@github.com:owner/name`, `github.com/owner/name`.
fn path_of_scp<'t>(text: &'t str, host: &str) -> Option<&'t str> {
    let (before, path) = match text.split_once('/')? {
        // A port, or the start of the path, stands behind a colon.
        (first, _) if first.contains(':') && !host.contains(':') => text.split_once(':')?,
        parts => parts,
    };
    let named = before.rsplit('@').next()?.to_ascii_lowercase();
    let is_host = named == host || named.strip_prefix("www.") == Some(host);
    is_host.then_some(path.trim_start_matches('/'))
}

fn name_of(path: &str) -> Option<RepoName> {
    let mut parts = path.split('/');
    let (owner, name) = (parts.next()?, parts.next()?);
    let rest: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    if !matches!(
        rest.as_slice(),
        [] | ["tree" | "blob" | "commit" | "releases", ..]
    ) && !name.contains('@')
    {
        return None;
    }
    let name = name.split('@').next()?;
    let name = name.strip_suffix(".git").unwrap_or(name);
    format!("{owner}/{name}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_in_which_people_write_it_leads_to_the_repository() {
        for text in [
            "https://github.com/o/r",
            "https://github.com/o/r.git",
            "https://github.com/o/r/",
            "https://GitHub.com/O/R",
            "http://www.github.com/o/r",
            "https://github.com:443/o/r",
            "https://github.com/o/r.git#abc:sub",
            "https://github.com/o/r.git?ref=main&subdir=x",
            "https://github.com/o/r/tree/main/images/static",
            "https://github.com/o/r/commit/abc",
            "https://xxxxx:xxxxx@github.com/o/r.git",
            "git@github.com:o/r.git",
            "org-1234@github.com:o/r.git",
            "github.com:o/r",
            "ssh://git@github.com/o/r.git",
            "ssh://git@github.com:22/o/r",
            "ssh://git@ssh.github.com:443/o/r.git",
            "git://github.com/o/r.git",
            "git+https://github.com/o/r@refs/heads/main",
            "git+ssh://github.com/o/r.git",
            "scm:git:git://github.com/o/r.git",
            "github.com/o/r",
            "  https://github.com/o/r\n",
        ] {
            let repo = "o/r".parse().unwrap();
            assert_eq!(
                SourceUrl::read(text, "github.com"),
                SourceUrl::Repo(repo),
                "{text}"
            );
        }
    }

    #[test]
    fn the_ref_beside_the_repository_is_read() {
        for (text, reference) in [
            ("https://github.com/o/r.git#abc:sub", Some("abc")),
            (
                "https://github.com/o/r.git#refs/heads/main",
                Some("refs/heads/main"),
            ),
            ("https://github.com/o/r.git#:sub", None),
            ("https://github.com/o/r.git?ref=main&subdir=x", Some("main")),
            ("https://github.com/o/r.git?ref=main&checksum=abc#x", Some("abc")),
            (
                "git+https://github.com/o/r@refs/heads/main",
                Some("refs/heads/main"),
            ),
            ("https://user@github.com/o/r", None),
            ("git@github.com:o/r.git", None),
            ("https://github.com/o/r", None),
        ] {
            assert_eq!(SourceUrl::reference(text), reference, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_it_leads_nowhere() {
        for text in [
            "",
            "o/r",
            "https://github.com",
            "https://github.com/o",
            "https://github.com/o/..",
            "https://github.com/o/../p/r",
            "https://github.com/o%2Fr",
            "https://github.com/o/r%00",
            "https://github.com/o\\r",
            "https://github.com/o/r x",
            "https://github.com/o/r/wiki/x",
            "https://github.com@evil.example/o/r",
            "https://github.com.evil.example/o/r",
            "https://evil.example/?github.com/o/r",
            "https://evil.example/#github.com/o/r",
            "https://evil.example/github.com/o/r",
            "https://github.com:8443/o/r",
            "https://gitlab.com/o/r",
            "git@gitlab.com:o/r.git",
            "file:///o/r",
            "ftp://github.com/o/r",
            "javascript://github.com/o/r",
            "github.com.evil.example:o/r",
            "https://api.github.com/o/r",
        ] {
            assert_eq!(
                SourceUrl::read(text, "github.com"),
                SourceUrl::Elsewhere,
                "{text}"
            );
        }
    }

    #[test]
    fn an_enterprise_server_is_as_good_as_github_com() {
        let repo = || SourceUrl::Repo("o/r".parse().unwrap());
        assert_eq!(
            SourceUrl::read("git@ghe.example.org:o/r.git", "ghe.example.org"),
            repo()
        );
        assert_eq!(
            SourceUrl::read("https://127.0.0.1:8080/o/r", "127.0.0.1:8080"),
            repo()
        );
        assert_eq!(
            SourceUrl::read("https://github.com/o/r", "ghe.example.org"),
            SourceUrl::Elsewhere
        );
    }
}
