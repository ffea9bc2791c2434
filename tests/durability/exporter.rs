//! An exporter whose truth is known: every scrape ends one job more and works on the first.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) struct Exporter {
    pub address: SocketAddr,
    truth: Arc<Mutex<Truth>>,
}

#[derive(Default)]
struct Truth {
    /// What each job has counted.
    jobs: Vec<u64>,
    /// In the first body ever asked for.
    baseline: u64,
    /// The sum of all jobs in each body that was said.
    said: Vec<u64>,
}

impl Exporter {
    pub(crate) fn start() -> Exporter {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let truth: Arc<Mutex<Truth>> = Arc::default();
        let shared = truth.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        Exporter { address, truth }
    }

    /// What had happened then does not count: a folded counter began at 0 again.
    #[allow(dead_code)]
    pub(crate) fn forget_until(&self, increments: u64) {
        self.truth.lock().unwrap().baseline += increments;
    }

    /// How many bodies were said.
    #[allow(dead_code)]
    pub(crate) fn bodies(&self) -> usize {
        self.truth.lock().unwrap().said.len()
    }

    /// What a folded counter must show after each body that was said since there were `bodies`. Mostly it is one body;
    /// what a guard asked for before it was killed may still be said when the next one asks.
    #[allow(dead_code)]
    pub(crate) fn increments_since(&self, bodies: usize) -> Vec<u64> {
        let truth = self.truth.lock().unwrap();
        truth.said[bodies..].iter().map(|sum| sum - truth.baseline).collect()
    }

    /// What a folded counter must show after the last scrape: all that happened since the first.
    pub(crate) fn increments(&self) -> u64 {
        let truth = self.truth.lock().unwrap();
        truth.jobs.iter().sum::<u64>() - truth.baseline
    }
}

impl Truth {
    fn body(&mut self) -> String {
        match self.jobs.first_mut() {
            Some(first) => *first += 3,
            None => {
                self.jobs.push(1_000_000);
                self.baseline = 1_000_001;
            }
        }
        self.jobs.push(1);
        self.said.push(self.jobs.iter().sum());
        let line = |(job, n): (usize, &u64)| format!("jobs_total{{job_id=\"{job}\"}} {n}\n");
        "# TYPE jobs_total counter\n".to_owned() + &self.jobs.iter().enumerate().map(line).collect::<String>()
    }
}

/// The client or the guard may die at any time; that is no failure of the exporter.
fn answer(mut stream: TcpStream, truth: &Mutex<Truth>) {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(n) if n > 0 => head.extend_from_slice(&piece[..n]),
            _ => return,
        }
    }
    let body = truth.lock().unwrap().body();
    let (first, rest) = body.split_at(body.len() / 2);
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all((head + first).as_bytes());
    std::thread::sleep(Duration::from_millis(2));
    let _ = stream.write_all(rest.as_bytes());
}
