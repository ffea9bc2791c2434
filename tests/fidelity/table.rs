//! How wrong each way of getting rid of `job_id` is: `make fidelity`.
//!
//! One Prometheus scrapes one fleet four times a second apart: as it is, with `labeldrop`, through
//! a proxy that sums what is there and remembers nothing, and through the guard. Jobs are born and
//! purged, and half way the process restarts. Prints a table in Markdown; fails when the guard has
//! stored anything that did not happen, or has missed anything it could have seen.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../fleet/mod.rs"]
mod fleet;
#[path = "../e2e/guard.rs"]
mod guard;
#[path = "../e2e/http.rs"]
#[allow(dead_code)]
mod http;
#[path = "../e2e/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "../e2e/prometheus.rs"]
mod prometheus;

#[path = "stored.rs"]
mod stored;
#[path = "summing.rs"]
mod summing;
#[path = "verdict.rs"]
mod verdict;

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fleet::server::FleetServer;
use fleet::truth::{Totals, Truth};
use guard::Guard;
use process::eventually;
use prometheus::Prometheus;
use verdict::{Verdict, judge, quantile};

/// Scrape job, and what the table calls it.
const WAYS: [(&str, &str); 4] = [
    ("direct", "no guard"),
    ("labeldrop", "`labeldrop`"),
    ("summing", "stateless sum"),
    ("guard", "cardinality-guard"),
];

const POLICY: &str = "
policies:
  - name: job-ids
    match: '{__name__=~\"worker_.+\"}'
    labels:
      - {label: job_id, action: drop}
";

/// The fleet works so long before and after its restart.
const HALF: Duration = Duration::from_secs(25);
/// For the last increments to be shown and scraped.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    let fleet = FleetServer::start(8);
    let settings = format!(
        "builtin_policy: false\ntargets:\n  - {{name: fleet, url: 'http://{}/metrics?way=guard'}}\n",
        fleet.address
    );
    let guard = Guard::start(&settings, POLICY);
    let summing = summing::start(fleet.address, "/metrics?way=summing");
    let prometheus = Prometheus::start(&scrape_configs(fleet.address, summing, guard.address), "");
    for (job, _) in WAYS {
        let enough = format!("count_over_time(fleet_ticks_total{{job=\"{job}\"}}[10m]) >= bool 4");
        eventually(&enough, &Some(1.0), || prometheus.value(&enough));
    }
    fleet.work_for(HALF);
    fleet.fleet().restart();
    fleet.work_for(HALF);
    let verdict = settled(&prometheus, &fleet);
    print_table(&prometheus, &truth(&fleet, "direct"), &truth(&fleet, "guard"));
    assert_eq!(verdict, Verdict::True, "the guard");
}

fn scrape_configs(fleet: SocketAddr, summing: SocketAddr, guard: SocketAddr) -> String {
    format!(
        "
  - job_name: direct
    params: {{way: [direct]}}
    static_configs: [{{targets: ['{fleet}']}}]
  - job_name: labeldrop
    params: {{way: [labeldrop]}}
    static_configs: [{{targets: ['{fleet}']}}]
    metric_relabel_configs: [{{action: labeldrop, regex: job_id}}]
  - job_name: summing
    static_configs: [{{targets: ['{summing}']}}]
  - job_name: guard
    metrics_path: /scrape/fleet
    static_configs: [{{targets: ['{guard}']}}]
"
    )
}

/// Waits until the guard's numbers are complete, and a little for those of the others.
fn settled(prometheus: &Prometheus, fleet: &FleetServer) -> Verdict {
    let begin = Instant::now();
    loop {
        sleep(Duration::from_secs(3));
        let verdict = judge(&stored::increments(prometheus, "guard"), &truth(fleet, "guard"));
        if !matches!(verdict, Verdict::Short(_)) || begin.elapsed() > PATIENCE {
            return verdict;
        }
    }
}

fn truth(fleet: &FleetServer, way: &str) -> Truth {
    fleet.fleet().truth(&format!("/metrics?way={way}"))
}

fn print_table(prometheus: &Prometheus, truth: &Truth, guards: &Truth) {
    let jobs = sum(&truth.happened, "worker_jobs_total");
    let seconds = sum(&truth.happened, "worker_exec_seconds_sum");
    let p75 = true_p75(&truth.happened);
    println!("| way | series stored | `worker_jobs_total` | error | `worker_exec_seconds_sum` | error | p75 of it |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    println!("| the truth | | {jobs} | | {seconds:.1} | | {p75:.2} |");
    for (job, name) in WAYS {
        let stored = stored::increments(prometheus, job);
        let series = prometheus.value(&series_ever(job)).unwrap_or_default();
        let (counted, summed) = (sum(&stored, "worker_jobs_total"), sum(&stored, "worker_exec_seconds_sum"));
        let p75 = prometheus.value(&stored_p75(job)).map_or("none".to_owned(), |p75| format!("{p75:.2}"));
        let (of_jobs, of_seconds) = (error(counted, jobs), error(summed, seconds));
        println!("| {name} | {series} | {counted} | {of_jobs} | {summed:.1} | {of_seconds} | {p75} |");
    }
    let died = sum(&guards.lost, "worker_jobs_total");
    println!("\nRuns that died with the first process before the guard could see them: {died}.");
}

fn series_ever(job: &str) -> String {
    format!("count(last_over_time({{job=\"{job}\",__name__=~\"worker_.+\"}}[10m]))")
}

fn stored_p75(job: &str) -> String {
    format!("histogram_quantile(0.75, sum by (le) (increase(worker_exec_seconds_bucket{{job=\"{job}\"}}[10m])))")
}

fn true_p75(happened: &Totals) -> f64 {
    let buckets = ["0.25", "0.5", "1", "2.5", "5", "+Inf"].map(|le| {
        let of_le = happened.iter().filter(|(series, _)| series.contains(&format!("_bucket{{le=\"{le}\",")));
        (le.parse().unwrap(), of_le.map(|(_, value)| value).sum())
    });
    quantile(0.75, &buckets)
}

fn sum(totals: &Totals, name: &str) -> f64 {
    let of_name = totals.iter().filter(|(series, _)| series.split('{').next() == Some(name));
    of_name.map(|(_, value)| value).sum()
}

/// `(stored - truth) / truth`.
fn error(stored: f64, truth: f64) -> String {
    if stored == truth { "exact".to_owned() } else { format!("{:+.1} %", (stored - truth) / truth * 100.0) }
}
