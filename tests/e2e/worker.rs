//! `worker.py`: a real prometheus_client application.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};

use crate::http;
use crate::process::Process;

/// A worker that is running.
pub struct Worker {
    pub address: SocketAddr,
    process: Process,
}

impl Worker {
    pub fn start() -> Worker {
        Worker::start_on(0)
    }

    fn start_on(port: u16) -> Worker {
        let root = env!("CARGO_MANIFEST_DIR");
        let mut command = Command::new(format!("{root}/.venv/bin/python"));
        command.arg(format!("{root}/tests/e2e/worker.py")).arg(port.to_string()).stdout(Stdio::piped());
        let mut process = Process::start(&mut command, "no Python environment in .venv: run make setup");
        let mut said = String::new();
        BufReader::new(process.child().stdout.take().unwrap()).read_line(&mut said).unwrap();
        let port = said.trim().strip_prefix("listening on port ").and_then(|port| port.parse().ok());
        let port: u16 = port.expect("worker.py did not start; without prometheus_client: run make setup");
        Worker { address: (Ipv4Addr::LOCALHOST, port).into(), process }
    }

    /// Does so many jobs, each with a `job_id` of its own.
    pub fn work(&self, jobs: u64) {
        let answer = http::request(self.address, "POST", &format!("/work?n={jobs}"), &[("Content-Length", "0")]);
        assert_eq!(answer.status, 200);
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// A new process at the same address.
    pub fn restart(&mut self) {
        self.kill();
        *self = Worker::start_on(self.address.port());
    }
}
