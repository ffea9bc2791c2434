//! `check` with rules and dashboards: who asks for a label that a policy takes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/binary.rs"]
mod support;

use support::{Run, run, scratch};

const POLICY: &str = r#"policies:
  - {name: kept, match: batch_jobs_total, action: pass}
  - {name: watched, mode: observe, labels: [{label: tenant, action: drop}]}
  - name: ids
    match: '{__name__=~"worker_.+|batch_.+", queue!="none"}'
    labels:
      - {label: pid, action: hash, buckets: 4}
      - {label: job_id|task_id, action: drop}
      - {label: '.+', action: drop, when: {shape: [uuid]}}
    metric_relabel_configs:
      - {action: labeldrop, regex: pod_.+}
      - {action: labelkeep, regex: '[^p].*'}
      - {source_labels: [host], regex: '(.+)-.+', target_label: host}
"#;

fn check(rules: &str, more: &[&str]) -> Run {
    let dir = scratch(&[("p.yaml", POLICY), ("r.yml", rules), ("b.prom", "worker_jobs_total{job_id=\"1\"} 1\n")]);
    let more: Vec<String> = more.iter().map(|arg| arg.replace("DIR", &dir.path(""))).collect();
    let (policy, rules) = (dir.path("p.yaml"), dir.path("r.yml"));
    let mut args = vec!["check", &policy, "--rules", &rules];
    args.extend(more.iter().map(String::as_str));
    run(&args)
}

/// `line: expression ... policy` of every warning about an expression.
fn told(run: &Run) -> Vec<&str> {
    run.stdout.lines().filter_map(|line| line.split_once("r.yml:")).map(|(_, told)| told).collect()
}

fn rule(expression: &str) -> String {
    format!("groups: [{{name: g, rules: [{{alert: a, expr: '{expression}'}}]}}]\n")
}

#[test]
fn expression_label_policy_and_step_are_named_at_their_place() {
    let rules = "groups:\n  - name: g\n    rules:\n      - record: r\n        expr: |\n          sum by (job_id, queue) (\n            rate(worker_jobs_total[5m]))\n";
    let got = check(rules, &[]);
    assert_eq!(got.code, 1);
    let want = "6:11: warning: `sum by (job_id, queue) ( rate(worker_jobs_total[5m]))` groups by `job_id`, which step 2 (drop) of policy `ids` removes";
    assert_eq!(told(&got), [want], "{}", got.stdout);
    assert!(got.stdout.contains("sum by (job_id, queue) (\n") && got.stdout.ends_with("1 finding in 1 file\n"));
}

