//! The reader of registries: tag → digest, manifest, configuration, who may see an image.
//!
//! Only this part speaks to registries. What they send is a stranger's: every body has a cap, every
//! digest is checked, and credentials go to the host that they were given for and to no other.

mod auth;
mod body;
mod cache;
mod challenge;
mod client;
mod credentials;
mod docker_config;
mod error;
#[doc(hidden)]
pub mod foreign;
mod helper;
mod manifest;
mod place;
mod reader;
mod signatures;
mod tags;
mod transport;

pub use client::{Access, RegistryClient};
pub use credentials::Credentials;
pub(crate) use docker_config::host_of;
pub use error::{NotRunnable, RegistryError, SetupError};
pub use manifest::{ImageDetails, Provenance};
pub use signatures::StoredSignature;
