//! The least HTTP/1.1 client that shows everything: status line, headers, and whether the body
//! ended as it should.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// An answer, whole or cut.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub reason: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub end: End,
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Content-Length reached or last chunk seen.
    Clean,
    /// The connection went away before.
    Cut,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub fn get(address: SocketAddr, target: &str) -> Answer {
    get_with(address, target, &[("Accept", "text/plain;version=0.0.4")])
}

pub fn get_with(address: SocketAddr, target: &str, headers: &[(&str, &str)]) -> Answer {
    request(address, "GET", target, headers)
}

pub fn request(address: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    try_request(address, method, target, headers).unwrap_or_else(|error| panic!("{method} {address} {target}: {error}"))
}

/// Fails when nobody listens or the answer has no head.
pub fn try_request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    let mut reader = BufReader::new(stream);
    let status_line = line(&mut reader)?;
    let mut words = status_line.splitn(3, ' ').skip(1);
    let status = words.next().and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("not a status line: {status_line:?}")))?;
    let reason = words.next().unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        let header = line(&mut reader)?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, reason, headers, body: Vec::new(), end: End::Cut };
    answer.end = read_body(&mut reader, &mut answer);
    Ok(answer)
}

fn read_body(reader: &mut impl BufRead, answer: &mut Answer) -> End {
    if let Some(length) = answer.header("content-length") {
        let length: usize = length.parse().unwrap();
        let _ = reader.take(length as u64).read_to_end(&mut answer.body);
        return if answer.body.len() == length { End::Clean } else { End::Cut };
    }
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"), "an answer must be framed: {answer:?}");
    loop {
        let size = line(reader).unwrap_or_default();
        let Ok(size) = usize::from_str_radix(&size, 16) else { return End::Cut };
        let mut chunk = vec![0; size + 2];
        if reader.read_exact(&mut chunk).is_err() {
            return End::Cut;
        }
        answer.body.extend_from_slice(&chunk[..size]);
        if size == 0 {
            return End::Clean;
        }
    }
}

/// A line without its CR LF.
fn line(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
