//! `targets:`: what may be scraped.

use regex::Regex;

use super::read::Reader;
use super::{Allow, FallbackProtocol, Scheme, Target, credentials};
use crate::engine::policy::Mode;
use crate::engine::policy::yaml::{Entry, Fields, Mark, Node};

const KEYS: [&str; 17] = [
    "name",
    "url",
    "address",
    "cidr",
    "ports",
    "paths",
    "scheme",
    "mode",
    "series_limit",
    "ca_file",
    "insecure_skip_verify",
    "basic_auth",
    "authorization",
    "headers",
    "fallback_scrape_protocol",
    // Prometheus' nesting: known, so that its own words can say what to write instead.
    "tls_config",
    "http_headers",
];

const SCHEMES: [(&str, Scheme); 2] = [("http", Scheme::Http), ("https", Scheme::Https)];

const PROTOCOLS: [(&str, FallbackProtocol); 5] = [
    ("PrometheusText0.0.4", FallbackProtocol::Text),
    ("PrometheusText1.0.0", FallbackProtocol::Text),
    ("OpenMetricsText0.0.1", FallbackProtocol::OpenMetrics),
    ("OpenMetricsText1.0.0", FallbackProtocol::OpenMetrics),
    ("PrometheusProto", FallbackProtocol::Protobuf),
];

/// The way an entry says what it stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Url,
    Address,
    Cidr,
}

pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for item in reader.check.list(node).unwrap_or_default() {
        let Some(target) = target(reader, item) else { continue };
        if targets.iter().any(|other| other.name == target.name) {
            reader.check.error(item.at, format!("a target named `{}` stands above already", target.name));
        }
        targets.push(target);
    }
    targets
}

fn target(reader: &mut Reader<'_>, node: &Node) -> Option<Target> {
    let fields = reader.check.fields(node, &KEYS)?;
    prometheus_words(reader, fields);
    let name = name(reader, fields);
    let allow = allow(reader, fields);
    let (mut mode, mut series_limit) = (Mode::Enforce, 0);
    reader.mode(fields, &mut mode);
    reader.count(fields, "series_limit", &mut series_limit);
    let tls = credentials::tls(reader, fields);
    let credentials = credentials::credentials(reader, fields);
    let headers = credentials::headers(reader, fields);
    let fallback_scrape_protocol = fallback(reader, fields);
    // Without name and address it cannot stand among the others; why has been said.
    let (name, allow) = (name?, allow?);
    Some(Target { name, allow, mode, series_limit, tls, credentials, headers, fallback_scrape_protocol })
}

/// A name stands in a path (`/scrape/NAME`) and as the user of a proxy url.
fn name(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<String> {
    let node = fields.require(reader.check, "name")?;
    let name = reader.check.text(node)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        let help = "letters, digits, `_`, `-` and `.`: it stands in /scrape/NAME and in http://NAME@guard:10900";
        reader.check.error_with_help(node.at, format!("`{name}` cannot name a target"), help);
        return None;
    }
    Some(name.to_owned())
}

fn allow(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Allow> {
    let ways = [("url", Way::Url), ("address", Way::Address), ("cidr", Way::Cidr)];
    let given: Vec<(Way, &Entry)> = ways.into_iter().filter_map(|(key, way)| Some((way, fields.entry(key)?))).collect();
    let [(way, entry)] = given.as_slice() else {
        let at = given.get(1).map_or(fields.at(), |(_, entry)| entry.at);
        reader.check.error(at, "a target has exactly one of `url`, `address` and `cidr`");
        return None;
    };
    for (key, fits) in [("ports", *way == Way::Cidr), ("paths", *way != Way::Url), ("scheme", *way != Way::Url)] {
        if let Some(misplaced) = fields.entry(key).filter(|_| !fits) {
            reader.check.error(misplaced.at, format!("`{key}` does not go with `{}`, which says it", entry.key));
        }
    }
    let text = reader.check.text(&entry.value)?;
    match way {
        Way::Url => url(reader, entry.value.at, text),
        Way::Address => address(reader, fields, entry.value.at, text),
        Way::Cidr => cidr(reader, fields, entry.value.at, text),
    }
}

fn url(reader: &mut Reader<'_>, at: Mark, text: &str) -> Option<Allow> {
    let wrong = |reader: &mut Reader<'_>, message: &str, help: &str| {
        reader.check.error_with_help(at, format!("`{text}` {message}"), help);
        None
    };
    const EXAMPLE: &str = "as in http://celery-exporter:9808/metrics";
    let Ok(uri) = text.parse::<hyper::Uri>() else {
        return wrong(reader, "is no URL", EXAMPLE);
    };
    let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
        return wrong(reader, "has no host", EXAMPLE);
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return wrong(reader, "is neither http nor https", EXAMPLE);
    }
    if authority.as_str().contains('@') {
        return wrong(reader, "holds credentials", "write `basic_auth: {username: …, password_file: …}`");
    }
    if text.contains('#') {
        return wrong(reader, "has a fragment, which no server sees", "leave `#…` out");
    }
    if uri.path() == "/" && !text.trim_end_matches('?').ends_with('/') {
        let message = format!("`{text}` has no path, so `/` is fetched");
        reader.check.warning(at, message, format!("most exporters want {text}/metrics"));
    }
    Some(Allow::Url(uri))
}

