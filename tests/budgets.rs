//! Limits and collapses: the explosion nobody foresaw stays under its budget, loses no increment,
//! and is told about once. Rules are numbered as in `docs/how-the-numbers-stay-true.md`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/bodies.rs"]
mod bodies;
#[path = "budgets/collapses.rs"]
mod collapses;
#[path = "support/endpoint.rs"]
mod endpoint;
#[path = "budgets/names.rs"]
mod names;
#[path = "budgets/observing.rs"]
mod observing;
#[path = "budgets/places.rs"]
mod places;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cardinality_guard::engine::guard::{Attributed, EndpointState, Extent, Report, ScrapeError};
use cardinality_guard::engine::model::Format;
use cardinality_guard::engine::policy::Builtin;
use endpoint::{Endpoint, has, lines, value};

const LIMIT_100: &str = "
policies:
  - {name: budget, series_limit: 100, hold: 0s}
";

/// A counter, a gauge and a histogram per order, and what their truth is.
struct Orders {
    jobs: BTreeMap<u64, u64>,
}

impl Orders {
    fn new() -> Orders {
        Orders { jobs: BTreeMap::new() }
    }

    fn count(&mut self, orders: impl IntoIterator<Item = u64>) {
        for order in orders {
            *self.jobs.entry(order).or_default() += 1;
        }
    }

    fn forget(&mut self, below: u64) {
        self.jobs.retain(|order, _| *order >= below);
    }

    fn body(&self) -> String {
        let mut body = String::from("# TYPE jobs_total counter\n");
        for (order, n) in &self.jobs {
            writeln!(body, "jobs_total{{queue=\"q{}\",order_ref=\"o-{order}\"}} {n}", order % 2).unwrap();
        }
        body.push_str("# TYPE active gauge\n");
        for order in self.jobs.keys() {
            writeln!(body, "active{{order_ref=\"o-{order}\",queue=\"q{}\"}} 2", order % 2).unwrap();
        }
        body.push_str("# TYPE took histogram\n");
        for (order, n) in &self.jobs {
            let labels = format!("order_ref=\"o-{order}\",queue=\"q{}\"", order % 2);
            for le in ["1", "+Inf"] {
                writeln!(body, "took_bucket{{{labels},le=\"{le}\"}} {n}").unwrap();
            }
            writeln!(body, "took_sum{{{labels}}} {n}\ntook_count{{{labels}}} {n}").unwrap();
        }
        body
    }

    /// Lines of the body that are series.
    fn series(&self) -> u64 {
        6 * self.jobs.len() as u64
    }
}

/// The sum of every series of a sample name.
fn sum(body: &str, name: &str) -> f64 {
    lines(body).filter(|(series, _)| series.split('{').next() == Some(name)).map(|(_, value)| value).sum()
}

fn count(body: &str, name: &str) -> usize {
    lines(body).filter(|(series, _)| series.split('{').next() == Some(name)).count()
}

#[test]
fn what_stays_below_its_limit_passes_byte_for_byte() {
    let mut endpoint = Endpoint::new(LIMIT_100);
    let mut orders = Orders::new();
    for round in 0..5 {
        orders.count(0..4 * (round + 1));
        let body = orders.body();
        assert_eq!(endpoint.scrape(&body), body);
    }
}

#[test]
fn an_explosion_is_under_its_limit_from_the_first_scrape() {
    for first in [3_u64, 500] {
        let mut endpoint = Endpoint::new(LIMIT_100);
        let mut orders = Orders::new();
        orders.count(0..first);
        endpoint.scrape(&orders.body());
        for round in 1..6 {
            orders.count(0..500 * round);
            let (out, report) = endpoint.told(&orders.body());
            for name in ["jobs_total", "active", "took_count"] {
                assert_eq!(count(&out, name), 2, "{name} in\n{out}");
            }
            assert!(!out.contains("order_ref"), "{out}");
            assert_eq!(report.received, orders.series());
            assert_eq!(report.forwarded, 2 + 2 + 8);
            assert_eq!(report.dropped, orders.series() - 12);
            assert_eq!(report.over_budget, report.dropped);
            assert_eq!(report.collapsed_labels, 3);
        }
    }
}

