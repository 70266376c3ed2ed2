//! The HTTP edge: connections, what may come in through them, and what is shown.
//!
//! Handlers speak to the store and return; they never call GitHub, a registry or the Engine.

mod api;
mod body;
mod connection;
mod expected;
mod github_hook;
mod health;
mod operator;
mod orders;
mod pages;
mod problem;
mod registry_hook;
mod router;
pub mod server;
pub mod setup;
mod viewer;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use secrecy::SecretString;
use tokio::sync::watch;

pub use body::{BodyError, read_body};
pub use router::{admin, public};

use crate::access::{PageKeys, PageLinks};
use crate::hooks::HookKeys;
use crate::metrics::Metrics;
use crate::pipeline::Surroundings;
use crate::resolve::Bindings;
use crate::store::{Intake, Store};

/// What the handlers work with.
pub struct Parts {
    /// What is shown.
    pub store: Store,
    /// Where deliveries go in.
    pub intake: Intake,
    /// What tokens of hook URLs are verified with.
    pub hook_keys: HookKeys,
    /// What GitHub signs with.
    pub github_secrets: Vec<SecretString>,
    /// Which images anybody speaks for.
    pub bindings: Bindings,
    /// GitHub's pages, without a slash at the end.
    pub github_pages: String,
    /// The keys of private repositories' pages.
    pub page_keys: PageKeys,
    /// Where pages are.
    pub links: PageLinks,
    /// The operator's token.
    pub admin_token: Option<SecretString>,
    /// The largest body of a registry, in bytes.
    pub max_body: usize,
    /// Are we reached over HTTPS? Then cookies are for it alone.
    pub https: bool,
    /// How what surrounds us was, when we last looked.
    pub surroundings: watch::Receiver<Surroundings>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

type App = Arc<Parts>;

/// What stands in an address, in the place of its names.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(problem::Problem))]
struct Path<T>(T);
