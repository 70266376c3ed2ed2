//! Runs, as the pages, the API and the stages read them.

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::db::args;
use super::record::{Json, LAST_ID, Maybe};
use super::{Store, StoreError};
use crate::clock::UnixMillis;
use crate::model::{
    Binding, CommitSha, DeliveryId, Digest, Evidence, ImageFacts, ImageName, InstallationId, JudgedClaim,
    Plan, Platform, Policy, Repo, RepoId, RepoName, RunId, Source, Tag, Verdict, Visibility,
};

/// Runs of an image among which the one before is looked for.
const LOOKED_BACK: i64 = 200;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for a place on the Engine.
    Queued,
    /// Its tests are under way, or were when the process stopped.
    Testing,
    /// It has a verdict.
    Finished,
}

impl Stage {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Testing => "testing",
            Self::Finished => "finished",
        }
    }
}

/// One plan against one digest for one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id, and GitHub's `external_id`.
    pub id: RunId,
    /// Repository, commit, evidence and binding. The repository as GitHub described it last.
    pub source: Source,
    /// The image.
    pub image: ImageName,
    /// Who may pull the image.
    pub image_visibility: Visibility,
    /// The manifest of the platform under test.
    pub digest: Digest,
    /// What the tag meant when it was pushed: the index, where there is one.
    pub pushed: Digest,
    /// What it is tested on.
    pub platform: Platform,
    /// Counts the runs of the same key, from 1.
    pub attempt: i64,
    /// Every claim found, with its fate.
    pub claims: Vec<JudgedClaim>,
    /// What is tested.
    pub plan: Plan,
    /// How it is judged and told.
    pub policy: Policy,
    /// What the next digest of the tag is compared with.
    pub facts: Option<ImageFacts>,
    /// Its status' context at GitHub: `hubcheck/acme/app`.
    pub context: String,
    /// How far it is.
    pub stage: Stage,
    /// What came of it.
    pub verdict: Option<Verdict>,
    /// What the tests came to, where they are done and the verdict waits for better evidence.
    pub tests: Option<Verdict>,
    /// What it waits for, if that is not the image's fault.
    pub trouble: Option<String>,
    /// Since when.
    pub trouble_since: Option<UnixMillis>,
    /// A rerun of what waited for somebody to act: what it is tested by is read again first.
    pub looks_again: bool,
    /// The run that took its place.
    pub superseded_by: Option<RunId>,
    /// The delivery that led to it.
    pub delivery: DeliveryId,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When its tests began.
    pub started_at: Option<UnixMillis>,
    /// When it got its verdict.
    pub finished_at: Option<UnixMillis>,
}

impl Run {
    /// The digest that was pushed; `None` where nobody could read it.
    pub fn known_digest(&self) -> Option<&Digest> {
        (!self.policy.is_unread).then_some(&self.digest)
    }
}

/// A tag under which a run's digest was seen.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct RunTag {
    /// The tag.
    #[sqlx(try_from = "String")]
    pub tag: Tag,
    /// The tag means another digest by now.
    pub moved: bool,
    /// When the registry said last that it means the run's.
    pub seen_at: UnixMillis,
}

/// Something that happened to a run.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct RunEvent {
    /// When.
    pub at: UnixMillis,
    /// What, in a sentence.
    pub what: String,
}

/// Which runs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Those before this one.
    pub before: Option<RunId>,
    /// Those of this repository.
    pub repo: Option<RepoId>,
    /// Those of private repositories too.
    pub private_too: bool,
    /// At most so many.
    pub limit: i64,
}

