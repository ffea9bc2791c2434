//! The guard as a process that is talked to over its sockets.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

pub(crate) struct Server {
    child: Child,
    log: Arc<Log>,
    addresses: Vec<SocketAddr>,
}

/// Where a server listens.
#[derive(Clone, Copy)]
pub(crate) struct Door(SocketAddr);

#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub body: String,
}

/// What the server wrote to stderr so far.
#[derive(Default)]
struct Log {
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Default)]
struct Lines {
    seen: Vec<String>,
    ended: bool,
}

impl Server {
    /// Starts it and waits until it listens on everything it was told to.
    pub(crate) fn start(mut command: Command) -> Server {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let log = Arc::new(Log::default());
        let (stderr, writer) = (child.stderr.take().unwrap(), Arc::clone(&log));
        std::thread::spawn(move || writer.fill(stderr));
        let addresses = log.wait_for("serving", 1).iter().filter_map(|line| address(line)).collect();
        Server { child, log, addresses }
    }

    pub(crate) fn at(&self, door: usize) -> Door {
        Door(self.addresses[door])
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.at(0).get(path)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Answer {
        self.at(0).request(method, path)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits until this many lines of the log hold `text`.
    pub(crate) fn wait_for_log(&self, text: &str, count: usize) {
        self.log.wait_for(text, count);
    }

    /// Waits for its end: exit code and whole log.
    pub(crate) fn end(&mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        (status.code(), self.log.wait_for_end().join("\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Door {
    pub(crate) fn get(self, path: &str) -> Answer {
        self.request("GET", path)
    }

    pub(crate) fn request(self, method: &str, path: &str) -> Answer {
        let mut stream = TcpStream::connect(self.0).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.0).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, body: body.into() }
    }
}

impl Log {
    fn fill(&self, stderr: impl Read) {
        for line in BufReader::new(stderr).lines() {
            self.lines.lock().unwrap().seen.push(line.unwrap());
            self.more.notify_all();
        }
        self.lines.lock().unwrap().ended = true;
        self.more.notify_all();
    }

    fn wait_for(&self, text: &str, count: usize) -> Vec<String> {
        let enough = |lines: &Lines| lines.seen.iter().filter(|line| line.contains(text)).count() >= count;
        let lines = self.lines.lock().unwrap();
        let lines = self.more.wait_while(lines, |lines| !enough(lines) && !lines.ended).unwrap();
        assert!(enough(&lines), "the log ended without {text:?}:\n{}", lines.seen.join("\n"));
        lines.seen.clone()
    }

    fn wait_for_end(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        self.more.wait_while(lines, |lines| !lines.ended).unwrap().seen.clone()
    }
}

/// The address in a line that says where the server listens.
fn address(line: &str) -> Option<SocketAddr> {
    let (_, after) = line.split_once("address")?;
    let text = after.trim_start_matches(['=', '"', ':']);
    let end = text.find(['"', ' ']).unwrap_or(text.len());
    text[..end].parse().ok()
}
