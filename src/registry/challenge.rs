//! `WWW-Authenticate`, read strictly: what is not of RFC 9110's form is no challenge.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// Longer headers are not read.
const MAX_BYTES: usize = 4096;

/// What a registry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Name and password with each request.
    Basic,
    /// A token that is fetched elsewhere.
    Bearer {
        /// Where.
        realm: String,
        /// For whom, in the token service's words.
        service: Option<String>,
    },
}

/// The challenge to answer: a token where the registry offers that.
pub(super) fn parse(headers: &HeaderMap) -> Option<Challenge> {
    let offered: Vec<Challenge> = headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter(|text| text.len() <= MAX_BYTES)
        .filter_map(schemes)
        .flatten()
        .filter_map(Scheme::known)
        .collect();
    let bearer = offered.iter().find(|challenge| **challenge != Challenge::Basic);
    bearer.or(offered.first()).cloned()
}

/// One challenge of any kind.
#[derive(Default)]
struct Scheme {
    name: String,
    parameters: Vec<(String, String)>,
}

impl Scheme {
    fn known(self) -> Option<Challenge> {
        match self.name.as_str() {
            "basic" => Some(Challenge::Basic),
            "bearer" => Some(Challenge::Bearer {
                realm: self.parameter("realm")?,
                service: self.parameter("service"),
            }),
            _ => None,
        }
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let mut values = self.parameters.iter().filter(|(key, _)| key == name);
        let value = values.next()?.1.clone();
        // Given twice, nobody knows which one was meant.
        values.next().is_none().then_some(value)
    }
}

/// `Scheme key=value, key="value", Scheme …`
fn schemes(text: &str) -> Option<Vec<Scheme>> {
    let mut found: Vec<Scheme> = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, after) = token(rest)?;
        if let Some(after) = after.strip_prefix('=') {
            let (value, after) = value(after)?;
            found
                .last_mut()?
                .parameters
                .push((word.to_ascii_lowercase(), value));
            rest = after.trim_start();
            if !rest.is_empty() {
                rest = rest.strip_prefix(',')?.trim_start();
            }
        } else {
            let name = word.to_ascii_lowercase();
            found.push(Scheme {
                name,
                ..Scheme::default()
            });
            rest = after.trim_start_matches([' ', '\t', ',']);
        }
    }
    Some(found)
}

fn token(text: &str) -> Option<(&str, &str)> {
    let is_token = |char: char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char);
    let end = text.find(|char| !is_token(char)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(value, rest)| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Challenge> {
        parse(&HeaderMap::from_iter([(WWW_AUTHENTICATE, text.parse().unwrap())]))
    }

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
        }
    }

    #[test]
    fn challenges_of_real_registries_are_understood() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:acme/app:pull""#;
        assert_eq!(
            parsed(hub),
            Some(bearer("https://auth.docker.io/token", Some("registry.docker.io")))
        );
        assert_eq!(parsed(r#"Basic realm="Registry Realm""#), Some(Challenge::Basic));
        assert_eq!(parsed("Basic"), Some(Challenge::Basic));
        assert_eq!(
            parsed(r#"Basic realm="a", Bearer realm="b""#),
            Some(bearer("b", None))
        );
        assert_eq!(
            parsed(r#"bearer Realm="a\"b" , service=x"#),
            Some(bearer("a\"b", Some("x")))
        );
    }

    #[test]
    fn what_is_malformed_is_no_challenge() {
        for wrong in [
            "",
            "Bearer",
            "realm=\"a\"",
            "Bearer realm=\"a",
            "Bearer realm=\"a\" service=\"b\"",
            "Bearer realm=\"a\",realm=\"b\"",
            "Negotiate YWJj==",
            "=",
            "\"",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
        assert_eq!(
            parsed(&format!("Bearer realm=\"{}\"", "a".repeat(MAX_BYTES))),
            None
        );
    }
}
