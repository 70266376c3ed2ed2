//! A commit's files, packed as one archive. <https://docs.github.com/rest/repos/contents#download-a-repository-archive-tar>

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use tar::{Builder, Header};

use super::records::{Commit, RepoState};
use super::refusal::Refusal;
use super::server::Shared;
use crate::model::RepoId;

/// Where archives lie, outside the API.
const FILES: &str = "codeload";

/// `GET /repos/{owner}/{repo}/tarball/{ref}`: where it lies.
pub(super) fn place(repo: &RepoState, reference: &str, base_url: &str) -> Refusal {
    match repo.resolve(reference) {
        None => Refusal::not_found(),
        Some(commit) => {
            let place = format!("{base_url}/{FILES}/{}/{}", repo.id.0, commit.sha);
            Refusal::new(StatusCode::FOUND, "Found").with_header(LOCATION.as_str(), place)
        }
    }
}

/// An archive, for everybody who knows where it lies. `None`: nothing lies there.
pub(super) fn file(shared: &Shared, method: &Method, path: &str) -> Option<Response<Full<Bytes>>> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let [FILES, repo, commit] = segments.as_slice() else {
        return None;
    };
    if *method != Method::GET {
        return None;
    }
    let world = shared.world();
    let commit = world.repo_by_id(RepoId(repo.parse().ok()?))?.resolve(commit)?;
    let mut response = Response::new(Full::new(Bytes::from(packed(commit).ok()?)));
    let kind = HeaderValue::from_static("application/x-gzip");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Some(response)
}

fn packed(commit: &Commit) -> std::io::Result<Vec<u8>> {
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in &commit.files {
        let mut header = Header::new_gnu();
        header.set_mode(0o664);
        header.set_size(text.len() as u64);
        let path = format!("repository-{}/{path}", commit.sha);
        archive.append_data(&mut header, path, text.as_bytes())?;
    }
    archive.into_inner()?.finish()
}
