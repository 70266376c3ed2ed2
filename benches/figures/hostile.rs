//! Bodies that nobody should send: a hundred megabytes, with their length announced or not.

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::here;

/// The body's length.
const BYTES: usize = 100 << 20;

/// Bytes to a write.
const PIECE: usize = 64 << 10;

/// Sends the body, for as long as anybody takes it, and returns the status of the answer: 0 where there is none.
pub(crate) async fn post(port: u16, path: &str, headers: &str, announced: bool) -> Result<u16> {
    let (mut from, mut to) = TcpStream::connect(here(port)).await?.into_split();
    let length = if announced {
        format!("content-length: {BYTES}")
    } else {
        "transfer-encoding: chunked".to_owned()
    };
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n{headers}{length}\r\n\r\n"
    );
    to.write_all(head.as_bytes()).await?;
    let mut piece = vec![b' '; PIECE];
    if !announced {
        piece = [format!("{PIECE:x}\r\n").as_bytes(), &piece, b"\r\n"].concat();
    }
    let send = async {
        for _ in 0..BYTES / PIECE {
            to.write_all(&piece).await?;
        }
        if !announced {
            to.write_all(b"0\r\n\r\n").await?;
        }
        std::io::Result::Ok(())
    };
    let mut answer = [0; 12];
    let answered = {
        let read = from.read_exact(&mut answer);
        tokio::pin!(read, send);
        tokio::select! {
            answered = &mut read => answered,
            // It was taken, or the connection was closed: either way an answer may be there.
            _ = &mut send => read.await,
        }
    };
    let status = String::from_utf8_lossy(&answer[9..]).parse().unwrap_or(0);
    Ok(if answered.is_ok() { status } else { 0 })
}
