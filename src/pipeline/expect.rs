//! Images that are waited for: a commit that came to be shows at once what it waits for, and in the end whether it came.
//! So a build that failed is seen, of which no registry ever tells.

use std::time::Duration;

use super::Pipeline;
use super::worker::JobError;
use crate::clock::{UnixMillis, millis, timestamp};
use crate::hooks::github::{ArrivedCommit, RepoRef};
use crate::model::{Arrival, Expectation, Expected, ImageName, InstallationId, Platform, Repo, WaitEnd};
use crate::plan::{Declaration, File, check_suffix};
use crate::report::{check_name, status_context};
use crate::runner::EngineError;
use crate::store::{Arrived, Lease, NewExpected, PushRecord, PushStage, Run, Store, ToIndex};

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
                return self.try_again(lease, None, why).await;
            }
            return Ok(self.store().complete(lease).await?);
        };
        let file = declared.good.as_deref().map(File::parse).and_then(Result::ok);
        let mut awaited = Vec::new();
        for (image, declaration) in file.iter().flat_map(File::named) {
            if !self.speaks_for(image, &declared.repo) {
                continue;
            }
            match self.awaited(image, declaration, &came.arrival).await {
                Ok(of_image) => awaited.extend(of_image),
                Err(error) => return self.try_again(lease, None, &error.to_string()).await,
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

    /// What a commit waits for of an image: a check for each platform that is tested, and for each variant that is
    /// certain to come. Fails where the Engine cannot be asked which platform is its own.
    async fn awaited(
        &self,
        image: &ImageName,
        declared: &Declaration,
        arrival: &Arrival,
    ) -> Result<Vec<NewExpected>, EngineError> {
        let Some(expectation) = declared.expects(arrival) else {
            return Ok(Vec::new());
        };
        let platforms: Vec<Option<String>> = match declared.platforms() {
            [] => vec![None],
            platforms => {
                let engine = self.parts.runner.platform().await?;
                let beside = |platform: &Platform| (!engine.runs(platform)).then(|| platform.to_string());
                platforms.iter().map(beside).collect()
            }
        };
        let mut awaited = Vec::new();
        for variant in declared.certain_variants() {
            for platform in &platforms {
                let suffix = check_suffix(variant, platform.as_deref());
                awaited.push(NewExpected {
                    image: image.clone(),
                    context: status_context(image, suffix.as_deref()),
                    suffix,
                    report: declared.report(),
                    expectation: expectation.clone(),
                });
            }
        }
        Ok(awaited)
    }

    /// Why the file, as it is by now, has the commit wait no longer; `None`: it does.
    async fn is_withdrawn(&self, expected: &Expected) -> Result<Option<WaitEnd>, JobError> {
        let declared = self.store().declared_by(expected.repo.id).await?;
        let good = declared.as_ref().and_then(|declared| declared.good.as_deref());
        let file = good.map(File::parse).and_then(Result::ok);
        let said = file.as_ref().and_then(|file| file.of(&expected.image));
        Ok(match said.and_then(|said| said.expects(&expected.arrival)) {
            Some(Expectation::Wait(_)) => None,
            Some(Expectation::Skip { why }) => Some(WaitEnd::Skipped { why }),
            None => {
                let why = "the repository's file expects no image of such a commit any more".to_owned();
                Some(WaitEnd::Cancelled { why })
            }
        })
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
        let end = match self.is_withdrawn(&expected).await? {
            Some(end) => end,
            None => WaitEnd::NeverCame {
                instead: self.pushed_instead(&pushes, &expected).await?,
            },
        };
        Ok(self.store().end_wait(lease, id, &end).await?)
    }

    /// The wait ends without a look at what was pushed meanwhile: that failed again and again.
    pub(super) async fn give_up_wait(&self, lease: &Lease) -> Result<(), JobError> {
        let id = Store::to_expect(lease)?;
        let instead = Vec::new();
        Ok(self
            .store()
            .end_wait(lease, id, &WaitEnd::NeverCame { instead })
            .await?)
    }

    /// Sentences about the pushes that were not the one. They stand where everybody may read them: of what belongs to
    /// others only the number is told.
    async fn pushed_instead(
        &self,
        pushes: &[PushRecord],
        expected: &Expected,
    ) -> Result<Vec<String>, JobError> {
        let (mut own, mut of_others, mut failed) = (Vec::new(), 0_usize, 0_usize);
        for push in pushes {
            let run = match push.run() {
                Some(run) => self.store().run(run).await?,
                None => None,
            };
            match run.filter(|run| run.source.repo.id == expected.repo.id) {
                Some(run) => own.push(what_came_of(push, &run, expected)),
                None if push.stage == PushStage::Failed => failed += 1,
                None => of_others += 1,
            }
        }
        own.truncate(MOST_TOLD);
        let counted = [
            (of_others, "led to no commit of this repository"),
            (failed, "came to nothing, by trouble that was not the image's"),
        ];
        let counted = counted.into_iter().filter(|(count, _)| *count > 0);
        own.extend(counted.map(|(count, what)| match count {
            1 => format!("one push {what}"),
            more => format!("{more} pushes {what}"),
        }));
        Ok(own)
    }
}

/// A sentence about a push that led to a commit of the repository that waits.
fn what_came_of(push: &PushRecord, run: &Run, expected: &Expected) -> String {
    let at = timestamp(push.received_at);
    let at = at.get(11..19).unwrap_or(&at);
    let commit = &run.source.commit;
    let came = if *commit == expected.commit {
        let name = check_name(&run.image, run.policy.suffix.as_deref());
        format!("it was built from this commit, and is told by {name}")
    } else {
        format!("it was built from commit {}", commit.short())
    };
    format!("tag {} at {at} UTC: {came}", push.tag)
}
