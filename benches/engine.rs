//! What a scrape costs in the engine, as ratios within one run.
//!
//! ```sh
//! cargo bench --bench engine            # 100,000 series
//! cargo bench --bench engine -- 1000000
//! ```
//!
//! The floor is what any scrape proxy has to do to know which series a line is: find the line's
//! end and hash its series part. Absolute times on a shared machine mean nothing; each row is the
//! median of several rounds in which all rows take turns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cardinality_guard::engine::guard::{Annotate, BodyEnd, EndpointState, Guard, Limits, Report, Scrape, Start};
use cardinality_guard::engine::model::{Format, Seed};
use cardinality_guard::engine::policy::{Builtin, Mode, Plan, Policies, Source};

const ROUNDS: usize = 9;
/// As the proxy reads from its sockets.
const CHUNK: usize = 64 << 10;

fn main() {
    let series = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(100_000);
    let fleet = Fleet { series };
    println!("{series} series, {} bytes a sample", fleet.body(0, 0).len() / series);

    let same = move |_| fleet.body(0, 0);
    let steady = move |round| fleet.body(round, 0);
    let mut rows = vec![
        Row::new("floor: line end + hash", same, floor),
        Row::new("memcpy of the body", same, |body| black_box(body.to_owned()).len()),
        Row::new("steady, untouched", steady, scrapes("policies: []")),
        Row::new("steady, job_id folded", steady, scrapes(DROP)),
        Row::new("10 % churn, folded", move |round| fleet.body(round, round * series / 10), scrapes(DROP)),
        Row::new("all new, folded", move |round| fleet.body(round, round * series), scrapes(DROP)),
    ];
    if series <= 100_000 {
        rows.push(Row::new("prometheus-parse, steady", steady, |body| {
            let lines = body.lines().map(|line| Ok(line.to_owned()));
            prometheus_parse::Scrape::parse(lines).expect("a tame body").samples.len()
        }));
    }
    for round in 0..ROUNDS + 2 {
        rows.iter_mut().for_each(|row| row.turn(round));
    }
    let floor = rows[0].median();
    println!("{:<26} {:>10} {:>12}", "", "x floor", "ns a sample");
    for row in &rows {
        let median = row.median();
        println!("{:<26} {:>10.2} {:>12.1}", row.name, median / floor, median / series as f64);
    }
}

const DROP: &str = "policies: [{name: p, labels: [{label: job_id, action: drop}]}]";

struct Row {
    name: &'static str,
    body: Box<dyn FnMut(usize) -> String>,
    run: Box<dyn FnMut(&str) -> usize>,
    times: Vec<Duration>,
}

impl Row {
    fn new(
        name: &'static str,
        body: impl FnMut(usize) -> String + 'static,
        run: impl FnMut(&str) -> usize + 'static,
    ) -> Row {
        Row { name, body: Box::new(body), run: Box::new(run), times: Vec::new() }
    }

    /// Making the body is not timed; the first rounds warm up.
    fn turn(&mut self, round: usize) {
        let body = (self.body)(round);
        let start = Instant::now();
        black_box((self.run)(&body));
        if round >= 2 {
            self.times.push(start.elapsed());
        }
    }

    fn median(&self) -> f64 {
        let mut times = self.times.clone();
        times.sort_unstable();
        times[times.len() / 2].as_nanos() as f64
    }
}

/// Counters of jobs: 118 bytes a sample, four queues.
#[derive(Clone, Copy)]
struct Fleet {
    series: usize,
}

impl Fleet {
    fn body(&self, tick: usize, first_job: usize) -> String {
        let mut body = String::with_capacity(self.series * 128);
        body.push_str(
            "# HELP worker_jobs_total Jobs that reached a terminal state\n# TYPE worker_jobs_total counter\n",
        );
        for job in first_job..first_job + self.series {
            let id = (job as u128).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
            writeln!(
                body,
                "worker_jobs_total{{job_id=\"{id:032x}\",queue=\"queue-{}\",status=\"success\",task=\"deliver\"}} {}.0",
                job % 4,
                tick + 1
            )
            .unwrap();
        }
        body
    }
}

struct Bench {
    state: Option<Box<EndpointState>>,
    plan: Arc<Plan>,
    now: Duration,
}

impl Bench {
    fn new(policy: &str) -> Bench {
        let source = Source { name: "policy.yaml".into(), text: policy.into() };
        let (policies, _) = Policies::compile(&[source], Builtin::Excluded, None).expect("the policy compiles");
        let plan = Arc::new(policies.plan(None, Mode::Enforce));
        Bench { state: Some(EndpointState::new(Format::Text, Seed::new(1))), plan, now: Duration::ZERO }
    }

    fn scrape(&mut self, body: &str) -> usize {
        self.now += Duration::from_secs(15);
        let limits = Limits { body_size: 0, ..Limits::default() };
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
        let mut out = Vec::new();
        let mut sent = 0;
        for chunk in body.as_bytes().chunks(CHUNK) {
            guard.push(chunk).expect("the body is well formed");
            guard.drain(&mut out);
            sent += out.len();
            out.clear();
        }
        let (state, report) = guard.finish(BodyEnd::Framed, &mut out);
        self.state = Some(state);
        self.check(body, sent + out.len(), &report.expect("the scrape succeeds"));
        sent + out.len()
    }

    /// The answer is right: everything passed, or four groups are left.
    fn check(&self, body: &str, sent: usize, report: &Report) {
        if report.dropped == 0 {
            assert_eq!(sent, body.len());
        } else {
            assert_eq!(report.forwarded, 4);
            assert_eq!(report.forwarded + report.dropped, report.received);
        }
    }
}

fn scrapes(policy: &str) -> impl FnMut(&str) -> usize + 'static {
    let mut bench = Bench::new(policy);
    move |body| bench.scrape(body)
}

fn floor(body: &str) -> usize {
    let seed = Seed::new(1);
    let mut hashes = 0;
    let mut rest = body.as_bytes();
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (line, next) = rest.split_at(end + 1);
        let series = memchr::memrchr(b'}', line).map_or(line, |at| &line[..=at]);
        hashes ^= seed.hash(series).0 as usize;
        rest = next;
    }
    hashes
}
