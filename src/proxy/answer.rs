//! The one place that turns a failure into a response.

use bytes::Bytes;
use hyper::ext::ReasonPhrase;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, PROXY_AUTHENTICATE, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use super::body::Body;
use super::failure::{Failure, Side};

/// Bytes of a reason phrase at most: what operators' tools show of it.
const REASON: usize = 200;

/// How to say who one is.
const CHALLENGE: &str = "Basic realm=\"cardinality-guard\"";

/// The response to a scrape that failed before its first byte.
pub fn failed(failure: &Failure) -> Response<Body> {
    let reason = reason(failure);
    let mut body = reason.clone();
    body.push('\n');
    let mut response = Response::new(Body::whole(Bytes::from(body)));
    *response.status_mut() = failure.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    match failure.status() {
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            headers.insert(PROXY_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    // What these said about their body, or what they send next, is not to be trusted.
    if matches!(failure, Failure::Tunnel | Failure::Method | Failure::BadRequest(_)) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Ok(phrase) = ReasonPhrase::try_from(reason) {
        response.extensions_mut().insert(phrase);
    }
    response
}

/// One line of printable ASCII that begins with who is to blame.
pub fn reason(failure: &Failure) -> String {
    let side = match failure.side() {
        Side::Guard => "guard: ",
        Side::Exporter => "exporter: ",
    };
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let mut line: String = side.chars().chain(failure.to_string().chars().map(printable)).collect();
    if line.len() > REASON {
        line.truncate(REASON - 3);
        line.push_str("...");
    }
    line
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::failure::{Stage, UpstreamError};
    use super::*;
    use crate::engine::guard::ScrapeError;

    #[test]
    fn names_the_side_and_the_status() {
        let table = [
            (Failure::NotAllowed("evil:80".into()), 403, "guard: no target allows evil:80"),
            (Failure::Method, 405, "guard: a scrape is GET or HEAD"),
            (Failure::Upstream(UpstreamError::Refused), 502, "exporter: connection refused"),
            (Failure::ExporterStatus(StatusCode::NOT_FOUND), 502, "exporter: answered 404 Not Found"),
            (Failure::Scrape(ScrapeError::BodySize(9)), 502, "guard: body larger than body_size_limit (9 bytes)"),
            (
                Failure::OutOfTime(Stage::Head, Duration::from_millis(9500)),
                504,
                "exporter: out of time after 9.5s, waiting for the answer",
            ),
        ];
        for (failure, status, line) in table {
            let response = failed(&failure);
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.extensions().get::<ReasonPhrase>().unwrap().as_bytes(), line.as_bytes());
        }
    }

    #[test]
    fn is_one_printable_line_of_bounded_length() {
        let long = reason(&Failure::NotFound(format!("a\r\nSet-Cookie: é{}", "x".repeat(400))));
        assert_eq!(long.len(), REASON);
        assert!(long.bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "{long}");
        assert!(long.starts_with("guard: a??Set-Cookie: ?xx") && long.ends_with("..."), "{long}");
    }

    #[test]
    fn the_way_out_of_connect_fits() {
        assert!(!reason(&Failure::Tunnel).ends_with("..."));
    }
}
