//! What is asked of the exporter: the client's request, less what is meant for this hop.

use base64::Engine;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Version};

use crate::engine::policy::Mode;
use crate::settings::{Credentials, Target};
use crate::state::EndpointKey;

use super::accept::Readable;
use super::deadline::{Deadline, TIMEOUT_HEADER};
use super::host::default_port;

/// Headers that end at this hop, whatever `Connection` says; the last ones would turn a plain GET
/// into something else.
const HOP_BY_HOP: [HeaderName; 20] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("http2-settings"),
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// Builds the one request of a scrape.
pub struct Asking<'a> {
    pub endpoint: &'a EndpointKey,
    pub target: &'a Target,
    pub mode: Mode,
    /// What the client sent.
    pub headers: &'a HeaderMap,
    pub version: Version,
    pub readable: &'a Readable,
    pub deadline: &'a Deadline,
    /// This process' name in `Via`.
    pub pseudonym: &'a str,
}

impl Asking<'_> {
    /// `None` when the path is none that HTTP knows, which reading the request has ruled out.
    pub fn request(&self) -> Option<Request<Empty<Bytes>>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.endpoint.path_and_query.parse().ok()?;
        let mut headers = end_to_end(self.headers);
        headers.insert(header::HOST, HeaderValue::try_from(self.host()).ok()?);
        if self.mode != Mode::Pass {
            headers.insert(header::ACCEPT, self.readable.accept.clone());
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let left = self.deadline.left();
        let left = format!("{}.{:03}", left.as_secs(), left.subsec_millis());
        headers.insert(HeaderName::from_static(TIMEOUT_HEADER), HeaderValue::try_from(left).ok()?);
        headers.append(header::VIA, HeaderValue::try_from(self.via()).ok()?);
        self.credentials(&mut headers);
        for (name, value) in &self.target.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), secret(&value.0)) {
                headers.insert(name, value);
            }
        }
        *request.headers_mut() = headers;
        Some(request)
    }

    fn host(&self) -> String {
        let EndpointKey { scheme, host, port, .. } = self.endpoint;
        match *port == default_port(*scheme) {
            true => host.clone(),
            false => format!("{host}:{port}"),
        }
    }

    fn via(&self) -> String {
        let version = if self.version == Version::HTTP_10 { "1.0" } else { "1.1" };
        format!("{version} {}", self.pseudonym)
    }

    /// What the client sent goes to the exporter it asked for; the settings' credentials are used
    /// when it sent none.
    fn credentials(&self, headers: &mut HeaderMap) {
        if headers.contains_key(header::AUTHORIZATION) {
            return;
        }
        let value = match &self.target.credentials {
            Credentials::None => return,
            Credentials::Authorization(value) => value.0.clone(),
            Credentials::Basic { username, password } => {
                let pair = format!("{username}:{}", password.0);
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
            }
        };
        if let Ok(value) = secret(&value) {
            headers.insert(header::AUTHORIZATION, value);
        }
    }
}

/// The headers that are meant for the exporter.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let stays = |name: &HeaderName| !HOP_BY_HOP.contains(name) && !named.iter().any(|n| n == name.as_str());
    let kept = headers.iter().filter(|(name, _)| stays(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn secret(text: &str) -> Result<HeaderValue, header::InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}
