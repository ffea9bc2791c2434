//! Nothing is allocated for a sample of a steady scrape: what a scrape allocates does not depend on
//! how many series it brings.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use cardinality_guard::engine::guard::{Annotate, BodyEnd, EndpointState, Guard, Limits, Scrape, Start};
use cardinality_guard::engine::model::{Format, Seed};
use cardinality_guard::engine::policy::{Builtin, Mode, Plan, Policies, Source};

const CHUNK: usize = 64 << 10;
const FOLDED: &str = "policies: [{name: p, labels: [{label: job_id, action: drop}]}]";

struct Endpoint {
    state: Option<Box<EndpointState>>,
    plan: Arc<Plan>,
    now: Duration,
    out: Vec<u8>,
}

impl Endpoint {
    fn new(policy: &str) -> Endpoint {
        let source = Source { name: "policy.yaml".into(), text: policy.into() };
        let (policies, _) = Policies::compile(&[source], Builtin::Excluded, None).unwrap();
        let plan = Arc::new(policies.plan(None, Mode::Enforce));
        let state = Some(EndpointState::new(Format::Text, Seed::new(1)));
        Endpoint { state, plan, now: Duration::ZERO, out: Vec::new() }
    }

    /// Scrapes; says what that allocated and how much came out.
    fn scrape(&mut self, body: &str) -> (u64, usize) {
        self.now += Duration::from_secs(15);
        let scrape = Scrape {
            plan: self.plan.clone(),
            limits: Limits { body_size: 0, ..Limits::default() },
            now: self.now,
            wall_seconds: 0.0,
            client: 1,
            annotate: Annotate::No,
            start: Start::Baseline,
            commons: None,
        };
        self.out.clear();
        let state = self.state.take().unwrap();
        let mut end = None;
        let allocations = allocation_counter::measure(|| {
            let mut guard = Guard::begin(state, scrape);
            for chunk in body.as_bytes().chunks(CHUNK) {
                guard.push(chunk).unwrap();
            }
            end = Some(guard.finish(BodyEnd::Framed, &mut self.out));
        });
        let (state, report) = end.unwrap();
        report.unwrap();
        self.state = Some(state);
        (allocations.count_total, self.out.len())
    }
}

fn body(series: usize, value: usize) -> String {
    let mut body = "# TYPE jobs_total counter\n".to_owned();
    for job in 0..series {
        writeln!(body, "jobs_total{{job_id=\"{job:08x}\",queue=\"q{}\"}} {value}.0", job % 4).unwrap();
    }
    body
}

/// A counter, a gauge and a histogram of so many orders.
fn orders(orders: usize, value: usize) -> String {
    let mut body = String::new();
    for (kind, name) in [("counter", "jobs_total"), ("gauge", "active")] {
        writeln!(body, "# TYPE {name} {kind}").unwrap();
        (0..orders)
            .for_each(|order| writeln!(body, "{name}{{order_ref=\"5f0c{order:012x}\",queue=\"q\"}} {value}").unwrap());
    }
    writeln!(body, "# TYPE took_seconds histogram").unwrap();
    for of in (0..orders).map(|order| format!("order_ref=\"5f0c{order:012x}\",queue=\"q\"")) {
        for le in ["0.1", "1", "+Inf"] {
            writeln!(body, "took_seconds_bucket{{{of},le=\"{le}\"}} {value}").unwrap();
        }
        writeln!(body, "took_seconds_sum{{{of}}} {value}\ntook_seconds_count{{{of}}} {value}").unwrap();
    }
    body
}

#[test]
fn the_account_of_memory_is_what_is_allocated() {
    const LIMITED: &str = "policies: [{name: b, series_limit: 100}]";
    let few = |value| orders(2, value);
    let many = |value| orders(300, value);
    let large = |value| body(20_000, value);
    let names = |value| (0..2000).map(|name| format!("m_{name}_total {value}\n")).collect::<String>();
    let bodies: [(&str, &dyn Fn(usize) -> String); 4] =
        [("few", &few), ("many", &many), ("large", &large), ("names", &names)];
    for ((what, body), policy) in
        bodies.into_iter().flat_map(|body| [(body, "policies: []"), (body, FOLDED), (body, LIMITED)])
    {
        let bodies: Vec<String> = (1..4).map(body).collect();
        let mut kept = None;
        let allocated = allocation_counter::measure(|| {
            let mut endpoint = Endpoint::new(policy);
            for body in &bodies {
                endpoint.scrape(body);
            }
            let mut state = endpoint.state.take().unwrap();
            drop(state.take_back());
            kept = Some(state);
        });
        let account = kept.unwrap().memory() as f64;
        let part = account / allocated.bytes_current as f64;
        // What is large asks for more than it writes to.
        let least = if what == "large" { 0.0 } else { 0.85 };
        assert!((least..1.2).contains(&part), "{what} {policy}: {account} of {}", allocated.bytes_current);
    }
}

/// Allocations of a scrape that looks like those before it.
fn steady(policy: &str, series: usize) -> u64 {
    let mut endpoint = Endpoint::new(policy);
    for value in 1..6 {
        let body = body(series, value);
        let (_, sent) = endpoint.scrape(&body);
        assert_eq!(sent == body.len(), policy != FOLDED, "what is folded is not what came in");
    }
    endpoint.scrape(&body(series, 6)).0
}

#[test]
fn a_steady_scrape_allocates_nothing_for_its_samples() {
    for policy in ["policies: []", FOLDED] {
        let (few, many) = (steady(policy, 100), steady(policy, 50_000));
        assert_eq!(few, many, "{policy}: allocations of 100 and of 50,000 samples");
        assert!(few < 100, "{policy}: {few}");
    }
}

#[test]
fn what_is_new_does_allocate() {
    let mut endpoint = Endpoint::new(FOLDED);
    endpoint.scrape(&body(100, 1));
    let (steady, _) = endpoint.scrape(&body(100, 2));
    let (grown, _) = endpoint.scrape(&body(50_000, 3));
    assert!(grown > steady, "the count counts nothing: {grown}");
}
