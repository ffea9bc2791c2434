//! A guard that serves on a port of its own, with settings written by the test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cardinality_guard::engine::policy::{Builtin, Mode, Policies, Source};
use cardinality_guard::proxy::{Door, ScrapesHere, local_handler, run};
use cardinality_guard::settings::{
    Allow, Credentials, Scheme, ScrapeSettings, Settings, Storage, Target, Tls, Web, WebFile,
};
use cardinality_guard::state::{Config, Shared};
use cardinality_guard::telemetry::Telemetry;
use hyper::Response;
use regex::Regex;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::client::{Answer, Client};
use super::exporter::Exporter;
use super::soon;

pub struct Guard {
    pub address: SocketAddr,
    pub shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Guard {
    pub async fn with(settings: Settings) -> Guard {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Guard::on(socket, settings).await
    }

    pub async fn on(socket: TcpListener, settings: Settings) -> Guard {
        Guard::serving(socket, Config::new(settings, Policies::default())).await
    }

    /// With this policy file.
    pub async fn with_policy(settings: Settings, text: &str) -> Guard {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let file = Source { name: "test.yaml".into(), text: text.into() };
        let (policies, _) = Policies::compile(&[file], Builtin::Excluded, None).unwrap();
        Guard::serving(socket, Config::new(settings, policies)).await
    }

    async fn serving(socket: TcpListener, config: Config) -> Guard {
        let address = socket.local_addr().unwrap();
        let shared = Arc::new(Shared::new(config, Arc::new(Telemetry::default())));
        let local =
            local_handler(|request| async move { Response::new(Bytes::from(format!("local {}", request.uri()))) });
        let doors = vec![Door { socket, scrapes: ScrapesHere::Served, local }];
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(run(shared.clone(), doors, async {
            let _ = stopped.await;
        }));
        Guard { address, shared, stop: Some(stop), task }
    }

    /// In front of one exporter, under the name `app`.
    pub async fn before(exporter: &Exporter) -> Guard {
        Guard::with(settings(vec![target("app", url(&exporter.url()))])).await
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Asks on a connection of its own, with these header lines.
    pub async fn get(&self, place: &str, headers: &str) -> Answer {
        let mut client = self.client().await;
        client.say(format!("GET {place} HTTP/1.1\r\nHost: guard\r\n{headers}\r\n")).await;
        client.answer().await.expect("an answer")
    }

    /// `/scrape/app`, as Prometheus would.
    pub async fn scrape(&self) -> Answer {
        self.get("/scrape/app", "X-Prometheus-Scrape-Timeout-Seconds: 30\r\n").await
    }

    /// Begins to drain.
    pub fn stop(&mut self) {
        self.stop.take();
    }

    /// Waits until it has drained.
    pub async fn stopped(mut self) {
        self.stop();
        soon("the end of the guard", &mut self.task).await.unwrap().unwrap();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn settings(targets: Vec<Target>) -> Settings {
    Settings {
        mode: Mode::Enforce,
        web: Web {
            listen_address: vec![],
            admin_listen_address: None,
            telemetry_path: "/metrics".into(),
            config_file: None,
            file: WebFile::default(),
            max_connections: 8192,
        },
        storage: Storage { path: None, ..Storage::default() },
        scrape: ScrapeSettings {
            timeout: Duration::from_secs(30),
            max_timeout: Duration::from_secs(120),
            timeout_offset: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(30),
            body_size_limit: 256 << 20,
            sample_size_limit: 1 << 20,
            label_limit: 4096,
            endpoint_series_limit: 200_000,
            members_limit: 1_000_000,
            memory_limit: 2 << 30,
            max_endpoints: 5000,
            max_concurrent: 512,
            hold_output: 8 << 20,
            annotate: false,
        },
        targets,
        policy_files: vec![],
        builtin_policy: false,
    }
}

pub fn target(name: &str, allow: Allow) -> Target {
    Target {
        name: name.into(),
        allow,
        mode: Mode::Enforce,
        series_limit: 0,
        tls: Tls::default(),
        credentials: Credentials::None,
        headers: vec![],
        fallback_scrape_protocol: None,
    }
}

pub fn url(url: &str) -> Allow {
    Allow::Url(url.parse().unwrap())
}

pub fn address(pattern: &str) -> Allow {
    let pattern = Regex::new(&format!("^(?:{pattern})$")).unwrap();
    Allow::Address { pattern, scheme: Scheme::Http, paths: vec![] }
}

pub fn cidr(net: &str, ports: &[u16]) -> Allow {
    Allow::Cidr { net: net.parse().unwrap(), ports: ports.to_vec(), scheme: Scheme::Http, paths: vec![] }
}
