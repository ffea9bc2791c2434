//! An exporter that says exactly what a test tells it to, framing and all.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers every request with what was last set.
pub struct Exporter {
    pub address: SocketAddr,
    answer: Arc<Mutex<Answering>>,
}

/// The whole answer to a request for a path, head included.
type Answering = Box<dyn Fn(&str) -> Vec<u8> + Send>;

/// How a body is put on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    ContentLength,
    /// Chunks of this many bytes.
    Chunks(usize),
    /// The length promised is this much longer than the body.
    Short(usize),
}

impl Exporter {
    pub fn start() -> Exporter {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let answer: Arc<Mutex<Answering>> = Arc::new(Mutex::new(Box::new(|_| Vec::new())));
        let shared = Arc::clone(&answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        Exporter { address, answer }
    }

    pub fn say(&self, content_type: &str, body: &[u8], framing: Framing) {
        self.say_raw(framed(content_type, body, framing));
    }

    /// To each path its own body.
    pub fn say_of_each(&self, body: impl Fn(&str) -> String + Send + 'static) {
        *self.answer.lock().unwrap() =
            Box::new(move |path| framed(TEXT, body(path).as_bytes(), Framing::ContentLength));
    }

    /// The whole answer, head included.
    pub fn say_raw(&self, answer: Vec<u8>) {
        *self.answer.lock().unwrap() = Box::new(move |_| answer.clone());
    }
}

fn framed(content_type: &str, body: &[u8], framing: Framing) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nConnection: close\r\n");
    let framed = match framing {
        Framing::ContentLength | Framing::Short(_) => body.to_vec(),
        Framing::Chunks(size) => chunked(body, size),
    };
    match framing {
        Framing::ContentLength => head += &format!("Content-Length: {}\r\n\r\n", body.len()),
        Framing::Short(by) => head += &format!("Content-Length: {}\r\n\r\n", body.len() + by),
        Framing::Chunks(_) => head += "Transfer-Encoding: chunked\r\n\r\n",
    }
    [head.into_bytes(), framed].concat()
}

/// One request, one answer, and the connection is closed.
fn serve(stream: &TcpStream, answer: &Mutex<Answering>) {
    let mut lines = BufReader::new(stream).lines();
    let asked = lines.next().and_then(Result::ok).unwrap_or_default();
    let path = asked.split(' ').nth(1).unwrap_or_default();
    while lines.by_ref().next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let answer = answer.lock().unwrap()(path);
    let mut stream = stream;
    // A guard that has seen enough may hang up.
    let _ = stream.write_all(&answer);
}

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}
