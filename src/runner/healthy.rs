//! Images that stay up: started with their own command, and watched until they are healthy.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Runner;
use super::cause::{self, Given};
use super::container::Container;
use super::engine::{ContainerState, Engine, Health};
use super::error::EngineError;
use super::log::LogSink;
use super::sandbox::Call;
use super::step::{Ended, StepTask};
use super::watch::{Watched, watch};
use crate::model::Cause;

/// How often a container's health is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(200);

/// The time of a step is not up before its image could turn healthy.
const MARGIN: Duration = Duration::from_secs(10);

impl Runner {
    /// Runs an image's own command until it is healthy, or for the whole time where it has no health check.
    pub(super) async fn stay_up(
        &self,
        task: &StepTask<'_>,
        within: Duration,
        sink: &LogSink,
    ) -> Result<Ended, EngineError> {
        let call = Call::of(task.step);
        let words = task.image.words(&call);
        let launched = match self.launch(task, self.sandbox(task, task.image, &call)).await {
            Ok(launched) => launched,
            Err(error) => return Ok(Ended::without_container(cause::blame(error, &words)?)),
        };
        let mut limits = task.plan.limits_of(task.step);
        limits.timeout = limits.timeout.max(within + MARGIN);
        // A service may well be silent.
        limits.idle_timeout = limits.timeout;
        let (container, started) = (launched.container, launched.started);
        let id = container.id().to_owned();
        let engine = self.engine.clone();
        let watched = watch(&engine, &id, launched.output, &limits, sink);
        tokio::pin!(watched);
        let judged = tokio::select! {
            judged = judge(&self.engine, &id, within) => judged?,
            ended = &mut watched => {
                let Watched { end, log, .. } = ended?;
                let given = Given { words: &words, network: task.plan.network, profile: task.plan.profile, limits: &limits };
                let cause = of_end(cause::of_end(end, given, &log), started.elapsed());
                return Ok(Ended { duration: started.elapsed(), log, ..Ended::without_container(cause) });
            }
        };
        let duration = started.elapsed();
        let log = end(&self.engine, &container, watched).await?;
        Ok(Ended {
            duration,
            log,
            ..Ended::without_container(judged)
        })
    }
}

/// Stops a container that has served, and reads what it printed.
async fn end(
    engine: &Engine,
    container: &Container,
    watched: impl Future<Output = Result<Watched, EngineError>>,
) -> Result<super::StepLog, EngineError> {
    engine.signal(container.id(), "SIGKILL").await?;
    Ok(watched.await?.log)
}

/// Waits until the container is healthy, or its time is up.
async fn judge(engine: &Engine, id: &str, within: Duration) -> Result<Cause, EngineError> {
    let until = Instant::now() + within;
    loop {
        let ContainerState {
            exit_code,
            health,
            last_probe,
        } = engine.condition(id).await?;
        let is_over = Instant::now() >= until;
        // The end of one that has ended is told by whoever watches it.
        match (exit_code, health) {
            (None, Health::Healthy) => return Ok(Cause::Passed),
            (None, Health::Unchecked) if is_over => return Ok(Cause::Passed),
            (None, Health::Starting | Health::Unhealthy) if is_over => {
                return Ok(Cause::NotHealthy {
                    after: within,
                    said: last_probe,
                });
            }
            _ => {}
        }
        sleep(
            LOOK.min(until.saturating_duration_since(Instant::now()))
                .max(Duration::from_millis(10)),
        )
        .await;
    }
}

/// What a limit did to it is told as ever; that it ended by itself is no success, whatever its exit code.
fn of_end(cause: Cause, after: Duration) -> Cause {
    match cause {
        Cause::Passed => Cause::DidNotStayUp { code: 0, after },
        Cause::ExitCode { code } => Cause::DidNotStayUp { code, after },
        cause => cause,
    }
}