#[test]
fn rule_5_2_switching_over_misses_nothing_and_counts_nothing_twice() {
    let mut endpoint = Endpoint::new(LIMIT_100);
    let mut orders = Orders::new();
    orders.count(0..20);
    endpoint.scrape(&orders.body());
    orders.count(0..20);
    endpoint.scrape(&orders.body());
    // From here on every increment must be found in what is exposed.
    let mut truth = 0.0;
    for round in 0..8_u64 {
        let now: Vec<u64> = (0..20 + 200 * (round + 1)).collect();
        truth += now.len() as f64;
        orders.count(now);
        let out = endpoint.scrape(&orders.body());
        // A group that was born after the first scrape shows 0 first.
        if round > 0 {
            for name in ["jobs_total", "took_count", "took_sum"] {
                assert_eq!(sum(&out, name), truth, "{name} in round {round}\n{out}");
            }
        }
        assert_eq!(sum(&out, "active"), 2.0 * orders.jobs.len() as f64);
    }
}

#[test]
fn rule_5_2_members_that_go_and_come_in_the_switching_scrape_are_no_loss() {
    let mut endpoint = Endpoint::new(LIMIT_100);
    let mut orders = Orders::new();
    orders.count(0..20);
    endpoint.scrape(&orders.body());
    // Ten are gone, hundreds are new; the ten return later, increased.
    let mut others = Orders::new();
    others.jobs = orders.jobs.clone();
    others.forget(10);
    others.count(10..400);
    let mut truth = 390.0;
    endpoint.scrape(&others.body());
    others.jobs.extend((0..10).map(|order| (order, 3)));
    truth += 10.0 * 2.0;
    let out = endpoint.scrape(&others.body());
    assert_eq!(sum(&out, "jobs_total"), truth);
    assert_eq!(sum(&out, "took_count"), truth);
}

#[test]
fn a_failed_scrape_decides_nothing() {
    let mut endpoint = Endpoint::new(LIMIT_100);
    let mut orders = Orders::new();
    orders.count(0..10);
    let calm = orders.body();
    endpoint.scrape(&calm);
    let mut exploding = Orders::new();
    exploding.count(0..500);
    endpoint.fail(&format!("{}nonsense nonsense", exploding.body()));
    let (out, report) = endpoint.told(&calm);
    assert_eq!(out, calm);
    assert_eq!((report.collapsed_labels, report.dropped), (0, 0));
    assert_eq!(report.headroom, Some(1.0 - 0.4));
}

#[test]
fn of_two_labels_that_multiply_the_better_one_goes() {
    let mut endpoint = Endpoint::new(LIMIT_100);
    let body = |shops: u64, hosts: u64| {
        let mut body = String::from("# TYPE calls_total counter\n");
        for (shop, host) in (0..shops).flat_map(|s| (0..hosts).map(move |h| (s, h))) {
            writeln!(body, "calls_total{{host=\"h{host}\",shop=\"s{shop}\"}} 5").unwrap();
        }
        body
    };
    let calm = body(20, 4);
    assert_eq!(endpoint.scrape(&calm), calm);
    let out = endpoint.scrape(&body(60, 12));
    assert_eq!(count(&out, "calls_total"), 12, "{out}");
    assert!(out.contains("host=") && !out.contains("shop="));
}

#[test]
fn growth_below_the_limit_is_left_alone_and_the_headroom_shows_it() {
    let mut endpoint = Endpoint::new(LIMIT_100);
    let mut body = String::from("# TYPE calls_total counter\n");
    (0..80).for_each(|i| writeln!(body, "calls_total{{shop=\"s{i}\"}} 5").unwrap());
    let (out, report) = endpoint.told(&body);
    assert_eq!(out, body);
    assert!((report.headroom.unwrap() - 0.2).abs() < 1e-9, "{:?}", report.headroom);
}

/// Who only watches has no limit to come near to.
#[test]
fn what_is_observed_takes_no_headroom() {
    for observed in [
        "{name: budget, mode: observe, series_limit: 10}",
        "{name: step, mode: observe, labels: [{label: shop, action: collapse, limit: 10}]}",
        "{name: step, mode: observe, labels: [{label: shop, action: limit, limit: 10}]}",
    ] {
        let mut endpoint = Endpoint::new(&format!("policies:\n  - {observed}\n"));
        let mut body = String::from("# TYPE calls_total counter\n");
        (0..80).for_each(|i| writeln!(body, "calls_total{{shop=\"s{i}\"}} 5").unwrap());
        for _ in 0..2 {
            let (out, report) = endpoint.told(&body);
            assert_eq!((out.as_str(), report.headroom), (body.as_str(), None), "{observed}");
        }
    }
}

