//! Shows the parser of heads the head of an answer and nothing behind it: the body is read by
//! others, straight to where it is wanted.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::state::Io;

/// A connection on which an answer's head is waited for.
pub struct HeadIo {
    io: Box<dyn Io>,
    scan: Scan,
    /// Came together with the head's end.
    ahead: Vec<u8>,
}

/// Looks for the empty line at the end of a head. Heads of 1xx are followed by another one.
#[derive(Debug, Default)]
struct Scan {
    at: Place,
    /// Bytes of the line under way, its end excepted.
    column: usize,
    interim: Interim,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Empty lines may stand before a head.
    #[default]
    Before,
    FirstLine,
    Lines,
    Over,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Interim {
    #[default]
    No,
    Yes,
}

/// Where the class of the status stands in `HTTP/1.1 200 OK`.
const STATUS: usize = 9;

impl HeadIo {
    pub fn new(io: Box<dyn Io>) -> HeadIo {
        HeadIo { io, scan: Scan::default(), ahead: Vec::new() }
    }

    /// What is behind the head: the connection, and bytes that came already.
    pub fn into_parts(self) -> (Box<dyn Io>, Vec<u8>) {
        (self.io, self.ahead)
    }
}

impl Scan {
    /// How many of these bytes are heads.
    fn read(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.at != Place::Over {
            self.byte(bytes[at]);
            at += 1;
        }
        at
    }

    fn byte(&mut self, byte: u8) {
        match byte {
            b'\n' => {
                let is_empty = self.column == 0;
                self.column = 0;
                self.at = match self.at {
                    Place::Before | Place::FirstLine if is_empty => Place::Before,
                    Place::Lines if is_empty && self.interim == Interim::Yes => Place::Before,
                    Place::Lines if is_empty => Place::Over,
                    _ => Place::Lines,
                };
            }
            b'\r' => {}
            byte => {
                if self.at == Place::Before {
                    self.at = Place::FirstLine;
                    self.interim = Interim::No;
                }
                if self.at == Place::FirstLine && self.column == STATUS && byte == b'1' {
                    self.interim = Interim::Yes;
                }
                self.column += 1;
            }
        }
    }
}

impl AsyncRead for HeadIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.scan.at == Place::Over {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.io).poll_read(cx, buf);
        let heads = before + this.scan.read(&buf.filled()[before..]);
        this.ahead.extend_from_slice(&buf.filled()[heads..]);
        buf.set_filled(heads);
        polled
    }
}

impl AsyncWrite for HeadIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much of an answer is head, however it is cut.
    fn head(answer: &str) -> usize {
        let whole = Scan::default().read(answer.as_bytes());
        for step in [1, 2, 5] {
            let mut scan = Scan::default();
            let read: usize = answer.as_bytes().chunks(step).map(|piece| scan.read(piece)).sum();
            assert_eq!(read, whole, "{answer:?} by {step}");
        }
        whole
    }

    #[test]
    fn ends_where_the_head_does() {
        let body = "a 1\n\nb 2\n";
        for before in [
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "\r\n\r\nHTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\nContent-Length: 9\n\n",
            "HTTP/1.1 200 OK\nX: y\r\n\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
            "HTTP/1.1 500 1\r\nX: 1234567891\r\n\r\n",
        ] {
            assert_eq!(head(&format!("{before}{body}")), before.len(), "{before:?}");
        }
    }

    #[test]
    fn what_does_not_end_is_head_to_its_end() {
        for answer in ["", "HTTP/1.1 200 OK\r\nX: y\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "<html>"] {
            assert_eq!(head(answer), answer.len(), "{answer:?}");
        }
    }
}
