//! Whatever the mixin and the runbook ask for is exposed by the guard, by Prometheus, or recorded.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cardinality_guard::engine::guard::{Annotate, BodyEnd, EndpointState, Guard, Limits, Scrape, Start};
use cardinality_guard::engine::model::{Format, Seed};
use cardinality_guard::engine::policy::{Builtin, Mode, Policies};

use crate::{alerts, dashboard, promql, rules, runbook, text, word};

/// What Prometheus and its client library expose.
const FROM_ELSEWHERE: [&str; 5] =
    ["up", "ALERTS", "process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total"];

/// Names of the guard's own families, with the samples of histograms.
fn own() -> BTreeSet<String> {
    let source = text("src/telemetry/names.rs");
    let quoted = source.split('"').skip(1).step_by(2);
    let mut names: BTreeSet<String> = quoted
        .filter(|s| s.starts_with("cardinality_guard_"))
        .filter(|s| !s.contains(' '))
        .map(str::to_owned)
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for part in ["bucket", "sum", "count"] {
        names.insert(format!("cardinality_guard_scrape_duration_seconds_{part}"));
    }
    names
}

/// Names of what the guard adds to a scrape, out of a scrape.
fn annotations() -> BTreeSet<String> {
    let (policies, _) = Policies::compile(&[], Builtin::Excluded, None).unwrap();
    let scrape = Scrape {
        plan: Arc::new(policies.plan(None, Mode::Enforce)),
        limits: Limits::default(),
        now: Duration::ZERO,
        wall_seconds: 0.0,
        client: 1,
        annotate: Annotate::Yes,
        start: Start::Baseline,
        commons: None,
    };
    let mut guard = Guard::begin(EndpointState::new(Format::Text, Seed::new(7)), scrape);
    guard.push(b"a 1\n").unwrap();
    let mut out = Vec::new();
    guard.finish(BodyEnd::Framed, &mut out).1.unwrap();
    let lines = String::from_utf8(out).unwrap();
    let names = lines.lines().filter(|line| line.starts_with("cardinality_guard_scrape_"));
    let names: BTreeSet<String> = names.map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 8, "{lines}");
    names
}

#[test]
fn every_metric_is_one_that_exists() {
    let records = rules("mixin/rules.yaml");
    let mut known: BTreeSet<String> = own().into_iter().chain(annotations()).collect();
    known.extend(records.iter().map(|rule| word(rule, "/record").to_owned()));
    known.extend(FROM_ELSEWHERE.iter().map(|name| (*name).to_owned()));

    let mut expressions: Vec<String> =
        alerts().iter().chain(&records).map(|rule| word(rule, "/expr").to_owned()).collect();
    expressions.extend(dashboard::expressions());
    expressions.extend(dashboard::variables());
    expressions.extend(runbook::expressions());
    for expression in expressions {
        let unknown: Vec<_> = promql::metrics(&expression).into_iter().filter(|name| !known.contains(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?} in {expression}");
    }
}
