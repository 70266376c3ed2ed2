//! The index of declarations: which repositories let which images speak for them, as their default branches said
//! when they were last read.

use sqlx::FromRow;

use super::db::{Tx, args};
use super::jobs::{JobKind, Lease, NewJob};
use super::{Store, StoreError};
use crate::model::{ImageName, ImagePattern, InstallationId, Repo, RepoId, RepoName, Visibility};

/// Subject of the job that finds the installations; all others' is an installation.
const EVERYWHERE: &str = "everywhere";

/// What the job has to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToIndex {
    /// Which installations there are.
    Everywhere,
    /// The files of the repositories of one.
    Installation(InstallationId),
}

/// What a repository's default branch says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The repository as it was then.
    pub repo: Repo,
    /// The last file that could be read.
    pub good: Option<String>,
    /// What is wrong with the one that stands there now.
    pub problem: Option<String>,
    /// By which GitHub tells whether it changed.
    pub etag: Option<String>,
    /// Another one with each reading.
    pub version: i64,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A file.
    Good {
        /// Its text.
        text: String,
        /// The images that it names.
        images: Vec<ImagePattern>,
    },
    /// None.
    Absent,
    /// One that cannot be read: the last good one goes on to count.
    Broken(String),
}

#[derive(FromRow)]
struct Row {
    id: i64,
    #[sqlx(try_from = "String")]
    name: RepoName,
    private: bool,
    default_branch: String,
    installation_id: i64,
    good: Option<String>,
    problem: Option<String>,
    etag: Option<String>,
    version: i64,
}

impl From<Row> for Declared {
    fn from(row: Row) -> Self {
        Self {
            repo: Repo {
                id: RepoId(row.id),
                name: row.name,
                visibility: if row.private {
                    Visibility::Private
                } else {
                    Visibility::Public
                },
                default_branch: row.default_branch,
                installation: InstallationId(row.installation_id),
            },
            good: row.good,
            problem: row.problem,
            etag: row.etag,
            version: row.version,
        }
    }
}

macro_rules! select_declared {
    ($rest:literal) => {
        concat!(
            "SELECT p.id, p.name, p.private, p.default_branch, p.installation_id, d.good, d.problem, d.etag,
                d.read_at AS version
             FROM declarations AS d JOIN repos AS p ON p.id = d.repo_id ",
            $rest
        )
    };
}

impl Store {
    /// The repositories that declare an image, by its name or its namespace.
    pub async fn declarers_of(&self, image: &ImageName) -> Result<Vec<Declared>, StoreError> {
        let [name, namespace] = ImagePattern::of(image);
        let rows: Vec<Row> = self
            .db
            .rows(
                select_declared!(
                    "WHERE d.repo_id IN (SELECT repo_id FROM declared_images WHERE pattern IN ($1, $2)) ORDER BY p.id"
                ),
                args![name.to_string(), namespace.to_string()],
            )
            .await?;
        Ok(rows.into_iter().map(Declared::from).collect())
    }

    /// What repositories say, by their names, each with the images that it names, whole namespaces left out.
    pub async fn listed_declarations(
        &self,
        limit: i64,
    ) -> Result<Vec<(Declared, Vec<ImageName>)>, StoreError> {
        let rows: Vec<Row> = self
            .db
            .rows(select_declared!("ORDER BY p.name, p.id LIMIT $1"), args![limit])
            .await?;
        let mut listed = Vec::with_capacity(rows.len());
        for row in rows {
            let patterns: Vec<(String,)> = self
                .db
                .rows(
                    "SELECT pattern FROM declared_images WHERE repo_id = $1 ORDER BY pattern",
                    args![row.id],
                )
                .await?;
            let images = patterns.into_iter().filter_map(|(name,)| name.parse().ok());
            listed.push((Declared::from(row), images.collect()));
        }
        Ok(listed)
    }

    /// What a repository's default branch says; `None`: it was never read.
    pub async fn declared_by(&self, repo: RepoId) -> Result<Option<Declared>, StoreError> {
        let row: Option<Row> = self
            .db
            .row(select_declared!("WHERE d.repo_id = $1"), args![repo.0])
            .await?;
        Ok(row.map(Declared::from))
    }

