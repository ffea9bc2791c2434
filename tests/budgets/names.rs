//! Names of metrics that explode: no label could be folded away, so what comes new to a full endpoint
//! is left out, and what has gone is forgotten.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use cardinality_guard::engine::guard::{EndpointState, Report};
use cardinality_guard::engine::model::Format;
use cardinality_guard::engine::policy::Builtin;

use super::endpoint::{self, Endpoint, has, lines, value};

const WATCH: &str = "policies: [{name: watch, hold: 0s, series_limit: 100000}]";
const LIMIT: u64 = 200;

/// Four metrics that are always there.
fn calm(n: u64) -> String {
    let mut body = String::new();
    for metric in ["jobs_total", "failed_total", "retried_total", "seconds_total"] {
        writeln!(body, "# TYPE {metric} counter").unwrap();
        (0..5).for_each(|queue| writeln!(body, "{metric}{{queue=\"q{queue}\"}} {n}").unwrap());
    }
    body
}

/// A metric for each job.
fn named(jobs: Range<u64>, n: u64) -> String {
    jobs.map(|job| format!("# HELP job_{job}_total One job.\n# TYPE job_{job}_total counter\njob_{job}_total {n}\n"))
        .collect()
}

fn limited(policy: &str, series: u64) -> Endpoint {
    let mut endpoint = Endpoint::new(policy);
    endpoint.limits.endpoint_series = series;
    endpoint
}

fn names(body: &str) -> BTreeSet<String> {
    lines(body).map(|(series, _)| series.to_owned()).collect()
}

/// Series that the endpoint's limit has left out, and those of them nobody has seen before.
fn left_out(report: &Report) -> (u64, u64) {
    let of_limit = |by: &[cardinality_guard::engine::guard::Attributed]| -> u64 {
        let mine = by.iter().filter(|by| &*by.cause.policy == "endpoint_series_limit");
        mine.inspect(|by| assert!(by.cause.action.is_budget())).map(|by| by.count).sum()
    };
    (of_limit(&report.dropped_by), of_limit(&report.blocked_by))
}

#[test]
fn names_that_explode_are_under_the_endpoints_limit_from_the_first_scrape() {
    for before in [0, 1, 3] {
        let mut endpoint = limited(WATCH, LIMIT);
        for n in 0..before {
            assert_eq!(endpoint.scrape(&calm(n)), calm(n));
        }
        let mut shown = None;
        for n in before..before + 6 {
            let (out, report) = endpoint.told(&format!("{}{}", calm(n), named(0..1000, n)));
            assert_eq!(report.forwarded, LIMIT, "{out}");
            assert_eq!(lines(&out).count() as u64, LIMIT);
            // The metrics that were there are whole, and nothing is made up.
            assert!(out.starts_with(&calm(n)), "{out}");
            assert!((0..180).all(|job| value(&out, &format!("job_{job}_total")) == n as f64));
            assert_eq!((report.received, report.dropped, report.over_budget), (1020, 820, 820));
            let blocked = if shown.is_none() { 820 } else { 0 };
            assert_eq!(left_out(&report), (820, blocked), "each is new once");
            assert_eq!(report.headroom, Some(0.0));
            assert_eq!(report.collapsed_labels, 0, "what did not explode is not touched");
            assert_eq!(*shown.get_or_insert_with(|| names(&out)), names(&out), "who has a place keeps it");
        }
    }
}

#[test]
fn names_that_come_first_in_the_body_take_nobodys_place() {
    let mut endpoint = limited(WATCH, LIMIT);
    endpoint.scrape(&calm(1));
    let body = |n| format!("{}{}", named(0..1000, n), calm(n));
    for n in 2..5 {
        let (out, report) = endpoint.told(&body(n));
        assert_eq!(report.forwarded, LIMIT);
        assert!(out.ends_with(&calm(n)), "{out}");
    }
}

