//! Prometheus, as far as a proxy sees it: one connection, one GET after the other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::packed::gunzip;
use crate::upstream::Coding;

/// A connection that is kept.
pub struct Client {
    stream: TcpStream,
    /// Read and not used yet.
    buffer: Vec<u8>,
    piece: Vec<u8>,
}

/// A whole answer.
pub struct Answer {
    coding: Coding,
    body: Vec<u8>,
    /// From the request's first byte to the answer's last.
    pub took: Duration,
}

impl Answer {
    /// The body, decoded.
    pub fn text(self) -> String {
        let bytes = match self.coding {
            Coding::Identity => self.body,
            Coding::Gzip => gunzip(&self.body),
        };
        String::from_utf8(bytes).unwrap()
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, buffer: Vec::new(), piece: vec![0; 256 << 10] }
    }

    pub fn get(&mut self, path: &str, taken: Coding) -> Answer {
        let encoding = match taken {
            Coding::Identity => "identity",
            Coding::Gzip => "gzip",
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: bench\r\nUser-Agent: Prometheus/3.5.0\r\nAccept: text/plain;version=0.0.4\r\n\
             Accept-Encoding: {encoding}\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n"
        );
        let asked = Instant::now();
        self.stream.write_all(request.as_bytes()).unwrap();
        let head = self.head();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_owned()).next()
        };
        let body = match header("content-length") {
            Some(length) => self.take(length.parse().unwrap()),
            None => self.chunks(),
        };
        let took = asked.elapsed();
        let coding = if header("content-encoding").is_some() { Coding::Gzip } else { Coding::Identity };
        Answer { coding, body, took }
    }

    fn head(&mut self) -> String {
        loop {
            if let Some(at) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                return String::from_utf8(self.buffer.drain(..at + 4).collect()).unwrap();
            }
            self.more();
        }
    }

    fn take(&mut self, n: usize) -> Vec<u8> {
        while self.buffer.len() < n {
            self.more();
        }
        let rest = self.buffer.split_off(n);
        std::mem::replace(&mut self.buffer, rest)
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        let mut at = 0;
        loop {
            let end = loop {
                match memchr::memmem::find(&self.buffer[at..], b"\r\n") {
                    Some(found) => break at + found,
                    None => self.more(),
                }
            };
            let size = std::str::from_utf8(&self.buffer[at..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            let from = end + 2;
            while self.buffer.len() < from + size + 2 {
                self.more();
            }
            body.extend_from_slice(&self.buffer[from..from + size]);
            at = from + size + 2;
            if size == 0 {
                self.buffer.drain(..at);
                return body;
            }
        }
    }

    fn more(&mut self) {
        let n = self.stream.read(&mut self.piece).unwrap();
        assert!(n > 0, "the answer was cut");
        self.buffer.extend_from_slice(&self.piece[..n]);
    }
}