#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "String")]
    id: RunId,
    repo_id: i64,
    #[sqlx(try_from = "String")]
    repo_name: RepoName,
    repo_private: bool,
    default_branch: String,
    installation_id: i64,
    #[sqlx(try_from = "String")]
    commit_sha: CommitSha,
    #[sqlx(try_from = "String")]
    evidence: Json<Evidence>,
    #[sqlx(try_from = "String")]
    binding: Json<Binding>,
    #[sqlx(try_from = "String")]
    image: ImageName,
    image_private: bool,
    #[sqlx(try_from = "String")]
    digest: Digest,
    #[sqlx(try_from = "Option<String>")]
    pushed: Maybe<Digest>,
    #[sqlx(try_from = "String")]
    platform: Platform,
    attempt: i64,
    #[sqlx(try_from = "String")]
    claims: Json<Vec<JudgedClaim>>,
    #[sqlx(try_from = "String")]
    plan: Json<Plan>,
    #[sqlx(try_from = "String")]
    policy: Json<Policy>,
    #[sqlx(try_from = "Option<String>")]
    image_facts: Maybe<Json<ImageFacts>>,
    context: String,
    stage: String,
    #[sqlx(try_from = "Option<String>")]
    verdict: Maybe<Json<Verdict>>,
    #[sqlx(try_from = "Option<String>")]
    tests: Maybe<Json<Verdict>>,
    trouble: Option<String>,
    trouble_since: Option<i64>,
    looks_again: bool,
    #[sqlx(try_from = "Option<String>")]
    superseded_by: Maybe<RunId>,
    #[sqlx(try_from = "String")]
    delivery: DeliveryId,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
}

fn visibility(private: bool) -> Visibility {
    if private {
        Visibility::Private
    } else {
        Visibility::Public
    }
}

impl Row {
    fn into_run(self) -> Result<Run, StoreError> {
        let stage = [Stage::Queued, Stage::Testing, Stage::Finished]
            .into_iter()
            .find(|stage| stage.as_str() == self.stage)
            .ok_or_else(|| StoreError::Corrupt(format!("run stage `{}`", self.stage)))?;
        let repo = Repo {
            id: RepoId(self.repo_id),
            name: self.repo_name,
            visibility: visibility(self.repo_private),
            default_branch: self.default_branch,
            installation: InstallationId(self.installation_id),
        };
        Ok(Run {
            id: self.id,
            source: Source {
                repo,
                commit: self.commit_sha,
                evidence: self.evidence.0,
                binding: self.binding.0,
            },
            image: self.image,
            image_visibility: visibility(self.image_private),
            pushed: self.pushed.0.unwrap_or_else(|| self.digest.clone()),
            digest: self.digest,
            platform: self.platform,
            attempt: self.attempt,
            claims: self.claims.0,
            plan: self.plan.0,
            policy: self.policy.0,
            facts: self.image_facts.0.map(|facts| facts.0),
            context: self.context,
            stage,
            verdict: self.verdict.0.map(|verdict| verdict.0),
            tests: self.tests.0.map(|tests| tests.0),
            trouble: self.trouble,
            trouble_since: self.trouble_since,
            looks_again: self.looks_again,
            superseded_by: self.superseded_by.0,
            delivery: self.delivery,
            created_at: self.created_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
        })
    }
}

/// The columns of [`Row`], with what follows them.
macro_rules! select_run {
    ($rest:expr) => {
        concat!(
            "SELECT r.id, r.repo_id, p.name AS repo_name, p.private AS repo_private, p.default_branch,
                p.installation_id, r.commit_sha, r.evidence, r.binding, r.image, r.image_private, r.digest,
                r.pushed, r.image_facts, r.platform, r.attempt, r.claims, r.plan, r.policy, r.context, r.stage, r.verdict, r.tests,
                r.trouble, r.trouble_since, r.looks_again,
                r.superseded_by, r.delivery_id AS delivery, r.created_at, r.started_at, r.finished_at
             FROM runs AS r JOIN repos AS p ON p.id = r.repo_id ",
            $rest
        )
    };
}