    /// Keeps what was read on a repository's default branch. `before`: what was known when GitHub was asked. `false`:
    /// somebody else has read it meanwhile, and it is not known which of the two is newer.
    pub async fn put_declaration(
        &self,
        repo: &Repo,
        (reading, etag): (&Reading, Option<&str>),
        before: Option<&Declared>,
    ) -> Result<bool, StoreError> {
        let before = before.map_or(i64::MIN, |before| before.version);
        let mut tx = self.db.begin().await?;
        self.remember_repo(&mut tx, repo).await?;
        let (good, problem) = match reading {
            Reading::Good { text, .. } => (Some(text.as_str()), None),
            Reading::Absent => (None, None),
            Reading::Broken(why) => (None, Some(why.as_str())),
        };
        let kept = tx
            .execute(
                "INSERT INTO declarations (repo_id, good, problem, etag, read_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (repo_id) DO UPDATE SET problem = excluded.problem, etag = excluded.etag,
                read_at = excluded.read_at,
                good = CASE WHEN excluded.problem IS NULL THEN excluded.good ELSE declarations.good END
             WHERE declarations.read_at = $6",
                args![
                    repo.id.0,
                    good.map(str::to_owned),
                    problem.map(str::to_owned),
                    etag.map(str::to_owned),
                    self.clock.now().max(before.saturating_add(1)),
                    before
                ],
            )
            .await?;
        if kept == 0 {
            return Ok(false);
        }
        if !matches!(reading, Reading::Broken(_)) {
            tx.execute("DELETE FROM declared_images WHERE repo_id = $1", args![repo.id.0])
                .await?;
        }
        if let Reading::Good { images, .. } = reading {
            for image in images {
                tx.execute(
                    "INSERT INTO declared_images (pattern, repo_id) VALUES ($1, $2)",
                    args![image.to_string(), repo.id.0],
                )
                .await?;
            }
        }
        tx.commit().await?;
        self.ring([JobKind::Report]);
        Ok(true)
    }

    /// A repository declares nothing any more: the App does not reach it.
    pub async fn forget_declaration(&self, repo: RepoId) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.execute("DELETE FROM declarations WHERE repo_id = $1", args![repo.0])
            .await?;
        tx.commit().await
    }

    /// The repositories of an installation whose files were read.
    pub async fn indexed_repos(&self, installation: InstallationId) -> Result<Vec<RepoId>, StoreError> {
        let rows: Vec<(i64,)> = self
            .db
            .rows(
                "SELECT d.repo_id FROM declarations AS d JOIN repos AS p ON p.id = d.repo_id
                 WHERE p.installation_id = $1 ORDER BY d.repo_id",
                args![installation.0],
            )
            .await?;
        Ok(rows.into_iter().map(|(id,)| RepoId(id)).collect())
    }

    /// Makes sure that the index is read anew, from now on.
    pub async fn wake_index(&self, what: &[ToIndex]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.wake_index_in(&mut tx, what).await?;
        tx.commit().await?;
        self.ring([JobKind::Index]);
        Ok(())
    }

    /// Ends a job with further reading to be done.
    pub async fn complete_with_index(&self, held: &Lease, what: &[ToIndex]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.wake_index_in(&mut tx, what).await?;
        self.complete_in(&mut tx, held).await?;
        tx.commit().await?;
        self.ring([held.kind, JobKind::Index]);
        Ok(())
    }

    async fn wake_index_in(&self, tx: &mut Tx, what: &[ToIndex]) -> Result<(), StoreError> {
        let job = |what: &ToIndex| NewJob {
            kind: JobKind::Index,
            subject: match what {
                ToIndex::Everywhere => EVERYWHERE.to_owned(),
                ToIndex::Installation(id) => id.0.to_string(),
            },
        };
        self.wake_all(tx, what.iter().map(job).collect()).await
    }

    /// What an index job has to read.
    pub fn to_index(held: &Lease) -> Result<ToIndex, StoreError> {
        if held.subject == EVERYWHERE {
            return Ok(ToIndex::Everywhere);
        }
        let id = held
            .subject
            .parse()
            .map_err(|_| StoreError::Corrupt(format!("`{}` is no installation", held.subject)))?;
        Ok(ToIndex::Installation(InstallationId(id)))
    }

    /// Is the index being read, so that it may not know an image yet?
    pub async fn is_indexing(&self) -> Result<bool, StoreError> {
        Ok(self.next_ready(JobKind::Index).await?.is_some())
    }

    /// Does a repository declare the image, or may one, as far as is known yet?
    pub async fn may_be_declared(&self, image: &ImageName) -> Result<bool, StoreError> {
        let [name, namespace] = ImagePattern::of(image);
        let declared: Option<(i64,)> = self
            .db
            .row(
                "SELECT repo_id FROM declared_images WHERE pattern IN ($1, $2) LIMIT 1",
                args![name.to_string(), namespace.to_string()],
            )
            .await?;
        Ok(declared.is_some() || self.is_indexing().await?)
    }
}
