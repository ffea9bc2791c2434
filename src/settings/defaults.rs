//! What holds when nobody says otherwise.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{ScrapeSettings, Settings, Storage, StoreTls, Web, WebFile};
use crate::engine::policy::Mode;

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            mode: Mode::Enforce,
            web: Web::default(),
            storage: Storage::default(),
            scrape: ScrapeSettings::default(),
            targets: Vec::new(),
            policy_files: Vec::new(),
            builtin_policy: true,
        }
    }
}

impl Default for Web {
    fn default() -> Web {
        Web {
            listen_address: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 10900))],
            admin_listen_address: None,
            telemetry_path: "/metrics".into(),
            config_file: None,
            file: WebFile::default(),
            max_connections: 8192,
        }
    }
}

impl Default for Storage {
    fn default() -> Storage {
        Storage {
            path: Some(PathBuf::from("data")),
            url: None,
            tls: StoreTls::default(),
            endpoint_ttl: Duration::from_secs(6 * 3600),
        }
    }
}

impl Default for ScrapeSettings {
    fn default() -> ScrapeSettings {
        ScrapeSettings {
            timeout: Duration::from_secs(10),
            max_timeout: Duration::from_secs(120),
            timeout_offset: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(3),
            body_size_limit: 256 << 20,
            sample_size_limit: 1 << 20,
            label_limit: 4096,
            endpoint_series_limit: 200_000,
            members_limit: 1_000_000,
            memory_limit: 2 << 30,
            max_endpoints: 5000,
            max_concurrent: 512,
            hold_output: 8 << 20,
            annotate: true,
        }
    }
}
