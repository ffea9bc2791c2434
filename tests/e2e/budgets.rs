//! No policy file: an explosion nobody foresaw, through the built binary and its built-in policy.

use std::fmt::Write as _;

use crate::exporter::{Exporter, Framing, TEXT};
use crate::guard::Guard;
use crate::http::get;
use crate::process::eventually;

/// Counters, a gauge and a histogram whose series gain `order_ref`.
fn body(orders: usize, count: usize) -> String {
    let mut body = String::from("# TYPE jobs_total counter\n");
    let of = |order: usize| format!("order_ref=\"5f0c{order:08x}\",queue=\"q{}\"", order % 2);
    for order in 0..orders {
        writeln!(body, "jobs_total{{{}}} {count}", of(order)).unwrap();
    }
    body.push_str("# TYPE active gauge\n");
    for order in 0..orders {
        writeln!(body, "active{{{}}} 1", of(order)).unwrap();
    }
    body.push_str("# TYPE took_seconds histogram\n");
    for order in 0..orders {
        let of = of(order);
        for le in ["0.1", "1", "+Inf"] {
            writeln!(body, "took_seconds_bucket{{{of},le=\"{le}\"}} {count}").unwrap();
        }
        writeln!(body, "took_seconds_sum{{{of}}} {count}\ntook_seconds_count{{{of}}} {count}").unwrap();
    }
    body
}

struct Case {
    exporter: Exporter,
    guard: Guard,
}

impl Case {
    fn new() -> Case {
        let exporter = Exporter::start();
        let settings = format!("targets:\n  - {{name: worker, url: 'http://{}/metrics'}}\n", exporter.address);
        Case { exporter, guard: Guard::start(&settings, "") }
    }

    fn scrape(&self, body: &str) -> String {
        self.exporter.say(TEXT, body.as_bytes(), Framing::ContentLength);
        let answer = self.guard.scrape("worker");
        assert_eq!(answer.status, 200, "{}", answer.reason);
        answer.text().to_owned()
    }

