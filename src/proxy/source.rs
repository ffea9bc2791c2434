//! The exporter's body, decoded, piece by piece, within limits and deadline.

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout_at;

use crate::engine::coding::{Gunzip, Pushed};
use crate::engine::guard::ScrapeError;

use super::content::Coding;
use super::deadline::Deadline;
use super::failure::{Failure, Stage};
use super::fetch::body_error;

/// Reads one body.
pub struct Source {
    wire: Wire,
    decoder: Decoder,
    /// Came over the wire and is not decoded yet (or is what it decodes to).
    piece: Bytes,
}

struct Wire {
    body: Incoming,
    received: u64,
    limit: u64,
}

enum Decoder {
    Identity,
    Gzip { gunzip: Box<Gunzip>, decoded: Vec<u8>, backlog: Backlog },
}

/// Whether the decoder may have more to give before it sees more.
enum Backlog {
    None,
    Some,
}

impl Source {
    /// `limit`: bytes at most, on the wire and decoded; 0 = no limit.
    pub fn new(body: Incoming, coding: Coding, limit: u64) -> Source {
        let decoder = match coding {
            Coding::Identity => Decoder::Identity,
            Coding::Gzip => {
                Decoder::Gzip { gunzip: Box::new(Gunzip::new(limit)), decoded: Vec::new(), backlog: Backlog::None }
            }
        };
        Source { wire: Wire { body, received: 0, limit }, decoder, piece: Bytes::new() }
    }

    /// Bytes that came over the wire.
    pub fn received(&self) -> u64 {
        self.wire.received
    }

    /// The next bytes, never none of them; `None` at the end of a complete body.
    pub async fn next(&mut self, deadline: &Deadline) -> Result<Option<&[u8]>, Failure> {
        let Source { wire, decoder, piece } = self;
        let Decoder::Gzip { gunzip, decoded, backlog } = decoder else {
            let Some(bytes) = wire.next(deadline).await? else { return Ok(None) };
            *piece = bytes;
            return Ok(Some(piece));
        };
        decoded.clear();
        while decoded.is_empty() {
            if let Backlog::None = backlog {
                let Some(bytes) = wire.next(deadline).await? else {
                    return gunzip.finish().map(|()| None).map_err(Failure::from);
                };
                *piece = bytes;
            }
            *backlog = match gunzip.push(piece, decoded)? {
                Pushed::All => Backlog::None,
                Pushed::Full { consumed } => {
                    piece.advance(consumed);
                    // A few bytes can hold a great deal: let others have their turn.
                    tokio::task::yield_now().await;
                    Backlog::Some
                }
            };
        }
        Ok(Some(decoded))
    }
}

impl Wire {
    /// The next bytes, never none of them. Trailers say nothing that counts.
    async fn next(&mut self, deadline: &Deadline) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = timeout_at(deadline.exporter(), self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| deadline.passed(Stage::Body))? else { return Ok(None) };
            let frame = frame.map_err(|error| body_error(&error))?;
            let Ok(bytes) = frame.into_data() else { continue };
            self.received += bytes.len() as u64;
            if self.limit != 0 && self.received > self.limit {
                return Err(ScrapeError::BodySize(self.limit).into());
            }
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }
}
