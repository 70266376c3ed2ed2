//! An image that the Engine holds, and what can be said about a step in it before it runs.

use super::sandbox::Call;
use crate::model::{Cause, ImageConfig, Platform};

/// An image that the Engine holds, as far as running it depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalImage {
    /// The Engine's id: the digest of the image's configuration.
    pub id: String,
    /// What it was built for.
    pub platform: Platform,
    /// How it is run.
    pub config: ImageConfig,
    /// Was it fetched for this call, so that it is ours to remove?
    pub origin: Origin,
}

/// Why the Engine holds an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was there.
    Present,
    /// hubcheck pulled it now.
    Pulled,
}

impl LocalImage {
    /// The words that a step runs in this image, by the Engine's own rules.
    pub(super) fn words(&self, call: &Call<'_>) -> Vec<String> {
        let own_entrypoint = call.entrypoint.unwrap_or(&self.config.entrypoint);
        // An entrypoint given anew discards the image's command; one that is inherited keeps it.
        let arguments = if call.args.is_empty() && call.entrypoint.is_none() {
            &self.config.cmd
        } else {
            call.args
        };
        own_entrypoint
            .iter()
            .filter(|word| !word.is_empty())
            .chain(arguments)
            .cloned()
            .collect()
    }

    /// Why the step cannot be run in this image on an engine of the platform `engine`, if so.
    pub(super) fn refuse(&self, call: &Call<'_>, engine: &Platform) -> Option<Cause> {
        let reason = if !engine.can_run(&self.platform) {
            format!(
                "it is built for {}, and this Docker Engine runs {engine}",
                self.platform
            )
        } else if reaches_processes(&self.config.working_dir) {
            // CVE-2024-21626: a working directory there can be a file descriptor of the runtime's,
            // which leads out of the container.
            "its working directory lies among the processes' files (/proc)".to_owned()
        } else if self.words(call).is_empty() {
            "it has neither an entrypoint nor a command".to_owned()
        } else {
            return None;
        };
        Some(Cause::NotRunnable { reason })
    }
}

/// Does `path` lead under `/proc`, or to one of the links in `/dev` that do?
fn reaches_processes(path: &str) -> bool {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    matches!(
        parts.as_slice(),
        ["proc", ..] | ["dev", "fd" | "stdin" | "stdout" | "stderr", ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Step, StepKind};

    fn image() -> LocalImage {
        LocalImage {
            id: "sha256:00".to_owned(),
            platform: "linux/amd64".parse().unwrap(),
            config: ImageConfig {
                entrypoint: vec!["/entry".to_owned()],
                cmd: vec!["serve".to_owned()],
                ..ImageConfig::default()
            },
            origin: Origin::Present,
        }
    }

    fn run(args: &[&str], entrypoint: Option<&[&str]>) -> Step {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Step {
            name: "test".to_owned(),
            kind: StepKind::Run {
                args: owned(args),
                entrypoint: entrypoint.map(owned),
                env: [].into(),
            },
            timeout: None,
            reports: Vec::new(),
        }
    }

    #[test]
    fn words_are_those_that_docker_run_would_run() {
        for (step, words) in [
            (run(&["test"], None), "/entry test"),
            (run(&[], None), "/entry serve"),
            (run(&["a"], Some(&[""])), "a"),
            (run(&["a"], Some(&["sh", "-c"])), "sh -c a"),
            (run(&[], Some(&["sh"])), "sh"),
        ] {
            assert_eq!(image().words(&Call::of(&step)).join(" "), words);
        }
    }

    #[test]
    fn what_cannot_be_run_safely_or_at_all_is_refused_with_the_reason() {
        let amd64: Platform = "linux/amd64".parse().unwrap();
        let test = run(&["test"], None);
        assert_eq!(image().refuse(&Call::of(&test), &amd64), None);
        for dir in [
            "/proc/self/fd/8",
            "//proc",
            "/app/../proc/1/cwd",
            "proc/self",
            "/./dev/fd/7",
            "/../proc/x/..",
        ] {
            let mut image = image();
            image.config.working_dir = dir.to_owned();
            assert!(
                matches!(
                    image.refuse(&Call::of(&test), &amd64),
                    Some(Cause::NotRunnable { .. })
                ),
                "{dir}"
            );
        }
        for dir in ["", "/", "/app", "/processes", "/app/proc", "/dev/shm"] {
            let mut image = image();
            image.config.working_dir = dir.to_owned();
            assert_eq!(image.refuse(&Call::of(&test), &amd64), None, "{dir}");
        }
        let refused = image()
            .refuse(&Call::of(&test), &"linux/arm64".parse().unwrap())
            .unwrap();
        assert_eq!(
            refused.to_string(),
            "not a runnable image: it is built for linux/amd64, and this Docker Engine runs linux/arm64"
        );
        let empty = LocalImage {
            config: ImageConfig::default(),
            ..image()
        };
        assert!(empty.refuse(&Call::of(&run(&[], None)), &amd64).is_some());
        assert_eq!(empty.refuse(&Call::of(&test), &amd64), None);
    }
}