    /// The sum over a sample name in an answer.
    fn sum(answer: &str, name: &str) -> f64 {
        let of_name = answer.lines().filter(|l| l.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')));
        of_name.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    fn own(&self, row: &str) -> f64 {
        let answer = get(self.guard.address, "/metrics");
        let metrics = answer.text();
        let value = metrics.lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {row} in\n{metrics}")).parse().unwrap()
    }
}

#[test]
fn an_explosion_nobody_foresaw_is_under_budget_and_loses_nothing() {
    const ORDERS: usize = 12_000;
    let case = Case::new();
    let calm = body(20, 1);
    let answer = case.scrape(&calm);
    assert!(answer.starts_with(&calm), "20 orders pass as they came");

    let first = case.scrape(&body(ORDERS, 2));
    assert!(first.lines().filter(|line| !line.starts_with('#')).count() < 50, "from the first scrape on");
    // 20 orders rose by 1, the others were born with 2; a new series shows 0 until it is known.
    let truth = |count: usize| (20 * (count - 1) + (ORDERS - 20) * count) as f64;
    let mut answers = vec![first];
    answers.extend((3..6).map(|count| case.scrape(&body(ORDERS, count))));
    case.guard.kill_and_start_again();
    answers.extend((6..8).map(|count| case.scrape(&body(ORDERS, count))));
    let last = answers.last().unwrap();
    assert!(!last.contains("order_ref"), "{last}");
    assert_eq!(Case::sum(last, "active"), ORDERS as f64);
    let shown: Vec<f64> = answers.iter().map(|answer| Case::sum(answer, "jobs_total")).collect();
    assert!(shown.is_sorted(), "{shown:?}");

    for metric in ["jobs_total", "took_seconds"] {
        let row = format!(
            "cardinality_guard_collapsed{{target=\"worker\",metric=\"{metric}\",label=\"order_ref\",aggregate=\"sum\"}}"
        );
        assert_eq!(case.own(&row), 1.0);
    }
    assert_eq!(case.own("cardinality_guard_series{target=\"worker\",stage=\"received\"}"), 7.0 * ORDERS as f64);
    // As long as it is held a new series shows 0; what is shown then is every increment, once.
    for name in ["jobs_total", "took_seconds_count", "took_seconds_sum"] {
        eventually(name, &truth(7), || Case::sum(&case.scrape(&body(ORDERS, 7)), name));
    }
}

#[test]
fn a_reload_of_something_else_and_a_kill_move_nothing_in_an_explosion() {
    const POLICY: &str = "policies:
  - name: places
    hold: 0s
    match: jobs_total
    labels: [{label: order_ref, action: limit, limit: 10}]
  - {name: budget, hold: 0s, series_limit: 100}
";
    let other = format!("{POLICY}  - {{name: other, match: nobody_total, action: drop}}\n");
    let exporter = Exporter::start();
    let settings = format!("targets:\n  - {{name: worker, url: 'http://{}/metrics'}}\n", exporter.address);
    let case = Case { exporter, guard: Guard::start(&settings, POLICY) };
    // What is the guard's own account differs in its numbers.
    let of_exporter = |answer: &str| -> Vec<String> {
        answer.lines().filter(|line| !line.contains("cardinality_guard_")).map(str::to_owned).collect()
    };
    case.scrape(&body(5, 1));
    let exploded = body(400, 2);
    case.scrape(&exploded);
    let before = of_exporter(&case.scrape(&exploded));
    assert_eq!(before.iter().filter(|line| line.starts_with("jobs_total{order_ref=\"5f0c")).count(), 10);
    assert!(before.iter().any(|line| line.starts_with("jobs_total{order_ref=\"__overflow__\"")), "{before:?}");
    assert!(!before.iter().any(|line| line.starts_with("active{order_ref")), "{before:?}");

    case.guard.reload(&other);
    assert_eq!(of_exporter(&case.scrape(&exploded)), before, "after the reload");
    case.guard.kill_and_start_again();
    assert_eq!(of_exporter(&case.scrape(&exploded)), before, "after the kill");
    // Nobody who comes now gets a place that another has.
    let later = of_exporter(&case.scrape(&body(800, 2)));
    let named = |lines: &[String]| -> Vec<String> {
        let named = lines.iter().filter(|line| line.starts_with("jobs_total{order_ref=\"5f0c"));
        named.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(named(&later), named(&before));
    assert_eq!(later.len(), before.len());
}

#[test]
fn names_that_explode_are_left_out_of_a_full_endpoint_and_leave_nothing() {
    const LIMIT: usize = 500;
    let exporter = Exporter::start();
    let settings = format!(
        "scrape: {{endpoint_series_limit: {LIMIT}}}\ntargets:\n  - {{name: worker, url: 'http://{}/metrics'}}\n",
        exporter.address
    );
    let case = Case { exporter, guard: Guard::start(&settings, "") };
    let calm = body(20, 1);
    let names = |jobs: std::ops::Range<usize>| -> String {
        jobs.map(|job| format!("# TYPE job_{job:08x}_total counter\njob_{job:08x}_total 1\n")).collect()
    };
    let of_exporter = |answer: &str| -> Vec<String> {
        let samples = answer.lines().filter(|line| !line.starts_with('#') && !line.contains("cardinality_guard_"));
        samples.map(str::to_owned).collect()
    };
    let first = of_exporter(&case.scrape(&format!("{}{calm}", names(0..2000))));
    assert!(first.len() <= LIMIT, "{} series in the first scrape", first.len());
    // Who has a place keeps it, whoever comes before it in the body, over a kill as well.
    let again = format!("{}{}{calm}", names(9000..9500), names(0..2000));
    assert_eq!(of_exporter(&case.scrape(&again)), first);
    case.guard.kill_and_start_again();
    assert_eq!(of_exporter(&case.scrape(&again)), first, "after a kill");

    let row = |cause: &str| {
        case.own(&format!(
            "cardinality_guard_{cause}{{target=\"worker\",policy=\"endpoint_series_limit\",cause=\"budget\"}}"
        ))
    };
    let blocked = row("new_series_blocked_total");
    assert_eq!(blocked, 0.0, "who was left out before the kill is not new after it");
    let mut resident = Vec::new();
    for round in 10..50 {
        let answer = of_exporter(&case.scrape(&format!("{calm}{}", names(round * 2000..(round + 1) * 2000))));
        assert!(answer.len() <= LIMIT, "{} series in round {round}", answer.len());
        resident.push(case.guard.resident());
    }
    assert!(row("new_series_blocked_total") > blocked + 40_000.0, "new ones are told about each time");
    let row = "cardinality_guard_dropped_series_total{target=\"worker\",policy=\"endpoint_series_limit\",metric=\"__other__\",label=\"\",action=\"series_drop\",cause=\"budget\"}";
    assert!(case.own(row) > 80_000.0);
    let most = |part: &[u64]| *part.iter().max().unwrap();
    assert!(most(&resident[20..]) <= most(&resident[..20]) + (4 << 20), "{resident:?}");
}
