//! A socket before the real Engine's, which can go away, come back, and refuse a request.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// Where the real one listens.
const ENGINE: &str = "/var/run/docker.sock";

/// What is answered to a request that is refused.
const REFUSAL: &[u8] =
    b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\ncontent-length: 38\r\n\r\n\
      {\"message\": \"device or resource busy\"}";

/// A socket that leads to the Engine.
pub(crate) struct Wire {
    path: PathBuf,
    refused: Arc<Mutex<Option<&'static str>>>,
    cut: CancellationToken,
    _folder: TempDir,
}

impl Wire {
    /// A socket that works.
    pub(crate) fn lay() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut wire = Self {
            path: folder.path().join("docker.sock"),
            refused: Arc::default(),
            cut: CancellationToken::new(),
            _folder: folder,
        };
        wire.mend();
        wire
    }

    /// `unix://…`
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// All connections break, and the socket is gone.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
        std::fs::remove_file(&self.path).unwrap();
    }

    /// The socket is there again.
    pub(crate) fn mend(&mut self) {
        self.cut = CancellationToken::new();
        let listener = UnixListener::bind(&self.path).unwrap();
        let (cut, refused) = (self.cut.clone(), self.refused.clone());
        tokio::spawn(self.cut.clone().run_until_cancelled_owned(async move {
            while let Ok((ours, _)) = listener.accept().await {
                let refused = refused.clone();
                tokio::spawn(cut.clone().run_until_cancelled_owned(async move {
                    // Either side may close first.
                    let _ = pass_on(ours, refused).await;
                }));
            }
        }));
    }

    /// From now on requests that begin so fail; `None`: none does.
    pub(crate) fn refuse(&self, request: Option<&'static str>) {
        *self.refused.lock().unwrap() = request;
    }
}

async fn pass_on(ours: UnixStream, refused: Arc<Mutex<Option<&'static str>>>) -> std::io::Result<()> {
    let engine = UnixStream::connect(ENGINE).await?;
    let (mut from_us, mut to_us) = ours.into_split();
    let (mut from_engine, mut to_engine) = engine.into_split();
    let answers = tokio::io::copy(&mut from_engine, &mut to_us);
    let requests = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = from_us.read(&mut buffer).await?;
            let refused = *refused.lock().unwrap();
            if read == 0 || refused.is_some_and(|request| buffer[..read].starts_with(request.as_bytes())) {
                return Ok::<_, std::io::Error>(read);
            }
            to_engine.write_all(&buffer[..read]).await?;
        }
    };
    // A request comes in one piece where it has no body, and alone: the client waits for the answer.
    let in_our_stead = tokio::select! {
        answered = answers => { answered?; false }
        refused = requests => refused? > 0,
    };
    if in_our_stead {
        to_us.write_all(REFUSAL).await?;
    } else {
        tokio::io::copy(&mut from_engine, &mut to_us).await?;
    }
    Ok(())
}