#[test]
fn every_way_to_ask_is_found() {
    for (expression, words) in [
        (r#"worker_jobs_total{job_id="1"}"#, "selects by `job_id`, which step 2 (drop) of policy `ids` removes"),
        ("sum(worker_jobs_total) by (pid)", "groups by `pid`, which step 1 (hash) of policy `ids` changes"),
        ("a * on (task_id) worker_up", "matches by `task_id`, which step 2"),
        ("a * on (x) group_left (task_id) worker_up", "matches by `task_id`, which step 2"),
        ("sum by (pod_name) (worker_up)", "`pod_name`, which rule 1 (labeldrop) of policy `ids` removes"),
        ("sum by (place) (worker_up)", "`place`, which rule 2 (labelkeep) of policy `ids` removes"),
        ("sum by (host) (worker_up)", "`host`, which rule 3 (replace) of policy `ids` changes"),
        ("sum by (exported_task_id) (worker_up)", "groups by `exported_task_id`, which step 2"),
        ("rate(worker_seconds_bucket{job_id=~\".+\"}[5m])", "selects by `job_id`"),
        (r#"{__name__=~"worker_jobs.*", job_id="1"} or worker_jobs_total"#, "selects by `job_id`"),
    ] {
        let got = check(&rule(expression), &[]);
        assert!(
            got.code == 1 && told(&got).len() == 1 && told(&got)[0].contains(words),
            "{expression}: {}",
            got.stdout
        );
    }
}

#[test]
fn what_asks_for_nothing_that_goes_is_fine() {
    for expression in [
        "sum by (queue, le, job, instance) (worker_jobs_total)",
        r#"other_total{job_id="1"}"#,
        r#"batch_jobs_total{job_id="1"}"#,
        r#"worker_jobs_total{tenant="1"}"#,
        "sum by (job_id) (other_total) / ignoring(job_id) group_left sum(worker_jobs_total)",
        r#"{__name__=~"worker_.+", job_id="1"}"#,
    ] {
        let got = check(&rule(expression), &[]);
        assert_eq!(got.code, 0, "{expression}: {}", got.stdout);
    }
}

#[test]
fn what_is_left_out_anyway_is_only_a_note() {
    let got = check(&rule("sum without (job_id) (worker_jobs_total)"), &[]);
    assert_eq!(got.code, 0, "{}", got.stdout);
    assert!(told(&got)[0].contains("note: ") && told(&got)[0].contains("leaves out `job_id`"), "{}", got.stdout);
}

#[test]
fn what_is_only_put_into_words_is_a_note() {
    let rule = "groups: [{name: g, rules: [{alert: a, expr: worker_up, annotations: {s: '{{ $labels.job_id }}'}}]}]";
    let got = check(rule, &[]);
    assert_eq!(got.code, 0, "{}", got.stdout);
    assert!(told(&got)[0].contains("note: `worker_up` is shown with `job_id`, which step 2"), "{}", got.stdout);
}

#[test]
fn recorded_metrics_never_pass_the_guard() {
    let record =
        "groups: [{name: g, rules: [{record: worker_all, expr: up}, {alert: a, expr: 'worker_all{job_id=\"1\"}'}]}]";
    assert_eq!(check(record, &[]).code, 0);
}

#[test]
fn a_body_tells_of_metrics_that_no_expression_names() {
    let by_regex = rule(r#"{__name__=~"worker_.+", job_id="1"}"#);
    assert_eq!(check(&by_regex, &[]).code, 0);
    let got = check(&by_regex, &["--against", "DIR/b.prom"]);
    assert_eq!(told(&got).len(), 1, "{}", got.stdout);
}

#[test]
fn dashboards_are_asked_too() {
    let dashboard = "{\n  \"panels\": [\n    {\"targets\": [{\"expr\": \"sum by (job_id) (rate(worker_jobs_total{queue=~\\\"$queue\\\"}[$__rate_interval]))\"}]}\n  ],\n  \"templating\": {\"list\": [{\"query\": \"label_values(worker_up, pid)\"}]}\n}\n";
    let dir = scratch(&[("p.yaml", POLICY), ("d.json", dashboard)]);
    let got = run(&["check", &dir.path("p.yaml"), "--dashboards", &dir.path("d.json")]);
    assert_eq!(got.code, 1);
    for place in [
        "d.json:3:27: warning: `sum by (job_id)",
        "d.json:5:37: warning: `label_values(worker_up, pid)` computes with `pid`",
    ] {
        assert!(got.stdout.contains(place), "{place}\n{}", got.stdout);
    }
}

#[test]
fn the_built_in_policy_of_settings_takes_labels_too() {
    let dir = scratch(&[
        ("guard.yaml", "targets: [{name: t, url: 'http://a/m'}]\n"),
        ("r.yml", &rule("sum by (job_id) (x)")),
    ]);
    let got = run(&["check", &dir.path("guard.yaml"), "--rules", &dir.path("r.yml")]);
    assert!(got.code == 1 && told(&got)[0].contains("groups by `job_id`, which step 1"), "{}", got.stdout);
    std::fs::write(dir.path("guard.yaml"), "targets: [{name: t, url: 'http://a/m'}]\nbuiltin_policy: false\n").unwrap();
    assert_eq!(run(&["check", &dir.path("guard.yaml"), "--rules", &dir.path("r.yml")]).code, 0);
}

#[test]
fn rules_that_cannot_be_read_are_told() {
    assert_eq!(check("groups: [", &[]).code, 1);
    let dir = scratch(&[("p.yaml", POLICY)]);
    let got = run(&["check", &dir.path("p.yaml"), "--rules", "/does/not/exist"]);
    assert!(got.code == 2 && got.stderr.contains("cannot read /does/not/exist"), "{}", got.stderr);
}