#[test]
fn kept_labels_are_never_folded_and_what_no_label_explains_overflows() {
    let policy = "
policies:
  - {name: budget, series_limit: 10, keep_labels: [shop], hold: 0s}
";
    let body = |n: u64| -> String {
        let lines = (0..n).map(|i| format!("calls_total{{shop=\"s{i}\",x=\"x{}\"}} 5\n", i % 2));
        std::iter::once("# TYPE calls_total counter\n".to_owned()).chain(lines).collect()
    };
    let mut endpoint = Endpoint::new(policy);
    endpoint.scrape(&body(5));
    let out = endpoint.scrape(&body(30));
    for i in 0..10 {
        assert!(has(&out, &format!("calls_total{{shop=\"s{i}\",x=\"x{}\"}}", i % 2)), "{out}");
    }
    assert!(has(&out, "calls_total{shop=\"s29\",x=\"__overflow__\"}"), "{out}");
}

#[test]
fn rule_5_5_existing_series_are_never_dropped_new_ones_overflow() {
    let policy = "
policies:
  - {name: budget, series_limit: 10, series_limit_action: overflow, keep_labels: [queue], hold: 0s}
";
    let body = |range: std::ops::Range<u64>| -> String {
        let lines = range.map(|i| format!("calls_total{{queue=\"q\",shop=\"s{i}\"}} {}\n", 5 + i));
        std::iter::once("# TYPE calls_total counter\n".to_owned()).chain(lines).collect()
    };
    let mut endpoint = Endpoint::new(policy);
    let calm = body(0..10);
    assert_eq!(endpoint.scrape(&calm), calm);
    // New ones first in the body: those that were there keep their place all the same.
    let mut lines: Vec<String> = body(0..14).lines().map(|l| format!("{l}\n")).collect();
    lines[1..].reverse();
    let (out, report) = endpoint.told(&lines.concat());
    for i in 0..10 {
        assert_eq!(value(&out, &format!("calls_total{{queue=\"q\",shop=\"s{i}\"}}")), (5 + i) as f64);
    }
    assert_eq!(value(&out, "calls_total{queue=\"q\",shop=\"__overflow__\"}"), 0.0);
    assert_eq!((report.forwarded, report.dropped, report.over_budget), (11, 3, 3));
    let out = endpoint.scrape(&lines.concat());
    assert_eq!(value(&out, "calls_total{queue=\"q\",shop=\"__overflow__\"}"), (15 + 16 + 17 + 18) as f64);
}

#[test]
fn drop_leaves_new_series_out_and_fail_fails() {
    let body = |n: u64| -> String {
        let lines = (0..n).map(|i| format!("calls_total{{shop=\"s{i}\"}} 5\n"));
        std::iter::once("# TYPE calls_total counter\n".to_owned()).chain(lines).collect()
    };
    let mut endpoint = Endpoint::new("policies: [{name: b, series_limit: 10, series_limit_action: drop}]");
    let (out, report) = endpoint.told(&body(15));
    assert_eq!(out, body(10));
    assert_eq!((report.dropped, report.over_budget), (5, 5));
    assert_eq!(blocked(&report), 5);
    assert_eq!(blocked(&endpoint.told(&body(15)).1), 0);
    let mut endpoint = Endpoint::new("policies: [{name: b, series_limit: 10, series_limit_action: fail}]");
    endpoint.scrape(&body(10));
    let error = endpoint.fail(&body(11));
    assert!(matches!(error, ScrapeError::SeriesLimit { limit: 10, .. }), "{error}");
    endpoint.scrape(&body(10));
}

fn total(by: &[Attributed]) -> u64 {
    by.iter().map(|a| a.count).sum()
}

/// New series kept out by limits.
fn blocked(report: &Report) -> u64 {
    report.blocked_by.iter().filter(|by| by.cause.action.is_budget()).map(|by| by.count).sum()
}

