//! Repositories as GitHub described them last.

use super::db::{Tx, args};
use super::{Store, StoreError};
use crate::model::{Repo, RepoId, Visibility};

impl Store {
    /// Keeps what GitHub says of a repository now: its name, who may read it, its installation.
    pub async fn repo_seen(&self, repo: &Repo) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        Self::remember_repo(&mut tx, repo).await?;
        tx.commit().await
    }

    /// A repository is private from now on, if it is known at all.
    pub async fn repo_closed(&self, repo: RepoId) -> Result<(), StoreError> {
        self.db
            .execute("UPDATE repos SET private = TRUE WHERE id = $1", args![repo.0])
            .await
            .map(drop)
    }

    pub(super) async fn remember_repo(tx: &mut Tx, repo: &Repo) -> Result<(), StoreError> {
        tx.execute(
            "INSERT INTO repos (id, name, private, default_branch, installation_id) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, private = excluded.private,
                default_branch = excluded.default_branch, installation_id = excluded.installation_id",
            args![
                repo.id.0,
                repo.name.to_string(),
                repo.visibility == Visibility::Private,
                repo.default_branch.as_str(),
                repo.installation.0
            ],
        )
        .await
        .map(drop)
    }
}
