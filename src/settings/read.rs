//! Layer -> settings: every key, checked where it stands.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::layer::Layer;
use super::{ScrapeSettings, Settings, Storage, StorageUrl, Web, storage_url, targets};
use crate::engine::policy::yaml::{Checker, Fields, Mark, Node};
use crate::engine::policy::{Finding, Mode};

const MODES: [(&str, Mode); 3] = [("enforce", Mode::Enforce), ("observe", Mode::Observe), ("pass", Mode::Pass)];

/// Where keys of the guard's own port live: `telemetry_path` must not hide them.
const OWN_PATHS: [&str; 6] = ["/-", "/scrape", "/config", "/sd", "/api", "/"];

/// What came of reading a layer.
pub(super) struct Applied {
    pub findings: Vec<Finding>,
    /// Files that it names and whose content was read: secrets, certificates.
    pub files: Vec<PathBuf>,
}

/// Lays `layer` over `settings` and tells what is wrong with it.
pub(super) fn apply(settings: &mut Settings, layer: &Layer) -> Applied {
    let mut check = Checker::new(&layer.origin);
    let mut reader = Reader::new(&mut check, layer.base.as_deref());
    reader.settings(settings, &layer.root);
    let files = reader.files;
    Applied { findings: check.into_findings(), files }
}

/// Reads keys of one layer.
pub(super) struct Reader<'a> {
    pub check: &'a mut Checker,
    base: Option<&'a Path>,
    pub files: Vec<PathBuf>,
}

