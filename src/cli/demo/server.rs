//! The exporters' `/metrics`, each on a port of its own, over real sockets.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::fleet::{EXPORTERS, FleetHandle};

/// Starts every exporter; gives name and address of each.
pub async fn start(fleet: &FleetHandle) -> anyhow::Result<Vec<(&'static str, SocketAddr)>> {
    let mut started = Vec::new();
    for exporter in EXPORTERS {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("the demo's exporters need a free port on 127.0.0.1")?;
        started.push((exporter, listener.local_addr()?));
        tokio::spawn(serve(listener, exporter, fleet.clone()));
    }
    Ok(started)
}

async fn serve(listener: TcpListener, exporter: &'static str, fleet: FleetHandle) {
    while let Ok((stream, _)) = listener.accept().await {
        let fleet = fleet.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer(request.uri().path(), exporter, &fleet);
            async move { Ok::<_, Infallible>(answer) }
        });
        // A client that hangs up in the middle is its own affair.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

fn answer(path: &str, exporter: &str, fleet: &FleetHandle) -> Response<Full<Bytes>> {
    let (status, body) = match path {
        "/metrics" => (StatusCode::OK, fleet.expose(exporter)),
        _ => (StatusCode::NOT_FOUND, "try /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let text = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}
