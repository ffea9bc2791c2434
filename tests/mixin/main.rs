//! The mixin says what it should: `promtool` accepts it, every alert is seen firing and silent, has
//! a section in the runbook, and asks for metrics that the guard has; and a real Prometheus that
//! scrapes through the guard sees what it is about.
//!
//! `make setup` installs what this needs; without it these tests fail and say so.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod alertmanager;
mod alerts;
mod dashboard;
#[path = "../e2e/exporter.rs"]
#[allow(dead_code)]
mod exporter;
#[path = "../e2e/guard.rs"]
mod guard;
#[path = "../e2e/http.rs"]
#[allow(dead_code)]
mod http;
mod metrics;
#[path = "../e2e/process.rs"]
mod process;
#[path = "../e2e/prometheus.rs"]
mod prometheus;
mod promql;
mod promtool;
mod real;
mod runbook;
mod scenarios;
#[path = "../guards/store.rs"]
#[allow(dead_code)]
mod store;
#[path = "../e2e/worker.rs"]
mod worker;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file of the repository.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    let path = path(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The items of a list, wherever a path of keys leads; nothing where it leads nowhere.
fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Every rule of a rule file.
fn rules(file: &str) -> Vec<Value> {
    let file = yaml(file);
    items(&file, "/groups").flat_map(|group| items(group, "/rules")).cloned().collect()
}

fn alerts() -> Vec<Value> {
    let alerts = rules("mixin/alerts.yaml");
    assert!(alerts.len() >= 10, "{alerts:#?}");
    alerts
}

fn word<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {value:#}"))
}

/// Files under `mixin/tests`, as paths from the root.
fn rule_tests() -> Vec<String> {
    let names = fs::read_dir(path("mixin/tests")).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| format!("mixin/tests/{}", name.to_str().unwrap())).collect()
}
