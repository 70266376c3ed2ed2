//! What several subjects need.

pub(crate) mod engine;
pub(crate) mod house;
pub(crate) mod images;
pub(crate) mod registry;
pub(crate) mod store;
