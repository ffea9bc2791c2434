//! The proxy: loads the configuration, binds, serves until told to end.

mod reload;
mod signals;
mod storage;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use hyper::Request;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};

use self::reload::Reloader;
use self::signals::{Signals, Told};
use super::failure::{FAILED, Usage};
use crate::admin::{self, AdminContext, Offers, Phase};
use crate::proxy::{self, Door, LocalHandler, ScrapesHere};
use crate::settings::{Flag, Loader, Settings};
use crate::state::Shared;
use crate::telemetry::logs::{self, LogFormat, LogLevel};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(3);

/// For what still waits for a disk when everything else has ended.
const LAST_WRITES: Duration = Duration::from_secs(2);

const EXAMPLES: &str = "\
Examples:
  cardinality-guard serve --config.file=guard.yaml
  cardinality-guard serve --config.file=guard.yaml --mode=observe
      count what the policies would do, change nothing

A settings file to begin with:
  targets:
    - {name: celery, url: 'http://celery-exporter:9808/metrics'}
  policy_files: [policies/*.yaml]

In Prometheus, either of
  scrape_configs: [{job_name: celery, proxy_url: 'http://guard:10900', ...}]
  http_sd_configs: [{url: 'http://guard:10900/sd'}]

Every key of the file can also be given in the environment, as in
CARDINALITY_GUARD__WEB__LISTEN_ADDRESS=0.0.0.0:10900 (lists separated by commas).
Order: built-in < file < environment < flag.
Settings and policies are loaded anew when their files change, on SIGHUP and on
POST /-/reload; SIGTERM drains.";

/// Run the proxy that Prometheus scrapes through.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ServeArgs {
    /// Settings file (YAML)
    #[arg(long = "config.file", value_name = "FILE")]
    config_file: Option<PathBuf>,

    /// How far policies go: enforce, observe or pass; the weakest of this, the target's and the policy's applies
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,

    /// Address to listen on; repeatable
    #[arg(long = "web.listen-address", value_name = "IP:PORT")]
    listen_address: Vec<String>,

    /// Exporter-toolkit file: TLS, client certificates, users, headers
    #[arg(long = "web.config.file", value_name = "FILE")]
    web_config_file: Option<String>,

    /// Path of the guard's own metrics
    #[arg(long = "web.telemetry-path", value_name = "PATH")]
    telemetry_path: Option<String>,

    /// Directory for folded counters that survive a restart; empty: memory only
    #[arg(long = "storage.path", value_name = "DIR")]
    storage_path: Option<String>,

    /// Glob for policy files; repeatable
    #[arg(long = "policy.files", value_name = "GLOB")]
    policy_files: Vec<String>,

    /// How much is logged to stderr
    #[arg(long = "log.level", value_name = "LEVEL", value_enum, default_value = "info")]
    log_level: LogLevel,

    /// How logs are written
    #[arg(long = "log.format", value_name = "FORMAT", value_enum, default_value = "logfmt")]
    log_format: LogFormat,
}

pub(super) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    logs::init(args.log_level, args.log_format).context("setting up logs")?;
    let loader = args.loader();
    let Some((reloader, shared)) = Reloader::start(loader) else { return Ok(ExitCode::from(FAILED)) };
    if args.config_file.is_none() && shared.config().settings.targets.is_empty() {
        return Err(Usage("nothing may be scraped: name a settings file, as in --config.file=guard.yaml".into()).into());
    }
    if let storage::Storage::Busy = storage::open(&shared) {
        return Ok(ExitCode::from(FAILED));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting threads")?;
    let ended = runtime.block_on(serve(Arc::new(reloader), shared));
    // A thread that waits for a disk that hangs must not keep the process.
    runtime.shutdown_timeout(LAST_WRITES);
    ended
}

impl ServeArgs {
    fn loader(&self) -> Loader {
        let one = |value: &Option<String>| value.iter().cloned().collect();
        let flags = [
            ("--mode", "mode", one(&self.mode)),
            ("--web.listen-address", "web.listen_address", self.listen_address.clone()),
            ("--web.config.file", "web.config_file", one(&self.web_config_file)),
            ("--web.telemetry-path", "web.telemetry_path", one(&self.telemetry_path)),
            ("--storage.path", "storage.path", one(&self.storage_path)),
            ("--policy.files", "policy_files", self.policy_files.clone()),
        ];
        let given = flags.into_iter().filter(|(_, _, values)| !values.is_empty());
        let flags = given.map(|(name, key, values)| Flag { name, key, values }).collect();
        Loader { config_file: self.config_file.clone(), environment: None, flags }
    }
}

async fn serve(reloader: Arc<Reloader>, shared: Arc<Shared>) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new().context("listening to signals")?;
    let (phase, phases) = watch::channel(Phase::Serving);
    shared.endpoints().begin_sharing().await;
    let doors = doors(&shared, &reloader, &phases).await?;
    info!("serving");
    let mut drained = phases;
    let shutdown = async move {
        let _ = drained.wait_for(|phase| *phase == Phase::Draining).await;
    };
    let mut serving = std::pin::pin!(proxy::run(shared, doors, shutdown));
    let mut looks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            served = &mut serving => {
                served.context("serving")?;
                info!("ended");
                return Ok(ExitCode::SUCCESS);
            }
            _ = looks.tick() => in_background(&reloader, Reloader::reload_if_changed),
            told = signals.next() => match told {
                Told::Reload => in_background(&reloader, |reloader| drop(reloader.reload())),
                Told::End => drain(&phase)?,
            },
        }
    }
}

/// Reloading reads files: it stays off the threads that serve. What comes of it is in the log.
fn in_background(reloader: &Arc<Reloader>, reload: fn(&Reloader)) {
    let reloader = Arc::clone(reloader);
    tokio::task::spawn_blocking(move || reload(&reloader));
}

/// The first time told to end, what is under way may come to its end.
fn drain(phase: &watch::Sender<Phase>) -> anyhow::Result<()> {
    match phase.send_replace(Phase::Draining) {
        Phase::Serving => info!("draining: what is under way comes to its end"),
        Phase::Draining => bail!("told twice to end: what was under way is aborted"),
    }
    Ok(())
}

/// Binds every address before anything is served.
async fn doors(
    shared: &Arc<Shared>,
    reloader: &Arc<Reloader>,
    phase: &watch::Receiver<Phase>,
) -> anyhow::Result<Vec<Door>> {
    let config = shared.config();
    let web = &config.settings.web;
    let handler = |offers| local(shared, reloader, phase, offers);
    let offers = if web.admin_listen_address.is_some() { Offers::MetricsAndHealth } else { Offers::Everything };
    let mut doors = Vec::new();
    for address in &web.listen_address {
        doors.push(Door { socket: bind(*address).await?, scrapes: ScrapesHere::Served, local: handler(offers) });
    }
    if let Some(address) = web.admin_listen_address {
        let local = handler(Offers::Everything);
        doors.push(Door { socket: bind(address).await?, scrapes: ScrapesHere::Refused, local });
    }
    Ok(doors)
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    // The port may have been chosen by the system.
    info!(address = %socket.local_addr()?, "listening");
    Ok(socket)
}

fn local(
    shared: &Arc<Shared>,
    reloader: &Arc<Reloader>,
    phase: &watch::Receiver<Phase>,
    offers: Offers,
) -> LocalHandler {
    let reloader = Arc::clone(reloader);
    let context = AdminContext {
        offers,
        shared: Arc::clone(shared),
        reload: Arc::new(move || reloader.reload()),
        phase: phase.clone(),
    };
    proxy::local_handler(move |request: Request<_>| {
        let context = context.clone();
        async move { admin::answer(&context, request).await }
    })
}

/// A listener cannot move while it serves.
fn warn_of_moved_listeners(before: &Settings, after: &Settings) {
    let (before, after) = (&before.web, &after.web);
    if before.listen_address != after.listen_address || before.admin_listen_address != after.admin_listen_address {
        warn!("the addresses to listen on have changed: restart to have it so");
    }
}

/// Nor can the memory.
fn warn_of_moved_storage(before: &Settings, after: &Settings) {
    let (before, after) = (&before.storage, &after.storage);
    if (&before.path, &before.url, &before.tls) != (&after.path, &after.url, &after.tls) {
        warn!("storage.path, storage.url or its files have changed: restart to have it so");
    }
}
