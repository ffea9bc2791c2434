//! The shipped policies on real bodies: what each removes, what stays, and that whoever has nothing
//! that explodes gets his body byte for byte.

#![allow(clippy::unwrap_used)] // a test may, and so may what it calls

#[path = "support/bodies.rs"]
mod bodies;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bodies::{body, root, series};
use cardinality_guard::engine::guard::{Annotate, BodyEnd, EndpointState, Guard, Limits, Scrape, Start};
use cardinality_guard::engine::model::{Format, Seed};
use cardinality_guard::engine::policy::{Builtin, Mode, Policies, Source};
use rstest::rstest;

/// One body under one shipped policy, as `filter --policy` shows it.
fn guarded(policy: &str, name: &str) -> String {
    let path = root().join(format!("../../policies/{policy}.yaml"));
    let source = Source { name: policy.to_owned(), text: std::fs::read_to_string(path).unwrap() };
    let (policies, findings) = Policies::compile(&[source], Builtin::Excluded, None).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    let format = if name.contains(".om.") { Format::OpenMetrics } else { Format::Text };
    let scrape = Scrape {
        plan: Arc::new(policies.plan(None, Mode::Enforce)),
        limits: Limits::default(),
        now: Duration::ZERO,
        wall_seconds: 0.0,
        client: 1,
        annotate: Annotate::No,
        start: Start::Sum,
        commons: None,
    };
    let mut guard = Guard::begin(EndpointState::new(format, Seed::new(7)), scrape);
    guard.push(body(name).as_bytes()).unwrap();
    let mut out = Vec::new();
    guard.drain(&mut out);
    guard.finish(BodyEnd::Framed, &mut out).1.unwrap();
    String::from_utf8(out).unwrap()
}

type Series = BTreeMap<String, f64>;

fn values(series: &Series, family: &str, label: &str) -> BTreeSet<String> {
    let of_family = series.keys().filter(|s| s.split('{').next().is_some_and(|name| name.starts_with(family)));
    let pairs = of_family.flat_map(|s| s.trim_end_matches('}').split(['{', ',']).skip(1));
    pairs.filter_map(|pair| pair.strip_prefix(&format!("{label}=\""))).map(str::to_owned).collect()
}

/// The sum of every counter and of every histogram's counts, by sample name.
fn sums(series: &Series) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for (series, value) in series {
        let name = series.split('{').next().unwrap();
        if name.ends_with("_total") || name.ends_with("_count") || name.ends_with("_bucket") {
            *sums.entry(name.to_owned()).or_default() += value;
        }
    }
    sums
}

struct Case {
    policy: &'static str,
    body: &'static str,
    /// Of this family prefix,
    family: &'static str,
    /// these labels go,
    gone: &'static [&'static str],
    /// and these keep every value they had.
    kept: &'static [&'static str],
    /// Series before and after.
    series: (usize, usize),
}

