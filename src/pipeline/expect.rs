//! Images that are waited for: a commit that came to be shows at once what it waits for, and in the end whether it came.
//! So a build that failed is seen, of which no registry ever tells.

use std::time::Duration;

use super::Pipeline;
use super::retry::pause;
use super::worker::JobError;
use crate::clock::{UnixMillis, millis, timestamp};
use crate::hooks::github::{ArrivedCommit, RepoRef};
use crate::model::{Arrival, Expected, ImageName, InstallationId, Platform, Repo, WaitEnd};
use crate::plan::{Declaration, File};
use crate::report::status_context;
use crate::store::{Arrived, Lease, NewExpected, PushRecord, PushStage, Store, ToIndex};

/// How soon it is looked again whether a push that came in time is the one that was waited for.
const LOOK: Duration = Duration::from_secs(2);

/// Pushes that are told of where none was the one.
const MOST_TOLD: usize = 5;

impl Pipeline {
    /// A commit came to be: its repository's file says what it waits for.
    pub(super) async fn commit_arrived(
        &self,
        lease: &Lease,
        came: &ArrivedCommit,
        at: UnixMillis,
    ) -> Result<(), JobError> {
        if came.moves_default {
            self.default_branch_moved(&came.repo, came.installation).await?;
        }
        let Some(declared) = self.store().declared_by(came.repo.id).await? else {
            if self.store().is_indexing().await? {
                let why = "what the repositories declare is being read";
                let at = self.store().clock().now() + millis(pause(lease.retries));
                return Ok(self.store().retry(lease, at, why).await?);
            }
            return Ok(self.store().complete(lease).await?);
        };
        let file = declared.good.as_deref().map(File::parse).and_then(Result::ok);
        let mut awaited = Vec::new();
        for (image, declaration) in file.iter().flat_map(File::named) {
            if self.speaks_for(image, &declared.repo) {
                awaited.extend(self.awaited(image, declaration, &came.arrival).await);
            }
        }
        let arrived = Arrived {
            repo: &declared.repo,
            commit: &came.commit,
            arrival: &came.arrival,
            at,
        };
        Ok(self.store().expect(lease, arrived, &awaited).await?)
    }

    /// The file may be another one now. If it cannot be read at once, the whole installation is read again later.
    async fn default_branch_moved(
        &self,
        repo: &RepoRef,
        installation: InstallationId,
    ) -> Result<(), JobError> {
        let read = match self.parts.github.repo(&repo.name).await {
            Ok(now) if now.id == repo.id => self.read_declaration(&now).await?.map(drop),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = read {
            tracing::warn!(%error, repo.name = %repo.name, "cannot read what a repository declares; tried again");
            self.store()
                .wake_index(&[ToIndex::Installation(installation)])
                .await?;
        }
        Ok(())
    }

    /// The operator may have bound the image to another repository: then this one's word does not count.
    fn speaks_for(&self, image: &ImageName, repo: &Repo) -> bool {
        let bound_to = self.resolver.bindings().repo_of(image);
        bound_to.is_none_or(|bound| *bound == repo.name)
    }

    /// What a commit waits for of an image: a check for each platform that is tested. Which variants are built of it,
    /// nobody knows before.
    async fn awaited(
        &self,
        image: &ImageName,
        declared: &Declaration,
        arrival: &Arrival,
    ) -> Vec<NewExpected> {
        let Some(expectation) = declared.expects(arrival) else {
            return Vec::new();
        };
        let engine = match declared.platforms() {
            [] => None,
            // One that does not answer now is taken to run what is asked for.
            _ => self.parts.runner.platform().await.ok(),
        };
        let suffixes: Vec<Option<String>> = match (declared.platforms(), engine) {
            ([], _) | (_, None) => vec![None],
            (platforms, Some(engine)) => platforms
                .iter()
                .map(|platform: &Platform| (!engine.runs(platform)).then(|| platform.to_string()))
                .collect(),
        };
        let each = suffixes.into_iter().map(|suffix| NewExpected {
            image: image.clone(),
            context: status_context(image, suffix.as_deref()),
            suffix,
            report: declared.report(),
            expectation: expectation.clone(),
        });
        each.collect()
    }

    /// Time is up for an image that is waited for.
    pub(super) async fn expect(&self, lease: &Lease) -> Result<(), JobError> {
        let id = Store::to_expect(lease)?;
        let expected = self.store().expected(id).await?;
        let Some(expected) = expected.filter(|expected| expected.end.is_none()) else {
            return Ok(self.store().complete(lease).await?);
        };
        let now = self.store().clock().now();
        if now < expected.until_ms {
            return Ok(self.store().postpone(lease, expected.until_ms).await?);
        }
        let pushes = self
            .store()
            .pushes_since(&expected.image, expected.since_ms)
            .await?;
        let may_be_it =
            |push: &PushRecord| push.stage == PushStage::Received && push.received_at <= expected.until_ms;
        if pushes.iter().any(may_be_it) {
            return Ok(self.store().postpone(lease, now + millis(LOOK)).await?);
        }
        let mut instead = Vec::new();
        for push in pushes.iter().take(MOST_TOLD) {
            instead.push(self.what_came_of(push, &expected).await?);
        }
        let end = WaitEnd::NeverCame { instead };
        Ok(self.store().end_wait(lease, id, &end).await?)
    }

    /// A sentence about a push that was not the one. It stands where everybody may read it: of other repositories it
    /// says nothing.
    async fn what_came_of(&self, push: &PushRecord, expected: &Expected) -> Result<String, JobError> {
        let run = match push.run() {
            Some(run) => self.store().run(run).await?,
            None => None,
        };
        let came = match (push.stage, run) {
            (_, Some(run)) if run.source.repo.id == expected.repo.id => {
                format!("it was built from commit {}", run.source.commit.short())
            }
            (PushStage::Failed, _) => "trouble kept us from looking where it came from".to_owned(),
            (PushStage::Received, _) => "it is still being looked at".to_owned(),
            _ => "it led to no commit of this repository".to_owned(),
        };
        let at = timestamp(push.received_at);
        let at = at.get(11..19).unwrap_or(&at);
        Ok(format!("tag {} at {at} UTC: {came}", push.tag))
    }
}
