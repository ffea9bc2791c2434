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
