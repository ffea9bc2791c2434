//! What an own scrape says after a bit of everything has happened.

use std::sync::Arc;

use super::*;
use crate::engine::guard::{Attributed, BadSample};
use crate::engine::policy::{Action, Cause};

fn attributed(metric: &str, action: Action, count: u64) -> Attributed {
    let cause = Cause { policy: "job-ids".into(), label: "job_id".into(), action };
    Attributed { cause: Arc::new(cause), metric: metric.into(), count }
}

fn report() -> Report {
    Report {
        received: 100,
        forwarded: 10,
        dropped: 90,
        dropped_by: vec![attributed("jobs_total", Action::Drop, 90)],
        blocked_by: vec![attributed("jobs_total", Action::Drop, 7), attributed("jobs_total", Action::Limit, 2)],
        folded_by: vec![attributed("jobs_total", Action::Drop, 99)],
        observed_dropped_by: vec![attributed("we\"ird\\\n", Action::Hash, 1)],
        resets: 3,
        bad_samples: vec![(BadSample::Negative, 4)],
        ..Report::default()
    }
}

fn foreseen(target: &str, policy: &str, grounds: &[Ground], mode: Mode) -> ForeseenPolicy {
    ForeseenPolicy { target: target.into(), policy: policy.into(), grounds: grounds.to_vec(), mode }
}

/// A process that has seen a bit of everything.
fn busy() -> (Telemetry, Vec<LiveEndpoint>) {
    let telemetry = Telemetry::default();
    telemetry.config_loaded(Foreseen {
        targets: vec![("celery".into(), Mode::Enforce), ("idle".into(), Mode::Observe)],
        policies: vec![
            foreseen("celery", "job-ids", &[Ground::Policy, Ground::Budget], Mode::Enforce),
            foreseen("celery", "planned", &[Ground::Policy], Mode::Enforce),
            foreseen("idle", "job-ids", &[Ground::Policy, Ground::Budget], Mode::Observe),
        ],
        memory_limit: 5_000_000,
    });
    let cost =
        ScrapeCost { upstream: Duration::from_millis(20), total: Duration::from_millis(30), ..Default::default() };
    telemetry.scrape_ended("celery", ScrapeResult::Ok, "", cost);
    telemetry.scrape_ended("", ScrapeResult::Forbidden, "guard: no target allows that", ScrapeCost::default());
    telemetry.scrape_committed("celery", &report());
    let live = LiveEndpoint {
        target: "celery".into(),
        received: 100,
        forwarded: 10,
        members: 99,
        memory_bytes: 4096,
        ..LiveEndpoint::default()
    };
    (telemetry, vec![live.clone(), live])
}

