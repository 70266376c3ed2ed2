//! The label by which an image says itself how it is tested: `org.label-schema.docker.cmd.test`. Pure.
//! <https://github.com/label-schema/label-schema.org/blob/gh-pages/rc1.md>

use crate::model::{ImageName, ImageReference};

/// The label's key.
pub const TEST_LABEL: &str = "org.label-schema.docker.cmd.test";

/// Longest label that is read, in bytes.
const MAX_BYTES: usize = 4096;

/// Options that change nothing of what is tested.
const IDLE_OPTIONS: [&str; 8] = [
    "--rm",
    "-i",
    "-t",
    "-it",
    "-ti",
    "--interactive",
    "--tty",
    "--init",
];

/// Words that stand for the image in a line that was written once for all of its tags.
const PLACEHOLDERS: [&str; 5] = ["IMAGE", "$IMAGE", "${IMAGE}", "<image>", "$IMAGE_NAME"];

/// What a label says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Labelled {
    /// What stands behind the image in `docker run IMAGE …`.
    pub(super) args: Vec<String>,
    /// Options of `docker run` that are not obeyed, by name.
    pub(super) unheard: Vec<String>,
}

/// Reads the label of an image: arguments, or a whole `docker run` line of which only what follows the image is taken.
/// Fails with a sentence that can be shown: nothing of the label's text is in it.
pub(super) fn read(text: &str, image: &ImageName) -> Result<Labelled, String> {
    let refused = |why: &str| Err(format!("the image's label {TEST_LABEL} {why}"));
    if text.len() > MAX_BYTES {
        return refused("is longer than 4 KiB");
    }
    if text.contains('\0') {
        return refused("holds a NUL");
    }
    let Some(words) = shlex::split(text) else {
        return refused("has a quote that is not closed");
    };
    let (options, args) = match words.as_slice() {
        [] => return refused("is empty"),
        [sudo, docker, run, line @ ..] if sudo == "sudo" && docker == "docker" && run == "run" => {
            split(line, image)
        }
        [docker, run, line @ ..] if docker == "docker" && run == "run" => split(line, image),
        args => Some((&[] as &[String], args)),
    }
    .map_or_else(
        || {
            Err(format!(
                "the image's label {TEST_LABEL} is a `docker run` line, and {image} is nowhere in it"
            ))
        },
        Ok,
    )?;
    Ok(Labelled {
        args: args.to_vec(),
        unheard: options.iter().filter_map(|word| option(word)).collect(),
    })
}

/// What stands before the image in the words behind `docker run`, and what behind it.
fn split<'w>(words: &'w [String], image: &ImageName) -> Option<(&'w [String], &'w [String])> {
    let is_image = |word: &String| {
        PLACEHOLDERS.contains(&word.as_str())
            || word
                .parse::<ImageReference>()
                .is_ok_and(|reference| reference.name == *image)
    };
    let at = words.iter().position(is_image)?;
    Some((&words[..at], &words[at + 1..]))
}

/// The name of an option that would have changed what is tested. `None`: it would not, or it is none.
fn option(word: &str) -> Option<String> {
    let name = word.split('=').next().unwrap_or(word);
    let letters = name.trim_start_matches('-');
    let is_name = name.starts_with('-')
        && (1..=30).contains(&letters.len())
        && letters
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_name && !IDLE_OPTIONS.contains(&name)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<(String, String), String> {
        let image = "acme/app".parse().unwrap();
        read(text, &image).map(|said| (said.args.join("|"), said.unheard.join(" ")))
    }

    #[test]
    fn arguments_and_whole_lines_come_to_what_follows_the_image() {
        for (label, args, unheard) in [
            ("test", "test", ""),
            ("npm run 'api test'", "npm|run|api test", ""),
            ("/bin/check --docker run", "/bin/check|--docker|run", ""),
            ("docker run acme/app test", "test", ""),
            ("docker run --rm -it acme/app:1.2 test -v", "test|-v", ""),
            ("sudo docker run docker.io/acme/app test", "test", ""),
            ("docker run --rm $IMAGE make test", "make|test", ""),
            ("docker run acme/app", "", ""),
            (
                "docker run --privileged -v /:/host --network=host -e A=b acme/app test",
                "test",
                "--privileged -v --network -e",
            ),
        ] {
            assert_eq!(said(label), Ok((args.to_owned(), unheard.to_owned())), "{label}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_told_without_repeating_it() {
        for (label, why) in [
            ("", "is empty"),
            ("  ", "is empty"),
            ("say 'hello", "has a quote that is not closed"),
            (
                "docker run other/image test",
                "docker.io/acme/app is nowhere in it",
            ),
            ("docker run", "docker.io/acme/app is nowhere in it"),
            ("a\0b", "holds a NUL"),
            (&"x".repeat(5000), "is longer than 4 KiB"),
        ] {
            let refused = said(label).unwrap_err();
            assert!(refused.ends_with(why), "{refused}");
            assert!(!refused.contains("hello") && !refused.contains("other"));
        }
    }
}
