//! What the head of the exporter's answer says about its body.

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};

use crate::engine::guard::BodyEnd;
use crate::engine::model::Format;
use crate::settings::FallbackProtocol;

use super::failure::{Failure, UpstreamError};
use super::framing::Framing;
use super::media_type;

/// How the body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Identity,
    Gzip,
}

/// Only 200 counts; nothing is turned into it.
pub fn check_status(status: StatusCode) -> Result<(), Failure> {
    match status {
        StatusCode::OK => Ok(()),
        other => Err(Failure::ExporterStatus(other)),
    }
}

/// How the end of the body will be known; `length`: what Content-Length says, read and checked. Two
/// ways at once are one too many: whoever sits between might have believed the other.
pub fn framing(headers: &HeaderMap, length: Option<u64>) -> Result<(BodyEnd, Framing), Failure> {
    let mut transfer = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_told = headers.contains_key(header::CONTENT_LENGTH);
    match (transfer.next(), transfer.next()) {
        (None, _) if is_told => {
            length.map(|length| (BodyEnd::Framed, Framing::length(length))).ok_or(UpstreamError::Framing.into())
        }
        (None, _) => Ok((BodyEnd::Closed, Framing::Close)),
        (Some(_), _) if is_told => Err(UpstreamError::TwoLengths.into()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Ok((BodyEnd::Framed, Framing::chunked()))
        }
        _ => Err(UpstreamError::TransferEncoding.into()),
    }
}

/// Exactly `gzip` or nothing, as Prometheus reads it.
pub fn coding(headers: &HeaderMap) -> Result<Coding, Failure> {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(Coding::Identity),
        (Some(value), None) if value == "gzip" => Ok(Coding::Gzip),
        (Some(value), None) => Err(Failure::ContentEncoding(shown(value))),
        (Some(a), Some(b)) => Err(Failure::ContentEncoding(format!("{}, {}", shown(a), shown(b)))),
    }
}

/// The format of a body that is not empty.
pub fn format(content_type: Option<&HeaderValue>, fallback: Option<FallbackProtocol>) -> Result<Format, Failure> {
    if let Some(format) = content_type.and_then(recognised) {
        return Ok(format);
    }
    match (fallback, content_type) {
        (Some(FallbackProtocol::Text), _) => Ok(Format::Text),
        (Some(FallbackProtocol::OpenMetrics), _) => Ok(Format::OpenMetrics),
        (_, Some(value)) if named(value).as_deref() == Some(PROTOBUF) => Err(unasked_protobuf()),
        (Some(FallbackProtocol::Protobuf), _) => Err(unasked_protobuf()),
        (None, Some(value)) => Err(Failure::ContentType(format!("unsupported Content-Type \"{}\"", shown(value)))),
        (None, None) => Err(Failure::ContentType("no Content-Type (fallback_scrape_protocol would name one)".into())),
    }
}

/// What nearly all exporters say is known without taking it apart.
const USUAL: [(&str, Format); 6] = [
    ("text/plain; version=0.0.4; charset=utf-8; escaping=underscores", Format::Text),
    ("text/plain; version=0.0.4; charset=utf-8", Format::Text),
    ("text/plain; version=0.0.4", Format::Text),
    ("text/plain;version=0.0.4", Format::Text),
    ("application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores", Format::OpenMetrics),
    ("application/openmetrics-text; version=1.0.0; charset=utf-8", Format::OpenMetrics),
];

/// The format a Content-Type names, whatever its parameters.
pub fn recognised(content_type: &HeaderValue) -> Option<Format> {
    if let Some((_, format)) = USUAL.iter().find(|(usual, _)| content_type == usual) {
        return Some(*format);
    }
    read(content_type)
}

fn read(content_type: &HeaderValue) -> Option<Format> {
    match named(content_type)?.as_str() {
        "text/plain" => Some(Format::Text),
        "application/openmetrics-text" => Some(Format::OpenMetrics),
        _ => None,
    }
}

const PROTOBUF: &str = "application/vnd.google.protobuf";

fn unasked_protobuf() -> Failure {
    Failure::ContentType("protobuf can only pass in mode: pass".into())
}

fn named(value: &HeaderValue) -> Option<String> {
    media_type::read(value.to_str().ok()?)
}

fn shown(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn is(text: &str) -> HeaderValue {
        text.parse().unwrap()
    }

    #[test]
    fn the_media_type_picks_the_format() {
        let table = [
            ("text/plain", Some(Format::Text)),
            ("text/plain; version=9.9.9; charset=latin1;", Some(Format::Text)),
            (" Text/PLAIN ;x=y", Some(Format::Text)),
            ("text/plain; ;;=", None),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", Some(Format::OpenMetrics)),
            ("text/html", None),
            ("text/plain, text/plain", None),
            ("text/*", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(recognised(&is(text)), expected, "{text}");
        }
        for (text, format) in USUAL {
            assert_eq!((recognised(&is(text)), read(&is(text))), (Some(format), Some(format)), "{text}");
        }
    }

    #[test]
    fn the_fallback_stands_in_for_the_unknown_only() {
        let om = Some(FallbackProtocol::OpenMetrics);
        assert_eq!(format(Some(&is("text/plain")), om), Ok(Format::Text));
        assert_eq!(format(Some(&is("text/html")), om), Ok(Format::OpenMetrics));
        assert_eq!(format(None, Some(FallbackProtocol::Text)), Ok(Format::Text));
        let html = format(Some(&is("text/html")), None);
        assert!(matches!(html, Err(Failure::ContentType(words)) if words.contains("text/html")));
        assert!(format(None, None).is_err());
        assert!(format(None, Some(FallbackProtocol::Protobuf)).is_err());
        let protobuf = format(Some(&is("application/vnd.google.protobuf; proto=x")), None);
        assert!(matches!(protobuf, Err(Failure::ContentType(words)) if words.contains("protobuf")));
    }

    #[test]
    fn exactly_gzip() {
        assert_eq!(coding(&map(&[])), Ok(Coding::Identity));
        assert_eq!(coding(&map(&[("content-encoding", "gzip")])), Ok(Coding::Gzip));
        for other in ["GZIP", "x-gzip", "gzip, identity", "deflate", "zstd", "br", "identity"] {
            assert!(coding(&map(&[("content-encoding", other)])).is_err(), "{other}");
        }
        assert!(coding(&map(&[("content-encoding", "gzip"), ("content-encoding", "gzip")])).is_err());
    }

    #[test]
    fn one_way_to_know_the_end() {
        let framed = |headers: &[_], length| framing(&map(headers), length);
        assert_eq!(framed(&[("content-length", "5")], Some(5)), Ok((BodyEnd::Framed, Framing::Length(5))));
        let chunked = framed(&[("transfer-encoding", "Chunked")], None);
        assert_eq!(chunked, Ok((BodyEnd::Framed, Framing::chunked())));
        assert_eq!(framed(&[], None), Ok((BodyEnd::Closed, Framing::Close)));
        assert!(framed(&[("content-length", "5"), ("transfer-encoding", "chunked")], None).is_err());
        assert!(framed(&[("transfer-encoding", "gzip, chunked")], None).is_err());
        assert!(framed(&[("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")], None).is_err());
    }
}
