//! What arrives at the door: senders' bodies to pushes, GitHub's to events, tokens and signatures
//! to a yes or a no. Pure rules, no I/O; nothing that a body names is ever fetched.

mod body;
pub mod dockerhub;
pub mod github;
mod sender;
mod token;

pub use body::BadBody;
pub use sender::{Parsed, Sender, UnknownSender};
pub use token::{HookKeys, NoHookKey, TokenScope};
