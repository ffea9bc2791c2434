//! Health, readiness, own metrics, landing page, configuration, service discovery, API: what the
//! guard answers about itself. Knows nothing of scrapes.

mod api;
mod deeds;
mod discovery;
mod metrics;
mod page;
mod proposals;
mod query;
mod reply;
mod targets;
mod when;

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{ACCEPT, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::sync::watch;

use self::reply::{Reply, TEXT};
use crate::state::Shared;
use crate::telemetry::Exposition;

/// Loads the configuration anew and puts it into force, or says why not.
pub type Reload = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Whether this process takes new scrapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Serving,
    /// Told to end: what is under way is brought to its end, nothing new begins.
    Draining,
}

/// What a listener offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offers {
    Everything,
    /// Own metrics and health: the rest moved to a listener of its own.
    MetricsAndHealth,
}

/// What the answers are made of.
#[derive(Clone)]
pub struct AdminContext {
    pub offers: Offers,
    pub shared: Arc<Shared>,
    pub reload: Reload,
    pub phase: watch::Receiver<Phase>,
}

/// Answers a request for one of the guard's own paths; 404 for any other.
pub async fn answer<B>(context: &AdminContext, request: Request<B>) -> Response<Bytes> {
    let config = context.shared.config();
    let telemetry_path = config.settings.web.telemetry_path.as_str();
    let path = request.uri().path();
    if context.offers == Offers::MetricsAndHealth && ![telemetry_path, "/-/healthy", "/-/ready"].contains(&path) {
        return nothing().into();
    }
    if matches!(*request.method(), Method::POST | Method::PUT) && Caller::of(&request) == Caller::AnotherSite {
        return Reply::error(StatusCode::FORBIDDEN, "forbidden", "guard: another site's page may not order this")
            .into();
    }
    if path == "/-/reload" {
        return reload(context, request.method()).await.into();
    }
    if path.starts_with("/api/") {
        return api::answer(&context.shared, request.method(), request.uri()).await.unwrap_or_else(nothing).into();
    }
    if path == "/" && matches!(*request.method(), Method::GET | Method::HEAD) {
        let (shared, headers, uri) = (context.shared.clone(), request.headers().clone(), request.uri().clone());
        return in_background(move || Reply::page(page::render(&shared, &headers, &uri))).await.into();
    }
    let page: fn(&AdminContext, &Request<B>) -> Reply = match path {
        "/page.css" => |_, _| Reply::asset("text/css; charset=utf-8", page::STYLE),
        "/page.js" => |_, _| Reply::asset("text/javascript; charset=utf-8", page::SCRIPT),
        "/page.svg" => |_, _| Reply::asset("image/svg+xml", page::ICON),
        "/-/healthy" => |_, _| Reply::text("cardinality-guard is healthy.\n"),
        "/-/ready" => |context, _| ready(*context.phase.borrow()),
        "/config" => |context, _| Reply::yaml(context.shared.config().settings.redacted()),
        "/sd" => |context, request| discovery::answer(&context.shared, request.headers(), request.uri()),
        own if own == telemetry_path => metrics,
        _ => |_, _| nothing(),
    };
    match *request.method() {
        Method::GET => page(context, &request).into(),
        // An own scrape shows new rows at 0 once: who only asks for the head must not use it up.
        Method::HEAD if path == telemetry_path => Reply::text("").into(),
        Method::HEAD => page(context, &request).without_body().into(),
        _ => Reply::method_not_allowed("GET, HEAD").into(),
    }
}

/// What looks at every endpoint stays off the threads that serve scrapes.
async fn in_background(answer: impl FnOnce() -> Reply + Send + 'static) -> Reply {
    let failed = |_| Reply::new(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "guard: internal error\n".into());
    tokio::task::spawn_blocking(answer).await.unwrap_or_else(failed)
}

/// Whose doing a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// A script, or the guard's own page.
    Somebody,
    /// A page of another site that an operator's browser shows: the browser says so.
    AnotherSite,
}

impl Caller {
    fn of<B>(request: &Request<B>) -> Caller {
        let text = |name: HeaderName| request.headers().get(name).map(HeaderValue::to_str);
        if let Some(Ok("cross-site" | "same-site")) = text(HeaderName::from_static("sec-fetch-site")) {
            return Caller::AnotherSite;
        }
        match text(ORIGIN) {
            None => Caller::Somebody,
            Some(origin) => {
                let origin = origin.ok().and_then(|origin| origin.parse::<Uri>().ok()?.into_parts().authority);
                let own = asked_as(request.headers(), request.uri());
                if origin.is_some() && origin == own { Caller::Somebody } else { Caller::AnotherSite }
            }
        }
    }
}

/// The name under which the asker reached this guard.
fn asked_as(headers: &HeaderMap, uri: &Uri) -> Option<Authority> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).or_else(|| uri.authority().map(Authority::as_str));
    host?.parse::<Authority>().ok().filter(|name| !name.as_str().contains('@'))
}

fn metrics<B>(context: &AdminContext, request: &Request<B>) -> Reply {
    let accept = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let exposition = Exposition::negotiate(&accept.collect::<Vec<_>>().join(","));
    let body = context.shared.telemetry().expose(exposition, &context.shared.endpoints().live());
    Reply::new(StatusCode::OK, exposition.content_type(), body)
}

fn nothing() -> Reply {
    Reply::new(StatusCode::NOT_FOUND, TEXT, "guard: there is nothing here\n".into())
}

fn ready(phase: Phase) -> Reply {
    match phase {
        Phase::Serving => Reply::text("cardinality-guard is ready.\n"),
        Phase::Draining => Reply::new(StatusCode::SERVICE_UNAVAILABLE, TEXT, "guard: shutting down\n".into()),
    }
}

/// Loading reads files, so it stays off the threads that serve scrapes.
async fn reload(context: &AdminContext, method: &Method) -> Reply {
    if !matches!(*method, Method::POST | Method::PUT) {
        return Reply::method_not_allowed("POST, PUT");
    }
    let reload = Arc::clone(&context.reload);
    let outcome = tokio::task::spawn_blocking(move || reload()).await;
    let failed = |reason: String| {
        let body = format!("guard: the configuration was not loaded, the old one stays:\n{reason}\n");
        Reply::new(StatusCode::INTERNAL_SERVER_ERROR, TEXT, body)
    };
    match outcome {
        Ok(Ok(())) => Reply::text("reloaded\n"),
        Ok(Err(reason)) => failed(reason),
        Err(panicked) => failed(panicked.to_string()),
    }
}

#[cfg(test)]
mod tests;
