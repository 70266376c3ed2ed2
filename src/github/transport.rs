//! One request and its answer: bounded in time and size, redirected only within GitHub's API.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use octocrab::Octocrab;
use serde_json::Value;
use url::Url;

use super::error::GithubError;
use super::quota::Urgency;
use crate::tally;

/// The largest bundle that is read, before and after it is unpacked.
const BUNDLE_LIMIT: usize = 2 * 1024 * 1024;
/// The largest answer that is read: a page of check runs with full texts is under 5 MiB.
const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// A renamed repository is one redirect away.
const MOST_REDIRECTS: usize = 3;

/// Where the API is, and how long it may take.
pub(super) struct Api {
    pub(super) url: Url,
    /// From the first byte sent to the last byte read.
    pub(super) timeout: Duration,
}

/// A request for a path below the API's address.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    /// Of a question that was asked before: the answer's `ETag`.
    pub(super) if_none_match: Option<String>,
    /// Is it asked where something lies, so that 302 is the answer?
    pub(super) is_whereabouts: bool,
    /// Of a question.
    pub(super) urgency: Urgency,
}

impl Request {
    pub(super) fn get(path: String) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            if_none_match: None,
            is_whereabouts: false,
            urgency: Urgency::None,
        }
    }

    /// A question that a verdict waits for.
    pub(super) fn urgent(path: String) -> Self {
        Self {
            urgency: Urgency::Verdict,
            ..Self::get(path)
        }
    }

    /// Asks where something lies: what tests under way wait for.
    pub(super) fn whereabouts(path: String) -> Self {
        Self {
            is_whereabouts: true,
            ..Self::urgent(path)
        }
    }

    pub(super) fn post(path: String, body: Value) -> Self {
        Self {
            method: Method::POST,
            body: Some(body),
            ..Self::get(path)
        }
    }

    pub(super) fn patch(path: String, body: Value) -> Self {
        Self {
            method: Method::PATCH,
            body: Some(body),
            ..Self::get(path)
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// What GitHub answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// It came from elsewhere than the request's own path.
    pub(super) is_redirected: bool,
}

impl Answer {
    /// The answer if it is a success, else what it refuses.
    pub(super) fn good(self, request: &Request) -> Result<Self, GithubError> {
        // It is only said to those who ask whether something changed.
        let is_known = self.status == StatusCode::NOT_MODIFIED;
        if self.status.is_success()
            || is_known
            || (request.is_whereabouts && self.status == StatusCode::FOUND)
        {
            Ok(self)
        } else {
            Err(GithubError::of_answer(request, &self))
        }
    }
}

/// Sends a request, as whomever `crab` speaks for, and gives back a successful answer.
pub(super) async fn send(crab: &Octocrab, api: &Api, request: &Request) -> Result<Answer, GithubError> {
    ask(crab, api, request).await?.good(request)
}

/// Sends a request, as whomever `crab` speaks for, and gives back what is answered.
///
/// A redirect has done nothing, so even a write is safely sent again to where it points.
pub(super) async fn ask(crab: &Octocrab, api: &Api, request: &Request) -> Result<Answer, GithubError> {
    let mut at = request.path.clone();
    for redirects in 0..=MOST_REDIRECTS {
        let mut answer = tokio::time::timeout(api.timeout, exchange(crab, request, &at))
            .await
            .map_err(|_| format!("no answer within {:?}", api.timeout))
            .flatten()
            .map_err(|why| GithubError::no_answer(request, &format!("{request}: {why}")))?;
        // A repository that moved is told by 301 and 307.
        let is_place = request.is_whereabouts && answer.status == StatusCode::FOUND;
        let elsewhere = redirect(&api.url, &answer).filter(|_| !is_place);
        let Some(path) = elsewhere else {
            answer.is_redirected = redirects > 0;
            return Ok(answer);
        };
        at = path;
    }
    Err(GithubError::Moved(format!("{request}: redirected in a circle")))
}

async fn exchange(crab: &Octocrab, request: &Request, path: &str) -> Result<Answer, String> {
    let mut builder = http::Request::builder().method(request.method.clone()).uri(path);
    if let Some(etag) = &request.if_none_match {
        builder = builder.header(http::header::IF_NONE_MATCH, etag);
    }
    let built = crab
        .build_request(builder, request.body.as_ref())
        .map_err(|error| causes(&error))?;
    tally::github_request();
    let response = crab.execute(built).await.map_err(|error| causes(&error))?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, BODY_LIMIT)
        .collect()
        .await
        .map_err(|error| format!("the answer broke off: {}", causes(error.as_ref())))?;
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.to_bytes(),
        is_redirected: false,
    })
}

