//! Request -> way in. Nothing is looked up here.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use hyper::header::{HeaderMap, PROXY_AUTHORIZATION};
use hyper::{Method, Uri};

use crate::settings::Scheme;

use super::failure::Failure;
use super::host::{Host, default_port};
use super::users::Shown;

/// The place that the value of `target=` means, in its one normal form, or why it means none.
/// Nothing is looked up.
pub fn read_target(text: &str) -> Result<String, String> {
    Place::read(text).map(|place| place.to_string()).map_err(|failure| failure.to_string())
}

/// What a request wants from this port.
#[derive(Debug)]
pub enum Route {
    /// A scrape, by one of the three ways in.
    Scrape(Wanted),
    /// CONNECT: cannot be looked into, so it is refused with the way out.
    Tunnel,
    /// Everything else: page, API, own metrics.
    Local,
}

/// The endpoint a client asks for, before anybody looked whether it may.
#[derive(Debug)]
pub struct Wanted {
    /// The entry that must allow it; `None`: the first that does.
    pub entry: Entry,
    pub place: Place,
    /// Query parameters to be passed on, raw, without `?`.
    pub extra_query: String,
}

/// Which entries of `targets:` come into question.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    Any,
    /// `/scrape/<name>`: an unknown name is 404.
    Named(String),
    /// A user name in the proxy url: an unknown name is 403.
    User(String),
}

#[derive(Clone, Debug)]
pub enum Place {
    /// What the entry's `url` says.
    OfEntry,
    At {
        scheme: Option<Scheme>,
        host: Host,
        port: Option<u16>,
        path_and_query: Option<String>,
    },
}

impl Route {
    pub fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Route, Failure> {
        if method == Method::CONNECT {
            return Ok(Route::Tunnel);
        }
        if uri.scheme().is_some() || uri.authority().is_some() {
            let entry = user_name(headers).map_or(Entry::Any, Entry::User);
            return Ok(Route::Scrape(Wanted { entry, place: place(uri)?, extra_query: String::new() }));
        }
        match uri.path().strip_prefix("/scrape") {
            Some("") => by_parameter(uri).map(Route::Scrape),
            Some(rest) if rest.starts_with('/') => named(&rest[1..], uri).map(Route::Scrape),
            _ => Ok(Route::Local),
        }
    }
}

fn named(name: &str, uri: &Uri) -> Result<Wanted, Failure> {
    let name = decode(name).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Failure::NotFound("say /scrape/<name of a target>".into()))?;
    let query = uri.query().unwrap_or_default().to_owned();
    Ok(Wanted { entry: Entry::Named(name.into_owned()), place: Place::OfEntry, extra_query: query })
}

fn by_parameter(uri: &Uri) -> Result<Wanted, Failure> {
    let (target, extra_query) = take_target(uri.query().unwrap_or_default())?;
    let target = target.ok_or_else(|| Failure::NotFound("say /scrape?target=host:port or /scrape/<name>".into()))?;
    Ok(Wanted { entry: Entry::Any, place: Place::read(&target)?, extra_query })
}

/// Splits the parameter `target` off a query; the other parameters stay as they were written.
pub fn take_target(query: &str) -> Result<(Option<String>, String), Failure> {
    let mut target = None;
    let mut rest = String::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decode(key).as_deref() != Some("target") {
            if !rest.is_empty() {
                rest.push('&');
            }
            rest.push_str(pair);
            continue;
        }
        let value = decode(&value.replace('+', " ")).map(Cow::into_owned);
        let value = value.filter(|value| !value.is_empty()).ok_or(Failure::BadTarget("target is not readable"))?;
        if target.replace(value).is_some() {
            return Err(Failure::BadTarget("target is given twice"));
        }
    }
    Ok((target, rest))
}

impl Place {
    /// Reads the value of `target=`: `host:port` or a URL.
    pub fn read(text: &str) -> Result<Place, Failure> {
        if text.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(Failure::BadTarget("target holds blanks or control characters"));
        }
        let uri: Uri = text.parse().map_err(|_| Failure::BadTarget("target is neither host:port nor a URL"))?;
        if uri.scheme().is_some() {
            return place(&uri);
        }
        match uri.authority() {
            Some(authority) if authority.as_str() == text => place(&uri),
            _ => Err(Failure::BadTarget("target is neither host:port nor a URL")),
        }
    }
}

