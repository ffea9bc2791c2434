//! The body as it comes over the wire, read straight to where it is wanted.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::BufMut;
use tokio::io::AsyncReadExt;
use tokio::time::timeout_at;

use crate::engine::guard::ScrapeError;
use crate::state::Io;

use super::deadline::Deadline;
use super::failure::{Failure, Stage, UpstreamError};
use super::framing::Framing;

/// Bytes read at once at most: what is looked at next is still in the processor's cache then.
const MOST: usize = 256 << 10;
/// Room made for a read when nobody knows how much there is to come.
const GUESS: usize = 64 << 10;
/// How long a scrape goes on before others have their turn. Each time costs the waking of another
/// worker, who looks for what there is to do.
const TURN: Duration = Duration::from_millis(2);

/// Reads one body.
pub struct Wire {
    io: Box<dyn Io>,
    /// Came already; from `at` on not looked at yet.
    ahead: Vec<u8>,
    at: usize,
    framing: Framing,
    received: u64,
    limit: u64,
    /// When the turn at hand began.
    turn: Instant,
}

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// At least a byte.
    More,
    /// The body is complete.
    End,
}

impl Wire {
    /// `ahead`: what was read together with the head. `limit`: bytes of the body at most; 0 = no limit.
    pub fn new(io: Box<dyn Io>, ahead: Vec<u8>, framing: Framing, limit: u64) -> Wire {
        Wire { io, ahead, at: 0, framing, received: 0, limit, turn: Instant::now() }
    }

    /// Bytes of the body so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// A body that comes faster than it is read must not keep others from being read.
    pub async fn give_way(&mut self) {
        if self.turn.elapsed() >= TURN {
            tokio::task::yield_now().await;
            self.turn = Instant::now();
        }
    }

    /// Appends the next bytes of the body.
    pub async fn fill(&mut self, into: &mut Vec<u8>, deadline: &Deadline) -> Result<Filled, Failure> {
        loop {
            let before = into.len();
            if self.at == self.ahead.len() && self.framing != Framing::Over {
                let read = timeout_at(deadline.exporter(), self.read(into)).await;
                read.map_err(|_| deadline.passed(Stage::Body))??;
            }
            self.look(into)?;
            let came = (into.len() - before) as u64;
            self.received += came;
            if self.limit != 0 && self.received > self.limit {
                return Err(ScrapeError::BodySize(self.limit).into());
            }
            match (came, &self.framing) {
                (0, Framing::Over) => return Ok(Filled::End),
                (0, _) => {}
                _ => return Ok(Filled::More),
            }
        }
    }

    /// The last byte of the body was taken off the wire.
    pub fn is_over(&self) -> bool {
        self.framing == Framing::Over
    }

    /// The connection, when the body is over and nothing stands behind it.
    pub fn release(self) -> Option<Box<dyn Io>> {
        (self.is_over() && self.at == self.ahead.len()).then_some(self.io)
    }

    /// Reads what is there: data straight to where they are wanted, unless something may stand
    /// between them.
    async fn read(&mut self, into: &mut Vec<u8>) -> Result<(), UpstreamError> {
        let (most, guess) = match self.framing {
            Framing::Length(left) => {
                let most = usize::try_from(left).unwrap_or(MOST).min(MOST);
                (most, most)
            }
            _ => (MOST, GUESS),
        };
        let buffer = match self.framing {
            Framing::Chunked(_) => {
                self.ahead.clear();
                self.at = 0;
                &mut self.ahead
            }
            _ => into,
        };
        buffer.reserve(guess);
        let (read, waited) = notice(self.io.read_buf(&mut buffer.limit(most))).await;
        if waited == Waited::Yes {
            self.turn = Instant::now();
        }
        let n = read.map_err(|error| read_error(&error))?;
        match (n, &self.framing) {
            (0, _) => self.framing.closed(),
            (_, Framing::Chunked(_)) => Ok(()),
            _ => {
                self.framing.took(n as u64);
                Ok(())
            }
        }
    }

    /// Takes data out of what came already.
    fn look(&mut self, into: &mut Vec<u8>) -> Result<(), UpstreamError> {
        let mut rest = &self.ahead[self.at..];
        while !rest.is_empty() && self.framing != Framing::Over {
            into.extend_from_slice(self.framing.take(&mut rest)?);
        }
        self.at = self.ahead.len() - rest.len();
        Ok(())
    }
}

/// Whether others had their turn meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    Yes,
    No,
}

/// Awaits, and says whether there was anything to wait for.
async fn notice<F: Future>(future: F) -> (F::Output, Waited) {
    let (mut future, mut waited) = (pin!(future), Waited::No);
    poll_fn(move |cx| {
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() {
            waited = Waited::Yes;
        }
        polled.map(|output| (output, waited))
    })
    .await
}

fn read_error(error: &io::Error) -> UpstreamError {
    match error.kind() {
        io::ErrorKind::ConnectionReset => UpstreamError::Reset,
        _ => UpstreamError::Cut,
    }
}
