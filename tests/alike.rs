//! New series that are like one met before take a short way, and lines that arrive byte by byte do
//! not: both must end up the same, whatever explodes and whatever the policies make of it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use cardinality_guard::engine::guard::{Annotate, BodyEnd, EndpointState, Guard, Limits, Scrape, Start};
use cardinality_guard::engine::model::{Format, Seed};
use cardinality_guard::engine::policy::{Builtin, Mode, Plan, Policies, Source};

const POLICIES: &[&str] = &[
    "policies: []",
    "policies: [{name: p, labels: [{label: job, action: drop}]}]",
    "policies: [{name: p, labels: [{label: job|path, action: drop}]}]",
    "policies: [{name: p, labels: [{label: job, action: drop}, {label: queue, action: keep, values: [q1]}]}]",
    "policies: [{name: p, labels: [{label: path, action: normalize}, {label: job, action: drop}]}]",
    "policies: [{name: p, match: '{queue=\"q1\"}', labels: [{label: job, action: drop}]}]",
    "policies: [{name: p, labels: [{label: job, action: drop, when: {shape: int}}]}]",
    "policies: [{name: a, labels: [{label: path, action: drop}]}, {name: b, labels: [{label: job, action: drop}]}]",
    "policies: [{name: a, labels: [{label: job, action: drop}]}, {name: b, labels: [{label: job, action: collapse, limit: 5}]}]",
    "policies: [{name: p, labels: [{label: job, action: collapse, limit: 40}]}]",
    "policies: [{name: p, labels: [{label: job, action: limit, limit: 20}, {label: path, action: drop}]}]",
    "policies: [{name: p, labels: [{label: job, action: drop}], series_limit: 6, series_limit_action: overflow}]",
    "policies: [{name: p, series_limit: 50, series_limit_action: collapse}]",
    "policies: [{name: o, mode: observe, labels: [{label: queue, action: drop}]}, {name: p, labels: [{label: job, action: drop}]}]",
    "policies: [{name: p, labels: [{label: job, action: drop}], metric_relabel_configs: [{source_labels: [job], regex: '.*7', action: drop, exposed: true}]}]",
];

struct Endpoint {
    state: Option<Box<EndpointState>>,
    plan: Arc<Plan>,
    now: Duration,
    chunk: usize,
}

impl Endpoint {
    fn new(policy: &str, chunk: usize) -> Endpoint {
        let source = Source { name: "policy.yaml".into(), text: policy.into() };
        let (policies, _) = Policies::compile(&[source], Builtin::Excluded, None).unwrap();
        let plan = Arc::new(policies.plan(None, Mode::Enforce));
        let state = Some(EndpointState::new(Format::Text, Seed::new(1)));
        Endpoint { state, plan, now: Duration::ZERO, chunk }
    }

    /// The answer, and everything that is told about it.
    fn scrape(&mut self, body: &str) -> (String, String) {
        self.now += Duration::from_secs(15);
        let scrape = Scrape {
            plan: self.plan.clone(),
            limits: Limits::default(),
            now: self.now,
            wall_seconds: 0.0,
            client: 1,
            annotate: Annotate::Yes,
            start: Start::Baseline,
            commons: None,
        };
        let mut out = Vec::new();
        let mut guard = Guard::begin(self.state.take().unwrap(), scrape);
        for chunk in body.as_bytes().chunks(self.chunk) {
            guard.push(chunk).unwrap();
        }
        let (state, report) = guard.finish(BodyEnd::Framed, &mut out);
        let mut report = report.unwrap();
        for list in [&mut report.observed_dropped_by, &mut report.observed_blocked_by, &mut report.observed_folded_by] {
            list.sort_by_key(|entry| format!("{entry:?}"));
        }
        let told = format!("{report:?} {:?} {:?}", state.members(), state.label_rows());
        self.state = Some(state);
        (String::from_utf8(out).unwrap(), told)
    }
}

