//! Pulling: by digest, once at a time however many want it, given up when nothing moves.
//!
//! The Engine reports a stalled layer neither as an event nor as an error, so silence is measured here.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::EngineError;
use super::Runner;
use super::image::{LocalImage, Origin};
use super::pull_error::{self, PullError};
use crate::model::Digest;

/// A pull that reports nothing for this long is given up.
pub(super) const IDLE: Duration = Duration::from_mins(1);
/// No image has more layers; a registry that names more is not believed.
const LAYERS: usize = 1024;

/// What the Engine tells the registry.
#[derive(Clone, Debug)]
pub struct RegistryCredentials {
    /// The account.
    pub username: String,
    /// Its password or token.
    pub password: SecretString,
    /// The registry's host, with its port where it has one.
    pub server: String,
}

/// Where an image comes from.
#[derive(Clone, Debug)]
pub struct PullSource {
    /// `host/path`, as the Engine is told; without tag or digest.
    pub reference: String,
    /// Which image.
    pub digest: Digest,
    /// For a registry that asks for them.
    pub credentials: Option<RegistryCredentials>,
}

impl PullSource {
    /// What the Engine calls the image once it holds it.
    pub fn name(&self) -> String {
        format!("{}@{}", self.reference, self.digest)
    }
}

/// How far a pull is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullProgress {
    /// Layers that the image has, as far as is known.
    pub layers: usize,
    /// Layers that are there and unpacked.
    pub layers_done: usize,
    /// Bytes that came in.
    pub received_bytes: u64,
    /// Bytes of the layers whose size is known.
    pub total_bytes: u64,
}

/// One event of a pull, as the Engine reports it.
#[derive(Clone, Debug)]
pub(super) struct LayerEvent {
    pub(super) layer: String,
    pub(super) status: String,
    pub(super) current_bytes: u64,
    pub(super) total_bytes: u64,
}

/// Why a pull broke off, before it is told apart.
#[derive(Clone, Debug)]
pub(super) enum PullTrouble {
    /// The Engine passed on what the registry said, or what became of it.
    Said { status: Option<u16>, message: String },
    /// The Engine itself.
    Engine(EngineError),
}

/// The pulls under way, by reference with digest.
#[derive(Clone, Debug, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<String, Weak<Flight>>>>);

/// A pull under way. It ends when it is done, or when nobody waits for it any more.
#[derive(Debug)]
struct Flight {
    state: watch::Receiver<State>,
    task: AbortHandle,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone, Debug)]
enum State {
    Pulling(PullProgress),
    Done(Box<Result<LocalImage, PullError>>),
}

impl Flights {
    /// The pull of `name`: the one under way, or a new one that does `work`.
    fn join<F>(&self, name: &str, work: impl FnOnce(watch::Sender<State>) -> F) -> Arc<Flight>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, flight| flight.strong_count() > 0);
        if let Some(flight) = flights.get(name).and_then(Weak::upgrade) {
            return flight;
        }
        let (sender, state) = watch::channel(State::Pulling(PullProgress::default()));
        let task = tokio::spawn(work(sender)).abort_handle();
        let flight = Arc::new(Flight { state, task });
        flights.insert(name.to_owned(), Arc::downgrade(&flight));
        flight
    }
}

impl Runner {
    /// Brings an image to the Engine, unless it is there. Whoever asks for an image that is just being
    /// pulled joins that pull. `progress` is called as the pull moves on.
    pub async fn pull(
        &self,
        source: &PullSource,
        progress: impl Fn(PullProgress) + Send + Sync,
    ) -> Result<LocalImage, PullError> {
        let name = source.name();
        if let Some(image) = self.engine.image(&name).await? {
            return self.fit(image).await;
        }
        let flight = self.flights.join(&name, |sender| {
            let (runner, name, credentials) = (self.clone(), name.clone(), source.credentials.clone());
            async move {
                let limit = runner.pull_timeout;
                let work = runner.fetch(&name, credentials.as_ref(), &sender);
                let done = timeout(limit, work)
                    .await
                    .unwrap_or(Err(PullError::TimedOut { after: limit }));
                sender.send_replace(State::Done(Box::new(done)));
            }
        });
        let mut state = flight.state.clone();
        loop {
            match state.borrow_and_update().clone() {
                State::Pulling(moved) => progress(moved),
                State::Done(done) => return *done,
            }
            if state.changed().await.is_err() {
                return Err(PullError::Interrupted);
            }
        }
    }

