//! Every alert is tested both ways, tells what to do, and says what it was agreed to say.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{alerts, items, path, promql, rule_tests, rules, text, word, yaml};

/// What somebody who loads the alerts puts another address in the place of.
const RUNBOOKS: &str = "https://runbooks.example.com/cardinality-guard/";

/// How often the tests expect something of an alert.
#[derive(Debug, Default)]
struct Expected {
    firing: usize,
    silent: usize,
}

fn expected(of: &Value) -> impl Iterator<Item = (String, usize)> {
    items(of, "/alert_rule_test").map(|test| (word(test, "/alertname").to_owned(), items(test, "/exp_alerts").count()))
}

/// An alert is silent for nothing where there is nothing it could fire about.
fn has_what_it_asks_for(test: &Value, alert: &Value) -> bool {
    let names: Vec<_> =
        items(test, "/input_series").map(|row| word(row, "/series").split('{').next().unwrap()).collect();
    let metrics = promql::metrics(word(alert, "/expr"));
    !metrics.is_empty() && metrics.iter().any(|metric| names.contains(&metric.as_str()))
}

#[test]
fn every_alert_is_tested_firing_and_silent() {
    let alerts = alerts();
    let alert = |name: &str| alerts.iter().find(|alert| word(alert, "/alert") == name);
    let mut seen: BTreeMap<String, Expected> = BTreeMap::new();
    for file in rule_tests() {
        for test in items(&yaml(&file), "/tests") {
            for (name, firing) in expected(test) {
                // promtool is content with a test of an alert that does not exist.
                let alert = alert(&name).unwrap_or_else(|| panic!("{file} tests {name}, which is no alert"));
                let seen = seen.entry(name).or_default();
                match firing {
                    0 if has_what_it_asks_for(test, alert) => seen.silent += 1,
                    0 => {}
                    _ => seen.firing += 1,
                }
            }
        }
    }
    for alert in &alerts {
        let name = word(alert, "/alert");
        let seen = seen.get(name).unwrap_or(&Expected { firing: 0, silent: 0 });
        assert!(seen.firing > 0 && seen.silent > 0, "{name}: {seen:?}");
    }
}

#[test]
fn a_planned_drop_that_runs_for_a_day_is_silent() {
    let quiet = yaml("mixin/tests/quiet.yaml");
    let [day] = quiet["tests"].as_array().unwrap().as_slice() else { panic!("one day: {quiet:#}") };
    let at_the_end = items(day, "/alert_rule_test").filter(|test| test["eval_time"] == "24h");
    let mut silent: Vec<_> = at_the_end.map(|test| word(test, "/alertname")).collect();
    assert!(expected(day).all(|(_, firing)| firing == 0));
    silent.sort_unstable();
    let alerts = alerts();
    let mut all: Vec<_> = alerts.iter().map(|alert| word(alert, "/alert")).collect();
    all.sort_unstable();
    assert_eq!(silent, all);
}

#[test]
fn every_alert_says_whom_it_wakes_and_what_to_do() {
    for alert in alerts() {
        let name = word(&alert, "/alert");
        assert!(name.starts_with("CardinalityGuard"), "{name}");
        assert!(["page", "ticket", "none"].contains(&word(&alert, "/labels/severity")), "{name}");
        assert!(!word(&alert, "/annotations/summary").is_empty(), "{name}");
        assert!(word(&alert, "/annotations/description").len() > 100, "{name}");
        let runbook = format!("{RUNBOOKS}runbook.md#{}", name.to_lowercase());
        assert_eq!(word(&alert, "/annotations/runbook_url"), runbook, "{name}");
    }
}

#[test]
fn what_pages_and_what_waits_is_as_documented() {
    let alerts = alerts();
    let alert = |name: &str| alerts.iter().find(|alert| word(alert, "/alert") == name).unwrap();
    for (name, severity, expr) in [
        (
            "CardinalityGuardNewSeriesBlocked",
            "page",
            "increase(cardinality_guard_new_series_blocked_total{cause=\"budget\"}[10m]) > 0",
        ),
        ("CardinalityGuardCollapsed", "ticket", "cardinality_guard_collapsed == 1"),
        ("CardinalityGuardInstanceOverBudget", "ticket", "cardinality_guard_scrape_series_over_budget > 0"),
    ] {
        assert_eq!((word(alert(name), "/labels/severity"), word(alert(name), "/expr")), (severity, expr), "{name}");
    }
    let pages: Vec<_> = alerts.iter().filter(|a| word(a, "/labels/severity") == "page").collect();
    assert_eq!(pages.len(), 2, "an explosion and a guard that is down: {pages:#?}");
}

/// One prefix, and one command that puts another in its place.
#[test]
fn the_runbook_is_where_the_reader_says() {
    let command = text("mixin/README.md");
    let command = command.lines().map(str::trim).find(|line| line.starts_with("sed -i ")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("mixin")).unwrap();
    std::fs::copy(path("mixin/alerts.yaml"), dir.path().join("mixin/alerts.yaml")).unwrap();
    let run = std::process::Command::new("sh").args(["-c", command]).current_dir(dir.path()).status().unwrap();
    assert!(run.success());
    let changed = std::fs::read_to_string(dir.path().join("mixin/alerts.yaml")).unwrap();
    let urls: Vec<_> = changed.lines().filter(|line| line.contains("runbook_url: ")).collect();
    assert_eq!(urls.len(), alerts().len());
    let theirs = command.split('|').nth(2).unwrap();
    assert!(urls.iter().all(|url| url.contains(&format!(" {theirs}runbook.md#cardinalityguard"))), "{urls:#?}");
    assert!(!changed.contains("example.com"));
}

#[test]
fn every_recording_rule_is_tested() {
    let tests = yaml("mixin/tests/records.yaml");
    let tested: Vec<_> = items(&tests, "/tests")
        .flat_map(|test| items(test, "/promql_expr_test"))
        .map(|test| word(test, "/expr"))
        .collect();
    for rule in rules("mixin/rules.yaml") {
        assert!(tested.contains(&word(&rule, "/record")), "{rule:#}");
    }
}