#[test]
fn other_names_each_time_are_left_out_each_time() {
    let mut endpoint = limited(WATCH, LIMIT);
    for n in 0..40 {
        let (out, report) = endpoint.told(&format!("{}{}", calm(n), named(n * 500..(n + 1) * 500, n)));
        assert!(report.forwarded <= LIMIT && out.starts_with(&calm(n)), "{out}");
        let (out_now, new) = left_out(&report);
        // The first 180 have their places for an hour.
        assert_eq!((out_now, new), if n == 0 { (320, 320) } else { (500, 500) }, "scrape {n}");
    }
}

#[test]
fn families_of_a_few_series_and_histograms_stay_under_it_too() {
    let few = |at: u64| format!("job_{at}_total{{state=\"ok\"}} 1\njob_{at}_total{{state=\"failed\"}} 2\n");
    let histogram = |at: u64| {
        let buckets: String =
            ["1", "2", "4", "+Inf"].iter().map(|le| format!("job_{at}_bucket{{le=\"{le}\"}} 3\n")).collect();
        format!("# TYPE job_{at} histogram\n{buckets}job_{at}_sum 4\njob_{at}_count 3\n")
    };
    let summary = |at: u64| {
        format!("# TYPE job_{at} summary\njob_{at}{{quantile=\"0.5\"}} 3\njob_{at}_sum 4\njob_{at}_count 3\n")
    };
    let shapes: [&dyn Fn(u64) -> String; 3] = [&few, &histogram, &summary];
    for (which, shape) in shapes.into_iter().enumerate() {
        for limit in [LIMIT, LIMIT + 1, LIMIT + 5] {
            let mut endpoint = limited(WATCH, limit);
            endpoint.scrape(&calm(1));
            for n in 0..4 {
                let body: String = (0..300).map(shape).collect();
                let (out, report) = endpoint.told(&format!("{}{body}", calm(n)));
                assert!(report.forwarded <= limit, "shape {which}, {limit}: {}", report.forwarded);
                assert!(report.forwarded + 20 > limit, "shape {which}, {limit}, {n}: {}", report.forwarded);
                assert_eq!(lines(&out).count() as u64, report.forwarded);
                // A histogram is whole or not there.
                for at in (0..300).filter(|_| which == 1) {
                    let of = format!("job_{at}_");
                    let there = lines(&out).filter(|(series, _)| series.starts_with(&of)).count();
                    assert!(there == 0 || there == 6, "{there} lines of {at}\n{out}");
                }
            }
        }
    }
}

#[test]
fn a_body_that_is_not_held_whole_stays_under_it_too() {
    for (hold, chunk) in [(2_000, 500), (20_000, 4096), (60_000, 1), (100_000, 100_000)] {
        let mut endpoint = limited(WATCH, LIMIT);
        (endpoint.limits.hold_output, endpoint.chunk) = (hold, chunk);
        for n in 0..5 {
            let (out, report) = endpoint.told(&format!("{}{}", calm(n), named(0..1000, n)));
            assert_eq!((report.forwarded, lines(&out).count() as u64), (LIMIT, LIMIT), "{hold}, {chunk}");
            assert!(out.starts_with(&calm(n)), "{out}");
        }
    }
}

#[test]
fn with_openmetrics_and_the_builtin_policy_alike() {
    let plan = || endpoint::plan("policies: []", Builtin::Included);
    let mut endpoint = Endpoint::of(plan(), Format::OpenMetrics);
    endpoint.limits.endpoint_series = LIMIT;
    for n in 0..3 {
        let jobs: String = (0..1000).map(|job| format!("# TYPE job_{job} counter\njob_{job}_total {n}\n")).collect();
        let (out, report) = endpoint.told(&format!("# TYPE up gauge\nup 1\n{jobs}# EOF\n"));
        assert_eq!(report.forwarded, LIMIT);
        assert!(out.ends_with("# EOF\n") && has(&out, "up") && has(&out, "job_5_total"), "{out}");
    }
}

