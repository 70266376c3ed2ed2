//! The index of declarations: which images each repository's default branch names.

use std::time::Duration;

use super::Pipeline;
use super::worker::JobError;
use crate::github::{Content, GithubError};
use crate::model::{InstallationId, Repo};
use crate::plan::{self, File, FileError};
use crate::store::{Declared, Lease, Reading, Store, ToIndex};

/// The longest pause amid the reading of an installation; after longer ones it begins anew.
const PACED: Duration = Duration::from_mins(2);

/// How often a file is read anew because somebody else has read it meanwhile: an event beside the hourly round.
const MOST_READINGS: usize = 3;

impl Pipeline {
    /// Reads what an installation's repositories declare, or finds the installations.
    pub(super) async fn index(&self, lease: &Lease) -> Result<(), JobError> {
        let read = match Store::to_index(lease)? {
            ToIndex::Everywhere => self.index_everywhere(lease).await?,
            ToIndex::Installation(id) => self.index_installation(lease, id).await?,
        };
        let Err(error) = read else { return Ok(()) };
        tracing::warn!(%error, "cannot read which repositories declare which images; tried again");
        self.try_again(lease, error.retry_after(), &error.to_string())
            .await
    }

    async fn index_everywhere(&self, lease: &Lease) -> Result<Result<(), GithubError>, JobError> {
        let installations = match self.parts.github.installations().await {
            Ok(installations) => installations,
            Err(error) => return Ok(Err(error)),
        };
        let all: Vec<ToIndex> = installations.into_iter().map(ToIndex::Installation).collect();
        self.store().complete_with_index(lease, &all).await?;
        Ok(Ok(()))
    }

    async fn index_installation(
        &self,
        lease: &Lease,
        id: InstallationId,
    ) -> Result<Result<(), GithubError>, JobError> {
        let repos = match self.parts.github.repos_of(id).await {
            Ok(repos) => repos,
            // It is gone, and speaks for nothing any more.
            Err(GithubError::NoInstallation | GithubError::Forbidden(_)) => Vec::new(),
            Err(error) => return Ok(Err(error)),
        };
        for known in self.store().indexed_repos(id).await? {
            if !repos.iter().any(|repo| repo.id == known) {
                self.store().forget_declaration(known).await?;
            }
        }
        for repo in &repos {
            match self.read_declaration_in_time(repo).await? {
                Ok(()) => {}
                // One that does not let itself be read holds up no other.
                Err(error @ (GithubError::Forbidden(_) | GithubError::Gone(_))) => {
                    tracing::warn!(%error, repo.name = %repo.name, "cannot read what a repository declares");
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        self.store().complete(lease).await?;
        Ok(Ok(()))
    }

    /// [`Pipeline::read_declaration`], as soon as the pace of questions allows it: there may be thousands.
    async fn read_declaration_in_time(&self, repo: &Repo) -> Result<Result<(), GithubError>, JobError> {
        loop {
            let read = self.read_declaration(repo).await?.map(drop);
            match read.as_ref().err().and_then(GithubError::retry_after) {
                Some(wait) if wait <= PACED => tokio::time::sleep(wait).await,
                _ => return Ok(read),
            }
        }
    }

    /// Reads the file on a repository's default branch, and keeps what it says.
    pub(super) async fn read_declaration(
        &self,
        repo: &Repo,
    ) -> Result<Result<Declared, GithubError>, JobError> {
        for _ in 0..MOST_READINGS {
            let known = self.store().declared_by(repo.id).await?;
            let etag = known.as_ref().and_then(|known| known.etag.as_deref());
            let content = match self.parts.github.file(repo, plan::PATH, etag).await {
                Ok(content) => content,
                Err(error) => return Ok(Err(error)),
            };
            let (reading, etag) = match (content, &known) {
                (Content::Unchanged, Some(known)) => {
                    self.store().repo_seen(repo).await?;
                    return Ok(Ok(Declared {
                        repo: repo.clone(),
                        ..known.clone()
                    }));
                }
                (Content::Unchanged | Content::Absent, _) => (Reading::Absent, None),
                (Content::Unusable(why), _) => (Reading::Broken(format!("{}: {why}", plan::PATH)), None),
                (Content::Text { text, etag }, _) => (read(text), etag),
            };
            if let Reading::Broken(why) = &reading {
                tracing::info!(repo.name = %repo.name, %why, "what a repository declares cannot be read");
            }
            let read = (&reading, etag.as_deref());
            if self.store().put_declaration(repo, read, known.as_ref()).await? {
                break;
            }
        }
        let kept = self.store().declared_by(repo.id).await?;
        kept.map(Ok)
            .ok_or_else(|| JobError::Nonsense("a declaration was not kept".to_owned()))
    }
}

fn read(text: String) -> Reading {
    match File::parse(&text) {
        Ok(file) => Reading::Good {
            images: file.images().cloned().collect(),
            text,
        },
        Err(error @ FileError { .. }) => Reading::Broken(error.to_string()),
    }
}
