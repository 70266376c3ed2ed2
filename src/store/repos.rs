//! Repositories as GitHub described them last.

use super::db::{Tx, args};
use super::jobs::JobKind;
use super::{Store, StoreError};
use crate::model::{Repo, RepoId, Visibility};

impl Store {
    /// Keeps what GitHub says of a repository now: its name, who may read it, its installation, whose reports from now
    /// on are those that wait.
    pub async fn repo_seen(&self, repo: &Repo) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.remember_repo(&mut tx, repo).await?;
        tx.commit().await?;
        self.ring([JobKind::Report]);
        Ok(())
    }

    /// A repository is private from now on, if it is known at all.
    pub async fn repo_closed(&self, repo: RepoId) -> Result<(), StoreError> {
        self.db
            .execute("UPDATE repos SET private = TRUE WHERE id = $1", args![repo.0])
            .await
            .map(drop)
    }

    /// [`Store::repo_seen`] inside a transaction.
    pub(super) async fn remember_repo(&self, tx: &mut Tx, repo: &Repo) -> Result<(), StoreError> {
        let before: Option<(i64,)> = tx
            .row(
                "SELECT installation_id FROM repos WHERE id = $1",
                args![repo.id.0],
            )
            .await?;
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
        .await?;
        // Nobody may have told of it: whoever writes for a repository is always its own installation's.
        if before.is_some_and(|(before,)| before != repo.installation.0) {
            self.hand_over_reports(tx, repo.id, repo.installation).await?;
        }
        Ok(())
    }
}