#[test]
fn a_planned_drop_is_no_budget_until_another_label_explodes() {
    let policy = "
policies:
  - {name: ids, labels: [{label: job_id, action: drop}], hold: 0s}
  - {name: budget, series_limit: 50}
";
    let body = |jobs: std::ops::Range<u64>, orders: u64| -> String {
        let lines = jobs.map(|i| format!("jobs_total{{job_id=\"j{i}\",order=\"o{}\"}} 1\n", i % orders));
        std::iter::once("# TYPE jobs_total counter\n".to_owned()).chain(lines).collect()
    };
    let mut endpoint = Endpoint::new(policy);
    for day in 0..50 {
        let (_, report) = endpoint.told(&body(day * 100..day * 100 + 100, 5));
        assert_eq!((blocked(&report), report.over_budget), (0, 0), "scrape {day}");
    }
    let (out, report) = endpoint.told(&body(10_000..10_400, 400));
    assert!(blocked(&report) > 0);
    // The old groups are shown as long as there is room for them.
    assert!(count(&out, "jobs_total") <= 50, "{out}");
    // The same orders under new jobs are nothing new for the budget.
    let (_, report) = endpoint.told(&body(20_000..20_400, 400));
    assert_eq!(blocked(&report), 0);
}

const LIMIT_HOSTS: &str = "
policies:
  - name: hosts
    hold: 0s
    match: '{__name__=~\"celery_.+\"}'
    labels: [{label: hostname, action: limit, limit: 3, values: [always]}]
";

fn hosts(names: &[&str], n: u64) -> String {
    let mut body = String::from("# TYPE celery_sent_total counter\n");
    names.iter().for_each(|h| writeln!(body, "celery_sent_total{{hostname=\"{h}\",name=\"t\"}} {n}").unwrap());
    body.push_str("# TYPE celery_failed_total counter\n");
    names.iter().rev().for_each(|h| writeln!(body, "celery_failed_total{{hostname=\"{h}\",name=\"t\"}} {n}").unwrap());
    body
}

#[test]
fn rule_5_4_the_first_values_keep_their_name_in_every_family_alike() {
    let mut endpoint = Endpoint::new(LIMIT_HOSTS);
    endpoint.scrape(&hosts(&["a", "b", "c"], 1));
    let out = endpoint.scrape(&hosts(&["x", "a", "b", "c", "y", "__overflow__", "always"], 2));
    for name in ["celery_sent_total", "celery_failed_total"] {
        for host in ["a", "b", "c", "always"] {
            assert_eq!(value(&out, &format!("{name}{{hostname=\"{host}\",name=\"t\"}}")), 2.0);
        }
        // x, y and the marker itself: its own label stays, the others too.
        assert!(has(&out, &format!("{name}{{hostname=\"__overflow__\",name=\"t\"}}")), "{out}");
        assert_eq!(count(&out, name), 5);
    }
    let out = endpoint.scrape(&hosts(&["x", "a", "b", "c", "y", "__overflow__", "always"], 3));
    assert_eq!(value(&out, "celery_sent_total{hostname=\"__overflow__\",name=\"t\"}"), 9.0);
}

#[test]
fn rule_5_3_a_place_is_free_after_series_ttl_and_not_before() {
    let policy = LIMIT_HOSTS
        .replace("hold: 0s", "hold: 0s, series_ttl: 10m".split(", ").next().unwrap())
        .replace("    labels:", "    series_ttl: 10m\n    labels:");
    let mut endpoint = Endpoint::new(&policy);
    endpoint.scrape(&hosts(&["a", "b", "c"], 1));
    for _ in 0..20 {
        let out = endpoint.scrape(&hosts(&["a", "b", "late"], 2));
        assert!(!out.contains("\"late\""), "{out}");
    }
    // `c` is unseen for ten minutes: its place goes to whoever is new, not to who was refused.
    for _ in 0..40 {
        endpoint.scrape(&hosts(&["a", "b", "late"], 3));
    }
    let out = endpoint.scrape(&hosts(&["a", "b", "late", "later", "latest"], 4));
    assert!(has(&out, "celery_sent_total{hostname=\"later\",name=\"t\"}"), "{out}");
    assert!(!out.contains("\"late\"") && !out.contains("latest") && !out.contains("\"c\""), "{out}");
}

#[test]
fn rule_5_3_a_reload_that_leaves_the_step_frees_and_moves_nothing() {
    let mut endpoint = Endpoint::new(LIMIT_HOSTS);
    endpoint.scrape(&hosts(&["a", "b", "c", "d"], 1));
    let before = endpoint.scrape(&hosts(&["a", "b", "c", "d"], 2));
    endpoint.reload(&format!("{LIMIT_HOSTS}  - {{name: other, match: other_total, action: drop}}\n"));
    let after = endpoint.scrape(&hosts(&["d", "e", "a", "b", "c"], 2));
    for host in ["a", "b", "c"] {
        assert!(has(&after, &format!("celery_sent_total{{hostname=\"{host}\",name=\"t\"}}")), "{after}");
    }
    assert!(!after.contains("\"d\"") && !after.contains("\"e\""), "{after}");
    assert_eq!(count(&before, "celery_sent_total"), count(&after, "celery_sent_total"));
    // Another limit is another step.
    endpoint.reload(&LIMIT_HOSTS.replace("limit: 3", "limit: 4"));
    let out = endpoint.scrape(&hosts(&["a", "b", "c", "d"], 3));
    assert!(has(&out, "celery_sent_total{hostname=\"d\",name=\"t\"}"), "{out}");
}

