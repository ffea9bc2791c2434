//! How the guard shows itself to an exporter: TLS, credentials, headers.

use hyper::header::{HeaderName, HeaderValue};

use super::read::Reader;
use super::{Credentials, Secret, Tls};
use crate::engine::policy::yaml::{Fields, Mark, Value};

/// Headers that belong to the guard or to the connection.
const RESERVED: [&str; 17] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-prometheus-scrape-timeout-seconds",
];

pub(super) fn tls(reader: &mut Reader<'_>, fields: Fields<'_>) -> Tls {
    let mut tls = Tls { ca_file: reader.path(fields, "ca_file").flatten(), insecure_skip_verify: false };
    reader.bool(fields, "insecure_skip_verify", &mut tls.insecure_skip_verify);
    let Some(path) = tls.ca_file.as_deref() else { return tls };
    reader.files.push(path.to_owned());
    if let Err(error) = std::fs::File::open(path) {
        let at = fields.get("ca_file").map_or(fields.at(), |node| node.at);
        reader.check.error(at, format!("cannot read {}: {error}", path.display()));
    }
    tls
}

pub(super) fn credentials(reader: &mut Reader<'_>, fields: Fields<'_>) -> Credentials {
    match (fields.get("basic_auth"), fields.entry("authorization")) {
        (Some(_), Some(second)) => {
            reader.check.error(second.at, "`basic_auth` and `authorization` exclude each other");
            Credentials::None
        }
        (Some(node), None) => {
            let fields = reader.check.fields(node, &["username", "password", "password_file"]);
            fields.and_then(|fields| basic(reader, fields)).unwrap_or_default()
        }
        (None, Some(entry)) => {
            let fields = reader.check.fields(&entry.value, &["type", "credentials", "credentials_file"]);
            fields.and_then(|fields| authorization(reader, fields)).unwrap_or_default()
        }
        (None, None) => Credentials::None,
    }
}

fn basic(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Credentials> {
    let username = fields.require(reader.check, "username").and_then(|node| reader.check.text(node));
    let password = secret(reader, fields, "password", "password_file").map(|(_, secret)| secret);
    let (username, password) = (username?.to_owned(), password.unwrap_or_default());
    if username.contains(':') {
        let at = fields.get("username").map_or(fields.at(), |node| node.at);
        reader.check.error(at, "a user name holds no `:`");
        return None;
    }
    Some(Credentials::Basic { username, password })
}

fn authorization(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Credentials> {
    let kind = fields.get("type").and_then(|node| reader.check.text(node)).unwrap_or("Bearer").trim();
    if kind.eq_ignore_ascii_case("basic") {
        let at = fields.get("type").map_or(fields.at(), |node| node.at);
        reader.check.error(at, "write `basic_auth` for this");
        return None;
    }
    let Some((at, credentials)) = secret(reader, fields, "credentials", "credentials_file") else {
        if fields.get("credentials").is_none() && fields.get("credentials_file").is_none() {
            reader.check.error(fields.at(), "`credentials` or `credentials_file` is missing");
        }
        return None;
    };
    let value = format!("{kind} {}", credentials.0);
    if HeaderValue::from_str(&value).is_err() {
        reader.check.error(at, "these credentials hold a character that no header may hold");
        return None;
    }
    Some(Credentials::Authorization(Secret(value)))
}

/// A secret from the settings or from a file of its own, which is read now and at each reload.
fn secret(reader: &mut Reader<'_>, fields: Fields<'_>, key: &str, file_key: &str) -> Option<(Mark, Secret)> {
    if let (Some(_), Some(second)) = (fields.get(key), fields.entry(file_key)) {
        reader.check.error(second.at, format!("`{key}` and `{file_key}` exclude each other"));
        return None;
    }
    if let Some(node) = fields.get(key) {
        return reader.check.text(node).map(|text| (node.at, Secret(text.to_owned())));
    }
    let node = fields.get(file_key)?;
    let text = reader.check.text(node)?;
    let path = reader.resolve(text);
    reader.files.push(path.clone());
    match std::fs::read_to_string(&path) {
        Ok(text) => Some((node.at, Secret(text.trim().to_owned()))),
        Err(error) => {
            reader.check.error(node.at, format!("cannot read {}: {error}", path.display()));
            None
        }
    }
}

pub(super) fn headers(reader: &mut Reader<'_>, fields: Fields<'_>) -> Vec<(String, Secret)> {
    let Some(node) = fields.get("headers") else { return Vec::new() };
    let Value::Map(entries) = &node.value else {
        reader.check.error(node.at, format!("a mapping is wanted here, this is {}", node.sort()));
        return Vec::new();
    };
    let mut headers = Vec::new();
    for entry in entries {
        let name = HeaderName::from_bytes(entry.key.as_bytes());
        match name {
            Ok(name) if RESERVED.contains(&name.as_str()) => {
                reader.check.error(entry.at, format!("`{}` is set by the guard itself", entry.key));
            }
            Ok(_) => {}
            Err(_) => reader.check.error(entry.at, format!("`{}` cannot name a header", entry.key)),
        }
        for (at, value) in reader.check.texts(&entry.value).unwrap_or_default() {
            if HeaderValue::from_str(value).is_err() {
                reader.check.error(at, "a header holds no such characters");
            }
            headers.push((entry.key.clone(), Secret(value.to_owned())));
        }
    }
    headers
}
