//! The guard as a process, asked as Prometheus asks.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::exporter::{Body, Exporter};

pub struct Guard {
    child: Child,
    address: String,
    _files: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Lines that are the exporter's samples.
    pub samples: usize,
}

impl Answer {
    pub fn assert_queues(self) {
        assert_eq!(self.samples, 4, "one series a queue");
    }
}

impl Guard {
    /// Starts it in front of the exporter, its state in memory, and waits until it listens.
    pub fn start(exporter: &Exporter, policy: &str, settings: &str) -> Guard {
        let files = tempfile::tempdir().unwrap();
        let path = |name: &str| files.path().join(name);
        fs::write(path("policy.yaml"), policy).unwrap();
        let settings = format!(
            "web: {{listen_address: ['127.0.0.1:0']}}\nstorage: {{path: ''}}\npolicy_files: [policy.yaml]\n\
             targets: [{{name: worker, url: 'http://{}/metrics'}}]\n{settings}",
            exporter.address
        );
        fs::write(path("guard.yaml"), settings).unwrap();
        let binary = std::env::var("GUARD").unwrap_or_else(|_| env!("CARGO_BIN_EXE_cardinality-guard").to_owned());
        let mut child = Command::new(binary)
            .args(["serve", &format!("--config.file={}", path("guard.yaml").display())])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = listening(&mut log);
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Guard { child, address, _files: files }
    }

    pub fn scrape(&self, exporter: &Exporter, body: Body) -> Answer {
        exporter.show(body);
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = "GET /scrape/worker HTTP/1.1\r\nHost: guard\r\nUser-Agent: Prometheus/3\r\n\
                    Connection: close\r\nX-Prometheus-Scrape-Timeout-Seconds: 600\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = BufReader::with_capacity(256 << 10, stream);
        let mut line = String::new();
        answer.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
        let (mut is_chunked, mut is_whole) = (false, 0);
        while line != "\r\n" {
            line.clear();
            answer.read_line(&mut line).unwrap();
            let field = line.to_ascii_lowercase();
            is_chunked |= field.starts_with("transfer-encoding: chunked");
            if let Some(length) = field.strip_prefix("content-length: ") {
                is_whole = length.trim().parse().unwrap();
            }
        }
        Answer { samples: if is_chunked { chunks(&mut answer) } else { samples(&mut answer.take(is_whole)) } }
    }

    /// Bytes of memory that the process has.
    pub fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
    }

    /// Time on a CPU so far, at the usual hundred ticks a second.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listening(log: &mut impl BufRead) -> String {
    let mut said = String::new();
    loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "the guard ended:\n{said}");
        if line.contains("message=listening")
            && let Some((_, address)) = line.split_once("address=")
        {
            return address.split_whitespace().next().unwrap().trim_matches('"').to_owned();
        }
        said.push_str(&line);
    }
}

/// Counts samples in a body that comes in chunks, up to its end.
fn chunks(answer: &mut impl BufRead) -> usize {
    let mut counter = Counter::default();
    loop {
        let mut size = String::new();
        answer.read_line(&mut size).unwrap();
        let size = u64::from_str_radix(size.trim(), 16).expect("the answer is whole");
        counter.read(&mut answer.by_ref().take(size));
        let mut end = [0; 2];
        answer.read_exact(&mut end).unwrap();
        if size == 0 {
            return counter.samples;
        }
    }
}

fn samples(answer: &mut impl Read) -> usize {
    let mut counter = Counter::default();
    counter.read(answer);
    counter.samples
}

/// Counts the lines that begin as the exporter's samples do, however they are cut.
#[derive(Default)]
struct Counter {
    samples: usize,
    is_inside: bool,
}

impl Counter {
    fn read(&mut self, bytes: &mut impl Read) {
        let mut buffer = [0; 64 << 10];
        loop {
            let len = bytes.read(&mut buffer).unwrap();
            if len == 0 {
                return;
            }
            for &byte in &buffer[..len] {
                self.samples += usize::from(!self.is_inside && byte == b'w');
                self.is_inside = byte != b'\n';
            }
        }
    }
}