const COLLAPSE_IDS: &str = "
policies:
  - name: ids
    hold: 0s
    labels: [{label: job_id, action: collapse, limit: 5}]
";

fn jobs(range: std::ops::Range<u64>, n: u64) -> String {
    let lines = range.map(|i| format!("jobs_total{{job_id=\"j{i}\",queue=\"q\"}} {n}\n"));
    std::iter::once("# TYPE jobs_total counter\n".to_owned()).chain(lines).collect()
}

#[test]
fn collapse_keeps_few_values_and_folds_many() {
    let mut endpoint = Endpoint::new(COLLAPSE_IDS);
    let few = jobs(0..5, 10);
    assert_eq!(endpoint.scrape(&few), few);
    let (out, report) = endpoint.told(&jobs(0..6, 11));
    assert_eq!(out, "# TYPE jobs_total counter\njobs_total{queue=\"q\"} 0\n");
    assert_eq!((report.dropped, report.over_budget, report.collapsed_labels), (5, 5, 1));
    // 5 x 1 and the new one's 11; then 6 x 1.
    assert_eq!(endpoint.value("jobs_total{queue=\"q\"}", &jobs(0..6, 12)), 22.0);
    // Sticky: also when there are few again.
    assert_eq!(endpoint.value("jobs_total{queue=\"q\"}", &jobs(0..2, 13)), 24.0);
}

#[test]
fn an_explosion_survives_a_reload_of_something_else_and_the_process() {
    for policy in [LIMIT_100, COLLAPSE_IDS, LIMIT_HOSTS] {
        let mut endpoint = Endpoint::new(policy);
        let body = |n| format!("{}{}", jobs(0..300, n), hosts(&["a", "b", "c", "d"], n));
        endpoint.scrape(&body(1));
        let before = endpoint.scrape(&body(2));
        endpoint.reload(&format!("{policy}  - {{name: other, match: other_total, action: drop}}\n"));
        assert_eq!(endpoint.told(&body(2)).0, before, "{policy}");
        let mut bytes = Vec::new();
        endpoint.state().snapshot(&mut bytes);
        endpoint.put(EndpointState::restore([bytes.as_slice()]).unwrap());
        let (after, report) = endpoint.told(&body(2));
        assert_eq!(after, before, "{policy}");
        assert_eq!(blocked(&report), 0, "{policy}");
    }
}

#[test]
fn a_collapse_that_nobody_needs_any_more_ends_by_itself() {
    let policy = COLLAPSE_IDS.replace("hold: 0s", "hold: 0s\n    group_ttl: 30m\n    series_ttl: 10m");
    let mut endpoint = Endpoint::new(&policy);
    endpoint.scrape(&jobs(0..100, 1));
    for _ in 0..200 {
        let out = endpoint.scrape(&jobs(0..2, 2));
        if out.contains("job_id") {
            return;
        }
    }
    panic!("still folded after 50 minutes");
}

#[test]
fn the_whole_endpoint_has_a_limit_and_the_largest_family_goes_first() {
    let mut endpoint = Endpoint::new("policies: [{name: watch, series_limit: 100000, hold: 0s}]");
    endpoint.limits.endpoint_series = 200;
    let body = |n: u64| {
        let mut body = String::from("# TYPE small_total counter\n");
        (0..50).for_each(|i| writeln!(body, "small_total{{shop=\"s{i}\"}} 1").unwrap());
        body.push_str("# TYPE large_total counter\n");
        (0..n).for_each(|i| writeln!(body, "large_total{{pod=\"p{i}\",queue=\"q{}\"}} 1", i % 3).unwrap());
        body
    };
    assert_eq!(endpoint.scrape(&body(100)), body(100));
    let (out, report) = endpoint.told(&body(500));
    assert_eq!((count(&out, "small_total"), count(&out, "large_total")), (50, 3), "{out}");
    assert_eq!(report.forwarded, 53);
}

