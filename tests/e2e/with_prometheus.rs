//! A real Prometheus scrapes a real application through the guard, by every way in.

use std::net::SocketAddr;

use crate::guard::Guard;
use crate::process::eventually;
use crate::prometheus::Prometheus;
use crate::worker::Worker;

const POLICY: &str = "
policies:
  - name: job-ids
    match: '{__name__=~\"worker_.+\"}'
    labels:
      - {label: job_id, action: drop}
";

const RULES: &str = "
groups:
  - name: guard
    rules:
      - alert: SeriesKeptOut
        expr: increase(cardinality_guard_dropped_series_total[1m]) > 0
";

/// The ways in, as scrape jobs.
const JOBS: [&str; 4] = ["by-parameter", "by-proxy", "by-proxy-with-name", "named"];

/// Worker, guard and Prometheus.
struct Stage {
    worker: Worker,
    prometheus: Prometheus,
    _guard: Guard,
}

impl Stage {
    fn set() -> Stage {
        let worker = Worker::start();
        let target = format!("targets:\n  - {{name: worker, url: 'http://{}/metrics'}}\n", worker.address);
        let guard = Guard::start(&target, POLICY);
        let prometheus = Prometheus::start(&scrape_configs(worker.address, guard.address), RULES);
        let stage = Stage { worker, prometheus, _guard: guard };
        stage.everywhere("up", 1.0);
        stage
    }

    /// Waits until the expression gives this value for each way in.
    fn everywhere(&self, expression: &str, expected: f64) {
        for job in JOBS {
            let expression = format!("sum({expression}{{job=\"{job}\"}})");
            eventually(&expression, &Some(expected), || self.prometheus.value(&expression));
        }
    }
}

fn scrape_configs(worker: SocketAddr, guard: SocketAddr) -> String {
    format!(
        "
  - job_name: by-proxy
    proxy_url: http://{guard}
    static_configs: [{{targets: ['{worker}']}}]
  - job_name: by-proxy-with-name
    proxy_url: http://worker@{guard}
    static_configs: [{{targets: ['{worker}']}}]
  - job_name: named
    metrics_path: /scrape/worker
    static_configs: [{{targets: ['{worker}']}}]
    relabel_configs:
      - {{source_labels: [__address__], target_label: instance}}
      - {{target_label: __address__, replacement: '{guard}'}}
  - job_name: by-parameter
    metrics_path: /scrape
    static_configs: [{{targets: ['{worker}']}}]
    relabel_configs:
      - {{source_labels: [__address__], target_label: __param_target}}
      - {{source_labels: [__param_target], target_label: instance}}
      - {{target_label: __address__, replacement: '{guard}'}}
  - job_name: guard
    static_configs: [{{targets: ['{guard}']}}]
"
    )
}

#[test]
fn every_way_in_counts_every_job_and_stores_no_job_id() {
    let stage = Stage::set();
    let instance = stage.worker.address.to_string();
    for job in JOBS {
        let up = format!("up{{job=\"{job}\"}} == 1");
        assert_eq!(stage.prometheus.labels_of(&up, "instance"), [instance.as_str()], "{job}");
    }
    // What came before the first scrape is no increase; all that came after is counted.
    stage.everywhere("worker_jobs_total", 0.0);
    stage.worker.work(100);
    stage.everywhere("worker_jobs_total", 100.0);
    stage.everywhere("worker_exec_seconds_count", 100.0);
    stage.everywhere("worker_exec_seconds_sum", 50.0);
    stage.everywhere("worker_job_attempts", 102.0);
    stage.everywhere("worker_queue_depth", 6.0);
    assert_eq!(stage.prometheus.values_of_label("job_id"), [""; 0]);
    assert_eq!(stage.prometheus.values_of_label("queue"), ["emails", "reports"]);
}

#[test]
fn a_killed_exporter_is_down_and_a_restarted_one_counts_on() {
    let mut stage = Stage::set();
    stage.everywhere("worker_jobs_total", 0.0);
    stage.worker.work(10);
    stage.everywhere("worker_jobs_total", 10.0);
    stage.worker.kill();
    stage.everywhere("up", 0.0);
    for job in JOBS {
        let error = stage.prometheus.last_error(job);
        assert!(error.contains("HTTP status 502 exporter: "), "{job}: {error}");
    }
    stage.worker.restart();
    stage.everywhere("up", 1.0);
    stage.worker.work(5);
    // The new process did two jobs of its own before it was asked.
    stage.everywhere("worker_jobs_total", 17.0);
}

#[test]
fn targets_are_discovered_and_scraped_as_themselves() {
    let worker = Worker::start();
    let target = format!("targets:\n  - {{name: worker, url: 'http://{}/metrics'}}\n", worker.address);
    let guard = Guard::start(&target, POLICY);
    let discovered = format!(
        "  - job_name: discovered\n    http_sd_configs: [{{url: 'http://{}/sd', refresh_interval: 1s}}]\n",
        guard.address
    );
    let prometheus = Prometheus::start(&discovered, RULES);
    eventually("it is up", &Some(1.0), || prometheus.value("up{job=\"discovered\"}"));
    assert_eq!(prometheus.labels_of("up", "instance"), [worker.address.to_string()], "the exporter's own");
    worker.work(20);
    let depth = "sum(worker_jobs_total{job=\"discovered\"})";
    eventually(depth, &Some(20.0), || prometheus.value(depth));
    assert_eq!(prometheus.values_of_label("job_id"), [""; 0], "it came through the guard");
}

#[test]
fn the_alert_on_dropped_series_fires() {
    let stage = Stage::set();
    stage.worker.work(10);
    let firing = "count(ALERTS{alertname=\"SeriesKeptOut\", alertstate=\"firing\", label=\"job_id\"}) > bool 0";
    eventually(firing, &Some(1.0), || stage.prometheus.value(firing));
}
