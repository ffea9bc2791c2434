//! The file of `web.config_file`, in the format that Prometheus' own tools share: TLS of the
//! guard's port, who may ask, headers of its answers.

use std::collections::BTreeMap;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::Secret;
use super::layer::Layer;
use super::read::{Applied, Reader};
use super::server_tls::{self, ServerTls};
use crate::engine::policy::Source;
use crate::engine::policy::yaml::{Checker, Node, Value};

/// What protects the guard's own port; nothing by default.
#[derive(Clone, Debug, Default)]
pub struct WebFile {
    /// `None`: plain HTTP.
    pub tls: Option<ServerTls>,
    pub users: Users,
    /// Of every answer.
    pub headers: HeaderMap,
}

/// User names with the bcrypt hashes of their passwords. Nobody: everybody may ask.
#[derive(Clone, Debug, Default)]
pub struct Users(BTreeMap<String, Secret>);

impl FromIterator<(String, Secret)> for Users {
    fn from_iter<I: IntoIterator<Item = (String, Secret)>>(pairs: I) -> Users {
        Users(pairs.into_iter().collect())
    }
}

/// The headers that may be set, as in Prometheus.
const HEADERS: [&str; 5] = [
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
];

impl Users {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn hash(&self, user: &str) -> Option<&Secret> {
        self.0.get(user)
    }

    /// Some hash, to take as long over a user who does not exist.
    pub fn any_hash(&self) -> Option<&Secret> {
        self.0.values().next()
    }
}

/// Reads it, and tells everything that is wrong with it.
pub(super) fn read(source: &Source) -> (WebFile, Applied) {
    let layer = match Layer::file(source) {
        Ok(layer) => layer,
        Err(finding) => return (WebFile::default(), Applied { findings: vec![finding], files: vec![] }),
    };
    let mut check = Checker::new(&layer.origin);
    let mut reader = Reader::new(&mut check, layer.base.as_deref());
    let file = web_file(&mut reader, &layer.root).unwrap_or_default();
    let files = reader.files;
    (file, Applied { findings: check.into_findings(), files })
}

fn web_file(reader: &mut Reader<'_>, root: &Node) -> Option<WebFile> {
    let top = reader.check.fields(root, &["tls_server_config", "http_server_config", "basic_auth_users"])?;
    let mut file = WebFile::default();
    if let Some(node) = top.get("tls_server_config").filter(|node| !node.is_null()) {
        file.tls = server_tls::read(reader, node);
    }
    if let Some(node) = top.get("http_server_config") {
        file.headers = http(reader, node).unwrap_or_default();
    }
    if let Some(node) = top.get("basic_auth_users").filter(|node| !node.is_null()) {
        file.users = users(reader, node);
    }
    Some(file)
}

/// `http2` is read and does nothing: the reason of a failed scrape travels in the reason phrase,
/// which only HTTP/1.1 has.
fn http(reader: &mut Reader<'_>, node: &Node) -> Option<HeaderMap> {
    let fields = reader.check.fields(node, &["http2", "headers"])?;
    reader.bool(fields, "http2", &mut false);
    let headers = reader.check.fields(fields.get("headers")?, &HEADERS)?;
    let mut map = HeaderMap::new();
    for entry in headers.iter() {
        let Some(text) = reader.check.text(&entry.value) else { continue };
        match (HeaderName::from_bytes(entry.key.as_bytes()), HeaderValue::from_str(text)) {
            (Ok(name), Ok(value)) => drop(map.insert(name, value)),
            _ => reader.check.error(entry.value.at, "a header holds no such characters"),
        }
    }
    Some(map)
}

fn users(reader: &mut Reader<'_>, node: &Node) -> Users {
    let Value::Map(entries) = &node.value else {
        reader.check.error(node.at, format!("a mapping is wanted here, this is {}", node.sort()));
        return Users::default();
    };
    let mut users = BTreeMap::new();
    for entry in entries {
        if entry.key.contains(':') {
            reader.check.error(entry.at, "a user name holds no `:`");
        }
        let Some(hash) = reader.check.text(&entry.value) else { continue };
        if hash.parse::<bcrypt::HashParts>().is_err() {
            let help = "as made by `htpasswd -nBC 10 \"\"`: $2y$10$...";
            reader.check.error_with_help(entry.value.at, "this is no bcrypt hash", help);
        }
        if users.insert(entry.key.clone(), Secret(hash.to_owned())).is_some() {
            reader.check.error(entry.at, format!("user `{}` is given twice", entry.key));
        }
    }
    Users(users)
}