#[test]
fn a_body_too_long_to_be_held_is_collapsed_all_the_same() {
    let mut endpoint = Endpoint::new(LIMIT_100);
    endpoint.limits.hold_output = 10_000;
    let mut orders = Orders::new();
    orders.count(0..15);
    endpoint.scrape(&orders.body());
    let mut truth = 0.0;
    for round in 0..4 {
        orders.count(0..3000);
        truth += 3000.0;
        let (out, report) = endpoint.told(&orders.body());
        assert_eq!(report.forwarded, 12, "{out}");
        if round > 0 {
            assert_eq!((sum(&out, "jobs_total"), sum(&out, "took_count")), (truth, truth));
        }
    }
}

#[test]
fn observing_counts_what_enforcing_does_and_changes_nothing() {
    for policy in [LIMIT_100, COLLAPSE_IDS, LIMIT_HOSTS] {
        let observing = policy
            .replace("hold: 0s", "hold: 0s, mode: observe")
            .replace("hold: 0s, mode: observe\n", "hold: 0s\n    mode: observe\n");
        let mut enforced = Endpoint::new(policy);
        let mut observed = Endpoint::new(&observing);
        for round in 1..5 {
            let body = format!("{}{}", jobs(0..round * 60, round), hosts(&["a", "b", "c", "d", "e"], round));
            let (_, did) = enforced.told(&body);
            let (out, would) = observed.told(&body);
            assert_eq!(out, body, "{policy}");
            assert_eq!(total(&would.observed_dropped_by), total(&did.dropped_by), "{policy} round {round}");
            assert_eq!(total(&would.observed_blocked_by), total(&did.blocked_by), "{policy} round {round}");
        }
    }
}

#[test]
fn any_chunks_collapse_alike() {
    let bodies = [jobs(0..90, 1), jobs(0..200, 2), jobs(50..400, 3)];
    let run = |chunk: usize| -> Vec<String> {
        let mut endpoint = Endpoint::new(LIMIT_100);
        endpoint.chunk = chunk;
        bodies.iter().map(|body| endpoint.scrape(body)).collect()
    };
    let whole = run(usize::MAX);
    for chunk in [1, 7, 64, 1000] {
        assert_eq!(run(chunk), whole, "chunks of {chunk}");
    }
}

/// The first exposition of a fleet of celery workers, with others in the place of some hosts.
fn churned(body: &str, generation: usize) -> String {
    let rename = |line: &str| match line.split_once("hostname=\"") {
        Some((before, rest)) if generation > 0 && !line.starts_with('#') => {
            format!("{before}hostname=\"g{generation}-{rest}\n")
        }
        _ => format!("{line}\n"),
    };
    body.lines().map(rename).collect()
}

#[test]
fn what_is_written_scrape_by_scrape_resumes_limits_as_they_were() {
    for policy in [LIMIT_100, COLLAPSE_IDS, LIMIT_HOSTS] {
        let mut endpoint = Endpoint::new(policy);
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        for round in 1..6_u64 {
            let body = format!(
                "{}{}",
                jobs(0..round * 40, round),
                hosts(&["a", "b", "c", "d", "e"][..round.min(5) as usize], round)
            );
            // Twice, because a group shows 0 first.
            let [_, before] = [(); 2].map(|()| {
                let out = endpoint.scrape(&body);
                let mut bytes = Vec::new();
                if endpoint.state().changes(&mut bytes) == Extent::Whole {
                    pieces.clear();
                }
                pieces.push(bytes);
                out
            });
            let mut again = Endpoint::new(policy);
            again.put(EndpointState::restore(pieces.iter().map(Vec::as_slice)).unwrap());
            let (after, report) = again.told(&body);
            assert_eq!(after, before, "{policy} round {round}");
            assert_eq!(blocked(&report), 0, "{policy} round {round}");
        }
    }
}

#[test]
fn memory_is_flat_when_everything_is_new_every_time() {
    let mut endpoint = Endpoint::of(endpoint::plan("policies: []", Builtin::Included), Format::Text);
    endpoint.limits.members = 20_000;
    let mut memory = Vec::new();
    for round in 0..45_u64 {
        endpoint.scrape(&jobs(round * 2000..(round + 1) * 2000, 1));
        memory.push(endpoint.state().memory());
    }
    // Members go in batches, so it rises and falls; the peaks stay.
    let peak = |range: std::ops::Range<usize>| memory[range].iter().copied().max().unwrap() as f64;
    assert!(peak(35..45) <= peak(22..32) * 1.05, "{memory:?}");
}

