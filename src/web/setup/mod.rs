//! The set-up in the operator's browser: the wizard that makes the App, and the steps that follow it.

mod session;
mod steps;
mod wizard;

pub use wizard::{Answer, Code, Wizard};

pub(super) use steps::steps;
