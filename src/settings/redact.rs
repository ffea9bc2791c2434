//! Settings as YAML again, without the secrets: what `/config` shows.

use std::path::PathBuf;

use serde::Serialize;

use super::units::{write_duration, write_size};
use super::{Allow, Credentials, FallbackProtocol, Scheme, ScrapeSettings, Settings, Storage, Target, Web};
use crate::engine::policy::Mode;

const SECRET: &str = "<secret>";

impl Settings {
    /// Every key with the value in force; secrets read `<secret>`.
    pub fn redacted(&self) -> String {
        let view = SettingsView::from(self);
        // Nothing in the view has a form that YAML lacks.
        serde_saphyr::to_string(&view).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct SettingsView {
    mode: &'static str,
    web: WebView,
    storage: StorageView,
    scrape: ScrapeView,
    targets: Vec<TargetView>,
    policy_files: Vec<String>,
    builtin_policy: bool,
}

#[derive(Serialize)]
struct WebView {
    listen_address: Vec<String>,
    admin_listen_address: String,
    telemetry_path: String,
    config_file: String,
    max_connections: usize,
}

#[derive(Serialize)]
struct StorageView {
    path: String,
    url: &'static str,
    ca_file: String,
    cert_file: String,
    key_file: String,
    endpoint_ttl: String,
}

#[derive(Serialize)]
struct ScrapeView {
    timeout: String,
    max_timeout: String,
    timeout_offset: String,
    connect_timeout: String,
    body_size_limit: String,
    sample_size_limit: String,
    label_limit: usize,
    endpoint_series_limit: u64,
    members_limit: usize,
    memory_limit: String,
    max_endpoints: usize,
    max_concurrent: usize,
    hold_output: String,
    annotate: bool,
}

#[derive(Default, Serialize)]
struct TargetView {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cidr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ports: Option<Vec<u16>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paths: Option<Vec<String>>,
    mode: &'static str,
    series_limit: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<String>,
    insecure_skip_verify: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    basic_auth: Option<BasicView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<AuthorizationView>,
    #[serde(skip_serializing_if = "Headers::is_empty")]
    headers: Headers,
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback_scrape_protocol: Option<&'static str>,
}

#[derive(Serialize)]
struct BasicView {
    username: String,
    password: &'static str,
}

#[derive(Serialize)]
struct AuthorizationView {
    credentials: &'static str,
}

type Headers = std::collections::BTreeMap<String, &'static str>;

impl From<&Settings> for SettingsView {
    fn from(settings: &Settings) -> SettingsView {
        SettingsView {
            mode: mode(settings.mode),
            web: WebView::from(&settings.web),
            storage: StorageView::from(&settings.storage),
            scrape: ScrapeView::from(&settings.scrape),
            targets: settings.targets.iter().map(TargetView::from).collect(),
            policy_files: settings.policy_files.clone(),
            builtin_policy: settings.builtin_policy,
        }
    }
}

impl From<&Web> for WebView {
    fn from(web: &Web) -> WebView {
        WebView {
            listen_address: web.listen_address.iter().map(ToString::to_string).collect(),
            admin_listen_address: web.admin_listen_address.map_or_else(String::new, |address| address.to_string()),
            telemetry_path: web.telemetry_path.clone(),
            config_file: web.config_file.as_deref().map_or_else(String::new, |path| path.display().to_string()),
            max_connections: web.max_connections,
        }
    }
}

impl From<&Storage> for StorageView {
    fn from(storage: &Storage) -> StorageView {
        let shown =
            |path: &Option<PathBuf>| path.as_deref().map_or_else(String::new, |path| path.display().to_string());
        StorageView {
            path: shown(&storage.path),
            url: if storage.url.is_some() { SECRET } else { "" },
            ca_file: shown(&storage.tls.ca_file),
            cert_file: shown(&storage.tls.cert_file),
            key_file: shown(&storage.tls.key_file),
            endpoint_ttl: write_duration(storage.endpoint_ttl),
        }
    }
}

impl From<&ScrapeSettings> for ScrapeView {
    fn from(scrape: &ScrapeSettings) -> ScrapeView {
        ScrapeView {
            timeout: write_duration(scrape.timeout),
            max_timeout: write_duration(scrape.max_timeout),
            timeout_offset: write_duration(scrape.timeout_offset),
            connect_timeout: write_duration(scrape.connect_timeout),
            body_size_limit: write_size(scrape.body_size_limit),
            sample_size_limit: write_size(scrape.sample_size_limit as u64),
            label_limit: scrape.label_limit,
            endpoint_series_limit: scrape.endpoint_series_limit,
            members_limit: scrape.members_limit,
            memory_limit: write_size(scrape.memory_limit),
            max_endpoints: scrape.max_endpoints,
            max_concurrent: scrape.max_concurrent,
            hold_output: write_size(scrape.hold_output),
            annotate: scrape.annotate,
        }
    }
}

impl From<&Target> for TargetView {
    fn from(target: &Target) -> TargetView {
        let mut view = TargetView {
            name: target.name.clone(),
            mode: mode(target.mode),
            series_limit: target.series_limit,
            ca_file: target.tls.ca_file.as_deref().map(|path| path.display().to_string()),
            insecure_skip_verify: target.tls.insecure_skip_verify,
            headers: target.headers.iter().map(|(name, _)| (name.clone(), SECRET)).collect(),
            fallback_scrape_protocol: target.fallback_scrape_protocol.map(protocol),
            ..TargetView::default()
        };
        view.allow(&target.allow);
        match &target.credentials {
            Credentials::None => {}
            Credentials::Basic { username, .. } => {
                view.basic_auth = Some(BasicView { username: username.clone(), password: SECRET });
            }
            Credentials::Authorization(_) => view.authorization = Some(AuthorizationView { credentials: SECRET }),
        }
        view
    }
}

impl TargetView {
    fn allow(&mut self, allow: &Allow) {
        let (of_scheme, of_paths) = match allow {
            Allow::Url(uri) => {
                self.url = Some(uri.to_string());
                return;
            }
            Allow::Address { pattern, scheme, paths } => {
                let anchored = pattern.as_str();
                let bare = anchored.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$"));
                self.address = Some(bare.unwrap_or(anchored).to_owned());
                (scheme, paths)
            }
            Allow::Cidr { net, ports, scheme, paths } => {
                self.cidr = Some(net.to_string());
                self.ports = Some(ports.clone());
                (scheme, paths)
            }
        };
        self.scheme = Some(match of_scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        });
        self.paths = (!of_paths.is_empty()).then(|| of_paths.clone());
    }
}

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Pass => "pass",
        Mode::Observe => "observe",
        Mode::Enforce => "enforce",
    }
}

const fn protocol(protocol: FallbackProtocol) -> &'static str {
    match protocol {
        FallbackProtocol::Text => "PrometheusText0.0.4",
        FallbackProtocol::OpenMetrics => "OpenMetricsText1.0.0",
        FallbackProtocol::Protobuf => "PrometheusProto",
    }
}
