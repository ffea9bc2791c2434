//! A server of any sort: one of a cluster, a replica, a sentinel, one that speaks TLS only.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::authority::Identity;
use crate::process::{Process, eventually, free_address};
use crate::store::try_tell;

pub struct Node {
    pub address: SocketAddr,
    process: Mutex<Process>,
    speech: Speech,
    files: tempfile::TempDir,
}

/// How it is spoken to.
enum Speech {
    Plain,
    /// With these files.
    Tls(Identity),
}

impl Node {
    /// With these arguments and a directory of its own.
    pub fn start(arguments: &[&str]) -> Node {
        Node::with(Speech::Plain, arguments)
    }

    /// Over TLS and not otherwise, its own traffic included.
    pub fn secured(identity: Identity, arguments: &[&str]) -> Node {
        Node::with(Speech::Tls(identity), arguments)
    }

    fn with(speech: Speech, arguments: &[&str]) -> Node {
        let (address, files) = (free_address(), tempfile::tempdir().unwrap());
        let mut command = Command::new("redis-server");
        // A sentinel writes to its file.
        std::fs::write(files.path().join("redis.conf"), "").unwrap();
        command.arg("redis.conf").args(["--bind", "127.0.0.1", "--save", ""]).args(speech.arguments(address));
        command.args(arguments).current_dir(files.path()).stdout(Stdio::null());
        let process = Process::start(&mut command, "no redis-server on the PATH: run make setup");
        let node = Node { address, process: Mutex::new(process), speech, files };
        eventually("the node answers", &true, || node.try_tell("PING").is_some());
        node
    }

    pub fn tell(&self, command: &str) -> String {
        self.try_tell(command).unwrap_or_else(|| panic!("no answer to {command}"))
    }

    pub fn kill(&self) {
        self.process.lock().unwrap().kill();
    }

    fn try_tell(&self, command: &str) -> Option<String> {
        match &self.speech {
            Speech::Plain => try_tell(self.address, command).ok(),
            Speech::Tls(identity) => tell_over_tls(self.address, identity, command, self.files.path()),
        }
    }
}

impl Speech {
    fn arguments(&self, address: SocketAddr) -> Vec<String> {
        let port = address.port().to_string();
        let text = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<String>>();
        match self {
            Speech::Plain => text(&["--port", &port]),
            Speech::Tls(identity) => {
                let mut words = text(&["--port", "0", "--tls-port", &port]);
                words.extend(text(&["--tls-replication", "yes", "--tls-cluster", "yes"]));
                words.extend(text(&["--tls-ca-cert-file", &identity.ca_file()]));
                words.extend(text(&["--tls-cert-file", &identity.cert_file(), "--tls-key-file", &identity.key_file()]));
                words
            }
        }
    }
}

fn tell_over_tls(address: SocketAddr, identity: &Identity, command: &str, at: &Path) -> Option<String> {
    let port = address.port().to_string();
    let mut client = Command::new("redis-cli");
    client.args(["-h", "127.0.0.1", "-p", &port, "--tls", "--cacert", &identity.ca_file()]);
    client.args(["--cert", &identity.cert_file(), "--key", &identity.key_file()]);
    let output = client.args(command.split(' ')).current_dir(at).output().expect("no redis-cli on the PATH");
    let answer = String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
    (output.status.success() && !answer.is_empty()).then_some(answer)
}
