//! The wire that other tests break: each way of breaking it is what it says.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::time::timeout;

use crate::support::chaos::{Chaos, Upstream};

/// Long for what happens on this machine, short for what must not happen.
const SOON: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_mins(5);

/// A server that says everything back, and a wire before it.
async fn echo() -> Chaos {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.into_split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    Chaos::before_url(&format!("http://{address}"))
}

async fn say(stream: &mut TcpStream, words: &str) -> Result<String, ErrorKind> {
    let exchange = async {
        stream.write_all(words.as_bytes()).await?;
        let mut heard = vec![0; words.len()];
        stream.read_exact(&mut heard).await?;
        Ok(String::from_utf8(heard).unwrap())
    };
    timeout(PATIENCE, exchange)
        .await
        .expect("the wire hangs")
        .map_err(|error: std::io::Error| error.kind())
}

#[tokio::test]
async fn a_wire_passes_refuses_is_cut_and_passes_again() {
    let chaos = echo().await;
    let mut early = TcpStream::connect(chaos.address()).await.unwrap();
    assert_eq!(say(&mut early, "one").await.as_deref(), Ok("one"));

    chaos.refuse().await;
    let refused = TcpStream::connect(chaos.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(say(&mut early, "two").await.as_deref(), Ok("two"));

    chaos.cut();
    assert_eq!(
        early.read(&mut [0]).await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );

    chaos.pass();
    let mut late = TcpStream::connect(chaos.address()).await.unwrap();
    assert_eq!(say(&mut late, "three").await.as_deref(), Ok("three"));

    chaos.unplug().await;
    assert!(late.read(&mut [0]).await.is_err());
    assert!(TcpStream::connect(chaos.address()).await.is_err());
}

#[tokio::test]
async fn a_wire_can_end_in_a_socket_of_the_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let chaos = Chaos::before(Upstream::Unix(path));
    let mut client = TcpStream::connect(chaos.address()).await.unwrap();
    let (mut server, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    server.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    timeout(PATIENCE, client.read_exact(&mut heard))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&heard, b"hello");
}

#[tokio::test]
async fn a_stalled_wire_takes_connections_and_moves_nothing() {
    let chaos = echo().await;
    chaos.stall();
    let mut stream = TcpStream::connect(chaos.address()).await.unwrap();
    assert!(timeout(SOON, say(&mut stream, "held back")).await.is_err());
    chaos.pass();
    let mut heard = [0; 9];
    timeout(PATIENCE, stream.read_exact(&mut heard))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&heard, b"held back");
}

#[tokio::test]
async fn an_answer_is_cut_where_it_was_told_to_be() {
    let chaos = echo().await;
    chaos.cut_after(5);
    let mut stream = TcpStream::connect(chaos.address()).await.unwrap();
    assert_eq!(say(&mut stream, "1234").await.as_deref(), Ok("1234"));
    assert_eq!(say(&mut stream, "5678").await, Err(ErrorKind::ConnectionReset));
    chaos.pass();

    chaos.lose_answer_to("doomed");
    let mut stream = TcpStream::connect(chaos.address()).await.unwrap();
    assert_eq!(say(&mut stream, "fine").await.as_deref(), Ok("fine"));
    assert_eq!(say(&mut stream, "doomed").await, Err(ErrorKind::ConnectionReset));
    let mut stream = TcpStream::connect(chaos.address()).await.unwrap();
    assert_eq!(say(&mut stream, "doomed").await.as_deref(), Ok("doomed"));
}
