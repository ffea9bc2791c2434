//! Real bodies through the engine: what is folded is what the exporter would have said without the
//! label, and what is not touched leaves byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/bodies.rs"]
mod bodies;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bodies::{all, body, series};
use cardinality_guard::engine::guard::{Annotate, BodyEnd, EndpointState, Guard, Limits, Report, Scrape, Start};
use cardinality_guard::engine::model::{Format, Seed};
use cardinality_guard::engine::policy::{Builtin, Mode, Plan, Policies, Source};

fn drops(label: &str) -> Arc<Plan> {
    plan(&format!("policies: [{{name: p, hold: 0s, labels: [{{label: {label}, action: drop}}]}}]"))
}

fn plan(text: &str) -> Arc<Plan> {
    let source = Source { name: "policy.yaml".into(), text: text.into() };
    let (policies, _) = Policies::compile(&[source], Builtin::Excluded, None).unwrap_or_else(|f| panic!("{f:?}"));
    Arc::new(policies.plan(None, Mode::Enforce))
}

struct Endpoint {
    state: Option<Box<EndpointState>>,
    plan: Arc<Plan>,
    now: Duration,
    start: Start,
    limits: Limits,
}

impl Endpoint {
    fn new(format: Format, plan: Arc<Plan>, start: Start) -> Endpoint {
        let state = Some(EndpointState::new(format, Seed::new(5)));
        Endpoint { state, plan, now: Duration::ZERO, start, limits: Limits::default() }
    }

    fn scrape(&mut self, body: &str, chunk: usize) -> (String, Report) {
        self.now += Duration::from_secs(15);
        let scrape = Scrape {
            plan: self.plan.clone(),
            limits: self.limits,
            now: self.now,
            wall_seconds: 0.0,
            client: 1,
            annotate: Annotate::No,
            start: self.start,
            commons: None,
        };
        let mut guard = Guard::begin(self.state.take().unwrap(), scrape);
        let mut out = Vec::new();
        for bytes in body.as_bytes().chunks(chunk) {
            guard.push(bytes).unwrap();
            guard.drain(&mut out);
        }
        let (state, report) = guard.finish(BodyEnd::Framed, &mut out);
        self.state = Some(state);
        (String::from_utf8(out).unwrap(), report.unwrap())
    }
}

/// What one body says when this label is folded away, as `filter` shows it.
fn folded(label: &str, body: &str) -> BTreeMap<String, f64> {
    let (out, _) = Endpoint::new(Format::Text, drops(label), Start::Sum).scrape(body, 16 << 10);
    series(&out)
}

fn assert_equal(got: &BTreeMap<String, f64>, expected: &BTreeMap<String, f64>) {
    let names = |s: &BTreeMap<String, f64>| s.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(got), names(expected));
    for (name, expected) in expected {
        let got = got[name];
        assert!((got - expected).abs() <= 1e-9 * expected.abs(), "{name}: {got}, not {expected}");
    }
}

/// Series of the exporter about itself, which two captures cannot share.
fn about_itself(name: &str) -> bool {
    name.contains("_created{") || name.starts_with("process_") || name.starts_with("python_gc")
}

#[test]
fn every_real_body_leaves_byte_for_byte_however_it_is_cut() {
    let nothing = plan("policies: []");
    for (name, format, body) in all() {
        let chunks = if body.len() < 300_000 { vec![1, 7, 4096, usize::MAX] } else { vec![4096, usize::MAX] };
        for chunk in chunks {
            let mut e = Endpoint::new(format, nothing.clone(), Start::Baseline);
            for _ in 0..2 {
                assert!(e.scrape(&body, chunk).0 == body, "{name} in chunks of {chunk}");
            }
            e.limits.hold_output = 1000;
            assert!(e.scrape(&body, chunk).0 == body, "{name} leaving early in chunks of {chunk}");
        }
    }
}

#[test]
fn job_id_dropped_from_36_061_series_is_the_clean_body() {
    let exploded = body("prometheus_client/seed_single_job_id_explosion.text.prom.gz");
    assert_eq!(series(&exploded).len(), 36_061);
    let mut got = folded("job_id", &exploded);
    let mut clean = series(&body("prometheus_client/seed_single_ok.text.prom"));
    got.retain(|name, _| !about_itself(name));
    clean.retain(|name, _| !about_itself(name));
    assert!(clean.len() > 80);
    assert_equal(&got, &clean);
}

/// Sums over a label, the naive way: over the text of the series.
fn summed_over(label: &str, raw: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for (series, value) in raw {
        let (name, labels) = series.trim_end_matches('}').split_once('{').unwrap();
        let kept: Vec<&str> =
            labels.split(',').filter(|l| !l.starts_with(&format!("{label}=")) && !l.is_empty()).collect();
        *sums.entry(format!("{name}{{{}}}", kept.join(","))).or_default() += value;
    }
    sums
}