impl Place {
    /// The address that is written there, if one is: nothing has to be looked up to know it.
    pub fn literal(&self) -> Option<SocketAddr> {
        match self {
            Place::At { scheme, host: Host::Address(ip), port, .. } => {
                let port = port.unwrap_or_else(|| default_port(scheme.unwrap_or_default()));
                Some(SocketAddr::new(*ip, port))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place::At { scheme, host, port, path_and_query } = self else { return f.write_str("what the target says") };
        match scheme {
            Some(Scheme::Http) => f.write_str("http://")?,
            Some(Scheme::Https) => f.write_str("https://")?,
            None => {}
        }
        host.fmt(f)?;
        if let Some(port) = port {
            write!(f, ":{port}")?;
        }
        f.write_str(path_and_query.as_deref().unwrap_or_default())
    }
}

fn place(uri: &Uri) -> Result<Place, Failure> {
    let scheme = match uri.scheme_str() {
        None => None,
        Some(s) if s.eq_ignore_ascii_case("http") => Some(Scheme::Http),
        Some(s) if s.eq_ignore_ascii_case("https") => Some(Scheme::Https),
        Some(_) => return Err(Failure::BadTarget("only http and https can be scraped")),
    };
    let authority = uri.authority().ok_or(Failure::BadTarget("target has no host"))?;
    if authority.as_str().contains('@') {
        return Err(Failure::BadTarget("target holds user info"));
    }
    let host = Host::parse(authority.host())
        .map_err(|_| Failure::BadTarget("target's host is not a plain name or address"))?;
    let port = match (authority.port_u16(), authority.as_str().len() > authority.host().len()) {
        (None, true) | (Some(0), _) => return Err(Failure::BadTarget("target's port is not a port")),
        (port, _) => port,
    };
    if uri.path().contains("%00") {
        return Err(Failure::BadTarget("target's path holds a NUL"));
    }
    let path_and_query = scheme.map(|_| origin_form(uri));
    Ok(Place::At { scheme, host, port, path_and_query })
}

/// What follows the authority, as a request line has it: `http://host?x=y` asks for `/?x=y`.
pub fn origin_form(uri: &Uri) -> String {
    let text = uri.path_and_query().map_or("/", |pq| pq.as_str());
    if text.starts_with('/') { text.to_owned() } else { format!("/{text}") }
}

/// The user name of a proxy url, which Prometheus sends as Proxy-Authorization.
fn user_name(headers: &HeaderMap) -> Option<String> {
    let shown = Shown::read(headers.get(PROXY_AUTHORIZATION)?)?;
    Some(shown.user).filter(|user| !user.is_empty())
}

/// Percent-decoding; `None` when the result is not UTF-8 or holds control characters.
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                bytes.push(hex(*high)? << 4 | hex(*low)?);
                rest = tail;
            }
            (b'%', _) => return None,
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok().filter(|s| !s.chars().any(char::is_control)).map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &str, uri: &str) -> Result<Route, Failure> {
        Route::of(&method.parse().unwrap(), &uri.parse().unwrap(), &HeaderMap::new())
    }

    fn wanted(uri: &str) -> Wanted {
        match route("GET", uri) {
            Ok(Route::Scrape(wanted)) => wanted,
            other => panic!("{uri}: {other:?}"),
        }
    }

    /// `scheme host port path` of a place.
    fn told(place: &Place) -> String {
        match place {
            Place::OfEntry => "of entry".into(),
            Place::At { scheme, host, port, path_and_query } => {
                format!("{scheme:?} {host} {port:?} {path_and_query:?}")
            }
        }
    }

    #[test]
    fn the_three_ways_in() {
        let forward = wanted("http://exporter:9100/metrics?a=b");
        assert_eq!(forward.entry, Entry::Any);
        assert_eq!(told(&forward.place), "Some(Http) exporter Some(9100) Some(\"/metrics?a=b\")");

        let named = wanted("/scrape/celery?collect[]=x&target=y");
        assert_eq!(named.entry, Entry::Named("celery".into()));
        assert_eq!(named.extra_query, "collect[]=x&target=y");

        let parameter = wanted("/scrape?a=1&target=exporter%3A9100&b=%20");
        assert_eq!(told(&parameter.place), "None exporter Some(9100) None");
        assert_eq!(parameter.extra_query, "a=1&b=%20");

        let url = wanted("/scrape?target=https://Exporter/x?y=z");
        assert_eq!(told(&url.place), "Some(Https) exporter None Some(\"/x?y=z\")");
    }

    #[test]
    fn the_rest_is_local_and_connect_is_a_tunnel() {
        for uri in ["/", "/metrics", "/scrapes", "/-/healthy", "/scrape.html"] {
            assert!(matches!(route("GET", uri), Ok(Route::Local)), "{uri}");
        }
        assert!(matches!(route("CONNECT", "exporter:443"), Ok(Route::Tunnel)));
    }

    #[test]
    fn a_name_must_be_there() {
        for uri in ["/scrape", "/scrape/", "/scrape?x=y"] {
            assert!(matches!(route("GET", uri), Err(Failure::NotFound(_))), "{uri}");
        }
    }

    #[test]
    fn refuses_targets_that_trick() {
        for uri in [
            "/scrape?target=",
            "/scrape?target=file:///etc/passwd",
            "/scrape?target=gopher://x/",
            "/scrape?target=unix:/run/x",
            "/scrape?target=http://ok@evil/",
            "/scrape?target=a%0d%0ab:80",
            "/scrape?target=a%00:80",
            "/scrape?target=a:80/metrics",
            "/scrape?target=/metrics",
            "/scrape?target=a:0",
            "/scrape?target=a:99999",
            "/scrape?target=2130706433:80",
            "/scrape?target=a:1&target=b:1",
            "ftp://exporter/metrics",
            "http://user:pw@exporter/metrics",
        ] {
            assert!(matches!(route("GET", uri), Err(Failure::BadTarget(_))), "{uri}: {:?}", route("GET", uri));
        }
    }

    #[test]
    fn reads_the_user_name_of_a_proxy_url() {
        let mut headers = HeaderMap::new();
        headers.insert(PROXY_AUTHORIZATION, "Basic c2lkZWtpcTo=".parse().unwrap());
        assert_eq!(user_name(&headers), Some("sidekiq".into()));
        headers.insert(PROXY_AUTHORIZATION, "Bearer c2lkZWtpcTo=".parse().unwrap());
        assert_eq!(user_name(&headers), None);
    }
}
