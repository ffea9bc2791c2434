//! The connection to an exporter that is kept from one scrape to the next.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Without a word from the exporter, a connection is not trusted to have lived longer than this.
const IDLE: Duration = Duration::from_secs(300);

/// A socket, with or without TLS around it.
pub trait Io: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Io for T {}

/// A connection to one exporter, at rest. Dropping it closes it.
pub struct Connection {
    pub io: Box<dyn Io>,
    origin: Origin,
    unused_since: Instant,
    idle: Duration,
}

/// Under which rules a connection was made; under others it may not be used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub generation: u64,
    pub target: String,
}

/// Whether a kept connection is fit for another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionUse {
    Fit,
    Stale,
}

impl Connection {
    /// A request was answered in full. `keep_alive` is what the exporter said about how long it
    /// waits for the next one: asking it at the very moment it gives up would fail the scrape.
    pub fn resting(io: Box<dyn Io>, origin: Origin, keep_alive: Option<Duration>) -> Connection {
        let idle = keep_alive.map_or(IDLE, |told| told.saturating_sub(Duration::from_secs(1)).min(IDLE));
        Connection { io, origin, unused_since: Instant::now(), idle }
    }

    /// Whether it may be used for a request under these rules.
    pub fn judge(&mut self, origin: &Origin) -> ConnectionUse {
        match self.origin == *origin {
            true => self.rest(),
            false => ConnectionUse::Stale,
        }
    }

    /// Whether it is worth keeping.
    pub fn rest(&mut self) -> ConnectionUse {
        match self.unused_since.elapsed() >= self.idle {
            true => ConnectionUse::Stale,
            false => self.hear(),
        }
    }

    /// Nobody asked anything: a word, or the end, is none to be trusted.
    fn hear(&mut self) -> ConnectionUse {
        let (mut byte, mut nobody) = ([0; 1], Context::from_waker(Waker::noop()));
        match Pin::new(&mut self.io).poll_read(&mut nobody, &mut ReadBuf::new(&mut byte)).is_pending() {
            true => ConnectionUse::Fit,
            false => ConnectionUse::Stale,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("origin", &self.origin).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    fn origin(generation: u64) -> Origin {
        Origin { generation, target: "app".into() }
    }

    #[tokio::test]
    async fn only_a_silent_connection_made_under_the_same_rules_is_used_again() {
        let (here, there) = duplex(64);
        let mut kept = Connection::resting(Box::new(here), origin(1), None);
        assert_eq!(kept.judge(&origin(1)), ConnectionUse::Fit);
        assert_eq!(kept.judge(&origin(2)), ConnectionUse::Stale);
        drop(there);
        assert_eq!(kept.judge(&origin(1)), ConnectionUse::Stale, "the other side went away");

        let (here, mut there) = duplex(64);
        let mut kept = Connection::resting(Box::new(here), origin(1), None);
        there.write_all(b"HTTP/1.1 408 ").await.unwrap();
        assert_eq!(kept.rest(), ConnectionUse::Stale, "an answer that nobody asked for");

        let (here, _there) = duplex(64);
        let mut kept = Connection::resting(Box::new(here), origin(1), Some(Duration::from_secs(1)));
        assert_eq!(kept.rest(), ConnectionUse::Stale, "the exporter is about to close it");
    }
}