#[test]
fn what_tells_of_a_restart_has_its_place() {
    let mut endpoint = limited(WATCH, LIMIT);
    let body = format!("{}process_start_time_seconds 1700000000\n", named(0..1000, 1));
    for _ in 0..3 {
        assert!(has(&endpoint.scrape(&body), "process_start_time_seconds"));
    }
}

#[test]
fn a_label_that_explodes_beside_them_is_folded_as_ever() {
    let mut endpoint = limited(WATCH, LIMIT);
    endpoint.scrape(&calm(1));
    let labelled: String = (0..3000).map(|order| format!("orders_total{{order=\"{order}\"}} 1\n")).collect();
    let (out, report) =
        endpoint.told(&format!("{}{}# TYPE orders_total counter\n{labelled}", calm(2), named(0..50, 1)));
    assert_eq!(report.collapsed_labels, 1);
    assert_eq!(report.forwarded, 20 + 50 + 1, "{out}");
    assert!(out.starts_with(&calm(2)));
}

#[test]
fn what_overflows_has_its_line_within_the_endpoints_limit() {
    // Names of labels explode: none of them explains how many series there are.
    let body = |tags: Range<u64>| -> String {
        let lines = tags.map(|tag| format!("calls_total{{tag_{tag}=\"x\"}} 1\n"));
        std::iter::once("# TYPE calls_total counter\n".to_owned()).chain(lines).collect()
    };
    for before in [0, 10, 150] {
        let mut endpoint = limited(WATCH, LIMIT);
        endpoint.scrape(&format!("{}{}", calm(1), body(0..before)));
        for n in 0..4 {
            let (out, report) = endpoint.told(&format!("{}{}", calm(n), body(0..500)));
            assert!(report.forwarded <= LIMIT, "{before}, scrape {n}: {}", report.forwarded);
            assert!(out.starts_with(&calm(n)), "{out}");
            assert!(report.forwarded + 30 > LIMIT, "{before}, scrape {n}: {}", report.forwarded);
        }
    }
}

#[test]
fn a_place_is_free_after_series_ttl() {
    let mut endpoint = limited("policies: [{name: watch, hold: 0s, series_limit: 100000, series_ttl: 10m}]", LIMIT);
    endpoint.scrape(&format!("{}{}", calm(1), named(0..1000, 1)));
    for _ in 0..20 {
        let out = endpoint.scrape(&format!("{}{}", calm(1), named(500..1000, 1)));
        assert!(!out.contains("\njob_"), "{out}");
    }
    for _ in 0..40 {
        endpoint.scrape(&format!("{}{}", calm(1), named(500..1000, 1)));
    }
    let (out, report) = endpoint.told(&format!("{}{}", calm(1), named(500..1000, 1)));
    assert_eq!(report.forwarded, LIMIT, "{out}");
}

#[test]
fn a_higher_limit_takes_effect() {
    let mut endpoint = limited(WATCH, LIMIT);
    let body = format!("{}{}", calm(1), named(0..1000, 1));
    endpoint.scrape(&body);
    endpoint.limits.endpoint_series = 2 * LIMIT;
    endpoint.scrape(&body);
    assert_eq!(endpoint.told(&body).1.forwarded, 2 * LIMIT);
}

#[test]
fn a_failed_scrape_closes_no_door() {
    let mut endpoint = limited(WATCH, LIMIT);
    endpoint.scrape(&calm(1));
    endpoint.fail(&format!("{}{}nonsense nonsense\n", calm(2), named(0..1000, 2)));
    let labelled: String = (0..300).map(|order| format!("orders_total{{order=\"{order}\"}} 1\n")).collect();
    let body = format!("{}{}{labelled}", calm(3), named(0..50, 1));
    let (out, report) = endpoint.told(&body);
    assert_eq!((report.forwarded, report.collapsed_labels), (71, 1), "{out}");
}