/// Reads a bundle of signatures from where the API says that it lies: a file of its own, packed with Snappy.
pub(super) async fn bundle(files: &reqwest::Client, api: &Api, url: &Url) -> Result<Bytes, GithubError> {
    let failed = |why: String| GithubError::Unavailable(format!("a bundle of an attestation: {why}"));
    let packed = tokio::time::timeout(api.timeout, download(files, api, url, BUNDLE_LIMIT))
        .await
        .map_err(|_| failed(format!("no answer within {:?}", api.timeout)))?
        .map_err(failed)?;
    unpack(&packed).map_err(failed)
}

/// Reads what lies outside of the API, where the API says that it lies; why not, if so. The address holds a right to
/// read: it is never shown. Takes as long as it takes.
pub(super) async fn download(
    files: &reqwest::Client,
    api: &Api,
    url: &Url,
    limit: usize,
) -> Result<Bytes, String> {
    let is_safe = url.scheme() == "https" || url.origin() == api.url.origin();
    if !is_safe {
        return Err("its address is not one of HTTPS".to_owned());
    }
    tally::github_request();
    let sent = files.get(url.clone()).send().await;
    let answer = sent.and_then(reqwest::Response::error_for_status);
    let body: reqwest::Body = answer.map_err(|error| causes(&error.without_url()))?.into();
    let read = Limited::new(body, limit).collect().await;
    Ok(read.map_err(|error| causes(error.as_ref()))?.to_bytes())
}

/// What was packed with Snappy, in its raw form; why not, if it is no such thing or too large.
pub(super) fn unpack(packed: &[u8]) -> Result<Bytes, String> {
    let size = snap::raw::decompress_len(packed).unwrap_or(usize::MAX);
    if size > BUNDLE_LIMIT {
        return Err(format!("it is not packed, or larger than {BUNDLE_LIMIT} bytes"));
    }
    let unpacked = snap::raw::Decoder::new().decompress_vec(packed);
    unpacked.map(Bytes::from).map_err(|error| error.to_string())
}

/// Where a redirect points, if that is below the API's own address.
pub(super) fn redirect(api: &Url, answer: &Answer) -> Option<String> {
    let follows = matches!(answer.status.as_u16(), 301 | 302 | 307 | 308);
    let location = answer.headers.get(http::header::LOCATION).filter(|_| follows)?;
    let target = api.join(location.to_str().ok()?).ok()?;
    if target.origin() != api.origin() {
        return None;
    }
    let path = target.path().strip_prefix(api.path().trim_end_matches('/'))?;
    if !path.starts_with('/') {
        return None;
    }
    let query = target.query().map(|query| format!("?{query}"));
    Some(format!("{path}{}", query.unwrap_or_default()))
}

/// An error with what lies behind it: octocrab's own words say little.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let mut words: Vec<String> = Vec::new();
    for text in chain.map(ToString::to_string) {
        let said = words.last().is_some_and(|last| last.ends_with(&text));
        if !said {
            words.push(text);
        }
    }
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirected(api: &str, location: &'static str) -> Option<String> {
        let headers = [(http::header::LOCATION, http::HeaderValue::from_static(location))];
        let answer = Answer {
            status: StatusCode::TEMPORARY_REDIRECT,
            headers: headers.into_iter().collect(),
            body: Bytes::new(),
            is_redirected: false,
        };
        redirect(&api.parse().unwrap(), &answer)
    }

    #[test]
    fn redirects_stay_below_the_apis_own_address() {
        let api = "https://ghe.example.org/api/v3";
        let below = "https://ghe.example.org/api/v3/repositories/7/check-runs?page=2";
        assert_eq!(
            redirected(api, below).as_deref(),
            Some("/repositories/7/check-runs?page=2")
        );
        assert_eq!(
            redirected(api, "https://evil.example.org/api/v3/repositories/7"),
            None
        );
        assert_eq!(
            redirected(api, "http://ghe.example.org/api/v3/repositories/7"),
            None
        );
        assert_eq!(redirected(api, "https://ghe.example.org/elsewhere"), None);
        // What is left of it would be read as a host's name.
        assert_eq!(
            redirected(api, "https://ghe.example.org/api/v3evil.example.org"),
            None
        );
        assert_eq!(
            redirected("https://api.github.com", "/repositories/7").as_deref(),
            Some("/repositories/7")
        );
    }
}
