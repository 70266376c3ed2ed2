//! hubcheck: a registry says "an image was pushed"; this finds the commit that the image was built
//! from, runs the image's own tests in it, and puts the verdict on that commit.

pub mod clock;
pub mod config;
pub mod demo;
pub mod model;
pub mod runner;
