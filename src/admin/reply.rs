//! A whole answer and its headers.

use bytes::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// What is shown loads and runs nothing but the page's own two files, and is framed by nobody:
/// whatever an exporter calls its labels, it stays text.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                           connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

pub(super) struct Reply {
    status: StatusCode,
    content_type: &'static str,
    allow: Option<&'static str>,
    body: String,
}

impl Reply {
    pub(super) fn new(status: StatusCode, content_type: &'static str, body: String) -> Reply {
        Reply { status, content_type, allow: None, body }
    }

    pub(super) fn text(body: &str) -> Reply {
        Reply::new(StatusCode::OK, TEXT, body.to_owned())
    }

    pub(super) fn page(body: String) -> Reply {
        Reply::new(StatusCode::OK, "text/html; charset=utf-8", body)
    }

    /// A file that the page is made of.
    pub(super) fn asset(content_type: &'static str, body: &str) -> Reply {
        Reply::new(StatusCode::OK, content_type, body.to_owned())
    }

    /// As plain text, so that a browser shows it.
    pub(super) fn yaml(body: String) -> Reply {
        Reply::new(StatusCode::OK, TEXT, body)
    }

    pub(super) fn json(body: String) -> Reply {
        Reply::new(StatusCode::OK, "application/json", body)
    }

    /// A good answer of the API, dressed as Prometheus dresses its own.
    pub(super) fn data(data: Value) -> Reply {
        Reply::json(format!("{}\n", json!({"status": "success", "data": data})))
    }

    /// A bad one.
    pub(super) fn error(status: StatusCode, kind: &str, error: &str) -> Reply {
        let body = json!({"status": "error", "errorType": kind, "error": error});
        Reply { status, ..Reply::json(format!("{body}\n")) }
    }

    pub(super) fn method_not_allowed(allow: &'static str) -> Reply {
        let body = format!("guard: this path takes {allow}\n");
        Reply { allow: Some(allow), ..Reply::new(StatusCode::METHOD_NOT_ALLOWED, TEXT, body) }
    }

    pub(super) fn without_body(self) -> Reply {
        Reply { body: String::new(), ..self }
    }
}

impl From<Reply> for Response<Bytes> {
    fn from(reply: Reply) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(reply.body));
        *response.status_mut() = reply.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        if let Some(allow) = reply.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}
