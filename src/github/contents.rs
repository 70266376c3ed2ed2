//! Files of a repository. <https://docs.github.com/rest/repos/contents>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, header};

use super::error::GithubError;
use super::transport::Request;
use super::{GitHub, encoded, wire};
use crate::model::{CommitSha, Repo};

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A text.
    Text {
        /// All of it.
        text: String,
        /// By which it can be asked for again, if GitHub said so.
        etag: Option<String>,
    },
    /// The same as when it was asked for with the etag.
    Unchanged,
    /// Nothing.
    Absent,
    /// Something that is no text: why.
    Unusable(&'static str),
}

impl GitHub {
    /// The file at a path on the default branch. With the `etag` of a former answer an unchanged file costs nothing of
    /// GitHub's rate limit.
    pub async fn file(&self, repo: &Repo, file: &str, etag: Option<&str>) -> Result<Content, GithubError> {
        let mut request = Request::get(contents(repo, file));
        request.if_none_match = etag.map(str::to_owned);
        self.read_file(repo, &request).await
    }

    /// The file at a path in a commit.
    pub async fn file_at(&self, repo: &Repo, file: &str, at: &CommitSha) -> Result<Content, GithubError> {
        if let Some(known) = self.inner.memory.file(repo.id, at, file) {
            return Ok(known);
        }
        let request = Request::get(format!("{}?ref={at}", contents(repo, file)));
        let content = self.read_file(repo, &request).await?;
        self.inner.memory.keep_file(repo.id, at, file, &content);
        Ok(content)
    }

    async fn read_file(&self, repo: &Repo, request: &Request) -> Result<Content, GithubError> {
        let answer = match self.send_for(repo, request).await {
            // A commit that is gone has no files either.
            Err(GithubError::NotFound(_)) => return Ok(Content::Absent),
            answered => answered?,
        };
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(Content::Unchanged);
        }
        // A folder is a list.
        if answer.body.first() == Some(&b'[') {
            return Ok(Content::Unusable("it is a folder"));
        }
        let content: wire::Content = wire::read(request, &answer)?;
        let Some(encoded) = content.text() else {
            return Ok(Content::Unusable("it is no file, or too large"));
        };
        let mut bytes = encoded.into_bytes();
        bytes.retain(|byte| !byte.is_ascii_whitespace());
        let text = STANDARD.decode(bytes).ok().map(String::from_utf8);
        let Some(Ok(text)) = text else {
            return Ok(Content::Unusable("it is not text in UTF-8"));
        };
        let etag = answer.headers.get(header::ETAG);
        let etag = etag.and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        Ok(Content::Text { text, etag })
    }
}

/// By the repository's number: its name may be another one's by now, which must not speak in its place.
fn contents(repo: &Repo, file: &str) -> String {
    format!("/repositories/{}/contents/{}", repo.id.0, encoded(file))
}
