//! The one GET of a scrape.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::http::response::Parts;
use hyper::{Request, Response};
use tokio::sync::Notify;
use tokio::time::timeout_at;

use crate::state::{Config, Connection, Lease};

use super::allow::Grant;
use super::connect::Connector;
use super::deadline::Deadline;
use super::failure::{Failure, Stage, UpstreamError};

/// 1xx answers that are skipped; nobody has a reason for more.
const INFORMATIONAL: u32 = 8;

/// What the exporter answered, the body yet to come.
pub struct Reply {
    pub head: Parts,
    pub body: Incoming,
    pub connection: Connection,
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
        match send(kept, request, deadline).await? {
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

/// What an exporter said about how long it keeps the connection (`Keep-Alive: timeout=5`).
pub fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("keep-alive")?.to_str().ok()?;
    let mut pairs = text.split(',').filter_map(|pair| pair.trim().split_once('='));
    let (_, seconds) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case("timeout"))?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// The failure behind an error while reading a body.
pub fn body_error(error: &hyper::Error) -> UpstreamError {
    match io_kind(error) {
        Some(io::ErrorKind::ConnectionReset) => UpstreamError::Reset,
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => UpstreamError::Framing,
        _ => UpstreamError::Cut,
    }
}

enum Sent {
    Answered(Box<Reply>),
    /// The connection was gone before a byte of the request left.
    NotAtAll(Box<Request<Empty<Bytes>>>),
}

async fn send(
    mut connection: Connection,
    mut request: Request<Empty<Bytes>>,
    deadline: &Deadline,
) -> Result<Sent, Failure> {
    let flood = Flood::watch(&mut request);
    let exchange = async {
        if connection.sender.ready().await.is_err() {
            return Ok(Sent::NotAtAll(Box::new(request)));
        }
        tokio::select! {
            biased;
            () = flood.tripped.notified() => Err(UpstreamError::Informational.into()),
            answer = connection.sender.try_send_request(request) => match answer {
                Ok(response) => Ok(Sent::Answered(Box::new(reply(response, connection)))),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => Ok(Sent::NotAtAll(Box::new(unsent))),
                    None => Err(head_error(failed.error()).into()),
                },
            },
        }
    };
    timeout_at(deadline.exporter(), exchange).await.map_err(|_| deadline.passed(Stage::Head))?
}

fn reply(response: Response<Incoming>, connection: Connection) -> Reply {
    let (head, body) = response.into_parts();
    Reply { head, body, connection }
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
}
