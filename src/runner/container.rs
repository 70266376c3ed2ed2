//! A container that exists for as long as this value does.

use tokio::runtime::Handle;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use std::time::Duration;

use super::engine::Engine;
use super::sandbox::Sandbox;
use super::{EngineError, Runner};

/// Pauses between attempts to remove a container. What is still there then is the reaper's.
const REMOVAL_PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(5)];

/// A container of ours. Dropping it removes it in the background, running or not, with its volumes.
#[derive(Debug)]
pub(super) struct Container {
    id: String,
    engine: Engine,
    upkeep: TaskTracker,
}

impl Container {
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let (engine, id) = (self.engine.clone(), std::mem::take(&mut self.id));
        // Without a runtime the process is about to end; the reaper removes it after the next start.
        if let Ok(runtime) = Handle::try_current() {
            self.upkeep.spawn_on(remove(engine, id), &runtime);
        }
    }
}

impl Runner {
    /// Makes a container.
    ///
    /// A task of its own does it: were the caller to go away while the Engine is at it, nobody would
    /// learn the container's id. So the task ends up with the container, and drops it.
    pub(super) async fn create(&self, sandbox: Sandbox) -> Result<Container, EngineError> {
        let (engine, upkeep) = (self.engine.clone(), self.upkeep.clone());
        let making = self.upkeep.spawn(async move {
            engine.room().await?;
            let id = engine.create(sandbox).await?;
            Ok(Container { id, engine, upkeep })
        });
        let doing = "creating a container";
        making.await.unwrap_or_else(|error| {
            Err(EngineError::Lost {
                doing,
                reason: error.to_string(),
            })
        })
    }
}

async fn remove(engine: Engine, id: String) {
    for pause in REMOVAL_PAUSES {
        sleep(pause).await;
        match engine.remove(&id).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(container.id = id, %error, "container {id} is not removed yet"),
        }
    }
}
