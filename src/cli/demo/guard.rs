//! The real guard, in this process: the same proxy and the same endpoints that `serve` runs, with
//! settings from here.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use hyper::Request;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::EXPORTER_PATH;
use crate::admin::{self, AdminContext, Offers, Phase};
use crate::engine::policy::{Builtin, Mode, Policies, Source};
use crate::proxy::{self, Door, LocalHandler, ScrapesHere, local_handler};
use crate::settings::{Allow, Credentials, Settings, Storage, Target, Tls};
use crate::state::{Config, Shared};
use crate::telemetry::{Foreseen, Telemetry};

/// The policy in force, as the reader may write it.
pub const POLICY: &str = include_str!("policy.yaml");

/// A guard that is running.
pub struct GuardHandle {
    address: SocketAddr,
    /// Dropped or used, it ends the guard.
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

impl GuardHandle {
    /// Starts a guard with these targets, on the port of the documentation when it is free.
    pub async fn start(exporters: &[(&'static str, SocketAddr)]) -> anyhow::Result<GuardHandle> {
        let usual = Settings::default().web.listen_address;
        let socket = match TcpListener::bind(usual.as_slice()).await {
            Ok(socket) => socket,
            Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port on 127.0.0.1")?,
        };
        let address = socket.local_addr()?;
        let shared = shared(exporters)?;
        let door = Door { socket, scrapes: ScrapesHere::Served, local: local(&shared) };
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(proxy::run(shared, vec![door], shutdown));
        Ok(GuardHandle { address, stop, served })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        drop(self.stop);
        Ok(self.served.await??)
    }
}

fn shared(exporters: &[(&'static str, SocketAddr)]) -> anyhow::Result<Arc<Shared>> {
    let targets = exporters.iter().map(|(name, address)| target(name, *address)).collect::<anyhow::Result<_>>()?;
    let settings = Settings {
        targets,
        storage: Storage { path: None, ..Storage::default() },
        builtin_policy: false,
        ..Settings::default()
    };
    let source = Source { name: "policy.yaml".into(), text: POLICY.into() };
    let (policies, _) = Policies::compile(&[source], Builtin::Excluded, None)
        .map_err(|findings| anyhow!("the demo's own policy: {}", findings[0]))?;
    let telemetry = Arc::new(Telemetry::default());
    telemetry.config_loaded(Foreseen {
        targets: settings.targets.iter().map(|target| (target.name.clone(), target.mode)).collect(),
        policies: Vec::new(),
        memory_limit: settings.scrape.memory_for_endpoints(),
    });
    Ok(Arc::new(Shared::new(Config::new(settings, policies), telemetry)))
}

/// The guard's own paths.
fn local(shared: &Arc<Shared>) -> LocalHandler {
    let context = AdminContext {
        offers: Offers::Everything,
        shared: Arc::clone(shared),
        reload: Arc::new(|| Err("the demo reads no files".to_owned())),
        phase: watch::channel(Phase::Serving).1,
    };
    local_handler(move |request: Request<_>| {
        let context = context.clone();
        async move { admin::answer(&context, request).await }
    })
}

fn target(name: &str, address: SocketAddr) -> anyhow::Result<Target> {
    Ok(Target {
        name: name.to_owned(),
        allow: Allow::Url(format!("http://{address}{EXPORTER_PATH}").parse()?),
        mode: Mode::Enforce,
        series_limit: 0,
        tls: Tls::default(),
        credentials: Credentials::None,
        headers: Vec::new(),
        fallback_scrape_protocol: None,
    })
}
