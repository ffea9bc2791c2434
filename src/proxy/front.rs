//! The front door: what a request on this port is for, and who answers it.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Method, Request, Response, Version};
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use crate::state::{Config, Shared};

use super::account::Account;
use super::answer;
use super::body::Body;
use super::failure::{Asked, Failure};
use super::heads::LineEnds;
use super::patience::Patience;
use super::route::{Entry, Route};
use super::scrape::Ask;
use super::service::Scrapes;
use super::users::{Doorkeeper, Shown, Verdict};

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
    pub shared: Arc<Shared>,
    pub doorkeeper: Arc<Doorkeeper>,
}

/// One client connection's view of it.
pub struct Visit {
    pub front: Front,
    pub peer: SocketAddr,
    pub patience: Arc<Patience>,
}

impl Visit {
    pub async fn serve(self: Arc<Visit>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let ends = self.patience.asked();
        let has_body = !request.body().is_end_stream();
        let config = self.front.shared.config();
        let mut response = match sound(&request, ends) {
            Ok(()) => self.answer(&config, request).await?,
            Err(failure) => self.refuse(&failure),
        };
        let headers = response.headers_mut();
        for (name, value) in &config.settings.web.file.headers {
            headers.insert(name.clone(), value.clone());
        }
        if has_body {
            // What is behind it is not looked for: where it ends is what smugglers lie about.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    async fn answer(&self, config: &Config, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let asked = asked(&request);
        if let Err(failure) = self.let_in(config, &request, asked).await {
            return Ok(self.refuse(&failure));
        }
        if !config.settings.web.file.users.is_empty() && asked == Asked::Authorization {
            // It was for us: no exporter is told the password of the guard.
            request.headers_mut().remove(AUTHORIZATION);
        }
        let Some(scrapes) = self.front.scrapes.clone() else { return Ok(self.local(request).await) };
        match Route::of(request.method(), request.uri(), request.headers()) {
            Ok(Route::Local) => Ok(self.local(request).await),
            Ok(Route::Scrape(mut wanted)) => {
                if let Err(failure) = is_scrape(&request) {
                    return Ok(self.refuse(&failure));
                }
                if matches!(&wanted.entry, Entry::User(name) if is_user_only(config, name)) {
                    wanted.entry = Entry::Any;
                }
                let account = Account::open(self.front.shared.telemetry().clone());
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

    async fn let_in(&self, config: &Config, request: &Request<Incoming>, asked: Asked) -> Result<(), Failure> {
        let users = &config.settings.web.file.users;
        if users.is_empty() {
            return Ok(());
        }
        let header = match asked {
            Asked::Authorization => AUTHORIZATION,
            Asked::ProxyAuthorization => PROXY_AUTHORIZATION,
        };
        let shown = request.headers().get(header).and_then(Shown::read);
        match self.front.doorkeeper.check(users, shown.as_ref()).await {
            Verdict::Known => Ok(()),
            Verdict::Unknown => Err(Failure::Unauthorized(asked)),
            Verdict::Crowded => Err(Failure::Overload),
        }
    }

    async fn local(&self, mut request: Request<Incoming>) -> Response<Body> {
        request.extensions_mut().insert(self.peer);
        let response = self.front.local.clone().oneshot(request).await;
        let response = response.unwrap_or_else(|never| match never {});
        response.map(|bytes| Body::whole(bytes).with_patience(self.patience.clone()))
    }

    /// For what never became a scrape; it is counted all the same.
    fn refuse(&self, failure: &Failure) -> Response<Body> {
        Account::open(self.front.shared.telemetry().clone()).failed(failure);
        answer::failed(failure).map(|body| body.with_patience(self.patience.clone()))
    }
}

/// A forward proxy is asked with a whole URL, or for a tunnel.
fn asked(request: &Request<Incoming>) -> Asked {
    match request.uri().authority() {
        Some(_) => Asked::ProxyAuthorization,
        None => Asked::Authorization,
    }
}

/// A user of the guard need not be a target's name as well.
fn is_user_only(config: &Config, name: &str) -> bool {
    config.settings.web.file.users.hash(name).is_some() && config.target(name).is_none()
}

/// A head that everybody on the way has read alike, and that says once whom it means.
fn sound(request: &Request<Incoming>, ends: LineEnds) -> Result<(), Failure> {
    if ends == LineEnds::Ambiguous {
        return Err(Failure::BadRequest("a line of the request ends in a bare LF"));
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() != Version::HTTP_10 => {
            Err(Failure::BadRequest("the request has no Host header"))
        }
        (_, Some(_)) => Err(Failure::BadRequest("the request has two Host headers")),
        _ => Ok(()),
    }
}

/// A scrape says nothing but its head.
fn is_scrape(request: &Request<Incoming>) -> Result<(), Failure> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err(Failure::Method);
    }
    match request.body().is_end_stream() {
        true => Ok(()),
        false => Err(Failure::BadRequest("a scrape has no body")),
    }
}