#[test]
fn job_id_dropped_from_the_bullmq_poller_is_the_sum_over_it() {
    let raw = series(&body("bullmq/poller_mistake_job_id.text.prom.gz"));
    let got = folded("job_id", &body("bullmq/poller_mistake_job_id.text.prom.gz"));
    assert!(raw.len() > 2500 && got.len() < 300, "{} {}", raw.len(), got.len());
    assert_equal(&got, &summed_over("job_id", &raw));
    // The clean poller beside it is another run: its numbers differ, the histogram's series do not.
    let clean = series(&body("bullmq/poller_good.text.prom"));
    let histogram = |s: &BTreeMap<String, f64>| -> Vec<String> {
        s.keys().filter(|n| n.starts_with("bullmq_job_duration_seconds")).cloned().collect()
    };
    assert_eq!(histogram(&got), histogram(&clean));
}

#[test]
fn hostname_dropped_from_celery_keeps_every_sum() {
    for name in ["celery_exporter_baseline.text.prom", "celery_exporter_k8s_producer_churn.text.prom.gz"] {
        let raw = series(&body(&format!("celery/{name}")));
        let got = folded("hostname", &body(&format!("celery/{name}")));
        let sum = |s: &BTreeMap<String, f64>, family: &str| -> f64 {
            s.iter().filter(|(n, _)| n.split('{').next() == Some(family)).map(|(_, v)| v).sum()
        };
        for family in ["celery_task_succeeded_total", "celery_task_sent_total", "celery_task_runtime_count"] {
            assert!(sum(&raw, family) > 0.0, "{family} counts in {name}");
            assert_eq!(sum(&got, family), sum(&raw, family), "{family} in {name}");
        }
        assert!(got.keys().all(|n| !n.contains("hostname")), "{name}");
        assert!(got.len() * 2 < raw.len(), "{name}: {} of {}", got.len(), raw.len());
    }
}

#[test]
fn a_purge_of_dead_workers_makes_no_folded_counter_fall() {
    let mut e = Endpoint::new(Format::Text, drops("hostname"), Start::Baseline);
    let mut before = BTreeMap::new();
    for name in
        ["celery_exporter_k8s_producer_churn.text.prom.gz", "celery_exporter_after_purge_of_dead_workers.text.prom.gz"]
    {
        let now = series(&e.scrape(&body(&format!("celery/{name}")), 4096).0);
        for (series, value) in now.iter().filter(|(s, _)| s.contains("_total{")) {
            let last: f64 = before.get(series).copied().unwrap_or_default();
            assert!(*value >= last, "{series} fell from {last} to {value}");
        }
        before = now;
    }
}

#[test]
fn twelve_live_scrapes_fold_to_the_increments_of_the_truth() {
    let read = |at: usize, what: &str| body(&format!("live/grow_restart_at_07.{at:02}.{what}.prom.gz"));
    let mut e = Endpoint::new(Format::Text, drops("job_id"), Start::Baseline);
    let mut truth: BTreeMap<String, f64> = BTreeMap::new();
    let mut last: BTreeMap<String, f64> = BTreeMap::new();
    let mut got = BTreeMap::new();
    for at in 0..12 {
        got = series(&e.scrape(&read(at, "job_id"), 4096).0);
        let now = series(&read(at, "truth"));
        let restarted = at == 7;
        for (name, value) in now.iter().filter(|(n, _)| is_cumulative(n)) {
            let before = if restarted { Some(0.0) } else { last.get(name).copied() };
            let gain = value - before.unwrap_or(if at == 0 { *value } else { 0.0 });
            *truth.entry(name.clone()).or_default() += gain;
        }
        last = now;
    }
    // The last scrape once more: what was born in it shows its value now.
    got.extend(series(&e.scrape(&read(11, "job_id"), 4096).0));
    assert!(truth.len() > 40 && truth.values().any(|v| *v > 50.0));
    for (name, expected) in &truth {
        let got = got[name];
        assert!((got - expected).abs() <= 1e-6, "{name}: {got}, not {expected}");
    }
}

fn is_cumulative(name: &str) -> bool {
    let sample = name.split('{').next().unwrap_or(name);
    // The families that have `job_id`; the others pass as they came, restart and all.
    (sample.starts_with("worker_jobs") || sample.starts_with("worker_exec"))
        && ["_total", "_bucket", "_count", "_sum"].iter().any(|s| sample.ends_with(s))
}
