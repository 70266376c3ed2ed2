//! What went wrong elsewhere does not go wrong here: a test for each advisory about webhooks that others in
//! this field had to publish.
//!
//! Those about memory before authentication (CVE-2024-40634, CVE-2026-42294) are held by
//! `hostile_bodies/memory.rs`.

mod identity;
mod pages;
mod poison;
mod strangers;
