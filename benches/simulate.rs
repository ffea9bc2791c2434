//! A fleet behind several guards that share a store, reckoned from a sample of it: real states,
//! scraped in rounds, each guard taking up what the others wrote, in turn and with affinity.
//!
//! `make simulate REPLICAS=3 ENDPOINTS=100000 SERIES=100`, or
//! `cargo bench --bench simulate -- <replicas> <endpoints> <series each>`.
//!
//! Sockets, exporters and the store itself are not in it: bytes and memory are those of the states,
//! and the share of a core is the engine's. Bytes and memory do not depend on the machine.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/support/endpoint.rs"]
mod endpoint;

use std::fmt::Write;
use std::time::{Duration, Instant};

use cardinality_guard::engine::guard::{EndpointState, Extent};
use cardinality_guard::engine::model::Format;
use cardinality_guard::engine::policy::Builtin;

use endpoint::{Endpoint, plan};

const POLICY: &str = "policies: [{name: jobs, labels: [{label: job_id, action: drop}]}]";
/// Endpoints that are really there.
const SAMPLE: u64 = 60;
const ROUNDS: u64 = 60;
/// Rounds before anything is counted.
const WARM: u64 = 12;
const INTERVAL_SECONDS: f64 = 15.0;
/// One series in so many moves between two scrapes; one in so many is another job's.
const MOVES: u64 = 10;
const CHANGES: u64 = 200;
/// Calls to the store for each scrape: what the target knows, claim, read, commit.
const CALLS: f64 = 4.0;

struct Fleet {
    replicas: u64,
    endpoints: u64,
    series: u64,
}

/// Who scrapes an endpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    InTurn,
    Affinity,
}

/// What the store has of one endpoint.
#[derive(Default)]
struct Log {
    base: usize,
    pieces: Vec<Vec<u8>>,
}

/// One endpoint as one guard has it.
struct Copy {
    endpoint: Endpoint,
    known: usize,
}

/// Over all scrapes of the sample that count.
#[derive(Default)]
struct Sums {
    scrapes: u64,
    written: u64,
    read: u64,
    busy: Duration,
}

impl Log {
    fn end(&self) -> usize {
        self.base + self.pieces.len()
    }

    fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    /// As the store has it: everything anew when the changes have outgrown it.
    fn write(&mut self, state: &mut EndpointState) -> u64 {
        let whole = self.pieces.first().map_or(0, Vec::len);
        let log: usize = self.pieces.iter().skip(1).map(Vec::len).sum();
        let mut piece = Vec::new();
        let extent = match log > whole.max(8 << 10) {
            true => {
                state.snapshot(&mut piece);
                Extent::Whole
            }
            false => state.changes(&mut piece),
        };
        if extent == Extent::Whole {
            self.base = self.end();
            self.pieces.clear();
        }
        let written = piece.len() as u64;
        self.pieces.push(piece);
        written
    }
}

impl Copy {
    fn new() -> Copy {
        Copy { endpoint: Endpoint::of(plan(POLICY, Builtin::Excluded), Format::Text), known: 0 }
    }

    /// Takes up what others wrote; gives the bytes of it.
    fn catch_up(&mut self, log: &Log) -> u64 {
        if log.pieces.is_empty() {
            return 0;
        }
        let goes_on = self.known > log.base && self.endpoint.state().is_in_place();
        let news = if goes_on { &log.pieces[self.known - log.base..] } else { &log.pieces[..] };
        let pieces = news.iter().map(Vec::as_slice);
        if goes_on {
            self.endpoint.state().catch_up(pieces).expect("what others wrote");
        } else {
            self.endpoint.put(EndpointState::restore(pieces).expect("what others wrote"));
        }
        self.known = log.end();
        news.iter().map(|piece| piece.len() as u64).sum()
    }
}

