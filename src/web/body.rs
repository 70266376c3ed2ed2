//! Reading a request's body within bounds, before anything is made of it.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

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
    let announced = usize::try_from(announced)
        .ok()
        .filter(|announced| *announced <= max_bytes)
        .ok_or(BodyError::TooLarge { max_bytes })?;
    tokio::time::timeout(deadline, collect(body, announced, max_bytes))
        .await
        .unwrap_or(Err(BodyError::TooSlow { deadline }))
}

/// In one piece from the start, so that no second one is needed to put it together.
async fn collect(mut body: Body, announced: usize, max_bytes: usize) -> Result<Bytes, BodyError> {
    let mut whole = BytesMut::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
            continue;
        };
        if piece.len() > max_bytes - whole.len() {
            return Err(BodyError::TooLarge { max_bytes });
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}
