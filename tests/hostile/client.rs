//! A client that knows a whole answer from a cut one, and looks into the process.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::Server;

#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub reason: String,
    pub body: String,
}

/// `None` when no whole answer came.
pub(crate) async fn get(address: SocketAddr, path: &str, seconds: f64) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: guard\r\nX-Prometheus-Scrape-Timeout-Seconds: {seconds}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok()?;
    let at = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
    let body = bytes.split_off(at + 4);
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let length = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let is_whole = if is_chunked { body.ends_with(b"\r\n0\r\n\r\n") } else { length == Some(body.len()) };
    let mut first = head.lines().next()?.splitn(3, ' ').skip(1);
    let status = first.next()?.parse().ok()?;
    let reason = first.next().unwrap_or_default().to_owned();
    is_whole.then(|| Answer { status, reason, body: String::from_utf8_lossy(&body).into_owned() })
}

/// Kilobytes of memory that the process has (`VmRSS`) or had at most (`VmHWM`).
pub(crate) fn memory(server: &Server, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{what}:"))).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
