//! The files of a commit, by their paths. <https://docs.github.com/rest/git/trees>

use super::error::GithubError;
use super::transport::Request;
use super::{Content, GitHub, encoded, path, wire};
use crate::model::{CommitSha, Repo};

impl GitHub {
    /// The paths of all files in a commit. Of more than 100,000 GitHub leaves some out.
    pub async fn files_at(&self, repo: &Repo, at: &CommitSha) -> Result<Vec<String>, GithubError> {
        self.tree(repo, &format!("{at}?recursive=1")).await
    }

    /// The names of the files at the root of a commit, or of the default branch.
    pub async fn root(&self, repo: &Repo, at: Option<&CommitSha>) -> Result<Vec<String>, GithubError> {
        let Some(commit) = at else {
            return self.root_names(repo, &encoded(&repo.default_branch)).await;
        };
        // What a commit holds never changes. No file has an empty path, and no name a line break.
        if let Some(Content::Text { text, .. }) = self.inner.memory.file(repo.id, commit, "") {
            return Ok(text.lines().map(str::to_owned).collect());
        }
        let names = self.root_names(repo, commit.as_str()).await?;
        let listed = Content::Text {
            text: names.join("\n"),
            etag: None,
        };
        self.inner.memory.keep_file(repo.id, commit, "", &listed);
        Ok(names)
    }

    async fn root_names(&self, repo: &Repo, tree: &str) -> Result<Vec<String>, GithubError> {
        let names = self.tree(repo, tree).await?.into_iter();
        Ok(names.filter(|name| !name.contains('\n')).collect())
    }

    async fn tree(&self, repo: &Repo, rest: &str) -> Result<Vec<String>, GithubError> {
        let request = Request::get(path(&repo.name, &format!("/git/trees/{rest}")));
        let answer = self.send_for(repo, &request).await?;
        let tree: wire::Tree = wire::read(&request, &answer)?;
        let files = tree.tree.into_iter().filter(|entry| entry.kind == "blob");
        Ok(files.map(|entry| entry.path).collect())
    }
}
