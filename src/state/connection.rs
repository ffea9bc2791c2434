//! The connection to an exporter that is kept from one scrape to the next.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;

/// Without a word from the exporter, a connection is not trusted to have lived longer than this.
const IDLE: Duration = Duration::from_secs(300);

/// A connection that speaks HTTP/1.1 to one exporter. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    pub sender: SendRequest<Empty<Bytes>>,
    pub origin: Origin,
    task: AbortHandle,
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
    /// `task` drives the connection and ends with it.
    pub fn new(sender: SendRequest<Empty<Bytes>>, origin: Origin, task: AbortHandle) -> Connection {
        Connection { sender, origin, task, unused_since: Instant::now(), idle: IDLE }
    }

    /// A request was answered in full. `keep_alive` is what the exporter said about how long it
    /// waits for the next one: asking it at the very moment it gives up would fail the scrape.
    pub fn rests(&mut self, keep_alive: Option<Duration>) {
        self.unused_since = Instant::now();
        self.idle = keep_alive.map_or(IDLE, |told| told.saturating_sub(Duration::from_secs(1)).min(IDLE));
    }

    /// Whether it may be used for a request under these rules.
    pub fn judge(&self, origin: &Origin) -> ConnectionUse {
        match self.origin == *origin {
            true => self.rest(),
            false => ConnectionUse::Stale,
        }
    }

    /// Whether it is worth keeping.
    pub fn rest(&self) -> ConnectionUse {
        match self.sender.is_closed() || self.unused_since.elapsed() >= self.idle {
            true => ConnectionUse::Stale,
            false => ConnectionUse::Fit,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}