fn address(reader: &mut Reader<'_>, fields: Fields<'_>, at: Mark, text: &str) -> Option<Allow> {
    let (scheme, paths) = scheme_and_paths(reader, fields);
    match Regex::new(&format!("^(?:{text})$")) {
        Ok(pattern) => Some(Allow::Address { pattern, scheme, paths }),
        Err(error) => {
            // The last line of the library's message says what is wrong, the others draw it.
            let message = error.to_string();
            let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
            reader.check.error(at, format!("`{text}` is no regular expression: {reason}"));
            None
        }
    }
}

fn cidr(reader: &mut Reader<'_>, fields: Fields<'_>, at: Mark, text: &str) -> Option<Allow> {
    let (scheme, paths) = scheme_and_paths(reader, fields);
    let ports = ports(reader, fields);
    let net = match text.parse::<ipnet::IpNet>() {
        Ok(net) if net != net.trunc() => {
            let help = format!("did you mean `{}`?", net.trunc());
            reader.check.error_with_help(at, format!("`{text}` has bits beyond its prefix"), help);
            return None;
        }
        Ok(net) => net,
        Err(_) => {
            reader.check.error_with_help(at, format!("`{text}` is no address range"), "as in 10.0.0.0/8 or fd00::/8");
            return None;
        }
    };
    Some(Allow::Cidr { net, ports: ports?, scheme, paths })
}

fn scheme_and_paths(reader: &mut Reader<'_>, fields: Fields<'_>) -> (Scheme, Vec<String>) {
    let scheme = fields.get("scheme").and_then(|node| reader.check.word(node, "scheme", &SCHEMES));
    let mut paths = Vec::new();
    for (at, path) in fields.get("paths").and_then(|node| reader.check.texts(node)).unwrap_or_default() {
        if path.starts_with('/') && !path.contains(['?', '#']) {
            paths.push(path.to_owned());
        } else {
            reader.check.error_with_help(at, format!("`{path}` is no path"), "as in /metrics, without a query");
        }
    }
    (scheme.unwrap_or_default(), paths)
}

fn ports(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Vec<u16>> {
    let Some(node) = fields.get("ports") else {
        let message = "`cidr` needs `ports`: without them every service in the range could be asked";
        reader.check.error_with_help(fields.at(), message, "as in ports: [8000, 9394]");
        return None;
    };
    let items = reader.check.list(node)?;
    if items.is_empty() {
        reader.check.error(node.at, "at least one port is wanted here");
    }
    let mut ports = Vec::new();
    for item in items {
        match reader.check.u64(item).map(u16::try_from) {
            Some(Ok(port)) if port > 0 => ports.push(port),
            Some(_) => reader.check.error(item.at, "a port is a number from 1 to 65535"),
            None => {}
        }
    }
    Some(ports)
}

fn fallback(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<FallbackProtocol> {
    let node = fields.get("fallback_scrape_protocol")?;
    reader.check.word(node, "protocol", &PROTOCOLS)
}

fn prometheus_words(reader: &mut Reader<'_>, fields: Fields<'_>) {
    let flat = [
        ("tls_config", "write `ca_file` and `insecure_skip_verify` beside `name`"),
        ("http_headers", "write `headers: {X-Name: value}`"),
    ];
    for (key, help) in flat {
        if let Some(entry) = fields.entry(key) {
            reader.check.error_with_help(entry.at, format!("unknown key `{key}`"), help);
        }
    }
}
