//! The dashboard is one that Grafana can load, and every query in it is PromQL.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::promtool::assert_promql;
use crate::{items, text, word};

/// What Grafana puts in the place of its variables.
const VARIABLES: [(&str, &str); 7] = [
    ("$__rate_interval", "5m"),
    ("$__interval", "1m"),
    ("$__range", "6h"),
    ("$instance", ".*"),
    ("$target", ".*"),
    ("$guard", ".*"),
    ("$job", "worker|celery"),
];

fn dashboard() -> Value {
    serde_json::from_str(&text("mixin/dashboard.json")).unwrap()
}

/// What it asks Prometheus for, with a value for each variable.
pub(crate) fn expressions() -> Vec<String> {
    let dashboard = dashboard();
    let panels = items(&dashboard, "/panels").flat_map(|panel| items(panel, "/targets"));
    let asked = panels.chain(items(&dashboard, "/annotations/list")).map(|asked| word(asked, "/expr"));
    let filled = |expr: &str| VARIABLES.iter().fold(expr.to_owned(), |expr, (name, value)| expr.replace(name, value));
    asked.map(filled).collect()
}

/// The metrics that the variables are read from.
pub(crate) fn variables() -> Vec<String> {
    let dashboard = dashboard();
    let queries = items(&dashboard, "/templating/list").filter_map(|variable| variable["query"]["query"].as_str());
    let of = |query: &str| {
        let inside = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).unwrap();
        inside.rsplit_once(',').unwrap().0.to_owned()
    };
    queries.map(of).collect()
}

#[test]
fn every_query_is_promql() {
    let expressions = expressions();
    assert!(expressions.len() > 25, "{}", expressions.len());
    let unfilled: Vec<_> = expressions.iter().filter(|expr| expr.contains('$')).collect();
    assert!(unfilled.is_empty(), "{unfilled:#?}");
    assert_promql(&expressions);
}

#[test]
fn job_and_instance_come_from_what_each_scrape_carries() {
    let dashboard = dashboard();
    let names: Vec<_> = items(&dashboard, "/templating/list").map(|variable| word(variable, "/name")).collect();
    assert_eq!(names, ["datasource", "job", "instance", "guard", "target"]);
    let query = |name: &str| {
        let mut variables = items(&dashboard, "/templating/list");
        word(variables.find(|variable| variable["name"] == name).unwrap(), "/query/query").to_owned()
    };
    assert_eq!(query("job"), "label_values(cardinality_guard_scrape_series_received, job)");
    assert!(query("instance").starts_with("label_values(cardinality_guard_scrape_series_received{job=~\"$job\"}, "));
}

#[test]
fn every_panel_asks_the_data_source_that_is_chosen_and_says_what_it_shows() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    for panel in items(&dashboard, "/panels") {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{} twice", panel["id"]);
        assert!(!word(panel, "/title").is_empty());
        if panel["type"] == "row" {
            continue;
        }
        assert!(!word(panel, "/description").is_empty(), "{}", panel["title"]);
        let asked: Vec<_> = items(panel, "/targets").collect();
        assert!(!asked.is_empty(), "{}", panel["title"]);
        for asked in asked.into_iter().chain([panel]) {
            assert_eq!(word(asked, "/datasource/uid"), "${datasource}", "{}", panel["title"]);
        }
    }
}

#[test]
fn no_panel_lies_on_another() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    for panel in items(&dashboard, "/panels") {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{} is wider than the page", panel["title"]);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{} lies on another panel", panel["title"]);
            }
        }
    }
}
