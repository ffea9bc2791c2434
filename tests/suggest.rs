//! `suggest` as a user runs it: what it prints is a policy, and does what it says.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/binary.rs"]
mod support;

#[path = "support/bodies.rs"]
mod bodies;

use std::collections::{BTreeMap, BTreeSet};

use support::{Run, Scratch, run, scratch};

/// A suggestion, and what leaves behind it.
struct Suggested {
    run: Run,
    out: String,
}

/// Suggests for `body`, has it checked and tries it. Both must work, whatever it says.
fn suggest(dir: &Scratch, body: &str, more: &[&str]) -> Suggested {
    let got = run(&[&["suggest"], more, &["--", body]].concat());
    std::fs::write(dir.path("suggested.yaml"), &got.stdout).unwrap();
    let policy = dir.path("suggested.yaml");
    let checked = run(&["check", &policy, "--against", body]);
    assert_eq!(checked.code, 0, "{body}: {}\n{}", got.stdout, checked.stdout);
    let filtered = run(&["filter", "--policy", &policy, body]);
    assert_eq!(filtered.code, 0, "{body}: {}", filtered.stderr);
    Suggested { run: got, out: filtered.stdout }
}

/// A body, and what is suggested for it.
fn suggest_for(body: &str, more: &[&str]) -> Suggested {
    let dir = scratch(&[("body.prom", body)]);
    suggest(&dir, &dir.path("body.prom"), more)
}

/// Series by the name of their samples; the buckets of a histogram, its largest part, stand for it.
fn largest(body: &str) -> usize {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in body.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        *counts.entry(line.split(['{', ' ']).next().unwrap()).or_default() += 1;
    }
    counts.into_values().max().unwrap_or(0)
}

/// Lines of the largest metric, its buckets, sums and counts together, as limits count them.
fn largest_family(body: &str) -> usize {
    let dir = scratch(&[("out.prom", body)]);
    let got = run(&["analyze", "--json", &dir.path("out.prom")]);
    assert_eq!(got.code, 0, "{}", got.stderr);
    let told: serde_json::Value = serde_json::from_str(&got.stdout).unwrap();
    told["metrics"].as_array().unwrap().iter().map(|m| m["series"].as_u64().unwrap() as usize).max().unwrap_or(0)
}

/// The values of a label; an empty one is none.
fn values(body: &str, label: &str) -> BTreeSet<String> {
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    let parts = lines.flat_map(|line| line.split(['{', ',']));
    let value = |part: &str| Some(part.trim().strip_prefix(label)?.strip_prefix("=\"")?.split('"').next()?.to_owned());
    parts.filter_map(value).filter(|value| !value.is_empty()).collect()
}

