//! How long the guard waits for a client: for the head of a request, and for a reader to take its
//! answer. Between two requests a connection may rest; Prometheus keeps one per target.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

/// From the first byte of a request (or from the accept) to the end of its head.
const HEAD: Duration = Duration::from_secs(10);

/// For an answer that comes with no deadline of its own.
const ANSWER: Duration = Duration::from_secs(30);

/// Where one client connection stands; shared by its socket, its requests and the listener.
#[derive(Debug)]
pub struct Patience {
    state: Mutex<State>,
    close: Notify,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    answer_by: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Head { by: Instant },
    Busy,
    Resting { since: Instant },
}

impl Patience {
    /// For a connection just accepted.
    pub fn new() -> Patience {
        let phase = Phase::Head { by: Instant::now() + HEAD };
        Patience { state: Mutex::new(State { phase, answer_by: None }), close: Notify::new() }
    }

    /// A whole request head was read.
    pub fn asked(&self) {
        self.with(|state| *state = State { phase: Phase::Busy, answer_by: None });
    }

    /// The answer must be taken by then.
    pub fn answer_by(&self, instant: Instant) {
        self.with(|state| state.answer_by = Some(instant));
    }

    /// The answer was handed over.
    pub fn answered(&self) {
        self.with(|state| state.phase = Phase::Resting { since: Instant::now() });
    }

    /// Since when nothing has been going on; `None` while something is.
    pub fn resting_since(&self) -> Option<Instant> {
        self.with(|state| match state.phase {
            Phase::Resting { since } => Some(since),
            Phase::Head { .. } | Phase::Busy => None,
        })
    }

    /// Asks the connection to close as soon as it may.
    pub fn close(&self) {
        self.close.notify_one();
    }

    pub async fn closing(&self) {
        self.close.notified().await;
    }

    fn bytes_came(&self) {
        self.with(|state| {
            if let Phase::Resting { .. } = state.phase {
                state.phase = Phase::Head { by: Instant::now() + HEAD };
            }
        });
    }

    fn head_by(&self) -> Option<Instant> {
        self.with(|state| match state.phase {
            Phase::Head { by } => Some(by),
            Phase::Busy | Phase::Resting { .. } => None,
        })
    }

    /// Sets a deadline of its own for an answer that has none.
    fn write_by(&self) -> Instant {
        self.with(|state| *state.answer_by.get_or_insert_with(|| Instant::now() + ANSWER))
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Patience {
    fn default() -> Self {
        Patience::new()
    }
}

/// A socket that fails when its client's time is up.
pub struct PatientIo<T> {
    io: T,
    patience: std::sync::Arc<Patience>,
    alarm: Pin<Box<Sleep>>,
}

impl<T> PatientIo<T> {
    pub fn new(io: T, patience: std::sync::Arc<Patience>) -> PatientIo<T> {
        PatientIo { io, patience, alarm: Box::pin(sleep_until(Instant::now())) }
    }

    /// Pending until then, and an error from then on.
    fn wait_until(&mut self, instant: Instant, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.alarm.deadline() != instant {
            self.alarm.as_mut().reset(instant);
        }
        self.alarm.as_mut().poll(cx).map(|()| io::ErrorKind::TimedOut.into())
    }

    /// The outcome of a write, unless it waits for too long.
    fn patiently<R>(&mut self, poll: Poll<io::Result<R>>, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        match poll {
            Poll::Pending => {
                let by = self.patience.write_by();
                self.wait_until(by, cx).map(Err)
            }
            ready => ready,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for PatientIo<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.io).poll_read(cx, buf) {
            Poll::Ready(result) => {
                if buf.filled().len() > before {
                    this.patience.bytes_came();
                }
                // A head that drips in is never pending for long: look at the clock here too.
                match this.patience.head_by() {
                    Some(by) if by <= Instant::now() => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                    _ => Poll::Ready(result),
                }
            }
            Poll::Pending => match this.patience.head_by() {
                Some(by) => this.wait_until(by, cx).map(Err),
                None => Poll::Pending,
            },
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for PatientIo<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.io).poll_write(cx, buf);
        this.patiently(poll, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.patiently(poll, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.io).poll_flush(cx);
        this.patiently(poll, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.io).poll_shutdown(cx);
        this.patiently(poll, cx)
    }
}