fn value(exposition: &str, series: &str) -> Option<f64> {
    exposition.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn what_happened_can_be_read_off() {
    let (telemetry, live) = busy();
    telemetry.expose(Exposition::Text, &live);
    let text = telemetry.expose(Exposition::Text, &live);
    for (series, want) in [
        (
            r#"cardinality_guard_dropped_series_total{target="celery",policy="job-ids",metric="jobs_total",label="job_id",action="drop",cause="policy"}"#,
            90.0,
        ),
        (r#"cardinality_guard_new_series_blocked_total{target="celery",policy="job-ids",cause="policy"}"#, 7.0),
        (r#"cardinality_guard_new_series_blocked_total{target="celery",policy="job-ids",cause="budget"}"#, 2.0),
        (r#"cardinality_guard_new_series_blocked_total{target="idle",policy="job-ids",cause="budget"}"#, 0.0),
        (r#"cardinality_guard_folded_samples_total{target="celery",policy="job-ids"}"#, 99.0),
        (r#"cardinality_guard_scrapes_total{target="celery",result="ok"}"#, 1.0),
        (r#"cardinality_guard_scrapes_total{target="celery",result="timeout"}"#, 0.0),
        (r#"cardinality_guard_scrapes_total{target="",result="forbidden"}"#, 1.0),
        (r#"cardinality_guard_resets_total{target="celery"}"#, 3.0),
        (r#"cardinality_guard_bad_samples_total{target="celery",reason="negative"}"#, 4.0),
        (r#"cardinality_guard_series{target="celery",stage="received"}"#, 200.0),
        (r#"cardinality_guard_series{target="idle",stage="received"}"#, 0.0),
        (r#"cardinality_guard_endpoints{target="celery"}"#, 2.0),
        (r#"cardinality_guard_mode{target="idle",mode="observe"}"#, 1.0),
        (r#"cardinality_guard_mode{target="idle",mode="enforce"}"#, 0.0),
        ("cardinality_guard_config_last_reload_successful", 1.0),
        ("cardinality_guard_memory_limit_bytes", 5e6),
        (r#"cardinality_guard_scrape_duration_seconds_bucket{stage="total",le="0.05"}"#, 2.0),
        (r#"cardinality_guard_scrape_duration_seconds_count{stage="upstream"}"#, 1.0),
    ] {
        assert_eq!(value(&text, series), Some(want), "{series}\n{text}");
    }
}

/// A policy without limits never spends a budget, and one that is enforced observes nothing.
#[test]
fn what_cannot_happen_has_no_row() {
    let (telemetry, live) = busy();
    let text = telemetry.expose(Exposition::Text, &live);
    let blocked = |target: &str, policy: &str, cause: &str| {
        let labels = format!(r#"{{target="{target}",policy="{policy}",cause="{cause}"}}"#);
        ["", "observed_"].map(|of| value(&text, &format!("cardinality_guard_{of}new_series_blocked_total{labels}")))
    };
    assert_eq!(blocked("celery", "planned", "policy"), [Some(0.0), None]);
    assert_eq!(blocked("celery", "planned", "budget"), [None, None]);
    assert_eq!(blocked("idle", "job-ids", "budget"), [Some(0.0), Some(0.0)]);
}

#[test]
fn a_failed_reload_shows() {
    let (telemetry, live) = busy();
    telemetry.config_failed("guard.yaml:3:1: unknown key");
    let text = telemetry.expose(Exposition::Text, &live);
    assert_eq!(value(&text, "cardinality_guard_config_last_reload_successful"), Some(0.0));
    assert!(value(&text, "cardinality_guard_config_last_reload_success_timestamp_seconds") > Some(1.7e9));
}

#[test]
fn openmetrics_says_the_same_as_text() {
    let (telemetry, live) = busy();
    telemetry.expose(Exposition::Text, &live);
    let (text, openmetrics) =
        (telemetry.expose(Exposition::Text, &live), telemetry.expose(Exposition::OpenMetrics, &live));
    let samples = |body: &str| -> Vec<String> {
        let own = |line: &&str| line.starts_with("cardinality_guard_");
        let mut samples: Vec<String> = body.lines().filter(own).map(|line| line.replace(".0\"}", "\"}")).collect();
        samples.sort();
        samples
    };
    assert_eq!(samples(&text), samples(&openmetrics));
    assert!(openmetrics.contains("# TYPE cardinality_guard_scrapes counter\n"));
    assert!(openmetrics.contains(r#"metric="we\"ird\\\n""#));
    assert!(openmetrics.contains(r#"le="1.0""#) && openmetrics.contains(r#"le="+Inf""#));
    assert!(openmetrics.ends_with("# EOF\n"));
}

#[test]
fn every_family_has_help_and_a_type() {
    let (telemetry, live) = busy();
    let text = telemetry.expose(Exposition::Text, &live);
    let mut families = 0;
    for line in text.lines().filter(|line| line.starts_with("# TYPE ")) {
        let name = line.split(' ').nth(2).unwrap();
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
        families += 1;
    }
    assert!(families > 25, "{families}");
}