#[test]
fn every_real_body_is_within_budget_and_keeps_what_it_is_asked_by() {
    let mut proposed = 0;
    for (name, _, text) in bodies::all() {
        let path = bodies::root().join(&name);
        let Suggested { run, out } = suggest(&scratch(&[]), path.to_str().unwrap(), &[]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{name}");
        let family = largest_family(&out);
        assert!(family <= 10_000, "{name}: {family} lines of one metric");
        for label in ["queue", "queue_name", "status", "state", "task", "name", "le"] {
            assert_eq!(values(&out, label), values(&text, label), "{label} of {name}");
        }
        let ids = values(&text, "job_id").len();
        assert_eq!(values(&out, "job_id").len(), if ids > 10 { 0 } else { ids }, "{name}");
        proposed += usize::from(run.stdout.contains("job_id, action: drop"));
    }
    assert!(proposed > 10, "only {proposed} bodies explode");
}

#[test]
fn a_healthy_exporter_is_left_alone() {
    for name in
        ["go/node_exporter.prom", "go/prometheus_3.5.3.text.prom.gz", "prometheus_client/seed_multiproc_ok.text.prom"]
    {
        let got = suggest(&scratch(&[]), bodies::root().join(name).to_str().unwrap(), &[]);
        assert!(got.run.stdout.ends_with("policies: []\n"), "{}", got.run.stdout);
    }
}

#[test]
fn what_makes_most_of_the_series_is_told_even_when_it_stays() {
    let body = bodies::root().join("celery/celery_exporter_k8s_producer_churn.text.prom.gz");
    let got = suggest(&scratch(&[]), body.to_str().unwrap(), &[]).run.stdout.replace("\n#", "");
    assert!(
        got.contains("Left alone, as every metric is within budget: hostname with 28 values; without it 169 series"),
        "{got}"
    );
}

#[test]
fn under_a_tighter_budget_the_label_goes_that_cuts_most() {
    let body = bodies::root().join("celery/celery_exporter_k8s_producer_churn.text.prom.gz");
    let got = suggest(&scratch(&[]), body.to_str().unwrap(), &["--budget", "100"]);
    assert!(largest(&got.out) <= 100, "{}", largest(&got.out));
    assert!(got.run.stdout.contains("{label: hostname, action: drop}"), "{}", got.run.stdout);
    let text = bodies::body("celery/celery_exporter_k8s_producer_churn.text.prom.gz");
    for label in ["queue_name", "name", "exception"] {
        assert_eq!(values(&got.out, label), values(&text, label), "{label}");
    }
    let up = |body: &str| body.lines().filter(|line| line.starts_with("celery_worker_up{")).count();
    assert_eq!(up(&got.out), up(&text), "a metric within budget keeps its hosts");
}

#[test]
fn of_two_labels_that_multiply_one_goes() {
    let body: String = (0..40).flat_map(|a| (0..30).map(move |b| format!("m{{a=\"x{a}\",b=\"y{b}\"}} 1\n"))).collect();
    let got = suggest_for(&body, &["--budget", "1000"]);
    assert_eq!((values(&got.out, "a").len(), values(&got.out, "b").len()), (0, 30), "{}", got.run.stdout);
}

#[test]
fn labels_that_say_the_same_go_together_and_nothing_else_does() {
    let body: String = (0..60).map(|i| format!("m{{a=\"x{i}\",b=\"{i}y\",zone=\"z{}\"}} 1\n", i % 2)).collect();
    let got = suggest_for(&body, &["--budget", "20"]);
    assert_eq!(got.run.code, 0, "{}", got.run.stderr);
    assert_eq!(
        (values(&got.out, "a").len() + values(&got.out, "b").len(), values(&got.out, "zone").len()),
        (0, 2),
        "{}",
        got.run.stdout
    );
}

#[test]
fn one_label_may_have_two_steps() {
    // Paths that `normalize` makes few in one metric, and that are too many for the other's budget.
    let orders = (0..200).map(|i| format!("a{{path=\"/orders/{}\"}} 1\n", 1000 + i));
    let words = (0..60).map(|i| format!("b{{path=\"/{}\"}} 1\n", "x".repeat(i + 1)));
    let body: String = orders.chain(words).collect();
    let got = suggest_for(&body, &["--budget", "20"]);
    assert!(
        got.run.stdout.contains("- name: suggested_path\n") && got.run.stdout.contains("- name: suggested_path_too\n")
    );
    assert_eq!(got.out, "a{path=\"/orders/:int\"} 200\nb 60\n", "{}", got.run.stdout);
}

/// Sixty jobs on each of two metrics.
fn jobs() -> String {
    (0..60).map(|i| format!("jobs_total{{job_id=\"{i}\"}} 1\nseconds_total{{job_id=\"{i}\"}} 1\n")).collect()
}

#[test]
fn what_rules_use_is_never_proposed() {
    let rules = |expression: &str| format!("groups: [{{name: g, rules: [{{alert: a, expr: '{expression}'}}]}}]");
    let shown = "jobs_total > 9', annotations: {summary: '{{ $labels.job_id }}'}, for: '1m";
    for (expression, used) in [
        ("sum by (job_id) (rate(jobs_total[5m]))", true),
        ("jobs_total{job_id=\"1\"}", true),
        ("a * on (job_id) group_left jobs_total", true),
        ("{__name__=~\"jobs_.+\", job_id=\"1\"}", true),
        ("sum by (exported_job_id) (jobs_total)", true),
        (shown, true),
        ("sum without (job_id) (jobs_total)", false),
        ("sum by (job_id) (others_total)", false),
    ] {
        let dir = scratch(&[("body.prom", &jobs()), ("r.yml", &rules(expression))]);
        let got = suggest(&dir, &dir.path("body.prom"), &["--rules", &dir.path("r.yml")]);
        let left = got.out.lines().filter(|line| line.starts_with("jobs_total")).count();
        assert_eq!(left, if used { 60 } else { 1 }, "{expression}: {}", got.run.stdout);
        let told = got.run.stdout.replace("\n#", "");
        assert_eq!(told.contains("Not proposed: job_id of jobs_total, which"), used, "{told}");
        assert_eq!(got.out.lines().filter(|line| line.starts_with("seconds_total")).count(), 1, "{expression}");
    }
}

#[test]
fn what_cannot_be_brought_under_budget_is_said_and_loses_nothing_in_vain() {
    let rules = "groups: [{name: g, rules: [{alert: a, expr: 'sum by (job_id) (jobs_total)'}]}]";
    let line = |i| format!("jobs_total{{job_id=\"{i}\",queue=\"q{}\",zone=\"z{}\"}} 1\n", i % 2, i % 3);
    let body: String = (0..60).map(line).collect();
    let dir = scratch(&[("body.prom", &body), ("r.yml", rules)]);
    let got = suggest(&dir, &dir.path("body.prom"), &["--budget", "50", "--rules", &dir.path("r.yml")]);
    assert_eq!(got.run.code, 1);
    assert!(got.run.stderr.contains("jobs_total still has 60 series"), "{}", got.run.stderr);
    assert!(got.run.stdout.contains("Still over the budget of 50 series: jobs_total with 60 series."));
    assert_eq!(got.out, body, "{}", got.run.stdout);
}

#[test]
fn gauges_whose_sum_says_nothing_are_folded_otherwise() {
    let body: String = ["x_ratio", "x_up", "x_max", "x_jobs"]
        .iter()
        .map(|name| {
            let lines: String = (0..60).map(|i| format!("{name}{{job_id=\"{i}\"}} {}\n", i % 2)).collect();
            format!("# TYPE {name} gauge\n{lines}")
        })
        .collect();
    let got = suggest_for(&body, &[]);
    let lines: BTreeSet<&str> = got.out.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, BTreeSet::from(["x_ratio 0.5", "x_up 0", "x_max 1", "x_jobs 30"]), "{}", got.run.stdout);
}