#[test]
fn who_has_a_place_keeps_it_over_a_reload_and_the_process() {
    let mut endpoint = limited(WATCH, LIMIT);
    let before = endpoint.scrape(&format!("{}{}", calm(1), named(1000..2000, 1)));
    // Those that come first in the body have no place.
    let body = format!("{}{}", named(0..1000, 2), &format!("{}{}", calm(2), named(1000..2000, 2)));
    assert_eq!(names(&endpoint.scrape(&body)), names(&before));
    endpoint.reload(&WATCH.replace("[{", "[{name: other, match: other_total, action: drop}, {"));
    assert_eq!(names(&endpoint.scrape(&body)), names(&before), "after a reload");
    for round in 0..2 {
        let mut bytes = Vec::new();
        endpoint.state().snapshot(&mut bytes);
        endpoint.put(EndpointState::restore([bytes.as_slice()]).unwrap());
        assert_eq!(names(&endpoint.scrape(&body)), names(&before), "after restart {round}");
    }
}

/// The greatest of what was taken in the last scrapes, as a part of what was before.
fn growth(taken: &[usize]) -> f64 {
    let most = |part: &[usize]| part.iter().copied().max().unwrap() as f64;
    let (before, after) = taken.split_at(taken.len() / 2);
    most(after) / most(before)
}

