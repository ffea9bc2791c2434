//! Which labels limits fold away, and when that ends.

use std::sync::Arc;

use cardinality_guard::state::TargetCommons;

use super::count;
use super::endpoint::Endpoint;

fn counter(members: u64, line: impl Fn(u64) -> String) -> String {
    "# TYPE m_total counter\n".to_owned() + &(0..members).map(line).collect::<String>()
}

/// However little room the labels that stay leave under the limit.
#[test]
fn no_more_labels_go_than_have_to() {
    for (refs, shards, gone) in [(90, 60, 60), (60, 55, 55), (90, 99, 90)] {
        let mut endpoint = Endpoint::new("policies: [{name: a, series_limit: 100}]");
        let line = |i: u64| format!("m_total{{ref=\"r{}\",shard=\"s{}\"}} 1\n", i / shards, i % shards);
        let out = endpoint.scrape(&counter(refs * shards, line));
        assert_eq!(count(&out, "m_total"), gone as usize, "{refs} times {shards}");
    }
    for (limit, shards, calm) in [("series_limit", 80, 0), ("series_limit", 95, 3), ("series_limit_total", 80, 3)] {
        let mut endpoint = Endpoint::new(&format!("policies: [{{name: a, {limit}: 100}}]"));
        for round in 0..6 {
            let line = |i: u64| match round < calm {
                true => format!("m_total{{shard=\"s{i}\"}} 1\n"),
                false => format!("m_total{{ref=\"r{i}\",shard=\"s{}\"}} 1\n", i % shards),
            };
            let out = endpoint.scrape(&counter(if round < calm { shards } else { 150 }, line));
            assert_eq!(count(&out, "m_total"), shards as usize, "they were there before: {limit}, round {round}");
        }
    }
}

/// What a target's endpoints know together ends with what they know alone.
#[test]
fn a_collapse_that_no_endpoint_needs_any_more_ends_for_all_of_them() {
    let commons = Arc::<TargetCommons>::default();
    for policy in ["series_limit: 100", "labels: [{label: id, action: collapse, limit: 100}]"] {
        let policy = format!("policies: [{{name: a, {policy}, group_ttl: 10m, series_ttl: 5m, member_ttl: 5m}}]");
        let mut endpoints = [Endpoint::new(&policy), Endpoint::new(&policy)];
        let mut labels = Vec::new();
        for round in 0..200 {
            let ids = if round < 3 { 500 } else { 40 };
            for (endpoint, ids) in endpoints.iter_mut().zip([ids, 40]) {
                endpoint.commons = Some(commons.clone() as _);
                let (_, report) = endpoint.told(&counter(ids, |i| format!("m_total{{id=\"{i}\"}} {round}\n")));
                commons.learn(&report, 0.0);
                labels.push(report.collapsed_labels);
            }
        }
        assert_eq!(labels[..20], [1; 20], "it holds for both: {policy}");
        assert_eq!(labels[380..], [0; 20], "there is no need for it: {policy}");
        let changes = labels.chunks(2).collect::<Vec<_>>().windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes <= 2, "once for each: {labels:?}");
    }
}

/// What comes back from a fold counts as what is new does.
#[test]
fn what_explodes_again_after_a_release_is_under_its_limit_in_the_same_scrape() {
    for (limit, steps) in [("series_limit: 10", ""), ("series_limit_total: 10", ""), ("series_limit: 10", ", hold: 0s")]
    {
        let mut endpoint = Endpoint::new(&format!("policies: [{{name: a, {limit}{steps}}}]"));
        let commons = Arc::<TargetCommons>::default();
        endpoint.commons = Some(commons.clone() as _);
        for round in 0..6_u64 {
            let histogram = |i: u64| {
                format!("h_bucket{{id=\"{i}\",le=\"+Inf\"}} 1\nh_sum{{id=\"{i}\"}} 1\nh_count{{id=\"{i}\"}} 1\n")
            };
            let body = counter(60, |i| format!("m_total{{id=\"{i}\"}} {round}\n"));
            let body = body + "# TYPE h histogram\n" + &(0..20).map(histogram).collect::<String>();
            let (out, report) = endpoint.told(&body);
            commons.learn(&report, 0.0);
            let counted = ["m_total", "h_bucket", "h_sum", "h_count"].map(|name| count(&out, name));
            assert_eq!(counted, [1; 4], "{limit}, round {round}");
            if round == 2 {
                assert_eq!(commons.release(None, 1.0).len(), 2);
            }
        }
    }
}

/// Whichever family comes first in the body.
#[test]
fn of_every_family_that_explodes_the_label_is_shown() {
    let mut endpoint = Endpoint::new("policies: [{name: a, series_limit: 100}]");
    let body = |refs: u64| -> String {
        let family = |name: &str| -> String {
            let line = |i: u64| format!("{name}{{order_ref=\"{i}\"}} 1\n");
            format!("# TYPE {name} gauge\n") + &(0..refs).map(line).collect::<String>()
        };
        ["a", "b", "c"].map(family).concat()
    };
    endpoint.scrape(&body(3));
    let (_, report) = endpoint.told(&body(5_000));
    for metric in ["a", "b", "c"] {
        let row = report.labels.iter().find(|row| &*row.metric == metric).unwrap();
        assert!(row.values.value >= 400 && row.samples.len() == 3 && row.shape.is_some(), "{row:?}");
    }
}
