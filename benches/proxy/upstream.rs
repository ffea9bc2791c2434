//! The exporter: serves the bodies it is given, by path, and swallows what an agent writes.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::packed::gzip;

/// A server on a port of its own, for the life of the bench.
pub struct Upstream {
    pub address: SocketAddr,
    pages: Arc<Mutex<HashMap<String, Page>>>,
}

#[derive(Clone)]
struct Page {
    /// Head and body.
    answer: Arc<Vec<u8>>,
    asked: usize,
}

/// How a page leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Identity,
    Gzip,
}

/// A body, and the answer that brings it.
pub struct Said {
    pub text: String,
    /// Packed, when that is how it leaves.
    pub packed: Vec<u8>,
    answer: Arc<Vec<u8>>,
}

impl Said {
    pub fn new(text: String, coding: Coding) -> Said {
        let (encoding, packed) = match coding {
            Coding::Identity => ("", Vec::new()),
            Coding::Gzip => ("Content-Encoding: gzip\r\n", gzip(text.as_bytes())),
        };
        let bytes = if coding == Coding::Gzip { &packed } else { text.as_bytes() };
        let length = bytes.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n{encoding}Content-Length: {length}\r\n\r\n"
        );
        let answer = Arc::new([head.as_bytes(), bytes].concat());
        Said { text, packed, answer }
    }
}

impl Upstream {
    pub fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let pages: Arc<Mutex<HashMap<String, Page>>> = Arc::default();
        let served = pages.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let pages = served.clone();
                thread::spawn(move || converse(&stream, &pages));
            }
        });
        Upstream { address, pages }
    }

    /// What `path` says from now on.
    pub fn put(&self, path: &str, said: &Said) {
        let mut pages = self.pages.lock().unwrap();
        let asked = pages.get(path).map_or(0, |page| page.asked);
        pages.insert(path.to_owned(), Page { answer: said.answer.clone(), asked });
    }

    /// How often a page was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.pages.lock().unwrap().get(path).map_or(0, |page| page.asked)
    }
}

/// Request after request, until the other side goes away.
fn converse(stream: &TcpStream, pages: &Mutex<HashMap<String, Page>>) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some((path, length)) = head(&mut reader) {
        if std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink()).is_err() {
            return;
        }
        let answer = {
            let mut pages = pages.lock().unwrap();
            pages.get_mut(&path).map(|page| {
                page.asked += 1;
                page.answer.clone()
            })
        };
        let nothing = || Arc::new(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec());
        if writer.write_all(&answer.unwrap_or_else(nothing)).is_err() {
            return;
        }
    }
}

/// Path and length of the body of the next request.
fn head(reader: &mut impl BufRead) -> Option<(String, u64)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        match line.trim_end().split_once(':') {
            None => return Some((path, length)),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok()?,
            Some(_) => {}
        }
    }
}