/// The collapse is taken back with everything else, and its family was new in the body that failed.
#[test]
fn a_collapse_in_a_body_that_fails_leaves_nothing_behind() {
    let policy = "policies: [{name: c, labels: [{label: job_id, action: collapse, limit: 1}]}]";
    let (mut failed, mut spared) = (Endpoint::new(policy), Endpoint::new(policy));
    let body = "m{job_id=\"1\"} 1\nm{job_id=\"2\"} 1\n";
    failed.fail(&format!("{body}!\n"));
    spared.wait(15);
    for body in ["other 1\n", "m{job_id=\"1\"} 1\n", body] {
        assert_eq!(failed.scrape(body), spared.scrape(body), "{body}");
    }
}

fn series_of(n: std::ops::Range<u64>, line: impl Fn(u64) -> String) -> String {
    std::iter::once("# TYPE calls_total counter\n".to_owned())
        .chain(n.map(|i| format!("calls_total{{{}}} 5\n", line(i))))
        .collect()
}

#[test]
fn a_second_explosion_shows_nothing_nobody_has_seen() {
    let mut endpoint =
        Endpoint::new("policies: [{name: b, hold: 0s, series_limit: 10, labels: [{label: id, action: drop}]}]");
    let one = |i: u64| format!("id=\"{i}\",order=\"o{i}\",q=\"x\",user=\"u0\"");
    let both = |i: u64| format!("id=\"{i}\",order=\"o{i}\",q=\"x\",user=\"u{i}\"");
    endpoint.scrape(&series_of(0..3, one));
    endpoint.scrape(&series_of(0..40, one));
    for _ in 0..6 {
        let (out, report) = endpoint.told(&series_of(0..40, both));
        assert!(report.forwarded <= 10, "{out}");
    }
}

#[test]
fn a_group_that_comes_back_in_the_body_that_passes_the_limit_keeps_its_place() {
    let mut endpoint = Endpoint::new(
        "policies: [{name: b, hold: 0s, series_limit: 10, series_limit_action: overflow, labels: [{label: id, action: drop}]}]",
    );
    let body = |n: u64, x: bool, others: u64| {
        let mut body = String::from("# TYPE c_total counter\n");
        if x {
            writeln!(body, "c_total{{id=\"1\",q=\"x\"}} {n}").unwrap();
        }
        (0..others).for_each(|i| writeln!(body, "c_total{{id=\"1\",q=\"q{i}\"}} {n}").unwrap());
        body
    };
    endpoint.scrape(&body(10, true, 5));
    endpoint.scrape(&body(20, false, 5));
    endpoint.scrape(&body(30, true, 30));
    let mut last = 0.0;
    for n in 4..14 {
        let now = endpoint.value("c_total{q=\"x\"}", &body(n * 10, true, 30));
        assert!(n == 4 || now == last + 10.0, "{last} then {now}");
        last = now;
    }
    assert_eq!(last, 120.0);
}

#[test]
fn a_limit_holds_also_behind_a_step_that_overflows() {
    for action in ["drop", "overflow"] {
        let mut endpoint = Endpoint::new(&format!(
            "policies:\n  - {{name: s, hold: 0s, labels: [{{label: o, action: limit, limit: 1}}]}}\n  - {{name: b, series_limit: 10, series_limit_action: {action}}}\n"
        ));
        endpoint.scrape(&series_of(0..1, |_| "o=\"a\",r=\"0\"".into()));
        for _ in 0..3 {
            let out = endpoint.scrape(&series_of(0..40, |i| format!("o=\"b{i}\",r=\"{i}\"")));
            assert!(count(&out, "calls_total") <= 11, "{action}\n{out}");
        }
    }
}

#[test]
fn a_reload_that_lowers_a_limit_takes_effect() {
    let policy = |limit: u64, action: &str| {
        format!("policies: [{{name: b, hold: 0s, series_limit: {limit}, series_limit_action: {action}}}]")
    };
    let body = series_of(0..50, |i| format!("order=\"o{i}\",q=\"x\""));
    let mut endpoint = Endpoint::new(&policy(1000, "collapse"));
    assert_eq!(endpoint.scrape(&body), body);
    endpoint.reload(&policy(10, "collapse"));
    assert_eq!(count(&endpoint.scrape(&body), "calls_total"), 1);
    let mut endpoint = Endpoint::new(&policy(1000, "fail"));
    endpoint.scrape(&body);
    endpoint.reload(&policy(10, "fail"));
    endpoint.fail(&body);
    // Nobody who is there is left out.
    let mut endpoint = Endpoint::new(&policy(1000, "drop"));
    endpoint.scrape(&body);
    endpoint.reload(&policy(10, "drop"));
    assert_eq!(endpoint.scrape(&body), body);
}

