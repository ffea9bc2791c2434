//! The bodies that are measured, and an endpoint that is given them.
#![allow(dead_code, reason = "each bench uses what it needs")]

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use cardinality_guard::engine::fold::Lines;
use cardinality_guard::engine::guard::{Annotate, BodyEnd, EndpointState, Guard, Lent, Limits, Scrape, Start};
use cardinality_guard::engine::model::{Format, Seed};
use cardinality_guard::engine::policy::{Builtin, Mode, Plan, Policies, Source};

/// As the proxy reads from its sockets.
const CHUNK: usize = 64 << 10;

pub const NOTHING: &str = "policies: []";
pub const DROP: &str = "policies: [{name: p, labels: [{label: job_id, action: drop}]}]";

const QUEUES: [&str; 4] = ["queue-0", "queue-1", "queue-2", "queue-3"];

/// Counters of jobs: 118 bytes a sample, four queues.
#[derive(Clone, Copy)]
pub struct Fleet {
    pub series: usize,
    pub families: usize,
}

impl Fleet {
    pub fn body(&self, tick: usize, first_job: usize) -> String {
        let mut body = Vec::with_capacity(self.series * 128);
        self.write(tick, first_job, &mut body);
        String::from_utf8(body).expect("text")
    }

    /// By hand: at a million series, formatting takes longer than all that is measured.
    pub fn write(&self, tick: usize, first_job: usize, body: &mut Vec<u8>) {
        let value = format!("{}.0\n", tick + 1);
        for family in 0..self.families {
            // The built-in policy knows what a `job_id` is.
            let (name, label) = match self.families {
                1 => ("worker_jobs_total".to_owned(), "job_id"),
                _ => (format!("work_{family:05}_total"), "worker"),
            };
            writeln!(body, "# HELP {name} Jobs that reached a terminal state\n# TYPE {name} counter").unwrap();
            let begin = format!("{name}{{{label}=\"");
            let ends =
                QUEUES.map(|queue| format!("\",queue=\"{queue}\",status=\"success\",task=\"deliver\"}} {value}"));
            for job in first_job..first_job + self.series / self.families {
                body.extend_from_slice(begin.as_bytes());
                body.extend_from_slice(&id(job));
                body.extend_from_slice(ends[job % QUEUES.len()].as_bytes());
            }
        }
    }

    /// Every line in another place each time.
    pub fn shuffle(&self, tick: usize, out: &mut Vec<u8>) {
        let body = self.body(tick, 0);
        let mut lines: Vec<&str> = body.split_inclusive('\n').collect();
        let mut random = 0x9E37_79B9_7F4A_7C15 + tick as u64;
        for at in (3..lines.len()).rev() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            lines.swap(at, 2 + random as usize % (at - 1));
        }
        lines.iter().for_each(|line| out.extend_from_slice(line.as_bytes()));
    }
}

/// 32 hexadecimal digits that look like chance.
fn id(job: usize) -> [u8; 32] {
    let number = (job as u128).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    std::array::from_fn(|at| b"0123456789abcdef"[(number >> (124 - 4 * at)) as usize & 15])
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
    /// What the proxy lends to each scrape.
    lines: Lines,
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
            lines: Lines::default(),
        }
    }

    /// The body is where the proxy reads it to, in the engine's own buffer, and the clock starts
    /// then; gives back a buffer for the next one.
    pub fn scrape(&mut self, body: Vec<u8>) -> Vec<u8> {
        let len = body.len();
        let mut guard = self.begin();
        *guard.tail() = body;
        guard.pushed(len).expect("the body is well formed");
        self.end(guard, len);
        let Lent { body: spare, lines } = self.state.as_mut().map(|state| state.take_back()).unwrap_or_default();
        self.lines = lines;
        if spare.capacity() > self.out.capacity() { spare } else { std::mem::take(&mut self.out) }
    }

    /// The same of one that is elsewhere and has to be copied there, piece by piece.
    pub fn copied(&mut self, body: &[u8]) {
        let mut guard = self.begin();
        let mut sent = 0;
        for chunk in body.chunks(CHUNK) {
            guard.push(chunk).expect("the body is well formed");
            guard.drain(&mut self.out);
            sent += self.out.len();
            self.out.clear();
        }
        self.end(guard, body.len() - sent);
    }

    fn begin(&mut self) -> Guard {
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
        self.out.clear();
        let mut state = self.state.take().expect("the state is here");
        state.lend(Lent { body: Vec::new(), lines: std::mem::take(&mut self.lines) });
        Guard::begin(state, scrape)
    }

    /// What leaves at the end is as long as this, unless it is folded.
    fn end(&mut self, mut guard: Guard, rest: usize) {
        guard.drain(&mut self.out);
        let (state, report) = guard.finish(BodyEnd::Framed, &mut self.out);
        self.state = Some(state);
        let report = report.expect("the scrape succeeds");
        assert_eq!(report.forwarded + report.dropped, report.received);
        match self.answer {
            Answer::AsItCame => assert_eq!((self.out.len(), report.dropped), (rest, 0)),
            Answer::Queues => assert_eq!(report.forwarded, 4),
        }
    }
}
