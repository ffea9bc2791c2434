//! What a Prometheus stored, read back sample by sample and counted as PromQL counts.
#![allow(dead_code)]

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fleet::truth::Totals;
use crate::prometheus::Prometheus;

/// Longer than any run, so that nothing falls out of it.
const RANGE: &str = "10m";
/// What the fleet counts. Everything else is a gauge or the guard's own.
const CUMULATIVE: &str =
    "fleet_ticks_total|worker_jobs_total|worker_exec_seconds_(bucket|count|sum)|worker_wait_seconds_(count|sum)";
/// What Prometheus adds, and what is folded or summed away before increments are compared.
const NOT_OF_THE_SERIES: [&str; 5] = ["__name__", "job", "instance", "replica", "job_id"];

/// Increments of everything cumulative that a scrape job stored, by output series; without those
/// that never rose.
pub fn increments(prometheus: &Prometheus, job: &str) -> Totals {
    increments_of(prometheus, &format!("{{job=\"{job}\",__name__=~\"{CUMULATIVE}\"}}"))
}

/// Increments of what this selects.
pub fn increments_of(prometheus: &Prometheus, selector: &str) -> Totals {
    let mut sums = Totals::new();
    for (series, values) in samples(prometheus, selector) {
        *sums.entry(series).or_default() += values.iter().map(|values| increase(values)).sum::<f64>();
    }
    sums.retain(|_, increase| *increase != 0.0);
    sums
}

/// The values that each series of this selector had, oldest first. Series that differ in
/// [`NOT_OF_THE_SERIES`] alone stand under one name.
pub fn samples(prometheus: &Prometheus, selector: &str) -> BTreeMap<String, Vec<Vec<f64>>> {
    let mut all: BTreeMap<String, Vec<Vec<f64>>> = BTreeMap::new();
    for series in prometheus.query(&format!("{selector}[{RANGE}]")) {
        let values = series["values"].as_array().unwrap().iter().map(number).collect();
        all.entry(name(&series["metric"])).or_default().push(values);
    }
    all
}

/// An expression's result now.
pub fn vector(prometheus: &Prometheus, expression: &str) -> Totals {
    prometheus.query(expression).iter().map(|series| (name(&series["metric"]), number(&series["value"]))).collect()
}

/// As `increase()`, without the extrapolation: a fall is a restart from 0, and the first sample
/// says nothing about what was before it.
fn increase(values: &[f64]) -> f64 {
    let steps = values.iter().zip(&values[1..]);
    steps.map(|(before, now)| if now < before { *now } else { now - before }).sum()
}

/// The second half of `[time, "number"]`.
fn number(pair: &Value) -> f64 {
    pair[1].as_str().unwrap().parse().unwrap()
}

/// As the fleet writes it: `name{label="value",…}`, labels sorted.
fn name(metric: &Value) -> String {
    let labels = metric.as_object().unwrap().iter().filter(|(label, _)| !NOT_OF_THE_SERIES.contains(&label.as_str()));
    let mut labels: Vec<String> = labels.map(|(label, value)| format!("{label}={value}")).collect();
    labels.sort();
    let name = metric["__name__"].as_str().unwrap_or_default();
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}
