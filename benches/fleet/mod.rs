//! The bodies that are measured, and an endpoint that is given them.
#![allow(dead_code, reason = "each bench uses what it needs")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use cardinality_guard::engine::guard::{Annotate, BodyEnd, EndpointState, Guard, Limits, Report, Scrape, Start};
use cardinality_guard::engine::model::{Format, Seed};
use cardinality_guard::engine::policy::{Builtin, Mode, Plan, Policies, Source};

/// As the proxy reads from its sockets.
const CHUNK: usize = 64 << 10;

pub const NOTHING: &str = "policies: []";
pub const DROP: &str = "policies: [{name: p, labels: [{label: job_id, action: drop}]}]";

/// Counters of jobs: 118 bytes a sample, four queues.
#[derive(Clone, Copy)]
pub struct Fleet {
    pub series: usize,
    pub families: usize,
}

impl Fleet {
    pub fn body(&self, tick: usize, first_job: usize) -> String {
        let mut body = String::with_capacity(self.series * 128);
        for family in 0..self.families {
            // The built-in policy knows what a `job_id` is.
            let (name, label) = match self.families {
                1 => ("worker_jobs_total".to_owned(), "job_id"),
                _ => (format!("work_{family:05}_total"), "worker"),
            };
            writeln!(body, "# HELP {name} Jobs that reached a terminal state\n# TYPE {name} counter").unwrap();
            for job in first_job..first_job + self.series / self.families {
                let id = (job as u128).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
                writeln!(
                    body,
                    "{name}{{{label}=\"{id:032x}\",queue=\"queue-{}\",status=\"success\",task=\"deliver\"}} {}.0",
                    job % 4,
                    tick + 1
                )
                .unwrap();
            }
        }
        body
    }

    /// Every line in another place each time.
    pub fn shuffled(&self, tick: usize) -> String {
        let body = self.body(tick, 0);
        let mut lines: Vec<&str> = body.lines().collect();
        let mut random = 0x9E37_79B9_7F4A_7C15 + tick as u64;
        for at in (3..lines.len()).rev() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            lines.swap(at, 2 + random as usize % (at - 1));
        }
        lines.join("\n") + "\n"
    }
}

/// What has to come out.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    AsItCame,
    /// One series for each queue.
    Queues,
}

/// An endpoint that is scraped again and again, each answer checked.
pub struct Bench {
    state: Option<Box<EndpointState>>,
    plan: Arc<Plan>,
    now: Duration,
    answer: Answer,
    out: Vec<u8>,
}

impl Bench {
    pub fn new(policy: &str, answer: Answer) -> Bench {
        Bench::with(policy, Builtin::Excluded, answer)
    }

    pub fn with(policy: &str, builtin: Builtin, answer: Answer) -> Bench {
        let source = Source { name: "policy.yaml".into(), text: policy.into() };
        let (policies, _) = Policies::compile(&[source], builtin, None).expect("the policy compiles");
        let plan = Arc::new(policies.plan(None, Mode::Enforce));
        Bench {
            state: Some(EndpointState::new(Format::Text, Seed::new(1))),
            plan,
            now: Duration::ZERO,
            answer,
            out: Vec::new(),
        }
    }

    pub fn scrape(&mut self, body: &str) -> usize {
        self.now += Duration::from_secs(15);
        let limits = Limits { body_size: 0, endpoint_series: 0, ..Limits::default() };
        let scrape = Scrape {
            plan: self.plan.clone(),
            limits,
            now: self.now,
            wall_seconds: 0.0,
            client: 1,
            annotate: Annotate::No,
            start: Start::Baseline,
            commons: None,
        };
        let mut guard = Guard::begin(self.state.take().expect("the state is here"), scrape);
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        let mut sent = 0;
        for chunk in body.as_bytes().chunks(CHUNK) {
            guard.push(chunk).expect("the body is well formed");
            guard.drain(&mut out);
            sent += out.len();
            out.clear();
        }
        let (state, report) = guard.finish(BodyEnd::Framed, &mut out);
        self.state = Some(state);
        sent += out.len();
        self.out = out;
        self.check(body, sent, &report.expect("the scrape succeeds"));
        sent
    }

    fn check(&self, body: &str, sent: usize, report: &Report) {
        assert_eq!(report.forwarded + report.dropped, report.received);
        match self.answer {
            Answer::AsItCame => assert_eq!((sent, report.dropped), (body.len(), 0)),
            Answer::Queues => assert_eq!(report.forwarded, 4),
        }
    }
}
