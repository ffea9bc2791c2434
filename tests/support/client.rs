//! A client that says exactly what it is told and tells a whole answer from a cut one.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

pub struct Client {
    stream: Box<dyn Wire>,
    buffer: Vec<u8>,
}

/// What a client speaks over: TCP, or TLS.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

#[derive(Debug)]
pub struct Answer {
    pub version: String,
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub end: End,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum End {
    /// As Content-Length or the last chunk says.
    Whole,
    /// The connection ended before that.
    Cut,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> String {
        let bytes = match self.header("content-encoding") {
            Some("gzip") => gunzip(&self.body),
            _ => self.body.clone(),
        };
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Client {
        Client::over(TcpStream::connect(address).await.unwrap())
    }

    pub fn over(stream: impl Wire + 'static) -> Client {
        Client { stream: Box::new(stream), buffer: Vec::new() }
    }

    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_say(bytes).await.unwrap();
    }

    /// The same to a guard that may have gone.
    pub async fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    /// Reads an answer to the end; `None` when the connection ends before its head does.
    pub async fn answer(&mut self) -> Option<Answer> {
        self.answer_to("GET").await
    }

    pub async fn answer_to(&mut self, method: &str) -> Option<Answer> {
        soon("an answer", self.read(method)).await
    }

    /// Only the head.
    pub async fn head(&mut self) -> Option<Answer> {
        soon("a head", self.read("HEAD")).await
    }

    /// What follows a head that [`Client::head`] read.
    pub async fn rest_of(&mut self, mut head: Answer) -> Answer {
        soon("the body", self.body(&mut head)).await;
        head
    }

    /// Says that the guard closed the connection.
    pub async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        matches!(soon("the end", self.stream.read(&mut byte)).await, Ok(0) | Err(_))
    }

    /// Reads to the end; says whether that came without these bytes at the beginning.
    pub async fn is_closed_without(&mut self, start: &str) -> bool {
        let mut all = Vec::new();
        let _ = soon("the end", self.stream.read_to_end(&mut all)).await;
        !all.starts_with(start.as_bytes())
    }

    async fn read(&mut self, method: &str) -> Option<Answer> {
        let head_end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if !self.more().await {
                return None;
            }
        };
        let head = String::from_utf8(self.buffer.drain(..head_end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let mut first = lines.next().unwrap().splitn(3, ' ');
        let version = first.next().unwrap().to_owned();
        let status = first.next().unwrap().parse().unwrap();
        let reason = first.next().unwrap_or_default().to_owned();
        let pair = |line: &str| line.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned()));
        let headers = lines.map(|line| pair(line).unwrap_or((line.to_owned(), String::new()))).collect();
        let mut answer = Answer { version, status, reason, headers, body: Vec::new(), end: End::Whole };
        if method != "HEAD" {
            self.body(&mut answer).await;
        }
        Some(answer)
    }

    async fn body(&mut self, answer: &mut Answer) {
        if answer.header("transfer-encoding") == Some("chunked") {
            return self.chunks(answer).await;
        }
        let length: usize = answer.header("content-length").expect("an answer without a length").parse().unwrap();
        if !self.take(length, &mut answer.body).await {
            answer.end = End::Cut;
        }
    }

    async fn chunks(&mut self, answer: &mut Answer) {
        loop {
            let line = loop {
                if let Some(at) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                    break self.buffer.drain(..at + 2).collect::<Vec<_>>();
                }
                if !self.more().await {
                    answer.end = End::Cut;
                    return;
                }
            };
            let size = usize::from_str_radix(String::from_utf8(line).unwrap().trim(), 16).unwrap();
            let mut end = Vec::new();
            if !self.take(size, &mut answer.body).await || !self.take(2, &mut end).await {
                answer.end = End::Cut;
                return;
            }
            if size == 0 {
                return;
            }
        }
    }

    /// Says whether there were as many.
    async fn take(&mut self, n: usize, into: &mut Vec<u8>) -> bool {
        while self.buffer.len() < n {
            if !self.more().await {
                into.append(&mut self.buffer);
                return false;
            }
        }
        into.extend(self.buffer.drain(..n));
        true
    }

    /// Says whether more came.
    async fn more(&mut self) -> bool {
        let mut piece = vec![0; 64 << 10];
        match self.stream.read(&mut piece).await {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.buffer.extend_from_slice(&piece[..n]);
                true
            }
        }
    }
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    use cardinality_guard::engine::coding::{Gunzip, Pushed};
    let mut gunzip = Gunzip::new(0);
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Pushed::Full { consumed } = gunzip.push(rest, &mut out).unwrap() {
        rest = &rest[consumed..];
    }
    gunzip.finish().unwrap();
    out
}
