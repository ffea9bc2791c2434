//! `cardinality-guard serve`, as a user starts it.
#![allow(dead_code)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use crate::http::{self, Answer};
use crate::process::{Process, eventually, free_address};

/// A guard that is running, with its files.
pub struct Guard {
    pub address: SocketAddr,
    process: Mutex<Process>,
    files: tempfile::TempDir,
}

impl Guard {
    /// `settings` is the settings file without its `web:` and `storage:`, which is a directory of its own; `policies` is a policy
    /// file, empty for none.
    pub fn start(settings: &str, policies: &str) -> Guard {
        Guard::keeping("path: data", settings, policies)
    }

    /// With this as its `storage:`.
    pub fn keeping(storage: &str, settings: &str, policies: &str) -> Guard {
        let files = tempfile::tempdir().unwrap();
        let address = free_address();
        let policy_files = if policies.is_empty() { "[]" } else { "[policy.yaml]" };
        let settings = format!(
            "web: {{listen_address: ['{address}']}}\nstorage: {{{storage}}}\npolicy_files: {policy_files}\n{settings}"
        );
        std::fs::write(files.path().join("guard.yaml"), settings).unwrap();
        std::fs::write(files.path().join("policy.yaml"), policies).unwrap();
        let process = Mutex::new(serve(address, files.path()));
        Guard { address, process, files }
    }

    /// Kills it without a word and starts another one with the same files.
    pub fn kill_and_start_again(&self) {
        let mut process = self.process.lock().unwrap();
        process.kill();
        *process = serve(self.address, self.files.path());
    }

    /// Scrapes the target of this name.
    pub fn scrape(&self, target: &str) -> Answer {
        http::get(self.address, &format!("/scrape/{target}"))
    }

    /// Writes the policy file anew and asks for a reload.
    pub fn reload(&self, policies: &str) {
        std::fs::write(self.files.path().join("policy.yaml"), policies).unwrap();
        let answer = http::request(self.address, "POST", "/-/reload", &[("Content-Length", "0")]);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Writes a policy file with a mistake and asks for a reload, which is refused.
    pub fn refuse(&self, policies: &str) {
        std::fs::write(self.files.path().join("policy.yaml"), policies).unwrap();
        let answer = http::request(self.address, "POST", "/-/reload", &[("Content-Length", "0")]);
        assert_eq!(answer.status, 500, "{}", answer.text());
    }

    /// Nothing can be written any more where the state is kept.
    pub fn lose_the_disk(&self) {
        let data = self.files.path().join("data");
        std::fs::rename(&data, self.files.path().join("gone")).unwrap();
        std::fs::write(&data, "no directory").unwrap();
    }

    /// Bytes of memory that the process has, as the kernel counts them.
    pub fn resident(&self) -> u64 {
        let pid = self.process.lock().unwrap().child().id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// SIGTERM; gives the exit code.
    pub fn terminate(self) -> Option<i32> {
        self.process.lock().unwrap().end_with("-TERM")
    }
}

/// Returns when it is ready.
fn serve(address: SocketAddr, files: &Path) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cardinality-guard"));
    command.args(["serve", "--config.file=guard.yaml", "--log.level=warn"]).current_dir(files).env_clear();
    let mut process = Process::start(&mut command, "the binary under test");
    eventually("the guard is ready", &Some(200), || {
        if let Some(status) = process.child().try_wait().unwrap() {
            panic!("serve ended at once: {status}");
        }
        http::try_request(address, "GET", "/-/ready", &[]).ok().map(|answer| answer.status)
    });
    process
}
