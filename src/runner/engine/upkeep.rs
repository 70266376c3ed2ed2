//! What the Engine holds of ours, and getting rid of it.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{ACT, ASK, Engine, api, query, unless};
use crate::runner::EngineError;
use crate::runner::labels::{self, Labels};

/// Something with our label on the Engine.
#[derive(Clone, Debug)]
pub(in crate::runner) struct Labelled {
    pub(in crate::runner) id: String,
    pub(in crate::runner) labels: Labels,
}

/// What the containers of a network can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runner) enum NetworkKind {
    /// The world, but not each other.
    Apart,
    /// The world, and each other.
    Open,
    /// Each other, and nothing else.
    Closed,
}

/// An image's footprint on the Engine.
#[derive(Clone, Debug)]
pub(in crate::runner) struct Footprint {
    pub(in crate::runner) id: String,
    pub(in crate::runner) size_bytes: u64,
    /// Does it carry a tag, so that somebody besides us has a use for it?
    pub(in crate::runner) tagged: bool,
    /// `name@digest`, each name under which it was pulled.
    pub(in crate::runner) digests: Vec<String>,
}

impl Engine {
    pub(in crate::runner) async fn footprint(
        &self,
        reference: &str,
    ) -> Result<Option<Footprint>, EngineError> {
        let found = self.inspect_image(reference).await?;
        Ok(found.map(|found| Footprint {
            id: found.id.unwrap_or_default(),
            size_bytes: found.size.and_then(|size| size.try_into().ok()).unwrap_or(0),
            tagged: found.repo_tags.is_some_and(|tags| !tags.is_empty()),
            digests: found.repo_digests.unwrap_or_default(),
        }))
    }

    /// Removes an image, unless a container or somebody's tag needs it.
    pub(in crate::runner) async fn remove_image(&self, id: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        let removal = client.remove_image(id, None::<query::RemoveImageOptions>, None);
        self.within(ACT, "removing an image", removal).await.map(|_| ())
    }

    /// Makes an image of what a container has become. It inherits the container's labels. Returns its id.
    pub(in crate::runner) async fn commit(&self, container: &str) -> Result<String, EngineError> {
        let client = self.client().await?;
        let options = query::CommitContainerOptionsBuilder::new()
            .container(container)
            .pause(false)
            .build();
        let made = client.commit_container(options, api::ContainerConfig::default());
        let made = self
            .within(ACT, "keeping what a container has become", made)
            .await?;
        Ok(made.id)
    }

    /// Removes an image that [`Self::commit`] made, and nothing that it was made of. One that is gone is fine; one
    /// in use is a conflict.
    pub(in crate::runner) async fn remove_made_image(&self, id: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        let options = query::RemoveImageOptionsBuilder::new().noprune(true).build();
        let removal = client.remove_image(id, Some(options), None);
        let removed = self.within(ACT, "removing an image", removal).await.map(|_| ());
        unless(EngineError::is_not_found, removed)
    }

    /// Images that have the label and no name: those that came from somewhere have one.
    pub(in crate::runner) async fn made_images(&self, label: &str) -> Result<Vec<Labelled>, EngineError> {
        let client = self.client().await?;
        let options = query::ListImagesOptionsBuilder::new()
            .all(true)
            .filters(&by_label(label))
            .build();
        let found = self
            .within(ASK, "listing images", client.list_images(Some(options)))
            .await?;
        let is_nameless = |found: &api::ImageSummary| {
            let names = found.repo_tags.iter().chain(&found.repo_digests);
            names.into_iter().all(|name| name.starts_with("<none>"))
        };
        let labelled = |found: api::ImageSummary| (found.id, Some(found.labels));
        Ok(found
            .into_iter()
            .filter(is_nameless)
            .map(labelled)
            .map(to_labelled)
            .collect())
    }

