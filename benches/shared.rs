//! What a store in common costs a scrape: the built guard before an exporter with 10,000 folded
//! series of which one in ten moves, with its state on disk, alone before a store on loopback, and
//! as one of three in turn.
//!
//! `make bench-shared` (or `cargo bench --bench shared`); needs redis-server on the PATH.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/support/binary.rs"]
#[allow(dead_code)]
mod binary;
#[path = "../tests/e2e/http.rs"]
#[allow(dead_code)]
mod http;
#[path = "../tests/e2e/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "../tests/guards/replicas.rs"]
#[allow(dead_code)]
mod replicas;
#[path = "../tests/guards/store.rs"]
#[allow(dead_code)]
mod store;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use replicas::{Replica, Shown};
use store::Store;

const POLICY: &str = "policies: [{name: jobs, hold: 0s, labels: [{label: job_id, action: drop}]}]";
const SERIES: u64 = 10_000;
const MOVES: u64 = 10;
const WARM: usize = 12;
const SCRAPES: usize = 150;

fn exporter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut values = vec![0_u64; SERIES as usize];
        for (turn, mut stream) in (0_u64..).zip(listener.incoming().flatten()) {
            BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let mut body = "# TYPE jobs_total counter\n".to_owned();
            for (at, value) in (0_u64..).zip(&mut values) {
                if at % MOVES == turn % MOVES {
                    *value += 1 + at % 100;
                }
                let _ = writeln!(body, "jobs_total{{job_id=\"{at}\"}} {value}");
            }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";
            let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    address
}

/// The middle of the times that scrapes took, each by the next guard.
fn middle(guards: &[Replica]) -> Duration {
    let scrape = |turn: usize| {
        let began = Instant::now();
        assert!(matches!(guards[turn % guards.len()].scrape("app"), Shown::Counter(_)));
        began.elapsed()
    };
    for turn in 0..WARM {
        scrape(turn);
    }
    let mut times: Vec<Duration> = (0..SCRAPES).map(scrape).collect();
    times.sort_unstable();
    times[SCRAPES / 2]
}

fn guards(count: usize, storage: &str) -> Vec<Replica> {
    let settings = format!(
        "storage: {{{storage}}}\nbuiltin_policy: false\ntargets: [{{name: app, url: 'http://{}/metrics'}}]\n",
        exporter()
    );
    (0..count).map(|_| Replica::start(&settings, POLICY)).collect()
}

fn main() {
    let (disk, store) = (tempfile::tempdir().unwrap(), Store::start());
    let embedded = middle(&guards(1, &format!("path: '{}'", disk.path().display())));
    println!("a scrape of {SERIES} folded series, one in {MOVES} moved, the middle of {SCRAPES}");
    println!("  state on disk           {:6.2} ms", 1e3 * embedded.as_secs_f64());
    for (name, count) in [("a store, one guard     ", 1), ("a store, three in turn ", 3)] {
        let shared = middle(&guards(count, &format!("url: '{}'", store.url())));
        let more = 1e3 * (shared.as_secs_f64() - embedded.as_secs_f64());
        println!("  {name} {:6.2} ms, {more:+.2} ms", 1e3 * shared.as_secs_f64());
    }
}
