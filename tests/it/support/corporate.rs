//! A network as companies have it: a server behind TLS that an authority of their own certifies, which can be reached
//! through a proxy alone.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

/// Bytes of a request to the proxy.
const MOST_HEAD: usize = 8_192;

/// The proxy, and the server behind it. Both end with this.
pub(crate) struct Corporate {
    /// The authority's certificate, as a file has it.
    pub(crate) authority: String,
    proxy: SocketAddr,
    asked_for: Arc<Mutex<BTreeSet<String>>>,
    tasks: [AbortHandle; 2],
}

impl Corporate {
    /// `host`: the server's name, which no other name service knows. `upstream`: where it really is, without TLS.
    pub(crate) async fn network(host: &'static str, upstream: &str) -> Self {
        let authority = authority();
        let (front, front_at) = listener().await;
        let (proxy, proxy_at) = listener().await;
        let asked_for = Arc::<Mutex<BTreeSet<String>>>::default();
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let acceptor = TlsAcceptor::from(Arc::new(certified(&authority, host)));
        let serving = tokio::spawn(each(front, move |stream| {
            behind_tls(acceptor.clone(), stream, upstream.clone())
        }));
        let seen = asked_for.clone();
        let proxying = tokio::spawn(each(proxy, move |stream| {
            led_on(stream, seen.clone(), (host, front_at))
        }));
        Self {
            authority: authority.pem(),
            proxy: proxy_at,
            asked_for,
            tasks: [serving.abort_handle(), proxying.abort_handle()],
        }
    }

    /// `http://…`
    pub(crate) fn proxy(&self) -> String {
        format!("http://{}", self.proxy)
    }

    /// What the proxy was asked to lead to.
    pub(crate) fn asked_for(&self) -> Vec<String> {
        self.asked_for.lock().unwrap().iter().cloned().collect()
    }
}

impl Drop for Corporate {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Serves connections, each by itself; a broken one is its client's business.
async fn each<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream));
    }
}

async fn behind_tls(acceptor: TlsAcceptor, stream: TcpStream, upstream: String) -> std::io::Result<()> {
    let mut client = acceptor.accept(stream).await?;
    let mut server = TcpStream::connect(upstream).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// `CONNECT host:443`, and nothing else. <https://www.rfc-editor.org/rfc/rfc9110#CONNECT>
async fn led_on(
    mut client: TcpStream,
    asked_for: Arc<Mutex<BTreeSet<String>>>,
    (host, at): (&str, SocketAddr),
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MOST_HEAD {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().next().unwrap_or_default();
    asked_for.lock().unwrap().insert(line.to_owned());
    if line != format!("CONNECT {host}:443 HTTP/1.1") {
        return client
            .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            .await;
    }
    let mut server = TcpStream::connect(at).await?;
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn certified(authority: &CertifiedIssuer<'static, KeyPair>, host: &str) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap()
}