impl Store {
    /// One run.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        let row: Option<Row> = self
            .db
            .row(select_run!("WHERE r.id = $1"), args![id.to_string()])
            .await?;
        row.map(Row::into_run).transpose()
    }

    /// Runs, newest first.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError> {
        let before = filter
            .before
            .map_or_else(|| LAST_ID.to_owned(), |id| id.to_string());
        let rows: Vec<Row> = if let Some(repo) = filter.repo {
            let sql = select_run!(
                "WHERE r.repo_id = $1 AND r.id < $2 AND (p.private = FALSE OR $3) ORDER BY r.id DESC LIMIT $4"
            );
            self.db
                .rows(sql, args![repo.0, before, filter.private_too, filter.limit])
                .await?
        } else {
            let sql =
                select_run!("WHERE r.id < $1 AND (p.private = FALSE OR $2) ORDER BY r.id DESC LIMIT $3");
            self.db
                .rows(sql, args![before, filter.private_too, filter.limit])
                .await?
        };
        rows.into_iter().map(Row::into_run).collect()
    }

    /// The newest attempt of every run on a commit that no other digest took the place of.
    pub async fn current_runs_of_commit(
        &self,
        repo: RepoId,
        commit: &CommitSha,
    ) -> Result<Vec<Run>, StoreError> {
        let sql = select_run!(
            "WHERE r.repo_id = $1 AND r.commit_sha = $2 AND r.superseded_by IS NULL AND NOT EXISTS (
                SELECT 1 FROM runs AS later
                WHERE later.repo_id = r.repo_id AND later.image = r.image AND later.digest = r.digest
                  AND later.platform = r.platform AND later.commit_sha = r.commit_sha
                  AND later.plan_fingerprint = r.plan_fingerprint AND later.attempt > r.attempt)
             ORDER BY r.id"
        );
        let rows: Vec<Row> = self.db.rows(sql, args![repo.0, commit.as_str()]).await?;
        rows.into_iter().map(Row::into_run).collect()
    }

    /// The runs of other digests under the same context on the same commit, the newest of each, where no other
    /// digest took their place.
    pub async fn siblings_of(&self, run: &Run) -> Result<Vec<Run>, StoreError> {
        let mut newest: BTreeMap<Digest, Run> = BTreeMap::new();
        for other in self
            .current_runs_of_commit(run.source.repo.id, &run.source.commit)
            .await?
        {
            if other.context == run.context && other.digest != run.digest {
                newest.insert(other.digest.clone(), other);
            }
        }
        Ok(newest.into_values().collect())
    }

    /// The last judged run before this one that tested another digest of the image under one of this one's tags. Looks
    /// back over as many runs as `LOOKED_BACK` says.
    pub async fn previous_of(&self, run: &Run) -> Result<Option<Run>, StoreError> {
        let sql = select_run!(
            "WHERE r.id IN (
                SELECT recent.id FROM (
                    SELECT id FROM runs WHERE repo_id = $1 AND image = $2 AND platform = $3 AND id < $4
                    ORDER BY id DESC LIMIT $5
                ) AS recent
                JOIN run_tags AS theirs ON theirs.run_id = recent.id
                JOIN run_tags AS ours ON ours.run_id = $4 AND ours.tag = theirs.tag
             ) AND r.stage = 'finished' AND r.digest <> $6 AND r.context = $7
             ORDER BY r.id DESC LIMIT 5"
        );
        let rows: Vec<Row> = self
            .db
            .rows(
                sql,
                args![
                    run.source.repo.id.0,
                    run.image.to_string(),
                    run.platform.to_string(),
                    run.id.to_string(),
                    LOOKED_BACK,
                    run.digest.as_str(),
                    run.context.as_str()
                ],
            )
            .await?;
        let runs: Result<Vec<Run>, StoreError> = rows.into_iter().map(Row::into_run).collect();
        let is_judged = |run: &Run| {
            run.verdict
                .as_ref()
                .is_some_and(|verdict| verdict.outcome.is_judgement())
        };
        Ok(runs?.into_iter().find(is_judged))
    }

    /// The tags under which a run's digest was seen, oldest first.
    pub async fn tags_of(&self, run: RunId) -> Result<Vec<RunTag>, StoreError> {
        self.db
            .rows(
                "SELECT tag, superseded_by IS NOT NULL AS moved, seen_at FROM run_tags WHERE run_id = $1 ORDER BY seen_at, tag",
                args![run.to_string()],
            )
            .await
    }

    /// What happened to a run, in order.
    pub async fn events_of(&self, run: RunId) -> Result<Vec<RunEvent>, StoreError> {
        self.db
            .rows(
                "SELECT at, what FROM run_events WHERE run_id = $1 ORDER BY seq",
                args![run.to_string()],
            )
            .await
    }
}