    async fn fetch(
        &self,
        name: &str,
        credentials: Option<&RegistryCredentials>,
        sender: &watch::Sender<State>,
    ) -> Result<LocalImage, PullError> {
        if let Some(disk) = self.engine.disk().await?.filter(|disk| disk.is_low()) {
            return Err(PullError::NoSpace { message: disk.why() });
        }
        let mut events = Box::pin(self.engine.pull(name, credentials).await?);
        let mut layers = Layers::default();
        loop {
            match timeout(self.pull_idle, events.next()).await {
                Err(_) => {
                    return Err(PullError::Stalled {
                        after: self.pull_idle,
                    });
                }
                Ok(None) => break,
                Ok(Some(Err(PullTrouble::Engine(error)))) => return Err(error.into()),
                Ok(Some(Err(PullTrouble::Said { status, message }))) => {
                    return Err(pull_error::classify(status, message));
                }
                Ok(Some(Ok(event))) => {
                    layers.note(event);
                    sender.send_replace(State::Pulling(layers.progress()));
                }
            }
        }
        let image = self.engine.image(name).await?.ok_or(PullError::Interrupted)?;
        self.fit(LocalImage {
            origin: Origin::Pulled,
            ..image
        })
        .await
    }

    async fn fit(&self, image: LocalImage) -> Result<LocalImage, PullError> {
        let engine = self.platform().await?;
        if engine.can_run(&image.platform) {
            Ok(image)
        } else {
            let message = format!(
                "the image is for {}, the Docker Engine runs {engine}",
                image.platform
            );
            Err(PullError::WrongPlatform { message })
        }
    }
}

#[derive(Debug)]
struct Layer {
    received_bytes: u64,
    total_bytes: u64,
    done: bool,
}

/// What is known of an image's layers.
#[derive(Debug, Default)]
struct Layers(HashMap<String, Layer>);

impl Layers {
    fn note(&mut self, event: LayerEvent) {
        let done = matches!(event.status.as_str(), "Pull complete" | "Already exists");
        let begun = matches!(event.status.as_str(), "Pulling fs layer" | "Waiting");
        if !(begun || done || self.0.contains_key(&event.layer)) || self.0.len() >= LAYERS {
            return;
        }
        let layer = self.0.entry(event.layer).or_insert(Layer {
            received_bytes: 0,
            total_bytes: 0,
            done: false,
        });
        layer.done |= done;
        match event.status.as_str() {
            "Downloading" => {
                layer.received_bytes = event.current_bytes;
                layer.total_bytes = event.total_bytes;
            }
            "Download complete" => layer.received_bytes = layer.received_bytes.max(layer.total_bytes),
            _ => {}
        }
    }

    fn progress(&self) -> PullProgress {
        PullProgress {
            layers: self.0.len(),
            layers_done: self.0.values().filter(|layer| layer.done).count(),
            received_bytes: self.0.values().map(|layer| layer.received_bytes).sum(),
            total_bytes: self.0.values().map(|layer| layer.total_bytes).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_counts_layers_and_bytes() {
        let mut layers = Layers::default();
        for (layer, status, current_bytes, total_bytes) in [
            ("sha256:0", "Pulling from acme/app", 0, 0),
            ("aa", "Pulling fs layer", 0, 0),
            ("bb", "Already exists", 0, 0),
            ("aa", "Downloading", 40, 100),
        ] {
            let (layer, status) = (layer.to_owned(), status.to_owned());
            layers.note(LayerEvent {
                layer,
                status,
                current_bytes,
                total_bytes,
            });
        }
        let expected = PullProgress {
            layers: 2,
            layers_done: 1,
            received_bytes: 40,
            total_bytes: 100,
        };
        assert_eq!(layers.progress(), expected);
    }
}
