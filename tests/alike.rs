//! New series that are like one met before take a short way, and lines that arrive byte by byte do
//! not: both must end up the same, whatever explodes and whatever the policies make of it. So must
//! those whose body is kept elsewhere and let go of here.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use cardinality_guard::engine::guard::{
    Annotate, BodyEnd, EndpointState, Guard, Leaves, Limits, Report, Scrape, ScrapeError, Start, Wanted,
};
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
    /// How many bodies were let go of to their end, and how many were wanted once more.
    let_go: usize,
    wanted: usize,
}

impl Endpoint {
    fn new(policy: &str, chunk: usize) -> Endpoint {
        let source = Source { name: "policy.yaml".into(), text: policy.into() };
        let (policies, _) = Policies::compile(&[source], Builtin::Excluded, None).unwrap();
        let plan = Arc::new(policies.plan(None, Mode::Enforce));
        let state = Some(EndpointState::new(Format::Text, Seed::new(1)));
        Endpoint { state, plan, now: Duration::ZERO, chunk, let_go: 0, wanted: 0 }
    }

    /// The answer, and everything that is told about it.
    fn scrape(&mut self, body: &str) -> (String, String) {
        self.now += Duration::from_secs(15);
        let mut out = Vec::new();
        let mut guard = self.begin();
        for chunk in body.as_bytes().chunks(self.chunk) {
            guard.push(chunk).unwrap();
        }
        let (state, report) = guard.finish(BodyEnd::Framed, &mut out);
        let told = told(report.unwrap(), &state);
        self.state = Some(state);
        (String::from_utf8(out).unwrap(), told)
    }

    fn fail(&mut self, body: &str) {
        self.now += Duration::from_secs(15);
        let mut guard = self.begin();
        guard.push(body.as_bytes()).unwrap_err();
        self.state = Some(guard.abort());
    }

    /// The same for who keeps the body, and pushes it once more when it is wanted.
    fn scrape_apart(&mut self, body: &str) -> (String, String) {
        self.now += Duration::from_secs(15);
        let mut guard = self.begin();
        guard.body_is_elsewhere();
        let is_let_go = guard.is_body_elsewhere();
        if let Some(answer) = self.read_apart(guard, body) {
            self.let_go += usize::from(is_let_go);
            return answer;
        }
        self.wanted += 1;
        let guard = self.begin();
        self.read_apart(guard, body).unwrap()
    }

    fn read_apart(&mut self, mut guard: Guard, body: &str) -> Option<(String, String)> {
        let mut out = Vec::new();
        for chunk in body.as_bytes().chunks(self.chunk) {
            if let Err(error) = guard.push(chunk) {
                assert_eq!(error, ScrapeError::BodyWanted);
                self.state = Some(guard.abort());
                return None;
            }
        }
        let (state, ended) = guard.finish_as(BodyEnd::Framed, Wanted::Apart, &mut out);
        let told = ended.map(|(report, leaves)| (told(report, &state), leaves));
        self.state = Some(state);
        let (told, leaves) = match told {
            Err(error) => {
                assert_eq!(error, ScrapeError::BodyWanted);
                return None;
            }
            Ok(told) => told,
        };
        let before = if leaves == Leaves::AsItCame { body } else { "" };
        Some((before.to_owned() + &String::from_utf8(out).unwrap(), told))
    }

    fn begin(&mut self) -> Guard {
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
        Guard::begin(self.state.take().unwrap(), scrape)
    }
}

fn told(mut report: Report, state: &EndpointState) -> String {
    for list in [&mut report.observed_dropped_by, &mut report.observed_blocked_by, &mut report.observed_folded_by] {
        list.sort_by_key(|entry| format!("{entry:?}"));
    }
    format!("{report:?} {:?} {:?}", state.members(), state.label_rows())
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

/// Before anything explodes nothing is changed, and nothing is held; then the body is wanted once more,
/// wherever in it that turns out, and what comes of it is what comes of one that was held.
#[test]
fn what_is_kept_elsewhere_ends_up_the_same() {
    let (mut let_go, mut wanted) = (0, 0);
    let few =
        |value: usize| format!("# TYPE a gauge\na {value}\n# TYPE c_total counter\nc_total{{queue=\"q1\"}} {value}\n");
    for policy in POLICIES {
        for chunk in [100, 64 << 10] {
            let (mut held, mut apart) = (Endpoint::new(policy, chunk), Endpoint::new(policy, chunk));
            let calm = (1..4).map(few);
            let exploding = [(0, 3), (0, 4), (0, 120), (250, 300), (600, 300), (0, 100)];
            let exploding = exploding.into_iter().enumerate().map(|(i, (first, jobs))| body(first, jobs, i * 10 + 5));
            for (scrape, body) in calm.chain(exploding).chain((60..63).map(few)).enumerate() {
                let (held, apart) = (held.scrape(&body), apart.scrape_apart(&body));
                assert_eq!(held.0, apart.0, "{policy}, {chunk} at a time: answers of scrape {scrape}");
                assert_eq!(held.1, apart.1, "{policy}, {chunk} at a time: reports of scrape {scrape}");
            }
            let_go += apart.let_go;
            wanted += apart.wanted;
        }
    }
    assert!(let_go > POLICIES.len() && wanted > POLICIES.len(), "{let_go} let go of, {wanted} wanted");
}

/// The same where a limit on series is passed, and where a TYPE comes late.
#[test]
fn what_is_kept_elsewhere_is_wanted_when_its_end_explains_its_beginning() {
    let says = |jobs: usize, value: usize, end: &str| {
        let lines = (0..jobs).map(|job| format!("d_total{{job=\"{job}\"}} {value}\n"));
        "# TYPE g gauge\ng 1\n".to_owned() + &lines.collect::<String>() + end
    };
    let late = "# TYPE d_total counter\n";
    let bodies =
        [(3, ""), (3, ""), (3, late), (3, late), (3, ""), (3, ""), (90, ""), (90, ""), (3, ""), (3, ""), (3, "")];
    for limit in [20, 200] {
        for chunk in [7, 64 << 10] {
            let policy = format!("policies: [{{name: p, series_limit: {limit}}}]");
            let (mut held, mut apart) = (Endpoint::new(&policy, chunk), Endpoint::new(&policy, chunk));
            for (scrape, (jobs, end)) in bodies.iter().enumerate() {
                let body = says(*jobs, scrape, end);
                let (held, apart) = (held.scrape(&body), apart.scrape_apart(&body));
                assert_eq!(held, apart, "at most {limit}, {chunk} at a time: scrape {scrape}");
            }
            let (let_go, wanted) = (apart.let_go, apart.wanted);
            assert!(let_go > 2 && wanted > 0, "at most {limit}: {let_go} let go of, {wanted} wanted");
        }
    }
}

/// What a body that failed has declared is not taken for what was in force while it was read.
#[test]
fn a_type_that_a_failed_body_declared_late_is_told_all_the_same() {
    let policy = "policies: [{name: p, series_limit: 20}]";
    let (untyped, late) = ("d_total{job=\"1\"} 1\n", "d_total{job=\"1\"} 2\n# TYPE d_total counter\n");
    let (mut failed, mut spared) = (Endpoint::new(policy, 64 << 10), Endpoint::new(policy, 64 << 10));
    for endpoint in [&mut failed, &mut spared] {
        endpoint.scrape(untyped);
        endpoint.now += Duration::from_secs(15);
    }
    failed.now -= Duration::from_secs(15);
    failed.fail(&(late.to_owned() + "<html>\n"));
    assert_eq!(failed.scrape(late), spared.scrape(late));
}
