//! What is remembered of a series: few bytes, as many after an explosion as before, and the same
//! member however its series is written. Sizes of a process are `make bench-memory`'s.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/endpoint.rs"]
mod endpoint;

use std::fmt::Write as _;

use cardinality_guard::engine::guard::EndpointState;
use endpoint::Endpoint;

const NOTHING: &str = "policies: []";
const DROP: &str = "policies: [{name: jobs, hold: 0s, labels: [{label: job_id, action: drop}]}]";

/// Jobs with these numbers, in four queues.
fn jobs(numbers: std::ops::Range<usize>, value: usize) -> String {
    let mut body = "# TYPE jobs_total counter\n".to_owned();
    for job in numbers {
        writeln!(body, "jobs_total{{queue=\"q{}\",job_id=\"{job:08x}\"}} {value}.5", job % 4).unwrap();
    }
    body
}

/// Bytes that each series adds.
fn bytes_a_series(policy: &str) -> f64 {
    let mut endpoint = Endpoint::new(policy);
    endpoint.limits.members = 0;
    let [before, after] = [150_000, 300_000].map(|series| {
        endpoint.scrape(&jobs(0..series, 1));
        endpoint.state().memory()
    });
    (after - before) as f64 / 150_000.0
}

#[test]
fn a_series_is_remembered_in_few_bytes() {
    let (folded, untouched) = (bytes_a_series(DROP), bytes_a_series(NOTHING));
    assert!(folded <= 40.0, "folded: {folded}");
    assert!(untouched <= 28.0, "untouched: {untouched}");
}

#[test]
fn an_explosion_that_goes_on_takes_no_more_once_members_and_fingerprints_are_full() {
    let mut endpoint = Endpoint::new(DROP);
    endpoint.limits.members = 10_000;
    let mut taken = Vec::new();
    for scrape in 0..32 {
        endpoint.scrape(&jobs(scrape * 1_000..(scrape + 1) * 1_000, 1));
        taken.push(endpoint.state().memory());
    }
    // Ten thousand of them, of eight bytes and two in their sieve.
    assert!(taken[19] > taken[10] + 80_000, "fingerprints come in: {taken:?}");
    let most = taken[20] + taken[20] / 20;
    assert!(taken[21..].iter().all(|taken| *taken <= most), "{taken:?}");
}

/// A counter of two jobs, written in this way.
fn written(series: impl Fn(&str) -> String, values: [u32; 2]) -> String {
    format!("# TYPE m_total counter\n{} {}\n{} {}\n", series("a"), values[0], series("b"), values[1])
}

#[test]
fn a_series_is_one_member_however_it_is_written() {
    let usual = |job: &str| format!("m_total{{q=\"x\",job_id=\"{job}\",\"é\"=\"ü\"}}");
    let sorted = |job: &str| format!("m_total{{job_id=\"{job}\",q=\"x\",\"é\"=\"ü\"}}");
    let blanks = |job: &str| format!("m_total {{ q = \"x\" , job_id=\"{job}\", \"é\"=\"ü\", }}");
    let empty = |job: &str| format!("m_total{{q=\"x\",job_id=\"{job}\",none=\"\",\"é\"=\"ü\"}}");
    let quoted = |job: &str| format!("{{\"m_total\",q=\"x\",job_id=\"{job}\",\"é\"=\"ü\"}}");
    let ways: [&dyn Fn(&str) -> String; 5] = [&usual, &sorted, &blanks, &empty, &quoted];
    let without = |series: String| series.replace(", \"é\"=\"ü\"", "").replace(",\"é\"=\"ü\"", "");
    for (first, is_ascii) in (0..ways.len()).flat_map(|first| [(first, true), (first, false)]) {
        let mut endpoint = Endpoint::new(DROP);
        for round in 0..3 * ways.len() as u32 {
            let series = ["a", "b"].map(ways[(first + round as usize) % ways.len()]);
            let [a, b] = series.map(|series| if is_ascii { without(series) } else { series });
            let out = endpoint.told(&format!("# TYPE m_total counter\n{a} {}\n{b} {}\n", 5 + round, 70 + 2 * round));
            // Together they gain 3 each time.
            let total = format!("}} {}\n", 3 * round);
            assert!(out.0.contains(&total), "begun with {first}, round {round}: {}", out.0);
            assert_eq!(out.1.members, 2);
            if round % 4 == 3 {
                again(&mut endpoint);
            }
        }
    }
}

/// As after a restart.
fn again(endpoint: &mut Endpoint) {
    let mut bytes = Vec::new();
    endpoint.state().snapshot(&mut bytes);
    endpoint.put(EndpointState::restore([bytes.as_slice()]).unwrap());
}

#[test]
fn a_failed_scrape_teaches_no_spelling_its_fate() {
    let mut endpoint = Endpoint::new(DROP);
    let usual = |job: &str| format!("m_total{{q=\"x\",job_id=\"{job}\"}}");
    endpoint.scrape(&written(usual, [5, 70]));
    again(&mut endpoint);
    endpoint.fail(&(written(usual, [6, 70]) + "broken{\n"));
    let (out, report) = endpoint.told(&written(usual, [7, 70]));
    assert!(out.contains("m_total{q=\"x\"} 2\n"), "{out}");
    assert_eq!((report.members, report.forwarded), (2, 1));
}

#[test]
fn label_names_that_change_for_ever_keep_their_members_apart() {
    let mut endpoint = Endpoint::new(DROP);
    let body = |value: u32| {
        let mut body = "# TYPE m_total counter\n".to_owned();
        for set in 0..40 {
            writeln!(
                body,
                "m_total{{z{set}=\"1\",job_id=\"a\"}} {value}\nm_total{{z{set}=\"1\",job_id=\"b\"}} {value}"
            )
            .unwrap();
        }
        body
    };
    for value in 1..6 {
        let (out, report) = endpoint.told(&body(value));
        assert_eq!((report.members, report.forwarded), (80, 40));
        assert_eq!(out.matches(&format!("}} {}\n", 2 * (value - 1))).count(), 40, "{out}");
        again(&mut endpoint);
    }
}
