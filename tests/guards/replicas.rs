//! Guards as processes, all with the same settings.

use std::fs::File;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Mutex;

use crate::binary::{Scratch, command, scratch};
use crate::http::{self, End};
use crate::process::{Process, eventually, free_address};

pub struct Replica {
    pub address: SocketAddr,
    process: Mutex<Process>,
    files: Scratch,
}

/// What a scrape showed of the folded counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Counter(u64),
    /// The answer was good, and the counter was not in it.
    Withheld,
    /// There was no good answer.
    Nothing,
}

impl Replica {
    /// `settings` without `web:` and `policy_files:`.
    pub fn start(settings: &str, policy: &str) -> Replica {
        let address = free_address();
        let web = format!("web: {{listen_address: ['{address}']}}\npolicy_files: [policy.yaml]\n");
        let files = scratch(&[("policy.yaml", policy), ("guard.yaml", &format!("{web}{settings}"))]);
        let process = Mutex::new(serve(address, &files));
        Replica { address, process, files }
    }

    /// Without a word.
    pub fn kill(&self) {
        self.process.lock().unwrap().kill();
    }

    /// As in a rolling restart.
    pub fn terminate(&self) {
        assert_eq!(self.process.lock().unwrap().end_with("-TERM"), Some(0));
    }

    pub fn start_again(&self) {
        *self.process.lock().unwrap() = serve(self.address, &self.files);
    }

    /// All it has logged, which are errors.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.files.path("said")).unwrap()
    }

    pub fn signal(&self, signal: &str) {
        self.process.lock().unwrap().signal(signal);
    }

    /// What it shows of `jobs_total` of the target of this name.
    pub fn scrape(&self, target: &str) -> Shown {
        let asked = http::try_request(self.address, "GET", &format!("/scrape/{target}"), &[("User-Agent", "test")]);
        let Ok(answer) = asked else { return Shown::Nothing };
        if answer.status != 200 || answer.end == End::Cut {
            return Shown::Nothing;
        }
        let line = answer.text().lines().find_map(|line| line.strip_prefix("jobs_total "));
        line.map_or(Shown::Withheld, |value| Shown::Counter(value.parse::<f64>().unwrap() as u64))
    }

    /// One of its own metrics.
    pub fn metric(&self, series: &str) -> f64 {
        let metrics = http::get(self.address, "/metrics");
        let value = metrics.text().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {series}")).parse().unwrap()
    }
}

/// Returns when it is ready.
fn serve(address: SocketAddr, files: &Scratch) -> Process {
    let mut command = command(&["serve", &format!("--config.file={}", files.path("guard.yaml")), "--log.level=error"]);
    let said = File::options().create(true).append(true).open(files.path("said")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    let mut process = Process::start(&mut command, "the binary under test");
    eventually("the guard is ready", &Some(200), || {
        if let Some(status) = process.child().try_wait().unwrap() {
            panic!("serve ended at once: {status}");
        }
        http::try_request(address, "GET", "/-/ready", &[]).ok().map(|answer| answer.status)
    });
    process
}
