//! The listener: accepts, serves, drains.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::settings::ServerTls;
use crate::state::{FINE, Shared};

use super::connect::Connector;
use super::crowd::Crowd;
use super::front::{Front, LocalHandler, Visit};
use super::own::Own;
use super::patience::{self, Farewell, Patience, PatientIo};
use super::scrape::Scraper;
use super::service::scrapes;
use super::users::Doorkeeper;

/// Bytes of a request's head at most.
const HEAD: usize = 64 << 10;

/// Between two looks for endpoints that nobody asks for any more: at most, and at least where
/// `endpoint_ttl` is short.
const SWEEP: Duration = Duration::from_secs(60);
const LEAST_SWEEP: Duration = Duration::from_secs(1);

/// After an accept that failed (no file descriptors left): time for some to come back.
const BREATH: Duration = Duration::from_millis(50);

/// A socket to serve, handed in bound.
pub struct Door {
    pub socket: TcpListener,
    pub scrapes: ScrapesHere,
    /// Who answers what is no scrape.
    pub local: LocalHandler,
}

/// Whether a door leads to exporters, or to page and API alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrapesHere {
    Served,
    Refused,
}

/// Serves until `shutdown` is done, then lets what is under way come to its end.
pub async fn run(shared: Arc<Shared>, doors: Vec<Door>, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let listeners = doors.iter().map(|door| door.socket.local_addr()).collect::<io::Result<Vec<_>>>()?;
    let connector = Connector { own: Own::new(listeners), tls: Arc::default() };
    let stack = scrapes(Arc::new(Scraper::new(shared.clone(), connector)));
    let crowd = Arc::new(Crowd::default());
    let doorkeeper = Arc::new(Doorkeeper::default());
    let (stop, stopped) = watch::channel(());

    let mut accepting = JoinSet::new();
    for door in doors {
        let front = Front {
            scrapes: (door.scrapes == ScrapesHere::Served).then(|| stack.clone()),
            local: door.local,
            shared: shared.clone(),
            doorkeeper: doorkeeper.clone(),
        };
        accepting.spawn(accept(door.socket, front, shared.clone(), crowd.clone(), stopped.clone()));
    }
    drop(stopped);
    sweep_until(shutdown, &shared).await;
    drop(stop);
    while accepting.join_next().await.is_some() {}
    shared.endpoints().close().await;
    Ok(())
}

async fn sweep_until(shutdown: impl Future<Output = ()>, shared: &Shared) {
    let mut shutdown = pin!(shutdown);
    loop {
        let ttl = shared.config().settings.storage.endpoint_ttl;
        shared.endpoints().forget_unasked(shared.clock().now(), ttl);
        shared.endpoints().close_idle_connections();
        let rest = if ttl.is_zero() { SWEEP } else { (ttl / 4).clamp(LEAST_SWEEP, SWEEP) };
        tokio::select! {
            () = &mut shutdown => return,
            () = tokio::time::sleep(rest) => {}
            never = sample(shared) => match never {},
        }
    }
}

/// Notes how many series there are, again and again.
async fn sample(shared: &Shared) -> Infallible {
    loop {
        shared.sample();
        tokio::time::sleep(FINE / 2).await;
    }
}

/// Accepts on one socket until told to stop, then waits for its connections.
async fn accept(
    socket: TcpListener,
    front: Front,
    shared: Arc<Shared>,
    crowd: Arc<Crowd>,
    mut stopped: watch::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            // The sender says nothing: it goes away.
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => continue,
            accepted = socket.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        let patience = Arc::new(Patience::new(patience::HEAD));
        let visit = Visit { front: front.clone(), peer, patience: patience.clone() };
        let web = &shared.config().settings.web;
        let Some(member) = crowd.join(patience, web.max_connections) else { continue };
        let (tls, stopped) = (web.file.tls.clone(), stopped.clone());
        connections.spawn(async move {
            serve(stream, tls, visit, stopped).await;
            drop(member);
        });
    }
    drop(socket);
    while connections.join_next().await.is_some() {}
}

/// Serves one connection. Errors are the client's business: it sees that the connection ends.
async fn serve(stream: TcpStream, tls: Option<ServerTls>, visit: Visit, mut stopped: watch::Receiver<()>) {
    let _ = stream.set_nodelay(true);
    let Some(ServerTls(config)) = tls else { return converse(stream, visit, stopped).await };
    let secured = tokio::select! {
        secured = secure(stream, TlsAcceptor::from(config)) => secured,
        _ = stopped.changed() => None,
        _ = visit.patience.closing() => None,
    };
    if let Some(stream) = secured {
        converse(stream, visit, stopped).await;
    }
}

/// The handshake is part of the time that the first head has.
async fn secure(stream: TcpStream, acceptor: TlsAcceptor) -> Option<TlsStream<TcpStream>> {
    timeout(patience::HEAD, acceptor.accept(stream)).await.ok()?.ok()
}

async fn converse<T>(stream: T, visit: Visit, mut stopped: watch::Receiver<()>)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let patience = visit.patience.clone();
    let io = TokioIo::new(PatientIo::new(stream, patience.clone()));
    let visit = Arc::new(visit);
    let service = service_fn(move |request: Request<Incoming>| visit.clone().serve(request));
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_header_size(HEAD).max_buf_size(HEAD);
    let mut connection = pin!(builder.serve_connection(io, service));
    tokio::select! {
        _ = &mut connection => return,
        _ = stopped.changed() => {}
        farewell = patience.closing() => match farewell {
            Farewell::AtOnce => return,
            Farewell::Graceful => {}
        },
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
