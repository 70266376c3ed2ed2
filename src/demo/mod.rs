//! What stands in for the outside world in `hubcheck demo` and in the tests.

pub mod github;
pub mod images;
pub mod registry;
pub mod scene;
