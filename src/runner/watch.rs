//! Watches a started container to its end: reads what it prints, and stops it at a limit.

use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use super::OUTPUT_BYTES;
use super::cause::{End, Exit, Stop};
use super::engine::{Engine, Output, Printed};
use super::error::EngineError;
use super::log::{LogSink, Recorder, StepLog};
use crate::model::Limits;
use crate::redact::RedactedStream;
use crate::results::Stdout;

/// Between asking a container to stop and killing it.
const GRACE: Duration = Duration::from_secs(5);
/// The longest that a killed container may take to be dead.
const DEATH: Duration = Duration::from_secs(30);
/// How often the container's own file system is measured.
const DISK_POLL: Duration = Duration::from_secs(2);
/// After the end: the longest pause between two pieces of output that are still under way.
const LAST_WORDS_PAUSE: Duration = Duration::from_secs(2);
/// After the end: the longest time for all of them.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What became of a container.
pub(super) struct Watched {
    pub(super) end: End,
    pub(super) log: StepLog,
    /// What it said of its tests on its standard output.
    pub(super) stdout: Stdout,
}

/// Follows the started container `id` to its end.
pub(super) async fn watch(
    engine: &Engine,
    id: &str,
    output: Output,
    limits: &Limits,
    sink: &LogSink,
) -> Result<Watched, EngineError> {
    let mut reader = Reader {
        output: Some(output),
        stdout: Stdout::default(),
        read_bytes: 0,
        hidden: engine.hidden.stream(),
        recorder: Recorder::new(sink.clone()),
    };
    let mut exit = pin!(engine.wait(id));
    let end = match first_event(engine, id, limits, &mut reader, exit.as_mut()).await? {
        End::Exited(exit) => End::Exited(exit),
        End::Stopped(stop) => {
            halt(engine, id, stop, &mut reader, exit.as_mut()).await?;
            End::Stopped(stop)
        }
    };
    reader.read_last_words().await;
    Ok(Watched {
        end,
        log: reader.recorder.finish(),
        stdout: reader.stdout,
    })
}

/// Waits for the end, or for the first limit to bite.
async fn first_event(
    engine: &Engine,
    id: &str,
    limits: &Limits,
    reader: &mut Reader,
    mut exit: Pin<&mut impl Future<Output = Result<Exit, EngineError>>>,
) -> Result<End, EngineError> {
    let mut total = pin!(sleep(limits.timeout));
    let mut silence = pin!(sleep(limits.idle_timeout));
    let mut disk = pin!(outgrown(engine, id, limits.disk_bytes));
    let stop = loop {
        // In no fixed order: a flood of output must not keep the other branches from their turn.
        tokio::select! {
            chunk = reader.next(), if reader.is_open() => {
                reader.take(chunk?);
                silence.as_mut().reset(Instant::now() + limits.idle_timeout);
                if reader.read_bytes > OUTPUT_BYTES {
                    break Stop::Output;
                }
            }
            exit = exit.as_mut() => return exit.map(End::Exited),
            () = total.as_mut() => break Stop::TotalTime,
            () = silence.as_mut() => break Stop::Silence,
            outgrown = disk.as_mut() => {
                outgrown?;
                break Stop::Disk;
            }
        }
    };
    Ok(End::Stopped(stop))
}

/// Brings a container to its end, gently where it only took too long.
async fn halt(
    engine: &Engine,
    id: &str,
    stop: Stop,
    reader: &mut Reader,
    mut exit: Pin<&mut impl Future<Output = Result<Exit, EngineError>>>,
) -> Result<(), EngineError> {
    let steps: &[(&str, Duration)] = match stop {
        Stop::TotalTime | Stop::Silence => &[("SIGTERM", GRACE), ("SIGKILL", DEATH)],
        Stop::Disk | Stop::Output => &[("SIGKILL", DEATH)],
    };
    for &(signal, patience) in steps {
        // Read on meanwhile: the Engine answers only after the death, and the output must go first.
        reader.read_until(pin!(engine.signal(id, signal))).await?;
        if let Ok(exit) = timeout(patience, reader.read_until(exit.as_mut())).await {
            return exit.map(|_| ());
        }
    }
    Err(EngineError::TimedOut {
        doing: "killing a container",
        after: DEATH,
    })
}

/// Returns when the container has written more than `limit_bytes` to its own file system.
async fn outgrown(engine: &Engine, id: &str, limit_bytes: u64) -> Result<(), EngineError> {
    loop {
        sleep(DISK_POLL).await;
        // Whoever filled it: what is written now is no verdict on an image.
        engine.room().await?;
        match engine.written_bytes(id).await {
            Ok(bytes) if bytes > limit_bytes => return Ok(()),
            // Counting a great many files on a slow disk may take longer than we wait.
            Ok(_) | Err(EngineError::TimedOut { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reads what the container prints into the log.
struct Reader {
    /// `None`: nothing more will come.
    output: Option<Output>,
    read_bytes: u64,
    stdout: Stdout,
    /// On the way to the recorder, so that nobody ever sees what must not be seen.
    hidden: RedactedStream,
    recorder: Recorder,
}

impl Reader {
    fn is_open(&self) -> bool {
        self.output.is_some()
    }

    /// The next piece; `None`: that was all. May be dropped and called again without loss.
    async fn next(&mut self) -> Result<Option<Printed>, EngineError> {
        match &mut self.output {
            Some(output) => output.next().await.transpose(),
            None => Ok(None),
        }
    }

    fn take(&mut self, piece: Option<Printed>) {
        match piece {
            Some(Printed { on_stdout, bytes }) => {
                self.read_bytes += bytes.len() as u64;
                if on_stdout {
                    self.stdout.push(&bytes);
                }
                self.recorder.record(self.hidden.push(bytes));
            }
            None => self.output = None,
        }
    }

    /// Reads while waiting for `event`, from a container whose output no longer decides anything.
    async fn read_until<T>(&mut self, mut event: Pin<&mut impl Future<Output = T>>) -> T {
        loop {
            tokio::select! {
                chunk = self.next(), if self.is_open() => self.take(chunk.unwrap_or(None)),
                happened = event.as_mut() => return happened,
            }
        }
    }

    /// Reads what was printed before the end and is still under way. Never hangs on a stalled stream.
    async fn read_last_words(&mut self) {
        let all = async {
            while self.is_open() {
                let chunk = timeout(LAST_WORDS_PAUSE, self.next()).await;
                self.take(chunk.unwrap_or(Ok(None)).unwrap_or(None));
            }
        };
        // Whatever is missing after so long is lost; the verdict does not wait for it.
        let _ = timeout(LAST_WORDS, all).await;
        self.recorder.record(self.hidden.finish());
    }
}
