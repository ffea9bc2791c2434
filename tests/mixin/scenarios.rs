//! The alerts about limits, memory and state, each in a real Prometheus when what it is about
//! happens, and silent before. Those about scrapes and the guard itself are in `real`.

use crate::exporter::{Exporter, Framing, TEXT};
use crate::guard::Guard;
use crate::process::eventually;
use crate::prometheus::Prometheus;
use crate::real::rules;
use crate::store::Store;
use crate::{alerts, text, word};

const POLICY: &str = "
policies:
  - {name: budget, match: jobs_total, series_limit: 20}
  - {name: orders, match: jobs_total, labels: [{label: order, action: collapse, limit: 30}]}
";

/// Far more than a calm worker takes, and less than an exploded one does.
const MEMORY_LIMIT: &str = "300KB";

struct Stage {
    exporter: Exporter,
    guard: Guard,
    prometheus: Prometheus,
}

impl Stage {
    fn set(mode: &str) -> Stage {
        let exporter = Exporter::start();
        exporter.say(TEXT, jobs(6).as_bytes(), Framing::ContentLength);
        let settings = format!(
            "mode: {mode}\nscrape: {{memory_limit: {MEMORY_LIMIT}}}\ntargets:\n  - {{name: worker, url: 'http://{}/metrics'}}\n",
            exporter.address
        );
        let guard = Guard::start(&settings, POLICY);
        let prometheus = Prometheus::start(&scrapes(&guard, &exporter), &rules());
        Stage { exporter, guard, prometheus }
    }

    fn say(&self, series: usize) {
        self.exporter.say(TEXT, jobs(series).as_bytes(), Framing::ContentLength);
    }

    /// Waits until just these alerts are about to fire or fire.
    fn alerts(&self, expected: &[&str]) {
        let expected: Vec<_> = expected.iter().map(|name| format!("CardinalityGuard{name}")).collect();
        eventually("the alerts", &expected, || {
            let mut names = self.prometheus.labels_of("ALERTS", "alertname");
            names.dedup();
            names
        });
    }

    fn appears(&self, expression: &str) {
        eventually(expression, &true, || !self.prometheus.query(expression).is_empty());
    }
}

/// A Prometheus that scrapes the worker through the guard, and the guard.
fn scrapes(guard: &Guard, exporter: &Exporter) -> String {
    format!(
        "
  - job_name: worker
    proxy_url: http://worker@{guard}
    static_configs: [{{targets: ['{worker}']}}]
  - job_name: cardinality-guard
    static_configs: [{{targets: ['{guard}']}}]
",
        guard = guard.address,
        worker = exporter.address
    )
}

/// A counter of so many series, by an id that no built-in policy knows.
fn jobs(series: usize) -> String {
    let lines: String = (0..series).map(|n| format!("jobs_total{{queue=\"emails\",order=\"{n:05}\"}} 1\n")).collect();
    format!("# TYPE jobs_total counter\n{lines}")
}

#[test]
fn limits_memory_and_state() {
    let stage = Stage::set("enforce");
    stage.appears("count_over_time(cardinality_guard_scrape_limit_headroom_ratio[1m]) > 3");
    stage.alerts(&[]);

    stage.say(19);
    stage.alerts(&["HeadroomLow"]);

    stage.say(3_000);
    stage.alerts(&["Collapsed", "InstanceOverBudget", "MemoryNearLimit", "NewSeriesBlocked"]);
    let blamed = "cardinality_guard_collapsed == 1";
    assert_eq!(stage.prometheus.labels_of(blamed, "label"), ["order"]);

    stage.guard.lose_the_disk();
    stage.alerts(&["Collapsed", "InstanceOverBudget", "MemoryNearLimit", "NewSeriesBlocked", "StateNotDurable"]);
}

/// Whoever only watches is told by metrics and the page, and not woken.
#[test]
fn what_is_observed_is_silent() {
    let stage = Stage::set("observe");
    stage.appears("count_over_time(cardinality_guard_scrape_limit_headroom_ratio[1m]) > 3");
    stage.say(300);
    stage.appears("increase(cardinality_guard_observed_new_series_blocked_total{cause=\"budget\"}[1m]) > 0");
    stage.alerts(&[]);
    assert_eq!(stage.prometheus.value("cardinality_guard_scrape_limit_headroom_ratio"), Some(1.0));
}

/// The store that several guards share goes away, and with it what is folded; nothing fails.
#[test]
fn the_shared_store_goes_away() {
    let store = Store::start();
    let exporter = Exporter::start();
    exporter.say(TEXT, jobs(6).as_bytes(), Framing::ContentLength);
    let settings = format!("targets:\n  - {{name: worker, url: 'http://{}/metrics'}}\n", exporter.address);
    let guard = Guard::keeping(&format!("url: '{}'", store.url()), &settings, POLICY);
    let prometheus = Prometheus::start(&scrapes(&guard, &exporter), &rules());
    let stage = Stage { exporter, guard, prometheus };
    stage.appears("count_over_time(cardinality_guard_state_store_up[1m]) > 3");
    stage.alerts(&[]);
    store.end();
    stage.alerts(&["StateNotDurable", "StoreAway"]);
    assert_eq!(stage.prometheus.value("min_over_time(up{job=\"worker\"}[1m])"), Some(1.0));
}

/// No alert is left out of both files.
#[test]
fn every_alert_has_its_scenario() {
    let told = text("tests/mixin/scenarios.rs") + &text("tests/mixin/real.rs");
    let without: Vec<_> = alerts()
        .iter()
        .map(|alert| word(alert, "/alert").to_owned())
        .filter(|name| {
            let short = name.strip_prefix("CardinalityGuard").unwrap();
            !told.contains(&format!("alerts(\"{name}\"")) && !told.contains(&format!("\"{short}\""))
        })
        .collect();
    assert_eq!(without, [""; 0]);
}
