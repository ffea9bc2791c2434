//! Every way in which a scrape can fail, in words an operator sees in Prometheus.

use std::time::Duration;

use hyper::StatusCode;

use crate::engine::coding::GunzipError;
use crate::engine::guard::ScrapeError;
use crate::telemetry::ScrapeResult;

/// Why a scrape was not answered with 200. Its text never names an address that was resolved.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    BadRequest(&'static str),
    #[error("user name and password are wanted (basic_auth_users)")]
    Unauthorized(Asked),
    #[error("not allowed: {0}")]
    BadTarget(&'static str),
    #[error("no target allows {0}")]
    NotAllowed(String),
    #[error("target {target} does not allow {place}")]
    NotAllowedBy { target: String, place: String },
    #[error("no target is named {0} (user name of the proxy url)")]
    UnknownUser(String),
    #[error("{0}")]
    NotFound(String),
    #[error("a scrape is GET or HEAD")]
    Method,
    #[error(
        "CONNECT cannot be looked into: set `scheme: http` in the scrape config, and an https:// url in the target here"
    )]
    Tunnel,
    #[error("scrape loop: this request came from this guard or leads back to it")]
    Loop,
    #[error("too many scrapes wait")]
    Overload,
    #[error("memory_limit is reached: there is no room for another endpoint")]
    NoRoom,
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error("answered {}", status_words(*.0))]
    ExporterStatus(StatusCode),
    #[error("{0}")]
    ContentType(String),
    #[error("Content-Encoding {0} is not gzip")]
    ContentEncoding(String),
    #[error(transparent)]
    Gunzip(#[from] GunzipError),
    #[error(transparent)]
    Scrape(#[from] ScrapeError),
    #[error("{}", out_of_time_words(*.0, *.1))]
    OutOfTime(Stage, Duration),
    #[error("the store that the guards share was lost after output had begun")]
    NotShared,
    /// Done again, unless output has begun to leave.
    #[error("other endpoints have taken the room under a limit on the total after output had begun")]
    Overrun,
    #[error("internal error")]
    Internal,
}

/// What went wrong between here and the exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    #[error("host name not found")]
    NameNotFound,
    #[error("connection refused")]
    Refused,
    #[error("no route to host")]
    Unreachable,
    #[error("could not connect")]
    Connect,
    #[error("TLS: {0}")]
    Tls(&'static str),
    #[error("connection reset")]
    Reset,
    #[error("connection closed before the answer was complete")]
    Cut,
    #[error("answer's head is too large")]
    HeadTooLarge,
    #[error("answer is not valid HTTP/1.1")]
    NotHttp,
    #[error("answer has both Content-Length and Transfer-Encoding")]
    TwoLengths,
    #[error("Transfer-Encoding is not chunked")]
    TransferEncoding,
    #[error("body's framing is broken")]
    Framing,
    #[error("too many 1xx answers")]
    Informational,
}

/// By which header a client shows who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Authorization,
    /// As a forward proxy is told: `Authorization` is for the exporter.
    ProxyAuthorization,
}

/// What a scrape was waiting for when its time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The scrape before it on the same endpoint.
    Endpoint,
    /// A place among `max_concurrent`.
    Place,
    Lookup,
    Connect,
    Head,
    Body,
    /// The client, which does not take its answer.
    Reader,
}

/// Who is to blame: the first word of the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Guard,
    Exporter,
}

impl Failure {
    pub fn status(&self) -> StatusCode {
        match self {
            Failure::BadRequest(_) => StatusCode::BAD_REQUEST,
            Failure::Unauthorized(Asked::Authorization) => StatusCode::UNAUTHORIZED,
            Failure::Unauthorized(Asked::ProxyAuthorization) => StatusCode::PROXY_AUTHENTICATION_REQUIRED,
            Failure::BadTarget(_) | Failure::NotAllowed(_) | Failure::NotAllowedBy { .. } | Failure::UnknownUser(_) => {
                StatusCode::FORBIDDEN
            }
            Failure::NotFound(_) => StatusCode::NOT_FOUND,
            Failure::Method | Failure::Tunnel => StatusCode::METHOD_NOT_ALLOWED,
            Failure::Loop => StatusCode::LOOP_DETECTED,
            Failure::Overload | Failure::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            Failure::OutOfTime(..) => StatusCode::GATEWAY_TIMEOUT,
            Failure::Upstream(_)
            | Failure::ExporterStatus(_)
            | Failure::ContentType(_)
            | Failure::ContentEncoding(_)
            | Failure::Gunzip(_)
            | Failure::Scrape(_)
            | Failure::NotShared
            | Failure::Overrun
            | Failure::Internal => StatusCode::BAD_GATEWAY,
        }
    }

    /// The `result` under which it is counted.
    pub fn result(&self) -> ScrapeResult {
        match self {
            Failure::BadRequest(_) | Failure::Method | Failure::Tunnel => ScrapeResult::Method,
            Failure::Unauthorized(_)
            | Failure::BadTarget(_)
            | Failure::NotAllowed(_)
            | Failure::NotAllowedBy { .. }
            | Failure::UnknownUser(_) => ScrapeResult::Forbidden,
            Failure::NotFound(_) => ScrapeResult::NotFound,
            Failure::Loop => ScrapeResult::Loop,
            Failure::Overload | Failure::NoRoom => ScrapeResult::Overload,
            Failure::Upstream(_) | Failure::ContentEncoding(_) => ScrapeResult::Upstream,
            Failure::Gunzip(GunzipError::TooLarge(_)) => ScrapeResult::Limit,
            Failure::Gunzip(_) => ScrapeResult::Upstream,
            Failure::ExporterStatus(_) => ScrapeResult::ExporterStatus,
            Failure::ContentType(_) => ScrapeResult::ContentType,
            Failure::Scrape(error) if error.is_limit() => ScrapeResult::Limit,
            Failure::Scrape(_) => ScrapeResult::Malformed,
            Failure::OutOfTime(..) => ScrapeResult::Timeout,
            Failure::NotShared | Failure::Overrun => ScrapeResult::Aborted,
            Failure::Internal => ScrapeResult::Panic,
        }
    }

    pub fn side(&self) -> Side {
        match self {
            Failure::Upstream(_)
            | Failure::ExporterStatus(_)
            | Failure::ContentType(_)
            | Failure::ContentEncoding(_)
            | Failure::Gunzip(_)
            | Failure::Scrape(ScrapeError::Syntax(_) | ScrapeError::Truncated)
            | Failure::OutOfTime(Stage::Lookup | Stage::Connect | Stage::Head | Stage::Body, _) => Side::Exporter,
            _ => Side::Guard,
        }
    }
}

fn status_words(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(words) => format!("{} {words}", status.as_str()),
        None => status.as_str().to_owned(),
    }
}

fn out_of_time_words(stage: Stage, after: Duration) -> String {
    let what = match stage {
        Stage::Endpoint => "waiting for another scrape of this endpoint",
        Stage::Place => "waiting for one of max_concurrent places",
        Stage::Lookup => "looking up the host name",
        Stage::Connect => "connecting",
        Stage::Head => "waiting for the answer",
        Stage::Body => "reading the body",
        Stage::Reader => "waiting for the client to read",
    };
    format!("out of time after {:.1}s, {what}", after.as_secs_f64())
}