#[test]
fn rule_5_3_places_of_series_are_free_after_series_ttl_too() {
    let policy = "policies: [{name: b, hold: 0s, series_limit: 10, series_limit_action: drop, series_ttl: 1m}]";
    let mut endpoint = Endpoint::new(policy);
    endpoint.scrape(&series_of(0..30, |i| format!("s=\"{i}\"")));
    for _ in 0..20 {
        endpoint.scrape(&series_of(100..108, |i| format!("s=\"{i}\"")));
    }
    let after = series_of(100..108, |i| format!("s=\"{i}\""));
    assert_eq!(endpoint.scrape(&after), after);
}

#[test]
fn summaries_count_with_their_quantiles_and_histograms_stay_whole() {
    let summary = |n: u64| -> String {
        let lines = (0..n).map(|i| {
            format!("s{{o=\"{i}\",quantile=\"0.5\"}} 1\ns{{o=\"{i}\",quantile=\"0.9\"}} 2\ns_sum{{o=\"{i}\"}} 3\ns_count{{o=\"{i}\"}} 4\n")
        });
        std::iter::once("# TYPE s summary\n".to_owned()).chain(lines).collect()
    };
    let mut endpoint = Endpoint::new("policies: [{name: b, hold: 0s, series_limit: 100, series_limit_action: drop}]");
    endpoint.scrape(&summary(5));
    let (_, report) = endpoint.told(&summary(80));
    assert!(report.forwarded <= 100, "{}", report.forwarded);
    let mut endpoint = Endpoint::new("policies: [{name: b, series_limit: 2, series_limit_action: drop}]");
    let histogram = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n";
    assert_eq!(endpoint.scrape(histogram), histogram, "never a part of one");
    // A collapse step and a limit on one summary: numbers that no subtraction makes huge.
    let policy = "policies: [{name: b, hold: 0s, series_limit: 8, labels: [{label: o, action: collapse, limit: 3}]}]";
    let mut endpoint = Endpoint::new(policy);
    for n in [2, 9, 20] {
        let (_, report) = endpoint.told(&summary(n));
        assert!(report.dropped_by.iter().all(|by| by.count <= report.received), "{:?}", report.dropped_by);
        assert!(report.forwarded <= 8);
    }
}

#[test]
fn rule_3_12_a_folded_gauge_histogram_has_no_birth() {
    let mut endpoint = Endpoint::new("policies: [{name: b, labels: [{label: id, action: drop}]}]");
    let body = |q: &str| {
        format!(
            "# TYPE g histogram\ng_bucket{{id=\"1\",q=\"{q}\",le=\"+Inf\"}} 8\ng_gsum{{id=\"1\",q=\"{q}\"}} 3\ng_gcount{{id=\"1\",q=\"{q}\"}} 8\n"
        )
    };
    endpoint.scrape(&body("a"));
    assert_eq!(endpoint.value("g_gcount{q=\"b\"}", &body("b")), 8.0);
}

#[test]
fn what_was_there_before_a_collapse_does_not_count_after_it() {
    let mut endpoint = Endpoint::new("policies: [{name: b, hold: 0s, series_limit: 14}]");
    let body = |jobs: &[(u64, u64)]| -> String {
        let lines = jobs.iter().map(|(job, user)| format!("jobs_total{{job=\"j{job}\",user=\"u{user}\"}} 3\n"));
        std::iter::once("# TYPE jobs_total counter\n".to_owned()).chain(lines).collect()
    };
    let many: Vec<(u64, u64)> = (0..13).map(|i| (i / 2, i % 2)).collect();
    endpoint.scrape(&body(&many));
    // Two more pass the limit; of the others the jobs are gone, and they would come back folded.
    assert_eq!(count(&endpoint.scrape(&body(&[(20, 0), (21, 0)])), "jobs_total"), 1);
    let out = endpoint.scrape(&body(&[(0, 0), (3, 1)]));
    assert!(has(&out, "jobs_total{user=\"u0\"}") && has(&out, "jobs_total{user=\"u1\"}"), "the user stays\n{out}");
}
