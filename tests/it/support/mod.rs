//! What several subjects need.

pub(crate) mod browser;
pub(crate) mod chaos;
pub(crate) mod corporate;
pub(crate) mod desk;
pub(crate) mod dockerd;
pub(crate) mod engine;
pub(crate) mod house;
pub(crate) mod images;
pub(crate) mod openapi;
pub(crate) mod outbox;
pub(crate) mod postgres;
pub(crate) mod registry;
pub(crate) mod sigstore;
pub(crate) mod store;
pub(crate) mod web;
pub(crate) mod wire;