#[test]
fn names_that_change_for_ever_take_no_more_memory() {
    let ttl = "hold: 0s, group_ttl: 4m, member_ttl: 2m, series_ttl: 2m";
    let watch = format!("policies: [{{name: watch, {ttl}, series_limit: 100000}}]");
    let drops =
        format!("policies: [{{name: ids, {ttl}, series_limit: 1000, labels: [{{label: job_id, action: drop}}]}}]");
    for (policy, limit, members) in
        [(&*watch, LIMIT, 300), ("policies: []", 0, 300), (&drops, 0, 1000), (&drops, 500, 1000)]
    {
        let mut endpoint = limited(policy, limit);
        // As many fingerprints as these stay of members that have gone.
        endpoint.limits.members = members;
        let (mut memory, mut written) = (Vec::new(), Vec::new());
        for n in 0..320_u64 {
            let job = |job| ["a", "b"].map(|id| format!("job_{job}_total{{job_id=\"{id}\"}} 1\n")).concat();
            let out = endpoint.scrape(&format!("{}{}", calm(n), (n * 25..(n + 1) * 25).map(job).collect::<String>()));
            assert!(out.starts_with(&calm(n)), "{out}");
            memory.push(endpoint.state().memory());
            let mut bytes = Vec::new();
            endpoint.state().snapshot(&mut bytes);
            written.push(bytes.len());
        }
        // By then everything that can go has gone.
        assert!(growth(&memory[100..]) < 1.1, "{policy}: {:?}", memory.iter().step_by(10).collect::<Vec<_>>());
        assert!(growth(&written[100..]) < 1.1, "{policy}: {:?}", written.iter().step_by(10).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_given_back_takes_nobody_elses_numbers_along() {
    let policy =
        "policies: [{name: ids, hold: 0s, group_ttl: 6m, member_ttl: 3m, labels: [{label: job_id, action: drop}]}]";
    let (mut churned, mut spared) = (Endpoint::new(policy), Endpoint::new(policy));
    for n in 0..250_u64 {
        // A metric that is young, behind those that go.
        let young: String = (0..3)
            .map(|job| format!("young_{}_total{{job_id=\"{job}\",q=\"a\"}} {n}\n", n / 100))
            .chain((0..3).map(|job| format!("old_total{{job_id=\"{job}\"}} {n}\n")))
            .collect();
        let names: String = (0..20)
            .map(|at| format!("job_{n}_{at}_total{{job_id=\"a\"}} 1\njob_{n}_{at}_total{{job_id=\"b\"}} 1\n"))
            .collect();
        let (out, report) = churned.told(&format!("{names}{young}"));
        let mine = |out: &str| -> Vec<String> {
            let young = format!("young_{}_", n / 100);
            let wanted = out.lines().filter(|line| line.starts_with(&young) || line.starts_with("old_"));
            wanted.map(str::to_owned).collect()
        };
        let (spared_out, spared_report) = spared.told(&young);
        assert_eq!(mine(&out), mine(&spared_out), "scrape {n}");
        let of_old = |report: &Report| -> u64 {
            report.dropped_by.iter().filter(|by| &*by.metric == "old_total").map(|by| by.count).sum()
        };
        assert_eq!(of_old(&report), of_old(&spared_report), "scrape {n}");
        if n % 50 == 49 {
            let mut bytes = Vec::new();
            churned.state().snapshot(&mut bytes);
            churned.put(EndpointState::restore([bytes.as_slice()]).unwrap());
        }
    }
}

#[test]
fn rule_5_8_a_family_that_was_left_out_counts_from_where_it_gets_a_place() {
    let folds = "policies: [{name: ids, hold: 0s, labels: [{label: id, action: drop}]}]";
    let two = |job: u64, n: u64| {
        format!("# TYPE job_{job}_total counter\njob_{job}_total{{id=\"1\"}} {n}\njob_{job}_total{{id=\"2\"}} {n}\n")
    };
    for restarts in [false, true] {
        let mut endpoint = limited(folds, LIMIT);
        let body = |n: u64, jobs: u64| calm(n) + &(0..jobs).map(|job| two(job, n)).collect::<String>();
        for n in [50_000, 50_001] {
            assert!(!endpoint.scrape(&body(n, 1000)).contains("job_999_total{"));
        }
        if restarts {
            let mut bytes = Vec::new();
            endpoint.state().snapshot(&mut bytes);
            endpoint.put(EndpointState::restore([bytes.as_slice()]).unwrap());
        }
        endpoint.limits.endpoint_series = 0;
        let mut shown = Vec::new();
        for n in 50_002..50_006 {
            let out = endpoint.scrape(&body(n, 1000));
            shown.extend(lines(&out).find(|(series, _)| series.starts_with("job_999_total")).map(|(_, value)| value));
        }
        assert!(
            shown.len() > 2 && shown.iter().zip(0..).all(|(now, at)| *now == f64::from(2 * at)),
            "restart: {restarts}, {shown:?}"
        );
        // And what is born beside it is born.
        endpoint.scrape(&(body(50_006, 1000) + &two(1000, 5)));
        assert_eq!(endpoint.value("job_1000_total", &(body(50_007, 1000) + &two(1000, 6))), 12.0);
    }
}

/// Whatever has left cannot be folded, and nobody makes room for it.
#[test]
fn when_the_process_began_is_told_however_full_the_endpoint_is() {
    let mut endpoint = limited(WATCH, 20);
    (endpoint.limits.hold_output, endpoint.chunk) = (1, 16);
    let body =
        |n: u64| format!("{}# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1000\n", calm(n));
    for n in 1..4 {
        assert_eq!(endpoint.scrape(&body(n)), body(n));
    }
}

#[test]
fn who_was_there_before_the_process_comes_back_to_an_endpoint_that_is_full() {
    let mut endpoint = limited(WATCH, LIMIT);
    endpoint.scrape(&calm(1));
    let mut bytes = Vec::new();
    endpoint.state().snapshot(&mut bytes);
    endpoint.put(EndpointState::restore([bytes.as_slice()]).unwrap());
    // Every family has at least one of its series, and the others are told together.
    (endpoint.limits.endpoint_series, endpoint.limits.hold_output, endpoint.chunk) = (2, 1, 16);
    let out = endpoint.scrape(&calm(2));
    for metric in ["jobs_total", "failed_total", "retried_total", "seconds_total"] {
        assert!(names(&out).iter().any(|series| series.starts_with(metric)), "{metric}\n{out}");
    }
}
