//! What is answered over HTTP, to whom, and with what it leaves in the store.

mod access;
mod api;
mod github_hook;
mod health;
mod operator;
mod pages;
mod registry_hook;
