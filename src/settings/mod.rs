//! File, environment and flags -> checked settings, all errors at once.

mod client_certificates;
mod credentials;
mod defaults;
mod layer;
mod load;
mod read;
mod redact;
mod server_tls;
mod storage_url;
mod store_tls;
mod targets;
mod units;
mod web_file;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;

use crate::engine::policy::Mode;

pub use self::layer::Flag;
pub use self::load::{Digest, LoadError, Loaded, Loader};
pub use self::server_tls::ServerTls;
pub use self::storage_url::{StorageUrl, StoreForm};
pub use self::store_tls::StoreTls;
pub use self::web_file::{Users, WebFile};

/// Checked settings; fields are named as the keys of the file. Limits: 0 = off.
#[derive(Clone, Debug)]
pub struct Settings {
    pub mode: Mode,
    pub web: Web,
    pub storage: Storage,
    pub scrape: ScrapeSettings,
    pub targets: Vec<Target>,
    /// Globs, relative to the settings file.
    pub policy_files: Vec<String>,
    pub builtin_policy: bool,
}

#[derive(Clone, Debug)]
pub struct Web {
    pub listen_address: Vec<SocketAddr>,
    pub admin_listen_address: Option<SocketAddr>,
    pub telemetry_path: String,
    pub config_file: Option<PathBuf>,
    /// What stands in it.
    pub file: WebFile,
    pub max_connections: usize,
}

#[derive(Clone, Debug)]
pub struct Storage {
    /// `None`: memory only.
    pub path: Option<PathBuf>,
    /// In place of `path`: what several guards share.
    pub url: Option<StorageUrl>,
    /// Of the way to it.
    pub tls: StoreTls,
    pub endpoint_ttl: Duration,
}

#[derive(Clone, Debug)]
pub struct ScrapeSettings {
    pub timeout: Duration,
    pub max_timeout: Duration,
    pub timeout_offset: Duration,
    pub connect_timeout: Duration,
    pub body_size_limit: u64,
    pub sample_size_limit: usize,
    pub label_limit: usize,
    pub endpoint_series_limit: u64,
    pub members_limit: usize,
    pub memory_limit: u64,
    pub max_endpoints: usize,
    pub max_concurrent: usize,
    pub hold_output: u64,
    pub annotate: bool,
}

/// What the process takes of `memory_limit` for itself: code, threads, connections, buffers.
const OWN_MEMORY: u64 = 32 << 20;

impl ScrapeSettings {
    /// What all endpoints together may remember within `memory_limit`; 0 = no limit. The process takes
    /// some of it for itself, at most a third, and what is remembered may take a quarter more than its
    /// bytes, because allocators leave gaps.
    pub fn memory_for_endpoints(&self) -> u64 {
        let rest = self.memory_limit - (self.memory_limit / 3).min(OWN_MEMORY);
        rest - rest / 5
    }
}

/// One entry of `targets:`.
#[derive(Clone, Debug)]
pub struct Target {
    pub name: String,
    pub allow: Allow,
    pub mode: Mode,
    pub series_limit: u64,
    pub tls: Tls,
    pub credentials: Credentials,
    /// Extra request headers, in order.
    pub headers: Vec<(String, Secret)>,
    /// Prometheus' word, e.g. `PrometheusText0.0.4`.
    pub fallback_scrape_protocol: Option<FallbackProtocol>,
}

/// Which endpoints an entry stands for.
#[derive(Clone, Debug)]
pub enum Allow {
    /// `url:`; also allows `proxy_url` and `?target=` requests to its host and port.
    Url(hyper::Uri),
    /// `address:` anchored regex over `host:port`.
    Address { pattern: Regex, scheme: Scheme, paths: Vec<String> },
    /// `cidr:` over the address really connected to; `ports` is never empty.
    Cidr { net: ipnet::IpNet, ports: Vec<u16>, scheme: Scheme, paths: Vec<String> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Scheme {
    #[default]
    Http,
    Https,
}

#[derive(Clone, Debug, Default)]
pub struct Tls {
    pub ca_file: Option<PathBuf>,
    pub insecure_skip_verify: bool,
}

#[derive(Clone, Debug, Default)]
pub enum Credentials {
    #[default]
    None,
    Basic {
        username: String,
        password: Secret,
    },
    /// The whole `Authorization` value.
    Authorization(Secret),
}

/// A value that never shows in `/config`, logs or panics.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FallbackProtocol {
    Text,
    OpenMetrics,
    /// Named by Prometheus and not readable by a guard: only `mode: pass` lets it through.
    Protobuf,
}

#[cfg(test)]
mod tests;
