//! Bodies are read piece by piece and never beyond a cap.

use bytes::{Bytes, BytesMut};

use super::transport::{Failure, explain};

/// Reads a body of at most `cap_bytes`; a longer one is given up as soon as that shows.
pub(super) async fn read(mut response: reqwest::Response, cap_bytes: usize) -> Result<Bytes, Failure> {
    let too_large = || Failure::Refused(format!("it is larger than {cap_bytes} bytes"));
    let announced = response.content_length().unwrap_or(0);
    if announced > cap_bytes as u64 {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|error| explain(&error))? {
        if body.len() + piece.len() > cap_bytes {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}
