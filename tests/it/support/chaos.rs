//! A wire between two parts that speak over TCP, and all that can happen to a wire.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Who is called at the other end.
#[derive(Clone, Debug)]
pub(crate) enum Upstream {
    Tcp(String),
    Unix(PathBuf),
}

/// A loopback port in front of `Upstream`. At first it passes everything on; its connections end with it.
pub(crate) struct Chaos {
    address: SocketAddr,
    upstream: Upstream,
    wire: Arc<Wire>,
    door: Mutex<Option<JoinHandle<()>>>,
    /// Bound and never listening: nobody else gets the port while the door is closed.
    _port: TcpSocket,
}

/// What all connections share.
struct Wire {
    flow: watch::Sender<Flow>,
    cuts: watch::Sender<()>,
    /// The answer to the next request that says this is lost.
    doomed: Mutex<Option<Vec<u8>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Passing,
    Stalled,
    /// So many more bytes reach clients, whichever of them.
    Left(usize),
}

impl Chaos {
    pub(crate) fn before(upstream: Upstream) -> Self {
        let port = reusable_socket("127.0.0.1:0".parse().unwrap());
        let chaos = Self {
            address: port.local_addr().unwrap(),
            upstream,
            wire: Arc::new(Wire {
                flow: watch::Sender::new(Flow::Passing),
                cuts: watch::Sender::new(()),
                doomed: Mutex::default(),
            }),
            door: Mutex::default(),
            _port: port,
        };
        chaos.pass();
        chaos
    }

    /// Before what serves at an address such as `http://127.0.0.1:4711`.
    pub(crate) fn before_url(url: &str) -> Self {
        let url: url::Url = url.parse().unwrap();
        Self::before(Upstream::Tcp(format!(
            "{}:{}",
            url.host_str().unwrap(),
            url.port().unwrap()
        )))
    }

    /// Where clients connect: `127.0.0.1:4711`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything gets through, new connections too.
    pub(crate) fn pass(&self) {
        self.wire.flow.send_replace(Flow::Passing);
        let mut door = self.door.lock().unwrap();
        if door.is_none() {
            let listener = reusable_socket(self.address).listen(64).unwrap();
            *door = Some(tokio::spawn(receive(
                listener,
                self.upstream.clone(),
                self.wire.clone(),
            )));
        }
    }

    /// From now on new connections are refused. Those that are open stay.
    pub(crate) async fn refuse(&self) {
        let door = self.door.lock().unwrap().take();
        if let Some(door) = door {
            door.abort();
            // The listener is closed once this returns.
            let _ = door.await;
        }
    }

    /// Resets all open connections.
    pub(crate) fn cut(&self) {
        self.wire.cuts.send_replace(());
    }

    /// The other end is gone: no new connections, and no old ones.
    pub(crate) async fn unplug(&self) {
        self.refuse().await;
        self.cut();
    }

    /// Connections are taken, and nothing gets through them either way.
    pub(crate) fn stall(&self) {
        self.wire.flow.send_replace(Flow::Stalled);
    }

    /// After so many more bytes towards clients, whoever is to get one more is reset instead.
    pub(crate) fn cut_after(&self, bytes: usize) {
        self.wire.flow.send_replace(Flow::Left(bytes));
    }

    /// The next request in which these words stand (within one packet) gets through; in the place of its
    /// answer comes a reset.
    pub(crate) fn lose_answer_to(&self, words: &str) {
        *self.wire.doomed.lock().unwrap() = Some(words.as_bytes().to_vec());
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        if let Some(door) = self.door.get_mut().unwrap().take() {
            door.abort();
        }
    }
}

/// Two of these may have the same port, as long as one of them does not listen.
fn reusable_socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

async fn receive(listener: TcpListener, upstream: Upstream, wire: Arc<Wire>) {
    loop {
        let mut cuts = wire.cuts.subscribe();
        let Ok((mut client, _)) = listener.accept().await else {
            continue;
        };
        let (wire, upstream) = (wire.clone(), upstream.clone());
        tokio::spawn(async move {
            let ended = tokio::select! {
                ended = wire.carry(&mut client, &upstream) => ended,
                // Also when the wire itself is gone.
                _ = cuts.changed() => Err(reset()),
            };
            if ended.is_err() {
                let _ = client.set_zero_linger();
            }
        });
    }
}

impl Wire {
    async fn carry(&self, client: &mut TcpStream, upstream: &Upstream) -> io::Result<()> {
        self.flowing().await;
        match upstream {
            Upstream::Tcp(address) => self.join(client, TcpStream::connect(address).await?).await,
            Upstream::Unix(path) => self.join(client, UnixStream::connect(path).await?).await,
        }
    }

    async fn join(&self, client: &mut TcpStream, server: impl AsyncRead + AsyncWrite) -> io::Result<()> {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = tokio::io::split(server);
        let doomed = AtomicBool::new(false);
        tokio::try_join!(
            self.requests(from_client, to_server, &doomed),
            self.answers(from_server, to_client, &doomed)
        )
        .map(drop)
    }

    async fn requests(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        doomed: &AtomicBool,
    ) -> io::Result<()> {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let length = from.read(&mut buffer).await?;
            self.flowing().await;
            let packet = &buffer[..length];
            if packet.is_empty() {
                return to.shutdown().await;
            }
            let named = |words: &mut Vec<u8>| packet.windows(words.len()).any(|part| part == words);
            if self.doomed.lock().unwrap().take_if(named).is_some() {
                doomed.store(true, Ordering::Release);
            }
            to.write_all(packet).await?;
        }
    }

    async fn answers(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        doomed: &AtomicBool,
    ) -> io::Result<()> {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let length = from.read(&mut buffer).await?;
            self.flowing().await;
            if length == 0 {
                return to.shutdown().await;
            }
            let allowed = if doomed.load(Ordering::Acquire) {
                0
            } else {
                self.allow(length)
            };
            to.write_all(&buffer[..allowed]).await?;
            if allowed < length {
                return Err(reset());
            }
        }
    }

    async fn flowing(&self) {
        let mut flow = self.flow.subscribe();
        // It is closed when nothing of this is left.
        let _ = flow.wait_for(|flow| *flow != Flow::Stalled).await;
    }

    /// How many of so many bytes a client may get.
    fn allow(&self, length: usize) -> usize {
        let mut allowed = length;
        self.flow.send_if_modified(|flow| {
            if let Flow::Left(left) = flow {
                allowed = length.min(*left);
                *left -= allowed;
            }
            false
        });
        allowed
    }
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}
