//! The second net under the guards: removes what a crash or a lost lease left on the Engine.

use uuid::Uuid;

use super::engine::Labelled;
use super::labels::{self, INSTANCE, Labels, MANAGED, RUN};
use super::{EngineError, Runner};
use crate::model::RunId;

/// How much was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Containers, with their volumes.
    pub containers: usize,
    /// Networks.
    pub networks: usize,
    /// Volumes that outlived their containers.
    pub volumes: usize,
    /// Images that were made on the way.
    pub images: usize,
}

impl Runner {
    /// Removes what is of this instance and whose attempt is not alive any more by `is_live`, and
    /// whatever of hubcheck's is past its deadline. Nothing else is touched.
    ///
    /// # Errors
    /// The first thing that went wrong; all the rest was tried nevertheless.
    pub async fn reap(
        &self,
        is_live: impl Fn(RunId, i64) -> bool + Send + Sync,
    ) -> Result<Reaped, EngineError> {
        let now_s = self.clock.now() / 1000;
        let doomed = |thing: &Labelled| is_doomed(&thing.labels, self.instance, now_s, &is_live);
        self.remove_where(&format!("{MANAGED}=true"), doomed).await
    }

    /// Removes whatever an earlier attempt at `run` left behind.
    pub async fn remove_run(&self, run: RunId) -> Result<(), EngineError> {
        self.remove_where(&format!("{RUN}={run}"), |_| true)
            .await
            .map(|_| ())
    }

    async fn remove_where(
        &self,
        label: &str,
        doomed: impl Fn(&Labelled) -> bool + Send,
    ) -> Result<Reaped, EngineError> {
        // Containers first: networks and volumes cannot go while they are used.
        let engine = &self.engine;
        let mut reaped = Reaped::default();
        let mut first_error = Ok(());
        for found in engine
            .containers(label)
            .await?
            .iter()
            .filter(|found| doomed(found))
        {
            note(
                engine.remove(&found.id).await,
                &mut reaped.containers,
                &mut first_error,
            );
        }
        for found in engine.networks(label).await?.iter().filter(|found| doomed(found)) {
            note(
                engine.remove_network(&found.id).await,
                &mut reaped.networks,
                &mut first_error,
            );
        }
        for found in engine.volumes(label).await?.iter().filter(|found| doomed(found)) {
            note(
                engine.remove_volume(&found.id).await,
                &mut reaped.volumes,
                &mut first_error,
            );
        }
        for found in engine
            .made_images(label)
            .await?
            .iter()
            .filter(|found| doomed(found))
        {
            note(
                engine.remove_made_image(&found.id).await,
                &mut reaped.images,
                &mut first_error,
            );
        }
        first_error.map(|()| reaped)
    }
}

fn note(removed: Result<(), EngineError>, count: &mut usize, first_error: &mut Result<(), EngineError>) {
    match removed {
        Ok(()) => *count += 1,
        // In use: its time comes when its containers are gone.
        Err(error) if error.is_conflict() => {}
        Err(error) if first_error.is_ok() => *first_error = Err(error),
        Err(_) => {}
    }
}

fn is_doomed(labels: &Labels, instance: Uuid, now_s: i64, is_live: impl Fn(RunId, i64) -> bool) -> bool {
    let ours = labels
        .get(INSTANCE)
        .is_some_and(|found| *found == instance.to_string());
    let abandoned = ours && labels::lease(labels).is_some_and(|(run, attempt)| !is_live(run, attempt));
    let overdue = labels::deadline_s(labels).is_some_and(|deadline_s| deadline_s < now_s);
    abandoned || overdue
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::Owner;

    #[test]
    fn the_dead_of_our_own_and_the_overdue_go_and_nothing_else_does() {
        let (ours, theirs) = (Uuid::now_v7(), Uuid::now_v7());
        let run = RunId::new();
        let labels = |instance, attempt, deadline_s: i64| {
            labels::of_owner(
                instance,
                &Owner {
                    run,
                    attempt,
                    deadline: deadline_s * 1000,
                },
            )
        };
        // Attempt 2 holds the lease, at second 100.
        let doomed = |labels: &Labels| is_doomed(labels, ours, 100, |_, attempt| attempt == 2);
        assert!(doomed(&labels(ours, 1, 500)), "our own, and its attempt is dead");
        assert!(!doomed(&labels(ours, 2, 500)), "our own, and alive");
        assert!(doomed(&labels(ours, 2, 99)), "our own, alive and overdue");
        assert!(!doomed(&labels(theirs, 1, 500)), "another's");
        assert!(doomed(&labels(theirs, 1, 99)), "another's, and overdue");
        assert!(
            !doomed(&labels::of_instance(ours, 500_000)),
            "of no run: shared by all"
        );
        assert!(!doomed(&Labels::new()), "nothing of hubcheck's");
        let garbled = Labels::from([("hubcheck.deadline".to_owned(), "soon".to_owned())]);
        assert!(!doomed(&garbled), "not understood");
    }
}
