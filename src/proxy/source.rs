//! The exporter's body, decoded, piece by piece, within limits and deadline.

use crate::engine::coding::{Gunzip, Pushed};
use crate::state::Buffers;

use super::content::Coding;
use super::deadline::Deadline;
use super::failure::Failure;
use super::wire::{Filled, Wire};

/// Reads one body.
pub struct Source {
    wire: Wire,
    decoder: Decoder,
}

enum Decoder {
    Identity,
    Gzip(Box<Packed>),
}

/// A body that comes compressed.
struct Packed {
    gunzip: Gunzip,
    limit: u64,
    /// As it came; from `at` on not decoded yet.
    bytes: Vec<u8>,
    at: usize,
    /// Bytes decoded, and of how many.
    decoded: u64,
    consumed: u64,
    kept: Kept,
    backlog: Backlog,
}

/// A body that grows by more than this is no exposition worth holding back: text full of ids grows
/// about tenfold, text that repeats itself thirtyfold.
const MOST_GROWTH: u64 = 64;
/// From so many decoded bytes on.
const JUDGED_FROM: u64 = 1 << 20;

/// Whether the decoder may have more to give before it sees more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backlog {
    None,
    Some,
}

/// Whether what was decoded is still there as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Whole,
    No,
}

impl Source {
    /// `limit`: bytes decoded at most; 0 = no limit. `kept`: whether compressed bytes may be asked for
    /// at the end.
    pub fn new(wire: Wire, coding: Coding, limit: u64, kept: Kept, buffers: &Buffers) -> Source {
        let decoder = match coding {
            Coding::Identity => Decoder::Identity,
            Coding::Gzip => Decoder::Gzip(Box::new(Packed::new(limit, kept, buffers))),
        };
        Source { wire, decoder }
    }

    /// Bytes that came over the wire.
    pub fn received(&self) -> u64 {
        self.wire.received()
    }

    /// Whether it is known that nothing more will come of it.
    fn is_over(&self) -> bool {
        matches!(self.decoder, Decoder::Identity) && self.wire.is_over()
    }

    /// Lets others have their turn, when it is time.
    pub async fn give_way(&mut self) {
        if !self.is_over() {
            self.wire.give_way().await;
        }
    }

    /// Appends the next bytes.
    pub async fn fill(&mut self, into: &mut Vec<u8>, deadline: &Deadline) -> Result<Filled, Failure> {
        match &mut self.decoder {
            Decoder::Identity => self.wire.fill(into, deadline).await,
            Decoder::Gzip(packed) => packed.fill(&mut self.wire, into, deadline).await,
        }
    }

    /// Whether the compressed body is kept.
    pub fn kept(&self) -> Kept {
        match &self.decoder {
            Decoder::Identity => Kept::No,
            Decoder::Gzip(packed) => packed.kept,
        }
    }

    /// Nobody will ask for the compressed body.
    pub fn keep_no_longer(&mut self) {
        if let Decoder::Gzip(packed) = &mut self.decoder {
            packed.kept = Kept::No;
        }
    }

    /// The body is wanted once more, from its first byte on. It must have been kept until now.
    pub fn rewind(&mut self) {
        if let Decoder::Gzip(packed) = &mut self.decoder {
            packed.rewind();
        }
    }

    /// The compressed body as it came, when it was kept, and what it came over.
    pub fn end(self) -> (Option<Vec<u8>>, Wire) {
        let bytes = match self.decoder {
            Decoder::Gzip(packed) if packed.kept == Kept::Whole => Some(packed.bytes),
            _ => None,
        };
        (bytes, self.wire)
    }
}

impl Packed {
    fn new(limit: u64, kept: Kept, buffers: &Buffers) -> Packed {
        Packed {
            gunzip: Gunzip::new(limit),
            limit,
            bytes: buffers.take_small(),
            at: 0,
            decoded: 0,
            consumed: 0,
            kept,
            backlog: Backlog::None,
        }
    }

    fn rewind(&mut self) {
        self.gunzip = Gunzip::new(self.limit);
        (self.at, self.decoded, self.consumed) = (0, 0, 0);
        self.backlog = Backlog::Some;
    }

    async fn fill(&mut self, wire: &mut Wire, into: &mut Vec<u8>, deadline: &Deadline) -> Result<Filled, Failure> {
        let before = into.len();
        while into.len() == before {
            if self.backlog == Backlog::None && self.next(wire, deadline).await? == Filled::End {
                return self.gunzip.finish().map(|()| Filled::End).map_err(Failure::from);
            }
            match self.gunzip.push(&self.bytes[self.at..], into)? {
                Pushed::All => {
                    self.consumed += (self.bytes.len() - self.at) as u64;
                    self.at = self.bytes.len();
                    self.backlog = Backlog::None;
                }
                Pushed::Full { consumed } => {
                    self.consumed += consumed as u64;
                    self.at += consumed;
                    self.backlog = Backlog::Some;
                    // A few bytes can hold a great deal.
                    wire.give_way().await;
                }
            }
        }
        self.decoded += (into.len() - before) as u64;
        if self.decoded > JUDGED_FROM && self.decoded / MOST_GROWTH > self.consumed {
            self.kept = Kept::No;
        }
        Ok(Filled::More)
    }

    /// All that came is decoded: the next bytes.
    async fn next(&mut self, wire: &mut Wire, deadline: &Deadline) -> Result<Filled, Failure> {
        if self.kept == Kept::No {
            self.bytes.clear();
            self.at = 0;
        }
        wire.fill(&mut self.bytes, deadline).await
    }
}
