//! The HTTP edge: connections, and what may come in through them.

mod body;
mod connection;
pub mod server;

pub use body::{BodyError, read_body};
