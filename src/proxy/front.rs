//! The front door: what a request on this port is for, and who answers it.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::HOST;
use hyper::{Method, Request, Response};
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use crate::telemetry::Telemetry;

use super::account::Account;
use super::answer;
use super::body::Body;
use super::failure::Failure;
use super::patience::Patience;
use super::route::Route;
use super::scrape::Ask;
use super::service::Scrapes;

/// Answers what is no scrape: page, API, own metrics. The client's address is among the request's
/// extensions, as a [`SocketAddr`].
pub type LocalHandler = BoxCloneSyncService<Request<Incoming>, Response<Bytes>, Infallible>;

/// Makes a [`LocalHandler`] of a function.
pub fn local_handler<F, R>(handle: F) -> LocalHandler
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<Bytes>> + Send + 'static,
{
    BoxCloneSyncService::new(tower::service_fn(move |request| {
        let response = handle(request);
        async move { Ok(response.await) }
    }))
}

/// What one door serves.
#[derive(Clone)]
pub struct Front {
    /// `None`: this door is for page and API alone.
    pub scrapes: Option<Scrapes>,
    pub local: LocalHandler,
    pub telemetry: Arc<Telemetry>,
}

/// One client connection's view of it.
#[derive(Clone)]
pub struct Visit {
    pub front: Front,
    pub peer: SocketAddr,
    pub patience: Arc<Patience>,
}

impl Visit {
    pub async fn serve(self, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        self.patience.asked();
        request.extensions_mut().insert(self.peer);
        let Some(scrapes) = self.front.scrapes.clone() else { return Ok(self.local(request).await) };
        match Route::of(request.method(), request.uri(), request.headers()) {
            Ok(Route::Local) => Ok(self.local(request).await),
            Ok(Route::Scrape(wanted)) => {
                if let Err(failure) = sound(&request) {
                    return Ok(self.refuse(&failure));
                }
                let account = Account::open(self.front.telemetry.clone());
                let (head, _) = request.into_parts();
                let ask = Ask {
                    wanted,
                    method: head.method,
                    version: head.version,
                    headers: head.headers,
                    peer: self.peer,
                    account,
                    patience: self.patience.clone(),
                };
                scrapes.oneshot(ask).await
            }
            Ok(Route::Tunnel) => Ok(self.refuse(&Failure::Tunnel)),
            Err(failure) => Ok(self.refuse(&failure)),
        }
    }

    async fn local(&self, request: Request<Incoming>) -> Response<Body> {
        let response = self.front.local.clone().oneshot(request).await;
        let response = response.unwrap_or_else(|never| match never {});
        response.map(|bytes| Body::whole(bytes).with_patience(self.patience.clone()))
    }

    /// For what never became a scrape; it is counted all the same.
    fn refuse(&self, failure: &Failure) -> Response<Body> {
        Account::open(self.front.telemetry.clone()).failed(failure);
        answer::failed(failure).map(|body| body.with_patience(self.patience.clone()))
    }
}

/// A scrape says nothing but its head, and says once whom it means.
fn sound(request: &Request<Incoming>) -> Result<(), Failure> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err(Failure::Method);
    }
    if request.headers().get_all(HOST).iter().nth(1).is_some() {
        return Err(Failure::BadRequest("the request has two Host headers"));
    }
    match request.body().is_end_stream() {
        true => Ok(()),
        false => Err(Failure::BadRequest("a scrape has no body")),
    }
}
