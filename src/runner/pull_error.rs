//! Why a pull failed, told apart by what there is to do about it.
//!
//! The Engine hands on the registry's answer as a sentence, with a status that says little: a private
//! image is a 404, a rate limit a 500. So the sentences are read here.

use std::time::Duration;

use super::EngineError;
use crate::model::Elapsed;

/// Why an image could not be brought to the Engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// Credentials are missing or may not read the image.
    #[error("cannot pull the image: credentials are missing or lack read access ({message})")]
    Unauthorized {
        /// The registry's words.
        message: String,
    },
    /// The registry does not have it.
    #[error("the image is not in the registry: {message}")]
    NotFound {
        /// The registry's words.
        message: String,
    },
    /// The registry wants us to come back later.
    #[error("the registry's rate limit is reached: {message}")]
    RateLimited {
        /// The registry's words.
        message: String,
    },
    /// The Engine's disk is full.
    #[error("the Docker Engine's disk is full: {message}; remove images or lower docker.image_cache")]
    NoSpace {
        /// The Engine's words.
        message: String,
    },
    /// There is no image for the Engine's platform.
    #[error("the image cannot run here: {message}")]
    WrongPlatform {
        /// What is there, and what is wanted.
        message: String,
    },
    /// What the registry holds is no image, or a broken one.
    #[error("this is no usable image: {message}")]
    Unusable {
        /// The Engine's words.
        message: String,
    },
    /// Nothing came for too long.
    #[error("the registry sent nothing for {}", Elapsed(*.after))]
    Stalled {
        /// The limit.
        after: Duration,
    },
    /// It took too long in all.
    #[error("the pull took longer than {} (docker.pull_timeout)", Elapsed(*.after))]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// The registry has trouble, or cannot be reached.
    #[error("trouble with the registry: {message}")]
    Registry {
        /// The registry's or the Engine's words.
        message: String,
    },
    /// The pull broke off without a word.
    #[error("the pull broke off; it can be tried again")]
    Interrupted,
    /// The Engine has trouble, or cannot be reached.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Reads what the Engine says about a failed pull. `status`: of its answer, where it gave one instead
/// of breaking off in the midst.
pub(super) fn classify(status: Option<u16>, message: String) -> PullError {
    let text = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
    if says(&["toomanyrequests", "too many requests", "rate limit", "http 429 "]) || status == Some(429) {
        PullError::RateLimited { message }
    } else if says(&[
        "unauthorized",
        "pull access denied",
        "access forbidden",
        "no basic auth",
        "denied: ",
        "http 401 ",
        "http 403 ",
    ]) || text.ends_with("denied")
        || matches!(status, Some(401 | 403))
    {
        PullError::Unauthorized { message }
    } else if says(&["no space left on device", "disk quota exceeded"]) {
        PullError::NoSpace { message }
    } else if says(&[
        "no matching manifest",
        "cannot be used on this platform",
        "does not match the specified platform",
    ]) {
        PullError::WrongPlatform { message }
    } else if says(&[
        "unsupported media type",
        "unsupported manifest",
        "verification failed",
        "invalid rootfs",
        "manifest invalid",
        "unexpected media type",
        "invalid tar header",
        "gzip: invalid",
        "error processing tar file",
    ]) {
        PullError::Unusable { message }
    } else if status == Some(404) || says(&["manifest unknown", "name unknown", "not found"]) {
        PullError::NotFound { message }
    } else {
        PullError::Registry { message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the Engine's words are read as: the variant's name.
    fn kind(status: Option<u16>, said: &str) -> String {
        let error = format!("{:?}", classify(status, said.to_owned()));
        error.split(' ').next().unwrap_or_default().to_owned()
    }

    #[test]
    fn refusals_of_registries_are_told_apart() {
        for (status, said, expected) in [
            (
                404,
                "pull access denied for acme/app, repository does not exist or may require 'docker login': \
                 denied: requested access to the resource is denied",
                "Unauthorized",
            ),
            (
                500,
                "Head \"https://ghcr.io/v2/acme/app/manifests/v1\": unauthorized",
                "Unauthorized",
            ),
            (
                404,
                "manifest for acme/app@sha256:00 not found: manifest unknown: manifest unknown",
                "NotFound",
            ),
            (500, "denied", "Unauthorized"),
            (
                500,
                "error parsing HTTP 403 response body: invalid character '<' looking for beginning of value",
                "Unauthorized",
            ),
            (
                500,
                "error parsing HTTP 429 response body: invalid character 's' looking for beginning of value",
                "RateLimited",
            ),
            (
                500,
                "toomanyrequests: You have reached your pull rate limit. You may increase the limit by \
                 authenticating and upgrading: https://www.docker.com/increase-rate-limit",
                "RateLimited",
            ),
            (
                500,
                "unsupported media type application/vnd.cncf.helm.config.v1+json",
                "Unusable",
            ),
            (
                500,
                "Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
                "Registry",
            ),
            (
                500,
                "received unexpected HTTP status: 502 Bad Gateway",
                "Registry",
            ),
        ] {
            assert_eq!(kind(Some(status), said), expected, "{said}");
        }
    }

    #[test]
    fn what_goes_wrong_in_the_midst_is_told_apart() {
        for (said, expected) in [
            (
                "no matching manifest for linux/amd64 in the manifest list entries",
                "WrongPlatform",
            ),
            (
                "image operating system \"windows\" cannot be used on this platform",
                "WrongPlatform",
            ),
            (
                "filesystem layer verification failed for digest sha256:00",
                "Unusable",
            ),
            (
                "failed to register layer: Error processing tar file(exit status 1): archive/tar: invalid tar header",
                "Unusable",
            ),
            (
                "failed to register layer: Error processing tar file(exit status 1): write /x: no space left on device",
                "NoSpace",
            ),
            ("write /var/lib/docker/x: no space left on device", "NoSpace"),
            ("unexpected EOF", "Registry"),
        ] {
            assert_eq!(kind(None, said), expected, "{said}");
        }
    }
}
