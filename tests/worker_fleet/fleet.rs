//! `examples/worker-fleet/fleet.py`, told what to do line by line.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::books::Books;
use crate::prometheus::Api;

/// The fleet, running. It ends when its input does: with this value, or with the test, however that
/// ends.
pub struct Fleet {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    said: Value,
}

impl Fleet {
    /// All mistakes on, scrapes each second, too often for an exporter that asks its workers in each;
    /// nothing to do yet.
    pub fn start() -> Fleet {
        let root = env!("CARGO_MANIFEST_DIR");
        let mut command = Command::new(format!("{root}/.venv/bin/python"));
        command.arg(format!("{root}/examples/worker-fleet/fleet.py"));
        command.args(["--drive", "--guard", env!("CARGO_BIN_EXE_cardinality-guard"), "--interval", "1"]);
        command.args(["--linger", "4", "--worker-timeout", "8", "--purge-after", "8", "--inspect-seconds", "0"]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child =
            child.unwrap_or_else(|error| panic!("no Python environment in .venv: run make setup ({error})"));
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut fleet = Fleet { child, input, output, said: Value::Null };
        fleet.said = fleet.answer();
        fleet
    }

    /// Jobs a second to each queue.
    pub fn pace(&mut self, jobs: f64) {
        self.tell(&format!("pace {jobs}"));
    }

    /// SIGKILL, to it and its children.
    pub fn kill(&mut self, name: &str) {
        self.tell(&format!("kill {name}"));
    }

    pub fn start_again(&mut self, name: &str) {
        self.tell(&format!("start {name}"));
    }

    /// As a rollout does it: SIGTERM to the old one, a new one with another name.
    pub fn restart_every_worker(&mut self) {
        let workers: Vec<String> = serde_json::from_value(self.said["workers"].clone()).unwrap();
        assert!(workers.len() >= 6, "{workers:?}");
        for worker in workers {
            self.tell(&format!("restart {worker}"));
        }
    }

    pub fn books(&mut self) -> Books {
        Books::read(&self.tell("ledger"))
    }

    /// Alerts that arrived at the webhook, as `{status, labels}`.
    pub fn pages(&mut self) -> Vec<Value> {
        serde_json::from_value(self.tell("pages")).unwrap()
    }

    pub fn prometheus(&self) -> Api {
        Api(self.address("prometheus"))
    }

    /// The one without the guard.
    pub fn direct(&self) -> Api {
        Api(self.address("direct"))
    }

    pub fn address(&self, name: &str) -> SocketAddr {
        let port = self.said["ports"][name].as_u64().unwrap();
        (Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap()).into()
    }

    fn tell(&mut self, line: &str) -> Value {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
        let answer = self.answer();
        assert!(answer.get("error").is_none(), "{line}: {answer}");
        answer
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("the fleet has ended; what it said stands above"))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