#[rstest]
#[case::celery_deployment(Case {
    policy: "celery", body: "celery/celery_exporter_baseline.text.prom", family: "celery_task_",
    gone: &["hostname"], kept: &["name", "queue_name", "exception", "le"], series: (413, 156),
})]
#[case::celery_openmetrics(Case {
    policy: "celery", body: "celery/celery_exporter_baseline.om.prom", family: "celery_task_",
    gone: &["hostname"], kept: &["name", "queue_name", "exception", "le"], series: (413, 156),
})]
#[case::celery_cron_jobs(Case {
    policy: "celery", body: "celery/celery_exporter_k8s_producer_churn.text.prom.gz", family: "celery_task_",
    gone: &["hostname"], kept: &["name", "queue_name", "exception", "le"], series: (1_689, 171),
})]
#[case::celery_hosts_of_workers(Case {
    policy: "celery", body: "celery/celery_exporter_k8s_producer_churn.text.prom.gz", family: "celery_worker_",
    gone: &[], kept: &["hostname"], series: (1_689, 171),
})]
#[case::bullmq_poller(Case {
    policy: "bullmq", body: "bullmq/poller_mistake_job_id.text.prom.gz", family: "bullmq_",
    gone: &["job_id"], kept: &["queue", "state", "status", "le"], series: (2_945, 138),
})]
#[case::python_jobs(Case {
    policy: "prometheus-client", body: "prometheus_client/seed_single_job_id_explosion.text.prom.gz", family: "worker_",
    gone: &["job_id"], kept: &["queue", "task", "status", "le"], series: (36_061, 133),
})]
#[case::python_processes(Case {
    policy: "prometheus-client", body: "prometheus_client/seed_multiproc_ok.text.prom", family: "worker_",
    gone: &["pid"], kept: &["queue", "task", "status", "le"], series: (137, 116),
})]
#[case::built_in(Case {
    policy: "default", body: "prometheus_client/seed_single_job_id_explosion.text.prom.gz", family: "worker_",
    gone: &["job_id"], kept: &["queue", "task", "status", "le"], series: (36_061, 133),
})]
fn removes_what_explodes_and_keeps_the_rest(#[case] case: Case) {
    let before = series(&body(case.body));
    let after = series(&guarded(case.policy, case.body));
    for label in case.gone {
        assert!(!values(&before, case.family, label).is_empty(), "{label} was there");
        assert_eq!(values(&after, case.family, label), BTreeSet::new(), "{label}");
    }
    for label in case.kept {
        assert!(!values(&before, case.family, label).is_empty(), "{label} was there");
        assert_eq!(values(&after, case.family, label), values(&before, case.family, label), "{label}");
    }
    assert_eq!((before.len(), after.len()), case.series);
    let (before, after) = (sums(&before), sums(&after));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (name, sum) in before {
        assert!((after[&name] - sum).abs() <= 1e-9 * sum.abs(), "{name}: {} of {sum}", after[&name]);
    }
}

#[test]
fn names_made_of_data_become_one() {
    let job_names = |s: &Series| values(s, "bullmq_", "job_name");
    let name = "bullmq/poller_mistake_job_id.text.prom.gz";
    assert!(job_names(&series(&body(name))).len() > 50);
    let after = job_names(&series(&guarded("bullmq", name)));
    assert!(after.len() < 10 && after.contains("images:user-:int"), "{after:?}");
}

#[test]
fn gauges_of_several_processes_become_what_they_mean() {
    let name = "prometheus_client/seed_multiproc_ok.text.prom";
    let before = series(&body(name));
    let after = series(&guarded("prometheus-client", name));
    let of = |gauge: &str| -> Vec<f64> {
        before.iter().filter(|(s, _)| s.starts_with(gauge) && s.contains("emails")).map(|(_, v)| *v).collect()
    };
    let max = |values: Vec<f64>| values.into_iter().fold(0.0, f64::max);
    let emails = |gauge: &str| after[&format!("{gauge}{{queue=\"emails}}")];
    assert_eq!(emails("worker_inflight_jobs"), of("worker_inflight_jobs").iter().sum::<f64>());
    assert_eq!(emails("worker_queue_depth"), max(of("worker_queue_depth")));
    assert_eq!(emails("worker_last_heartbeat_seconds"), max(of("worker_last_heartbeat_seconds")));
}

#[rstest]
fn who_has_nothing_that_explodes_is_not_touched(
    #[values("default", "celery", "bullmq", "sidekiq", "prometheus-client")] policy: &str,
    #[values(
        "go/node_exporter.prom",
        "go/prometheus_2.42.text.prom.gz",
        "go/prometheus_3.5.3.text.prom.gz",
        "sidekiq/yabeda_baseline.text.prom",
        "bullmq/builtin-all.prom",
        "bullmq/builtin-vars.prom",
        "bullmq/poller_good.text.prom",
        "bullmq/openmetrics_exemplars.om.prom",
        "prometheus_client/seed_single_ok.text.prom",
        "prometheus_client/seed_single_ok.om.prom"
    )]
    name: &str,
) {
    assert!(guarded(policy, name) == body(name), "{name} under {policy}");
}
