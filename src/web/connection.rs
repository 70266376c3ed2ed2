//! One connection: its socket, watched so that neither a sender that dawdles over a request's head
//! nor a reader that takes no answer can hold it.
//!
//! hyper has one deadline for the wait between requests and the head together. To let a connection
//! rest for a minute and still demand a head within seconds, the socket notes when a head begins.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, timeout_at};

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A request, between two of them.
    Idle,
    /// The rest of a request's head, since then.
    Head(Instant),
    /// Its request is being answered.
    Busy,
}

/// The phase of one connection, shared by its socket and its service.
#[derive(Clone, Debug)]
pub(super) struct Phases(Arc<watch::Sender<Phase>>);

impl Phases {
    /// A new connection owes a head from its first moment.
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Head(Instant::now()))))
    }

    /// A request's head is complete; until the guard is dropped, the sender owes nothing.
    pub(super) fn busy(&self) -> Busy {
        self.0.send_replace(Phase::Busy);
        Busy(self.clone())
    }

    /// Ends once a head takes longer than `limit`.
    pub(super) async fn overdue(&self, limit: Duration) {
        let mut phase = self.0.subscribe();
        loop {
            let now = *phase.borrow_and_update();
            let Phase::Head(since) = now else {
                // The sender lives in `self`, so that there is always a next phase.
                let _ = phase.changed().await;
                continue;
            };
            if timeout_at(since + limit, phase.wait_for(|next| *next != now))
                .await
                .is_err()
            {
                return;
            }
        }
    }

    fn bytes_arrived(&self) {
        self.0.send_if_modified(|phase| {
            let begins = *phase == Phase::Idle;
            if begins {
                *phase = Phase::Head(Instant::now());
            }
            begins
        });
    }
}

/// While it lives, a request is being answered.
#[derive(Debug)]
pub(super) struct Busy(Phases);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.send_replace(Phase::Idle);
    }
}

/// A body whose connection is busy until it is sent, or given up.
pub(super) struct HeldBody {
    body: Body,
    /// Held, not read.
    _busy: Busy,
}

impl HeldBody {
    /// `body`, which keeps its connection busy.
    pub(super) fn new(body: Body, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that notes what arrives, and gives up where nothing can be sent for too long.
pub(super) struct Watched {
    stream: TcpStream,
    phases: Phases,
    write_limit: Duration,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    /// Watches `stream`; a write that waits longer than `write_limit` fails.
    pub(super) fn new(stream: TcpStream, phases: Phases, write_limit: Duration) -> Self {
        Self {
            stream,
            phases,
            write_limit,
            stalled: None,
        }
    }

    fn within_limit<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let limit = self.write_limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.phases.bytes_arrived();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.within_limit(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.within_limit(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
