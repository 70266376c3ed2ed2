//! Whatever comes in at the door: the memory stays, the store stays clean, and the next good request is
//! answered.

mod flood;
mod memory;
mod shapes;
mod wire;
