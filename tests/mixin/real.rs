//! The mixin in a real Prometheus that scrapes a real application through the guard.

use std::net::SocketAddr;

use crate::guard::Guard;
use crate::process::eventually;
use crate::prometheus::Prometheus;
use crate::worker::Worker;
use crate::{dashboard, text};

const POLICY: &str = "
policies:
  - name: job-ids
    match: '{__name__=~\"worker_.+\"}'
    labels:
      - {label: job_id, action: drop}
";

/// The same, and something that every panel can show.
const BUDGETS: &str = "
policies:
  - name: job-ids
    match: '{__name__=~\"worker_.+\"}'
    labels:
      - {label: job_id, action: drop}
  - name: generations
    match: python_gc_collections_total
    labels:
      - {label: generation, action: collapse, limit: 1}
  - {name: budget, series_limit: 100000}
";

/// Alerts and recording rules as one file.
pub(crate) fn rules() -> String {
    let records = text("mixin/rules.yaml");
    format!("{}{}", text("mixin/alerts.yaml"), records.split_once("groups:\n").unwrap().1)
}

/// A job that goes through the guard and one for the guard itself.
fn jobs(worker: SocketAddr, guard: SocketAddr) -> String {
    format!(
        "
  - job_name: worker
    proxy_url: http://worker@{guard}
    static_configs: [{{targets: ['{worker}']}}]
  - job_name: cardinality-guard
    static_configs: [{{targets: ['{guard}']}}]
"
    )
}

/// Two entries for one worker: one enforces, the other watches. The query makes them two endpoints.
fn targets(worker: SocketAddr) -> String {
    let url = format!("http://{worker}/metrics");
    format!(
        "targets:\n  - {{name: worker, url: '{url}'}}\n  - {{name: watched, url: '{url}?watched', mode: observe}}\n"
    )
}

struct Stage {
    worker: Worker,
    guard: Guard,
    prometheus: Prometheus,
}

impl Stage {
    fn set(policy: &str, more_jobs: impl Fn(SocketAddr) -> String) -> Stage {
        let worker = Worker::start();
        let guard = Guard::start(&targets(worker.address), policy);
        let jobs = jobs(worker.address, guard.address) + &more_jobs(guard.address);
        let prometheus = Prometheus::start(&jobs, &rules());
        let stage = Stage { worker, guard, prometheus };
        // Seen before they rise: an increase begins with the second sample.
        stage.becomes("up{job=~\"worker|cardinality-guard\"}", 2.0);
        stage.worker.work(10);
        stage.appears(
            "increase(cardinality_guard_new_series_blocked_total{target=\"worker\",cause=\"policy\"}[5m]) > 0",
        );
        stage
    }

    fn becomes(&self, expression: &str, expected: f64) {
        let sum = format!("sum({expression})");
        eventually(&sum, &Some(expected), || self.prometheus.value(&sum));
    }

    fn appears(&self, expression: &str) {
        eventually(expression, &true, || !self.prometheus.query(expression).is_empty());
    }

    /// Waits until an alert is about to fire or fires; gives the values of a label in it.
    fn alerts(&self, name: &str, label: &str) -> Vec<String> {
        let alert = format!("ALERTS{{alertname=\"{name}\"}}");
        self.appears(&alert);
        self.prometheus.labels_of(&alert, label)
    }
}

#[test]
fn alerts_follow_what_happens() {
    let mut stage = Stage::set(POLICY, |_| String::new());
    assert_eq!(stage.prometheus.labels_of("ALERTS", "alertname"), [""; 0], "a planned drop is silent");

    stage.guard.refuse("polices: []\n");
    assert_eq!(stage.alerts("CardinalityGuardReloadFailed", "job"), ["cardinality-guard"]);

    stage.worker.kill();
    assert_eq!(stage.alerts("CardinalityGuardScrapesFailing", "result"), ["upstream"]);
    stage.worker.restart();
    stage.becomes("up{job=\"worker\"}", 1.0);

    // Another guard takes over the same job: another memory.
    let other = Guard::start(&targets(stage.worker.address), POLICY);
    stage.prometheus.reconfigure(&jobs(stage.worker.address, other.address));
    let instance = stage.worker.address.to_string();
    assert_eq!(stage.alerts("CardinalityGuardReplicasFlipFlop", "instance"), [instance]);
    stage.becomes("up", 2.0);
    assert_eq!(stage.prometheus.query("ALERTS{alertname=\"CardinalityGuardHidesTargets\"}").len(), 0);

    drop(other);
    assert_eq!(stage.alerts("CardinalityGuardDown", "job"), ["cardinality-guard"]);
    assert_eq!(stage.alerts("CardinalityGuardHidesTargets", "job"), ["worker"]);
}

/// Panels that show only what is wrong are empty on a good day: they are asked without that filter.
#[test]
fn every_query_of_the_dashboard_finds_data() {
    let stage = Stage::set(BUDGETS, |guard| {
        format!(
            "  - job_name: watched\n    metrics_path: /scrape/watched\n    static_configs: [{{targets: ['{guard}']}}]\n"
        )
    });
    stage.appears("rate(cardinality_guard_observed_dropped_series_total[5m]) > 0");
    let expressions = dashboard::expressions();
    assert!(expressions.len() > 25, "{expressions:#?}");
    for expression in expressions {
        stage.appears(&expression.replace(" > 0", ""));
    }
}
