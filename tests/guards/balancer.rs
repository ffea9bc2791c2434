//! HAProxy before the guards, each request to the next one.

use std::fmt::Write;
use std::net::SocketAddr;
use std::process::Command;

use crate::http;
use crate::process::{Process, eventually, free_address};

pub struct Balancer {
    pub address: SocketAddr,
    _process: Process,
    _files: tempfile::TempDir,
}

impl Balancer {
    /// Each request to the next guard.
    pub fn before(guards: impl Iterator<Item = SocketAddr>) -> Balancer {
        let address = free_address();
        let mut config = format!(
            "defaults\n mode http\n timeout connect 1s\n timeout client 30s\n timeout server 30s\n retries 0\n\
             listen guards\n bind {address}\n balance roundrobin\n option httpchk GET /-/ready\n"
        );
        for (at, guard) in guards.enumerate() {
            let _ = writeln!(config, " server guard{at} {guard} check inter 100ms fall 1 rise 1");
        }
        Balancer::with(address, &config)
    }

    /// Configured as the page says, before these guards.
    pub fn as_documented(guards: &[SocketAddr]) -> Balancer {
        let page = include_str!("../../docs/scaling.md");
        let config = page.split("```").find(|block| block.contains("listen guards")).unwrap().trim_start();
        let address = free_address();
        let mut config = config.replace(":10900\n  balance", &format!("{address}\n  balance"));
        for (at, guard) in guards.iter().enumerate() {
            let server = format!("guard-{at}:10900");
            assert!(config.contains(&server), "{config}");
            config = config.replace(&server, &guard.to_string());
        }
        Balancer::with(address, &config)
    }

    fn with(address: SocketAddr, config: &str) -> Balancer {
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("haproxy.cfg");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("haproxy");
        let process =
            Process::start(command.args(["-q", "-db", "-f"]).arg(file), "no haproxy on the PATH: run make setup");
        eventually("HAProxy has its guards", &Some(200), || {
            http::try_request(address, "GET", "/-/ready", &[]).ok().map(|answer| answer.status)
        });
        Balancer { address, _process: process, _files: files }
    }
}
