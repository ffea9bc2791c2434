//! How long the guard waits for a client: for the head of a request, and for a reader to take its
//! answer. Between two requests a connection may rest; Prometheus keeps one per target.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

use super::heads::{Heads, LineEnds};

/// From the first byte of a request (or from the accept) to the end of its head.
pub const HEAD: Duration = Duration::from_secs(10);

/// For an answer that comes with no deadline of its own.
const ANSWER: Duration = Duration::from_secs(30);

/// Where one client connection stands; shared by its socket, its requests and the listener.
#[derive(Debug)]
pub struct Patience {
    head: Duration,
    state: Mutex<State>,
    heads: Mutex<Heads>,
    close: Notify,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    answer_by: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Accepted, or a request's first byte came: its head is not complete.
    Head {
        since: Instant,
    },
    Busy,
    Resting {
        since: Instant,
    },
}

/// How a connection that must go is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// After the answer under way, if there is one.
    Graceful,
    /// Nothing was asked yet: nobody waits for anything.
    AtOnce,
}

impl Patience {
    /// For a connection just accepted, which has this long for the head of a request.
    pub fn new(head: Duration) -> Patience {
        let phase = Phase::Head { since: Instant::now() };
        Patience {
            head,
            state: Mutex::new(State { phase, answer_by: None }),
            heads: Mutex::default(),
            close: Notify::new(),
        }
    }

    /// A whole request head was read. Says how its lines end.
    pub fn asked(&self) -> LineEnds {
        self.with(|state| *state = State { phase: Phase::Busy, answer_by: None });
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    /// The answer must be taken by then.
    pub fn answer_by(&self, instant: Instant) {
        self.with(|state| state.answer_by = Some(instant));
    }

    /// The answer was handed over.
    pub fn answered(&self) {
        self.with(|state| state.phase = Phase::Resting { since: Instant::now() });
    }

    /// Since when nobody has waited for an answer here; `None` while somebody does.
    pub fn idle_since(&self) -> Option<Instant> {
        self.with(|state| match state.phase {
            Phase::Resting { since } | Phase::Head { since } => Some(since),
            Phase::Busy => None,
        })
    }

    /// Asks the connection to close as soon as it may.
    pub fn close(&self) {
        self.close.notify_one();
    }

    /// Waits for [`Patience::close`].
    pub async fn closing(&self) -> Farewell {
        self.close.notified().await;
        self.with(|state| match state.phase {
            Phase::Head { .. } => Farewell::AtOnce,
            Phase::Busy | Phase::Resting { .. } => Farewell::Graceful,
        })
    }

    fn bytes_came(&self, bytes: &[u8]) {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).read(bytes);
        self.with(|state| {
            if let Phase::Resting { .. } = state.phase {
                state.phase = Phase::Head { since: Instant::now() };
            }
        });
    }

    fn head_by(&self) -> Option<Instant> {
        self.with(|state| match state.phase {
            Phase::Head { since } => Some(since + self.head),
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

/// A socket that fails when its client's time is up.
pub struct PatientIo<T> {
    io: T,
    patience: Arc<Patience>,
    alarm: Pin<Box<Sleep>>,
}

impl<T> PatientIo<T> {
    pub fn new(io: T, patience: Arc<Patience>) -> PatientIo<T> {
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
                    this.patience.bytes_came(&buf.filled()[before..]);
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(3600);

    fn pair(head: Duration) -> (Arc<Patience>, PatientIo<DuplexStream>, DuplexStream) {
        let (here, there) = duplex(64);
        let patience = Arc::new(Patience::new(head));
        (patience.clone(), PatientIo::new(here, patience), there)
    }

    fn timed_out<T: std::fmt::Debug>(result: io::Result<T>) -> bool {
        result.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut)
    }

    #[tokio::test]
    async fn silence_instead_of_a_head_ends_the_connection() {
        let (_patience, mut io, _there) = pair(SHORT);
        assert!(timed_out(io.read(&mut [0; 9]).await));
    }

    #[tokio::test]
    async fn a_head_that_drips_in_ends_it_too() {
        let (_patience, mut io, mut there) = pair(SHORT);
        let drip = tokio::spawn(async move { while there.write_all(b"a").await.is_ok() {} });
        let error = loop {
            match io.read(&mut [0; 1]).await {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(io);
        drip.await.unwrap();
    }

    #[tokio::test]
    async fn between_requests_it_rests_and_the_next_head_has_its_time_again() {
        let (patience, mut io, mut there) = pair(SHORT);
        patience.asked();
        patience.answered();
        let rest = tokio::time::timeout(5 * SHORT, io.read(&mut [0; 9])).await;
        assert!(rest.is_err(), "nothing happens");
        there.write_all(b"GET").await.unwrap();
        assert_eq!(io.read(&mut [0; 9]).await.unwrap(), 3);
        assert!(timed_out(io.read(&mut [0; 9]).await));
    }

    #[tokio::test]
    async fn a_reader_that_does_not_read_is_given_up_at_the_answers_deadline() {
        let (patience, mut io, _there) = pair(LONG);
        patience.asked();
        patience.answer_by(Instant::now() + SHORT);
        assert!(timed_out(io.write_all(&[0; 1000]).await));
    }

    #[tokio::test]
    async fn the_deadline_outlives_the_handing_over() {
        let (patience, mut io, _there) = pair(LONG);
        patience.asked();
        patience.answer_by(Instant::now() + SHORT);
        patience.answered();
        assert!(timed_out(io.write_all(&[0; 1000]).await));
    }
}
