//! Reading a request's body within bounds, before anything is made of it.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Larger than allowed: `413`.
    #[error("the body is larger than {max_bytes} bytes")]
    TooLarge {
        /// What is allowed.
        max_bytes: usize,
    },
    /// Not here in time: `408`.
    #[error("the body took longer than {} ms to arrive", deadline.as_millis())]
    TooSlow {
        /// What is allowed.
        deadline: Duration,
    },
    /// The sender went away, or broke the protocol: `400`.
    #[error("the body broke off")]
    Broken,
}

/// The whole body, if it is at most `max_bytes` long and here within `deadline`.
///
/// A length that was announced as too large is refused before anything is read; one that was not
/// announced is read up to the limit and no further.
pub async fn read_body(body: Body, max_bytes: usize, deadline: Duration) -> Result<Bytes, BodyError> {
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |announced| announced > max_bytes) {
        return Err(BodyError::TooLarge { max_bytes });
    }
    match tokio::time::timeout(deadline, Limited::new(body, max_bytes).collect()).await {
        Err(_) => Err(BodyError::TooSlow { deadline }),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge { max_bytes }),
        Ok(Err(_)) => Err(BodyError::Broken),
    }
}
