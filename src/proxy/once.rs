//! One scrape without a door: for whoever wants to look at an exporter as the guard sees it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode, Version};
use tower::ServiceExt;

use crate::state::Shared;

use super::account::Account;
use super::connect::Connector;
use super::own::Own;
use super::patience::Patience;
use super::route::{Entry, Place, Wanted};
use super::scrape::{Ask, Scraper};
use super::service::scrapes;

/// Nobody is kept waiting for a request's head here.
const NO_HEAD: Duration = Duration::from_secs(3600);

/// Scrapes a target by its name; the error is the line that would stand in the status line.
/// Whatever may fail must fail before output begins, so the settings should hold it whole.
pub async fn scrape_once(shared: Arc<Shared>, target: &str) -> Result<Bytes, String> {
    let connector = Connector { own: Own::new(Vec::new()), tls: Arc::default() };
    let account = Account::open(shared.telemetry().clone());
    let ask = Ask {
        wanted: Wanted { entry: Entry::Named(target.to_owned()), place: Place::OfEntry, extra_query: String::new() },
        method: Method::GET,
        version: Version::HTTP_11,
        headers: HeaderMap::new(),
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        account,
        patience: Arc::new(Patience::new(NO_HEAD)),
    };
    let Ok(response) = scrapes(Arc::new(Scraper::new(shared, connector))).oneshot(ask).await;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    match status {
        StatusCode::OK => Ok(body),
        _ => Err(String::from_utf8_lossy(&body).trim_end().to_owned()),
    }
}
