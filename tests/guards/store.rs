//! A Redis or Valkey server that goes with the test.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::process::{Process, eventually, free_address};

pub struct Store {
    pub address: SocketAddr,
    process: Mutex<Process>,
    files: tempfile::TempDir,
}

impl Store {
    /// Keeps its data in an append-only file.
    pub fn start() -> Store {
        let (address, files) = (free_address(), tempfile::tempdir().unwrap());
        let process = Mutex::new(serve(address, &files));
        Store { address, process, files }
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Ends it well, which keeps everything.
    pub fn end(&self) {
        self.process.lock().unwrap().end_with("-TERM");
    }

    pub fn start_again(&self) {
        *self.process.lock().unwrap() = serve(self.address, &self.files);
    }

    /// What it has on disk.
    pub fn copy(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_all(self.files.path(), copy.path());
        copy
    }

    /// While it does not run.
    pub fn put_back(&self, copy: &tempfile::TempDir) {
        std::fs::remove_dir_all(self.files.path().join("appendonlydir")).unwrap();
        copy_all(copy.path(), self.files.path());
    }

    pub fn signal(&self, signal: &str) {
        self.process.lock().unwrap().signal(signal);
    }

    /// The server's first line in answer to a command.
    pub fn tell(&self, command: &str) -> String {
        try_tell(self.address, command).unwrap()
    }

    /// A number that `INFO` knows.
    pub fn info(&self, section: &str, field: &str) -> u64 {
        let text = self.tell(&format!("INFO {section}"));
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {field} in {text}")).trim().parse().unwrap()
    }
}

/// Returns when it answers.
fn serve(address: SocketAddr, files: &tempfile::TempDir) -> Process {
    let port = address.port().to_string();
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port, "--appendonly", "yes", "--save", ""]);
    command.args(["--loglevel", "warning"]).current_dir(files.path()).stdout(Stdio::null());
    let process = Process::start(&mut command, "no redis-server on the PATH: run make setup");
    eventually("the store answers", &Some("+PONG".to_owned()), || try_tell(address, "PING").ok());
    process
}

pub fn try_tell(address: SocketAddr, command: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "{command}\r\n")?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

fn copy_all(from: &Path, to: &Path) {
    let copied = Command::new("cp").args(["-r", "--"]).arg(from.join("appendonlydir")).arg(to).status().unwrap();
    assert!(copied.success());
}
