//! container-structure-test's rules: what an assertion comes to, given what was found in the image. Pure; the files are
//! read in `plan::structure`, and the runner brings what is asked for.
//! <https://github.com/GoogleContainerTools/container-structure-test>

pub mod expand;
pub mod go_regex;
mod judge;
mod metadata;
mod text;

pub use judge::{Entry, EntryKind, Printed, command, content, existence, license, mode};
pub use metadata::metadata;
pub use text::text;
