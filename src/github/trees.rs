//! The files of a commit, by their paths. <https://docs.github.com/rest/git/trees>

use super::error::GithubError;
use super::transport::Request;
use super::{GitHub, path, wire};
use crate::model::{CommitSha, Repo};

impl GitHub {
    /// The paths of all files in a commit. Of more than 100,000 GitHub leaves some out.
    pub async fn paths_at(&self, repo: &Repo, at: &CommitSha) -> Result<Vec<String>, GithubError> {
        let request = Request::get(path(&repo.name, &format!("/git/trees/{at}?recursive=1")));
        let answer = self.send_for(repo, &request).await?;
        let tree: wire::Tree = wire::read(&request, &answer)?;
        let files = tree.tree.into_iter().filter(|entry| entry.kind == "blob");
        Ok(files.map(|entry| entry.path).collect())
    }
}
