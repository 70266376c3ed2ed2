//! The parsers of what GitHub answers and of the key that people paste, for those who feed them
//! anything: the fuzz targets and the replay of what they found. Nothing in the program comes this way.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use super::transport::{self, Answer, Request};
use super::{GithubError, KeyError, app_key, wire};

/// Is `text` the App's private key?
pub fn private_key(text: &str) -> Result<(), KeyError> {
    app_key::parse(text).map(|_| ())
}

/// What an answer that is no success means for a request with this method.
pub fn refusal(method: Method, status: StatusCode, headers: HeaderMap, body: Bytes) -> GithubError {
    GithubError::of_answer(&request(method), &answer(status, headers, body))
}

/// Where a redirect of the API at `api` leads, as a path below it; `None`: nowhere that is followed.
pub fn redirect(api: &Url, status: StatusCode, headers: HeaderMap) -> Option<String> {
    transport::redirect(api, &answer(status, headers, Bytes::new()))
}

/// Reads a successful answer as everything that is ever asked for; the errors of those that it is not.
pub fn read_as_everything(body: Bytes) -> Vec<GithubError> {
    fn read<T: DeserializeOwned>(answer: &Answer) -> Option<GithubError> {
        wire::read::<T>(&request(Method::GET), answer).err()
    }
    let answer = answer(StatusCode::OK, HeaderMap::new(), body);
    let readers = [
        read::<wire::App>,
        read::<wire::Installation>,
        read::<wire::AccessToken>,
        read::<wire::Attestations>,
        read::<wire::Repository>,
        read::<wire::Repositories>,
        read::<wire::Content>,
        read::<wire::Named>,
        read::<wire::Pull>,
        read::<Vec<wire::NamedCommit>>,
        read::<wire::Comparison>,
        read::<wire::Commit>,
        read::<wire::CheckRuns>,
        read::<wire::CombinedStatus>,
    ];
    readers.iter().filter_map(|read| read(&answer)).collect()
}

/// What a file that was packed with Snappy holds.
pub fn unpack(packed: &[u8]) -> Result<Bytes, String> {
    transport::unpack(packed)
}

fn request(method: Method) -> Request {
    Request {
        method,
        ..Request::get("/asked".to_owned())
    }
}

fn answer(status: StatusCode, headers: HeaderMap, body: Bytes) -> Answer {
    Answer {
        is_redirected: false,
        status,
        headers,
        body,
    }
}