#[test]
fn hostile_names_and_values_stay_in_their_comment() {
    let value = |i: usize| format!("\\npolicies: [] # ' \\\" \u{1b}[2J\u{2028} {{{i}");
    let lines =
        |name: &str| (0..60).map(|i| format!("{{\"{name}\",\"it's: #a\"=\"{}\"}} 1\n", value(i))).collect::<String>();
    let body = lines("my.metric") + &lines("it's: a # \\\"b\\\" \\\\c") + &lines("true") + &lines("null_");
    let got = suggest_for(&body, &["--budget", "10"]);
    assert_eq!(got.out.lines().count(), 4, "{}\n{}", got.run.stdout, got.out);
    assert!(!got.run.stdout.contains(['\u{1b}', '\u{2028}']), "{}", got.run.stdout);
}

#[test]
fn rules_and_source_may_stand_in_any_order() {
    let dir = scratch(&[("body.prom", &jobs()), ("r.yml", "groups: []"), ("s.yml", "groups: []")]);
    let [body, r, s] = ["body.prom", "r.yml", "s.yml"].map(|name| dir.path(name));
    let want = run(&["suggest", &body]);
    assert_eq!(want.code, 0);
    for args in [
        &["suggest", &body, "--rules", &r, &s][..],
        &["suggest", "--rules", &r, &s, &body],
        &["suggest", "--rules", &r, "--rules", &s, &body],
        &["suggest", "--rules", &r, "--", &body],
    ] {
        assert_eq!(run(args).stdout, want.stdout, "{args:?}");
    }
    assert_eq!(run(&["suggest", "--rules", &r]).code, 2);
}

#[test]
fn what_is_no_exposition_is_a_failure() {
    let got = support::run_with_stdin(&["suggest", "-"], "a oops\n");
    assert_eq!((got.code, got.stdout.as_str()), (1, ""));
    assert!(got.stderr.contains("stdin: line 1: "), "{}", got.stderr);
}

#[test]
fn what_cannot_be_had_is_a_usage_error() {
    for args in [
        &["suggest"][..],
        &["suggest", "/does/not/exist"],
        &["suggest", "--budget", "0", "-"],
        &["suggest", "--rules", "/no", "--", "-"],
    ] {
        assert_eq!(run(args).code, 2, "{args:?}");
    }
}