/// Jobs from `first` on, some of them written in unusual ways.
fn body(first: usize, jobs: usize, value: usize) -> String {
    let mut body = "# TYPE c_total counter\n".to_owned();
    for job in first..first + jobs {
        let (queue, path) = (job % 3, job % 7);
        match job % 23 {
            5 => writeln!(body, "c_total{{queue=\"q{queue}\",job=\"{job}\",path=\"/{path}/{job}\"}} {value}.5"),
            6 => writeln!(body, "c_total{{job=\"a\\\\b{job}\",queue=\"q{queue}\",path=\"/{path}\"}} {value}"),
            7 => writeln!(body, "c_total{{job=\"\u{fc}{job}\",queue=\"q{queue}\",path=\"/{path}\"}} {value}"),
            8 => writeln!(body, "c_total{{job=\"\",queue=\"q{queue}\",path=\"/{job}\"}} {value}"),
            9 => writeln!(body, "c_total{{job=\"{job}\",queue=\"q{queue}\",path=\"/{path}\",}} {value} 1000"),
            10 => writeln!(body, "c_total{{job=\"{job}\"}} {value}e0"),
            11 => writeln!(body, "c_total {{ job = \"{job}\" }} {value}"),
            _ => writeln!(body, "c_total{{job=\"{job}\",queue=\"q{queue}\",path=\"/{path}\"}} {value}"),
        }
        .unwrap();
    }
    // In the order in which labels are usually written.
    body.push_str("# TYPE d_total counter\n");
    for job in first..first + jobs {
        writeln!(body, "d_total{{job=\"{job}\",path=\"/{}\",queue=\"q{}\"}} {value}.0", job % 7, job % 3).unwrap();
    }
    body.push_str("# TYPE h histogram\n");
    for job in first..first + jobs / 4 {
        let labels = format!("job=\"{job}\",queue=\"q{}\"", job % 3);
        for (le, count) in [("0.5", value), ("1", value + 1), ("+Inf", value + 2)] {
            writeln!(body, "h_bucket{{{labels},le=\"{le}\"}} {count}").unwrap();
        }
        writeln!(body, "h_sum{{{labels}}} {value}.25\nh_count{{{labels}}} {}", value + 2).unwrap();
    }
    body.push_str("# TYPE g gauge\n");
    for job in first..first + jobs / 2 {
        writeln!(body, "g{{job=\"{job}\",queue=\"q{}\"}} -{value}", job % 3).unwrap();
    }
    // Once more, which does not count.
    writeln!(body, "g{{job=\"{first}\",queue=\"q{}\"}} 7777777", first % 3).unwrap();
    body
}

#[test]
fn the_short_way_leads_where_the_long_one_does() {
    for policy in POLICIES {
        let (mut short, mut long) = (Endpoint::new(policy, 64 << 10), Endpoint::new(policy, 1));
        for (scrape, (first, jobs)) in [(0, 120), (0, 300), (250, 300), (600, 300), (0, 100)].into_iter().enumerate() {
            let body = body(first, jobs, scrape * 10 + 1);
            let (short, long) = (short.scrape(&body), long.scrape(&body));
            assert_eq!(short.0, long.0, "{policy}: answers of scrape {scrape}");
            assert_eq!(short.1, long.1, "{policy}: reports of scrape {scrape}");
        }
    }
}

/// A label that a limit has folded away goes, whatever its value, once so many values have been
/// refused that no more are remembered.
#[test]
fn what_nobody_remembers_goes_the_short_way_as_well() {
    let policy = "policies: [{name: p, labels: [{label: job, action: collapse, limit: 40}]}]";
    let body = |first: usize, jobs: usize, value: usize| {
        let mut body = "# TYPE c_total counter\n".to_owned();
        for job in first..first + jobs {
            writeln!(body, "c_total{{job=\"{job}\",queue=\"q{}\"}} {value}", job % 3).unwrap();
        }
        body + "# TYPE z gauge\nz 1\n"
    };
    let (mut short, mut long) = (Endpoint::new(policy, 64 << 10), Endpoint::new(policy, 1));
    // Remembered ones, new ones, and both.
    for (scrape, (first, jobs)) in [(0, 10_500), (20_000, 400), (9_900, 400), (20_300, 300)].into_iter().enumerate() {
        let body = body(first, jobs, scrape * 10 + 1);
        let (short, long) = (short.scrape(&body), long.scrape(&body));
        assert_eq!(short.0, long.0, "answers of scrape {scrape}");
        assert_eq!(short.1, long.1, "reports of scrape {scrape}");
    }
}