impl<'a> Reader<'a> {
    /// `base`: what relative paths are relative to; `None`: the working directory.
    pub(super) fn new(check: &'a mut Checker, base: Option<&'a Path>) -> Reader<'a> {
        Reader { check, base, files: Vec::new() }
    }

    fn settings(&mut self, settings: &mut Settings, root: &Node) {
        let keys = ["mode", "web", "storage", "scrape", "targets", "policy_files", "builtin_policy"];
        let Some(top) = self.check.fields(root, &keys) else { return };
        self.mode(top, &mut settings.mode);
        if let Some(web) = top.get("web") {
            self.web(&mut settings.web, web);
        }
        if let Some(storage) = top.get("storage") {
            self.storage(&mut settings.storage, storage);
        }
        if let Some(scrape) = top.get("scrape") {
            self.scrape(&mut settings.scrape, scrape);
        }
        if let Some(list) = top.get("targets").filter(|node| !node.is_null()) {
            settings.targets = targets::read(self, list);
        }
        if let Some(globs) = top.get("policy_files").filter(|node| !node.is_null()) {
            settings.policy_files = self.globs(globs);
        }
        self.bool(top, "builtin_policy", &mut settings.builtin_policy);
    }

    fn web(&mut self, web: &mut Web, node: &Node) {
        let keys = ["listen_address", "admin_listen_address", "telemetry_path", "config_file", "max_connections"];
        let Some(fields) = self.check.fields(node, &keys) else { return };
        if let Some(node) = fields.get("listen_address") {
            self.listen_addresses(node, &mut web.listen_address);
        }
        if let Some(text) = fields.get("admin_listen_address").and_then(|node| self.check.text(node)) {
            let at = fields.get("admin_listen_address").map_or(Mark::default(), |node| node.at);
            web.admin_listen_address = if text.is_empty() { None } else { self.address(at, text) };
        }
        if let Some(node) = fields.get("telemetry_path") {
            self.telemetry_path(node, &mut web.telemetry_path);
        }
        if let Some(path) = self.path(fields, "config_file") {
            web.config_file = path;
        }
        self.count(fields, "max_connections", &mut web.max_connections);
    }

    fn storage(&mut self, storage: &mut Storage, node: &Node) {
        let keys = ["path", "url", "ca_file", "cert_file", "key_file", "endpoint_ttl"];
        let Some(fields) = self.check.fields(node, &keys) else { return };
        // Relative to the working directory, not to the file: data lives where the guard runs.
        if let Some(text) = fields.get("path").and_then(|node| self.check.text(node)) {
            storage.path = if text.is_empty() { None } else { Some(PathBuf::from(text)) };
        }
        if let Some(node) = fields.get("url") {
            self.storage_url(storage, node);
        }
        storage.tls.read(self, fields);
        self.duration(fields, "endpoint_ttl", Zero::Refused, &mut storage.endpoint_ttl);
    }

    /// It may hold a password, so that no message repeats it.
    fn storage_url(&mut self, storage: &mut Storage, node: &Node) {
        let Some(text) = self.check.text(node) else { return };
        storage.url = StorageUrl::parse(text);
        if storage.url.is_none() && !text.is_empty() {
            self.check.error_with_help(node.at, "this is no URL of a store", storage_url::HELP);
        }
    }

    fn scrape(&mut self, scrape: &mut ScrapeSettings, node: &Node) {
        let keys = [
            "timeout",
            "max_timeout",
            "timeout_offset",
            "connect_timeout",
            "body_size_limit",
            "sample_size_limit",
            "label_limit",
            "endpoint_series_limit",
            "members_limit",
            "memory_limit",
            "max_endpoints",
            "max_concurrent",
            "hold_output",
            "annotate",
        ];
        let Some(fields) = self.check.fields(node, &keys) else { return };
        self.duration(fields, "timeout", Zero::Refused, &mut scrape.timeout);
        self.duration(fields, "max_timeout", Zero::Refused, &mut scrape.max_timeout);
        self.duration(fields, "timeout_offset", Zero::Fine, &mut scrape.timeout_offset);
        self.duration(fields, "connect_timeout", Zero::Refused, &mut scrape.connect_timeout);
        self.size(fields, "body_size_limit", &mut scrape.body_size_limit);
        self.size(fields, "sample_size_limit", &mut scrape.sample_size_limit);
        self.count(fields, "label_limit", &mut scrape.label_limit);
        self.count(fields, "endpoint_series_limit", &mut scrape.endpoint_series_limit);
        self.count(fields, "members_limit", &mut scrape.members_limit);
        self.size(fields, "memory_limit", &mut scrape.memory_limit);
        self.count(fields, "max_endpoints", &mut scrape.max_endpoints);
        self.count(fields, "max_concurrent", &mut scrape.max_concurrent);
        self.size(fields, "hold_output", &mut scrape.hold_output);
        self.bool(fields, "annotate", &mut scrape.annotate);
    }

    pub(super) fn mode(&mut self, fields: Fields<'_>, mode: &mut Mode) {
        if let Some(read) = fields.get("mode").and_then(|node| self.check.word(node, "mode", &MODES)) {
            *mode = read;
        }
    }

    /// A whole number that fits.
    pub(super) fn count<T: TryFrom<u64>>(&mut self, fields: Fields<'_>, key: &str, into: &mut T) {
        if let Some(node) = fields.get(key)
            && let Some(number) = self.check.u64(node)
        {
            self.fit(node, number, into);
        }
    }

    pub(super) fn bool(&mut self, fields: Fields<'_>, key: &str, into: &mut bool) {
        if let Some(value) = fields.get(key).and_then(|node| self.check.bool(node)) {
            *into = value;
        }
    }

    /// A path, relative to the file it stands in; `Some(None)` for `""`.
    pub(super) fn path(&mut self, fields: Fields<'_>, key: &str) -> Option<Option<PathBuf>> {
        let text = self.check.text(fields.get(key)?)?;
        Some(if text.is_empty() { None } else { Some(self.resolve(text)) })
    }

    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.base.map_or_else(|| PathBuf::from(path), |base| base.join(path))
    }

    fn size<T: TryFrom<u64>>(&mut self, fields: Fields<'_>, key: &str, into: &mut T) {
        if let Some(node) = fields.get(key)
            && let Some(size) = self.check.bytes(node)
        {
            self.fit(node, size, into);
        }
    }

    fn fit<T: TryFrom<u64>>(&mut self, node: &Node, number: u64, into: &mut T) {
        match T::try_from(number) {
            Ok(number) => *into = number,
            Err(_) => self.check.error(node.at, "too large a number"),
        }
    }

    fn duration(&mut self, fields: Fields<'_>, key: &str, zero: Zero, into: &mut Duration) {
        let Some(node) = fields.get(key) else { return };
        match self.check.duration(node) {
            Some(Duration::ZERO) if zero == Zero::Refused => {
                self.check.error(node.at, format!("`{key}` must be longer than 0"));
            }
            Some(duration) => *into = duration,
            None => {}
        }
    }

    fn listen_addresses(&mut self, node: &Node, into: &mut Vec<SocketAddr>) {
        let Some(texts) = self.check.texts(node) else { return };
        if texts.is_empty() {
            self.check.error(node.at, "at least one address is wanted here");
        }
        let addresses: Vec<_> = texts.into_iter().filter_map(|(at, text)| self.address(at, text)).collect();
        for (i, address) in addresses.iter().enumerate() {
            if addresses[..i].contains(address) {
                self.check.error(node.at, format!("`{address}` is given twice"));
            }
        }
        *into = addresses;
    }

    /// `ip:port`; `:port` is every IPv4 address, `localhost:port` the loopback one.
    fn address(&mut self, at: Mark, text: &str) -> Option<SocketAddr> {
        let full = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None if text.starts_with(':') => format!("0.0.0.0{text}"),
            None => text.to_owned(),
        };
        let parsed = full.parse().ok();
        if parsed.is_none() {
            let help = "an IP address and a port, as in 127.0.0.1:10900, 0.0.0.0:10900, [::]:10900";
            self.check.error_with_help(at, format!("`{text}` is no address to listen on"), help);
        }
        parsed
    }

    fn telemetry_path(&mut self, node: &Node, into: &mut String) {
        let Some(path) = self.check.text(node) else { return };
        let under = |own: &str| path == own || (own != "/" && path.starts_with(&format!("{own}/")));
        if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
            self.check.error_with_help(node.at, format!("`{path}` is no path"), "as in /metrics");
        } else if OWN_PATHS.into_iter().any(under) {
            self.check.error(node.at, format!("`{path}` is taken by the guard itself"));
        } else {
            *into = path.to_owned();
        }
    }

    /// In the file they stay as written; elsewhere they are made relative to the working directory.
    fn globs(&mut self, node: &Node) -> Vec<String> {
        let texts = self.check.texts(node).unwrap_or_default();
        let mut globs = Vec::new();
        for (at, text) in texts {
            if let Err(error) = glob::Pattern::new(text) {
                self.check.error(at, format!("`{text}` is no glob: {}", error.msg));
            } else if self.base.is_none() && Path::new(text).is_relative() {
                let here = std::env::current_dir().unwrap_or_default();
                let here = glob::Pattern::escape(&here.to_string_lossy());
                globs.push(Path::new(&here).join(text).to_string_lossy().into_owned());
            } else {
                globs.push(text.to_owned());
            }
        }
        globs
    }
}

/// Whether a duration may be 0.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zero {
    Fine,
    Refused,
}