/// What an exporter says in a round.
fn body(endpoint: u64, round: u64, series: u64) -> String {
    let mut body = "# TYPE jobs_total counter\n".to_owned();
    for at in 0..series {
        // When this place was last given to another job, and how often the job has moved since.
        let phase = (at * 7 + endpoint) % CHANGES;
        let job = (round + phase) / CHANGES;
        let moved = (round + at % MOVES) / MOVES * (1 + at % 50);
        let _ = writeln!(body, "jobs_total{{queue=\"q{}\",job_id=\"{endpoint}-{at}-{job}\"}} {moved}", at % 8);
    }
    body
}

fn play(fleet: &Fleet, way: Way) -> (Sums, u64, u64) {
    let (mut sums, mut held, mut stored) = (Sums::default(), 0, 0);
    for endpoint in 0..SAMPLE.min(fleet.endpoints) {
        let mut log = Log::default();
        let mut copies: Vec<Copy> = (0..fleet.replicas).map(|_| Copy::new()).collect();
        for round in 0..ROUNDS {
            let turn = match way {
                Way::InTurn => endpoint + round,
                Way::Affinity => endpoint,
            };
            let copy = &mut copies[(turn % fleet.replicas) as usize];
            let body = body(endpoint, round, fleet.series);
            let began = Instant::now();
            let read = copy.catch_up(&log);
            copy.endpoint.scrape(&body);
            let written = log.write(copy.endpoint.state());
            copy.known = log.end();
            if round >= WARM {
                sums.scrapes += 1;
                sums.busy += began.elapsed();
                sums.read += read;
                sums.written += written;
            }
        }
        held +=
            copies.iter_mut().filter(|copy| copy.known > 0).map(|c| c.endpoint.state().memory() as u64).sum::<u64>();
        stored += log.bytes();
    }
    (sums, held, stored)
}

fn tell(fleet: &Fleet, way: Way) {
    let (sums, held, stored) = play(fleet, way);
    let sample = SAMPLE.min(fleet.endpoints) as f64;
    let (endpoints, replicas, scrapes) = (fleet.endpoints as f64, fleet.replicas as f64, sums.scrapes as f64);
    let a_second = endpoints / INTERVAL_SECONDS;
    let megabytes = |bytes: f64| bytes / 1e6;
    let busy = sums.busy.as_secs_f64() / scrapes;
    let state = stored as f64 / sample;
    println!(
        "{}",
        if way == Way::InTurn { "each scrape to the next guard" } else { "each endpoint to a guard of its own" }
    );
    println!(
        "  a guard: {:.0} scrapes a second, {:.1} % of a core",
        a_second / replicas,
        100.0 * busy * a_second / replicas
    );
    println!("  a guard: {:.0} MB of states", megabytes(held as f64 / sample * endpoints / replicas));
    println!(
        "  a scrape: {:.0} bytes to the store, {:.0} from it",
        sums.written as f64 / scrapes,
        sums.read as f64 / scrapes
    );
    println!(
        "  the store: {:.0} calls and {:.1} MB a second in, {:.1} MB out, {:.0} MB held",
        a_second * CALLS,
        megabytes(sums.written as f64 / scrapes * a_second),
        megabytes(sums.read as f64 / scrapes * a_second),
        megabytes(state * endpoints)
    );
    let (moving, bytes) = match way {
        Way::InTurn => (0.0, 0.0),
        Way::Affinity => (endpoints / replicas, state * endpoints / replicas),
    };
    println!(
        "  a guard dies: scrapes under way fail, their endpoints wait a second at most; {moving:.0} endpoints move, {:.0} MB are read\n",
        megabytes(bytes)
    );
}

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let number = |at: usize, usual: u64| numbers.get(at).copied().unwrap_or(usual).max(1);
    let fleet = Fleet { replicas: number(0, 3), endpoints: number(1, 100_000), series: number(2, 100) };
    println!(
        "{} endpoints with {} folded series each, every {INTERVAL_SECONDS} s, over {} guards; one series in {MOVES} moves, \
         one in {CHANGES} is another job's; reckoned from {} endpoints\n",
        fleet.endpoints,
        fleet.series,
        fleet.replicas,
        SAMPLE.min(fleet.endpoints)
    );
    tell(&fleet, Way::InTurn);
    tell(&fleet, Way::Affinity);
}
