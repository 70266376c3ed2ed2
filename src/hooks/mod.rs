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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_body_ends_the_process(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            json in "[\\[\\]{}:,\"0-9a-z.\\\\ ]{0,80}",
        ) {
            for body in [bytes.as_slice(), json.as_bytes(), format!("{{\"push_data\":{json}}}").as_bytes()] {
                let _ = dockerhub::parse(body);
                for event in ["ping", "installation", "check_run", "check_suite", "x"] {
                    let _ = github::parse(event, body);
                }
            }
        }
    }
}
