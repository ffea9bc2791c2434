//! An explosion and the guard in front of it, with nothing installed: a worker fleet served over
//! real sockets, the real guard, a scraper that asks both, and a table of what it sees.

mod fleet;
mod guard;
mod scrape;
mod screen;
mod server;
mod tally;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use fleet::{Fleet, FleetHandle};
use guard::GuardHandle;
use screen::Screen;
use tally::{Round, Row, Tally};

/// Where each exporter of the fleet serves what it has to say.
const EXPORTER_PATH: &str = "/metrics";

/// How often both sides are scraped.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  cardinality-guard demo
      until Ctrl-C; prints what to curl before and after the guard
  cardinality-guard demo --seconds 30
      ends by itself
  cardinality-guard demo | tee demo.txt
      a line a second instead of a table";

/// Watch a job_id explode behind the guard: an embedded worker fleet, no configuration.
///
/// Three exporters whose labels explode, the guard in front of them, and a scraper that asks both
/// sides every second. The table holds the counters behind the guard against the fleet's own count
/// of jobs. Everything is on 127.0.0.1 and gone when it ends.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// Stop after this many seconds (default: at Ctrl-C)
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
}

/// Where things listen: what the reader may curl.
pub struct Addresses {
    /// Exporter name and where it serves its raw `/metrics`.
    pub exporters: Vec<(&'static str, SocketAddr)>,
    pub guard: SocketAddr,
}

pub fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(demo(args))?;
    Ok(ExitCode::SUCCESS)
}

async fn demo(args: DemoArgs) -> anyhow::Result<()> {
    let fleet = FleetHandle::new(Fleet::new());
    let exporters = server::start(&fleet).await?;
    let guard = GuardHandle::start(&exporters).await?;
    let addresses = Addresses { exporters, guard: guard.address() };
    let mut screen = Screen::new(&addresses)?;
    let mut tally = Tally::default();
    tokio::select! {
        outcome = watch(&args, &fleet, &addresses, &mut tally, &mut screen) => outcome?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    screen.summary(&tally)?;
    guard.stop().await
}

/// A round a second: the fleet works, both sides are scraped, the table is drawn.
async fn watch(
    args: &DemoArgs,
    fleet: &FleetHandle,
    addresses: &Addresses,
    tally: &mut Tally,
    screen: &mut Screen,
) -> anyhow::Result<()> {
    let begin = Instant::now();
    let mut ticks = interval(SCRAPE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let elapsed = begin.elapsed();
        fleet.advance(elapsed);
        tally.add(round(fleet, addresses, elapsed).await);
        screen.draw(tally)?;
        if args.seconds.is_some_and(|seconds| elapsed >= Duration::from_secs(seconds)) {
            return Ok(());
        }
    }
}

/// Scrapes each exporter directly and through the guard. Nobody works meanwhile, so that the two
/// and the fleet's own count speak of the same moment.
async fn round(fleet: &FleetHandle, addresses: &Addresses, elapsed: Duration) -> Round {
    let mut rows = Vec::new();
    for &(name, address) in &addresses.exporters {
        let (jobs, series_ever) = fleet.counts(name);
        let counter = fleet::job_counter(name);
        let direct = scrape::scrape(address, EXPORTER_PATH, counter).await;
        let guarded = scrape::scrape(addresses.guard, &format!("/scrape/{name}"), counter).await;
        rows.push(Row { name, jobs, series_ever, direct, guarded });
    }
    Round { elapsed, rows }
}
