//! What an observing policy counts is what it would count if it were enforced, for any set of
//! policies and any bodies.

use std::collections::BTreeMap;

use cardinality_guard::engine::guard::{Attributed, Report};
use proptest::prelude::*;

use super::endpoint::Endpoint;

/// What a policy may say; limits on series say what happens beyond them.
const STEPS: &[&str] = &[
    "labels: [{label: job_id, action: drop}]",
    "labels: [{label: user, action: drop}]",
    "labels: [{label: job_id, action: collapse, limit: 4}]",
    "labels: [{label: job_id, action: collapse, limit: 9}]",
    "labels: [{label: user, action: limit, limit: 1}]",
    "labels: [{label: job_id, action: limit, limit: 3}]",
    "labels: [{label: user, action: hash, buckets: 2}]",
    "labels: [{label: user, action: keep, values: [u1]}]",
    "match: '{zone=\"z1\"}', labels: [{label: job_id, action: drop}]",
    "match: '{zone=\"z1\"}', action: drop",
    "match: other_total, action: drop",
    "match: '{user=\"u1\",zone=\"z1\"}', action: pass",
    "keep_labels: [user]",
    "keep_labels: [job_id]",
];
const LIMITS: &[&str] = &[
    "series_limit: 14, series_limit_action: collapse",
    "series_limit: 6, series_limit_action: collapse",
    "series_limit: 14, series_limit_action: overflow",
    "series_limit: 3, series_limit_action: overflow, keep_labels: [zone]",
    "series_limit: 14, series_limit_action: drop",
    "series_limit: 5, series_limit_action: drop, labels: [{label: job_id, action: collapse, limit: 2}]",
    "series_limit: 7, series_limit_action: collapse, labels: [{label: user, action: drop}]",
    "series_limit: 1000, series_limit_action: collapse",
];

fn any_of(all: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(all)
}

fn mode() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["enforce", "enforce", "observe"])
}

/// Policies before the last, with their modes, and the last. A limit on series comes after the
/// steps of every policy, so nobody but the last may have one that is enforced: it would be later
/// than the last one's steps.
fn policies() -> impl Strategy<Value = (Vec<(&'static str, &'static str)>, &'static str)> {
    let step = (any_of(STEPS), mode());
    let limit = (any_of(LIMITS), Just("observe"));
    let first = prop::collection::vec(prop_oneof![3 => step, 1 => limit], 0..4);
    (first, prop_oneof![any_of(STEPS), any_of(LIMITS)])
}

fn text(first: &[(&str, &str)], last: &str, mode: &str) -> String {
    let line =
        |(at, (says, mode)): (usize, &(&str, &str))| format!("  - {{name: p{at}, hold: 0s, mode: {mode}, {says}}}\n");
    let mode = if last.contains("action: pass") { "enforce" } else { mode };
    let first: String = first.iter().enumerate().map(line).collect();
    format!("policies:\n{first}  - {{name: last, hold: 0s, mode: {mode}, {last}}}\n")
}

type Counts = BTreeMap<(String, String, String, String), u64>;

/// What was done and what would have been done, by who is to blame.
fn counts(did: &[Attributed], would: &[Attributed]) -> Counts {
    let mut counts = Counts::new();
    for by in did.iter().chain(would) {
        let (policy, label) = (by.cause.policy.to_string(), by.cause.label.to_string());
        *counts.entry((policy, by.metric.to_string(), label, by.cause.action.as_str().to_owned())).or_default() +=
            by.count;
    }
    counts
}

fn numbers(report: &Report) -> [Counts; 3] {
    [
        counts(&report.dropped_by, &report.observed_dropped_by),
        counts(&report.blocked_by, &report.observed_blocked_by),
        counts(&report.folded_by, &report.observed_folded_by),
    ]
}

/// Labels that are folded away, or would be.
fn collapsed(report: &Report) -> Vec<(String, String)> {
    let mut all: Vec<_> =
        report.collapsed.iter().map(|c| (c.learned.policy.to_string(), c.learned.label.to_string())).collect();
    all.sort();
    all
}

fn demand(report: &Report) -> Vec<(String, u64)> {
    report.families.iter().map(|family| (family.metric.to_string(), family.demand)).collect()
}

fn body(jobs: &[(u8, u8, u8)]) -> String {
    // An empty label is none.
    let value = |letter: char, number: u8| if number == 0 { String::new() } else { format!("{letter}{number}") };
    let labels = |&(job, user, zone): &(u8, u8, u8)| {
        format!("job_id=\"{}\",user=\"{}\",zone=\"{}\"", value('j', job), value('u', user), value('z', zone))
    };
    let counters = jobs.iter().map(|job| format!("jobs_total{{{}}} 3\n", labels(job)));
    let histograms = jobs.iter().map(|job| {
        let labels = labels(job);
        format!(
            "took_bucket{{{labels},le=\"1\"}} 1\ntook_bucket{{{labels},le=\"+Inf\"}} 2\ntook_sum{{{labels}}} 3\ntook_count{{{labels}}} 2\n"
        )
    });
    let counters: String = counters.collect();
    let histograms: String = histograms.collect();
    format!("# TYPE jobs_total counter\n{counters}# TYPE took histogram\n{histograms}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn switching_the_last_policy_between_enforcing_and_observing_changes_no_number(
        (first, last) in policies(),
        bodies in prop::collection::vec(prop::collection::vec((0_u8..12, 0_u8..4, 0_u8..3), 1..60), 1..6),
    ) {
        let mut enforced = Endpoint::new(&text(&first, last, "enforce"));
        let mut observed = Endpoint::new(&text(&first, last, "observe"));
        for mut jobs in bodies {
            jobs.sort_unstable();
            jobs.dedup();
            let body = body(&jobs);
            let (_, did) = enforced.told(&body);
            let (_, would) = observed.told(&body);
            prop_assert_eq!(numbers(&would), numbers(&did));
            prop_assert_eq!(collapsed(&would), collapsed(&did));
            // Steps that are planned make fewer series of the same body, and these are what there is.
            if last.starts_with("series_limit") && !last.contains("action: drop}") {
                prop_assert_eq!(demand(&would), demand(&did));
            }
        }
    }
}

/// The body is read twice where the limit is enforced, once where it is observed.
#[test]
fn who_is_kept_out_first_does_not_depend_on_how_often_the_body_is_read() {
    let steps = ["labels: [{label: user, action: drop}]", "labels: [{label: job_id, action: collapse, limit: 4}]"];
    let first = steps.map(|step| (step, "enforce"));
    let [mut enforced, mut observed] = ["enforce", "observe"]
        .map(|mode| Endpoint::new(&text(&first, "series_limit: 14, series_limit_action: collapse", mode)));
    let bodies: [&[(u8, u8, u8)]; 2] =
        [&[(1, 0, 0), (0, 0, 0), (2, 0, 0), (0, 0, 1)], &[(0, 0, 1), (1, 1, 1), (6, 0, 0), (7, 0, 0), (3, 0, 0)]];
    for jobs in bodies {
        let mut jobs = jobs.to_vec();
        jobs.sort_unstable();
        let ((_, did), (_, would)) = (enforced.told(&body(&jobs)), observed.told(&body(&jobs)));
        assert_eq!(numbers(&would), numbers(&did));
    }
}