    pub(in crate::runner) async fn containers(&self, label: &str) -> Result<Vec<Labelled>, EngineError> {
        let client = self.client().await?;
        let options = query::ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&by_label(label))
            .build();
        let found = self
            .within(ASK, "listing containers", client.list_containers(Some(options)))
            .await?;
        let labelled = |found: api::ContainerSummary| Some((found.id?, found.labels));
        Ok(found.into_iter().filter_map(labelled).map(to_labelled).collect())
    }

    pub(in crate::runner) async fn networks(&self, label: &str) -> Result<Vec<Labelled>, EngineError> {
        let client = self.client().await?;
        let options = query::ListNetworksOptionsBuilder::new()
            .filters(&by_label(label))
            .build();
        let found = self
            .within(ASK, "listing networks", client.list_networks(Some(options)))
            .await?;
        let labelled = |found: api::Network| Some((found.id?, found.labels));
        Ok(found.into_iter().filter_map(labelled).map(to_labelled).collect())
    }

    pub(in crate::runner) async fn volumes(&self, label: &str) -> Result<Vec<Labelled>, EngineError> {
        let client = self.client().await?;
        let options = query::ListVolumesOptionsBuilder::new()
            .filters(&by_label(label))
            .build();
        let found = self
            .within(ASK, "listing volumes", client.list_volumes(Some(options)))
            .await?;
        let labelled = |found: api::Volume| (found.name, Some(found.labels));
        Ok(found
            .volumes
            .unwrap_or_default()
            .into_iter()
            .map(labelled)
            .map(to_labelled)
            .collect())
    }

    /// Makes a bridge network. Returns its id.
    pub(in crate::runner) async fn create_network(
        &self,
        kind: NetworkKind,
        labels: Labels,
    ) -> Result<String, EngineError> {
        let client = self.client().await?;
        let reach_each_other = (kind != NetworkKind::Apart).to_string();
        let mut options = HashMap::from([(
            "com.docker.network.bridge.enable_icc".to_owned(),
            reach_each_other,
        )]);
        if kind == NetworkKind::Closed {
            // Without an address of its own on the bridge the host cannot be reached either.
            let inhibit = "com.docker.network.bridge.inhibit_ipv4".to_owned();
            options.insert(inhibit, "true".to_owned());
        }
        let request = api::NetworkCreateRequest {
            name: format!("hubcheck-{}", Uuid::now_v7()),
            driver: Some("bridge".to_owned()),
            internal: Some(kind == NetworkKind::Closed),
            labels: Some(labels),
            options: Some(options),
            ..api::NetworkCreateRequest::default()
        };
        let made = self
            .within(ACT, "creating a network", client.create_network(request))
            .await?;
        Ok(made.id)
    }

    /// Makes a volume. Returns its name.
    pub(in crate::runner) async fn create_volume(&self, labels: Labels) -> Result<String, EngineError> {
        let client = self.client().await?;
        let request = api::VolumeCreateRequest {
            name: Some(format!("hubcheck-{}", Uuid::now_v7())),
            labels: Some(labels),
            ..api::VolumeCreateRequest::default()
        };
        let made = self
            .within(ACT, "creating a volume", client.create_volume(request))
            .await?;
        Ok(made.name)
    }

    /// Removes a network. One that is gone is fine; one in use is a conflict.
    pub(in crate::runner) async fn remove_network(&self, network: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        let removed = self
            .within(ACT, "removing a network", client.remove_network(network))
            .await;
        unless(EngineError::is_not_found, removed)
    }

    /// Removes a volume. One that is gone is fine; one in use is a conflict.
    pub(in crate::runner) async fn remove_volume(&self, volume: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        let removal = client.remove_volume(volume, None::<query::RemoveVolumeOptions>);
        let removed = self.within(ACT, "removing a volume", removal).await;
        unless(EngineError::is_not_found, removed)
    }
}

fn by_label(label: &str) -> HashMap<String, Vec<String>> {
    let mine = format!("{}=true", labels::MANAGED);
    let wanted: HashSet<String> = [mine, label.to_owned()].into();
    HashMap::from([("label".to_owned(), wanted.into_iter().collect())])
}

fn to_labelled((id, labels): (String, Option<Labels>)) -> Labelled {
    Labelled {
        id,
        labels: labels.unwrap_or_default(),
    }
}
