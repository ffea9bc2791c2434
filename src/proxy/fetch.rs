//! The one GET of a scrape.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HeaderMap};
use hyper::http::response::Parts;
use hyper::{Request, Response, Version};
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use crate::state::{Config, Io, Lease};

use super::allow::Grant;
use super::connect::Connector;
use super::deadline::Deadline;
use super::failure::{Failure, Stage, UpstreamError};
use super::head_io::HeadIo;
use super::within::within;

/// 1xx answers that are skipped; nobody has a reason for more.
const INFORMATIONAL: u32 = 8;
/// Bytes of an answer's head at most.
const HEAD: usize = 64 << 10;

/// What the exporter answered, the body yet to come.
pub struct Reply {
    pub head: Parts,
    /// Of the body, when the head says so.
    pub length: Option<u64>,
    pub io: Box<dyn Io>,
    /// Of the body, or of what stands behind it: read together with the head.
    pub ahead: Vec<u8>,
}

/// Asks on the connection of the scrape before or, when there is none fit for it, on a new one. A
/// request that went out is never sent again.
pub async fn fetch(
    connector: &Connector,
    grant: &Grant,
    config: &Config,
    lease: &mut Lease,
    request: Request<Empty<Bytes>>,
    deadline: &Deadline,
) -> Result<Reply, Failure> {
    let mut request = request;
    if let Some(kept) = lease.take_connection(&connector.origin(grant, config)) {
        match send(kept.io, request, deadline).await? {
            Sent::Answered(reply) => return Ok(*reply),
            Sent::NotAtAll(unsent) => request = *unsent,
        }
    }
    let fresh = connector.connect(grant, config, deadline).await?;
    match send(fresh, request, deadline).await? {
        Sent::Answered(reply) => Ok(*reply),
        Sent::NotAtAll(_) => Err(UpstreamError::Cut.into()),
    }
}

/// Whether the connection may be used once more, by what the answer's head says.
pub fn persists(head: &Parts) -> Persists {
    let closes = head.headers.get_all(CONNECTION).iter().any(|line| {
        line.to_str().map_or(true, |line| line.split(',').any(|word| word.trim().eq_ignore_ascii_case("close")))
    });
    match head.version == Version::HTTP_11 && !closes {
        true => Persists::Yes,
        false => Persists::No,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persists {
    Yes,
    No,
}

/// What an exporter said about how long it keeps the connection (`Keep-Alive: timeout=5`).
pub fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("keep-alive")?.to_str().ok()?;
    let mut pairs = text.split(',').filter_map(|pair| pair.trim().split_once('='));
    let (_, seconds) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case("timeout"))?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

enum Sent {
    Answered(Box<Reply>),
    /// The connection was gone before a byte of the request left.
    NotAtAll(Box<Request<Empty<Bytes>>>),
}

async fn send(io: Box<dyn Io>, request: Request<Empty<Bytes>>, deadline: &Deadline) -> Result<Sent, Failure> {
    timeout_at(deadline.exporter(), within(exchange(io, request))).await.map_err(|_| deadline.passed(Stage::Head))?
}

/// Request out, head in. The body is read by others: of what came, nothing is lost.
async fn exchange(io: Box<dyn Io>, mut request: Request<Empty<Bytes>>) -> Result<Sent, Failure> {
    let flood = Flood::watch(&mut request);
    let mut builder = http1::Builder::new();
    builder.max_header_size(HEAD).max_buf_size(HEAD);
    let shaken = builder.handshake::<_, Empty<Bytes>>(TokioIo::new(HeadIo::new(io))).await;
    let (mut sender, connection) = shaken.map_err(|_| UpstreamError::Connect)?;
    let mut connection = Some(connection);
    let answered = {
        let mut answer = pin!(sender.try_send_request(request));
        // One task does both: what the connection needs, and waiting for the answer.
        let both = std::future::poll_fn(|cx| {
            let is_over = connection.as_mut().is_some_and(|c| c.poll_without_shutdown(cx).is_ready());
            match answer.as_mut().poll(cx) {
                Poll::Pending if is_over => {
                    // It says why when it goes.
                    connection = None;
                    answer.as_mut().poll(cx)
                }
                polled => polled,
            }
        });
        tokio::select! {
            biased;
            () = flood.tripped.notified() => return Err(UpstreamError::Informational.into()),
            answered = both => answered,
        }
    };
    match (answered, connection) {
        (Ok(response), Some(connection)) => Ok(Sent::Answered(Box::new(reply(response, connection)))),
        (Ok(_), None) => Err(UpstreamError::Cut.into()),
        (Err(mut failed), _) => match failed.take_message() {
            Some(unsent) => Ok(Sent::NotAtAll(Box::new(unsent))),
            None => Err(head_error(failed.error()).into()),
        },
    }
}

fn reply(response: Response<Incoming>, connection: http1::Connection<TokioIo<HeadIo>, Empty<Bytes>>) -> Reply {
    let (head, body) = response.into_parts();
    let (io, ahead) = connection.into_parts().io.into_inner().into_parts();
    Reply { head, length: body.size_hint().exact(), io, ahead }
}

fn head_error(error: &hyper::Error) -> UpstreamError {
    match io_kind(error) {
        _ if error.is_parse_too_large() => UpstreamError::HeadTooLarge,
        _ if error.is_parse() => UpstreamError::NotHttp,
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => UpstreamError::Reset,
        _ => UpstreamError::Cut,
    }
}

fn io_kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    error.source().and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind)
}

/// Notices an exporter that answers 1xx for ever.
struct Flood {
    seen: AtomicU32,
    tripped: Notify,
}

impl Flood {
    fn watch(request: &mut Request<Empty<Bytes>>) -> Arc<Flood> {
        let flood = Arc::new(Flood { seen: AtomicU32::new(0), tripped: Notify::new() });
        let watcher = flood.clone();
        hyper::ext::on_informational(request, move |_| {
            if watcher.seen.fetch_add(1, Ordering::Relaxed) >= INFORMATIONAL {
                watcher.tripped.notify_one();
            }
        });
        flood
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_long_a_connection_is_kept() {
        let told =
            |text: &str| keep_alive(&[("keep-alive".parse().unwrap(), text.parse().unwrap())].into_iter().collect());
        assert_eq!(told("timeout=5"), Some(Duration::from_secs(5)));
        assert_eq!(told("max=100, Timeout = 7"), Some(Duration::from_secs(7)));
        assert_eq!(told("timeout=soon"), None);
        assert_eq!(told("max=3"), None);
    }

    #[test]
    fn a_connection_persists_unless_somebody_closes_it() {
        let head = |version, connection: &str| {
            let response = Response::builder().version(version).header(CONNECTION, connection);
            persists(&response.body(()).unwrap().into_parts().0)
        };
        assert_eq!(head(Version::HTTP_11, ""), Persists::Yes);
        assert_eq!(head(Version::HTTP_11, "keep-alive"), Persists::Yes);
        assert_eq!(head(Version::HTTP_11, "x, Close"), Persists::No);
        assert_eq!(head(Version::HTTP_10, "keep-alive"), Persists::No);
    }
}
