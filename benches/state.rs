//! What keeping state costs a scrape: bytes written and time, beside the scrape itself.
//!
//! ```sh
//! cargo bench --bench state                       # 10,000 members, in the temporary directory
//! cargo bench --bench state -- 100000 /var/lib/x  # as many, on that disk
//! ```
//!
//! Absolute times on a shared machine mean little; each is the median of several rounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use cardinality_guard::engine::guard::{Annotate, BodyEnd, EndpointState, Extent, Guard, Limits, Scrape, Start};
use cardinality_guard::engine::model::{Format, Seed};
use cardinality_guard::engine::policy::{Builtin, Mode, Plan, Policies, Source};
use cardinality_guard::settings::Scheme;
use cardinality_guard::state::EndpointKey;
use cardinality_guard::state::store::{FileStore, StateName, StateStore};

const ROUNDS: usize = 15;
const POLICY: &str = "policies: [{name: jobs, labels: [{label: job_id, action: drop}]}]";
static WANTED: AtomicBool = AtomicBool::new(true);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let members = args.iter().find_map(|a| a.parse().ok()).unwrap_or(10_000);
    let place = args.iter().find(|a| a.contains('/')).map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(place).unwrap();
    let store = FileStore::open(directory.path()).unwrap();
    println!("{members} members of one counter, folded by queue, in {}", directory.path().display());
    println!("{:<28}{:>12}{:>12}{:>14}", "", "bytes", "encode", "to the kernel");
    for (what, moved) in [("nothing moved", 0), ("1 in 100 moved", 100), ("every member moved", 1)] {
        changes(&store, what, members, moved);
    }
    whole(&store, members);
}

/// What a scrape writes when one member in `moved` has moved.
fn changes(store: &FileStore, what: &str, members: usize, moved: usize) {
    let mut endpoint = Endpoint::new(members);
    let (name, mut piece) = (name(), Vec::new());
    let body = endpoint.body(moved);
    endpoint.scrape(&body);
    assert_eq!(endpoint.state().changes(&mut piece), Extent::Whole);
    store.replace(&name, &piece, &WANTED).unwrap();
    let (mut encoding, mut writing, mut scraping) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let body = endpoint.body(moved);
        scraping.push(timed(|| endpoint.scrape(&body)));
        piece.clear();
        encoding.push(timed(|| assert_eq!(endpoint.state().changes(&mut piece), Extent::Changes)));
        writing.push(timed(|| assert!(store.append(&name, &piece, &WANTED).is_ok())));
    }
    let (keeping, scrape) = (row(what, piece.len(), encoding, writing), median(scraping));
    let part = keeping.as_secs_f64() / scrape.as_secs_f64() * 100.0;
    println!("{:<28}{:>12}{:>26}", "  beside a scrape of", format!("{scrape:.1?}"), format!("{part:.1} % on top"));
}

/// What is written when the changes have outgrown it, and read at the start.
fn whole(store: &FileStore, members: usize) {
    let mut endpoint = Endpoint::new(members);
    let body = endpoint.body(1);
    endpoint.scrape(&body);
    let (name, mut piece) = (name(), Vec::new());
    let (mut encoding, mut writing, mut reading) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        piece.clear();
        encoding.push(timed(|| endpoint.state().snapshot(&mut piece)));
        writing.push(timed(|| assert!(store.replace(&name, &piece, &WANTED).is_ok())));
        reading.push(timed(|| {
            let kept = store.load(&name).unwrap().unwrap();
            let state = EndpointState::restore(kept.pieces.iter().map(Vec::as_slice)).unwrap();
            assert_eq!(state.members(), members);
        }));
    }
    row("everything", piece.len(), encoding, writing);
    println!("{:<28}{:>24}", "  read again in", format!("{:.1?}", median(reading)));
}

struct Endpoint {
    state: Option<Box<EndpointState>>,
    plan: Arc<Plan>,
    values: Vec<u64>,
    scrapes: u64,
}

impl Endpoint {
    fn new(members: usize) -> Endpoint {
        let source = Source { name: "policy.yaml".into(), text: POLICY.into() };
        let (policies, _) = Policies::compile(&[source], Builtin::Excluded, None).unwrap();
        Endpoint {
            state: Some(EndpointState::new(Format::Text, Seed::new(1))),
            plan: Arc::new(policies.plan(None, Mode::Enforce)),
            values: (0..members as u64).collect(),
            scrapes: 0,
        }
    }

    fn state(&mut self) -> &mut EndpointState {
        self.state.as_mut().unwrap()
    }

    /// What the exporter says when one member in `moved` has moved since.
    fn body(&mut self, moved: usize) -> String {
        if moved > 0 {
            self.values.iter_mut().step_by(moved).for_each(|v| *v += 1);
        }
        let mut body = String::from("# TYPE jobs_total counter\n");
        for (job, value) in self.values.iter().enumerate() {
            writeln!(body, "jobs_total{{queue=\"{}\",job_id=\"{job:032x}\"}} {value}", job % 20).unwrap();
        }
        body
    }

    fn scrape(&mut self, body: &str) {
        self.scrapes += 1;
        let scrape = Scrape {
            plan: self.plan.clone(),
            limits: Limits::default(),
            now: Duration::from_secs(self.scrapes),
            wall_seconds: 0.0,
            client: 1,
            annotate: Annotate::Yes,
            start: Start::Baseline,
            commons: None,
        };
        let mut guard = Guard::begin(self.state.take().unwrap(), scrape);
        guard.push(body.as_bytes()).unwrap();
        let (state, report) = guard.finish(BodyEnd::Framed, &mut Vec::new());
        report.unwrap();
        self.state = Some(state);
    }
}

fn name() -> StateName {
    let key = EndpointKey { scheme: Scheme::Http, host: "x".into(), port: 1, path_and_query: "/".into() };
    StateName::new(&key, Format::Text)
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Prints it, and says how long both take together.
fn row(what: &str, bytes: usize, encoding: Vec<Duration>, writing: Vec<Duration>) -> Duration {
    let (encoding, writing) = (median(encoding), median(writing));
    println!("{what:<28}{bytes:>12}{:>12}{:>14}", format!("{encoding:.1?}"), format!("{writing:.1?}"));
    encoding + writing
}
