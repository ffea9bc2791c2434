//! The guarded body on its way out: gzip when the client takes it and it pays.

use bytes::Bytes;

use crate::engine::coding::{Gzip, store};

use super::accept::Taken;
use crate::state::Buffers;

/// Bytes below which compressing gains nothing worth the work: about one packet.
const WORTH_IT: usize = 1 << 10;

/// Encodes a body in pieces.
pub enum Encoder {
    Identity(Buffers),
    Gzip(Box<Gzip>),
}

impl Encoder {
    pub fn new(taken: Taken, buffers: &Buffers) -> Encoder {
        match taken {
            Taken::Identity => Encoder::Identity(buffers.clone()),
            Taken::Gzip => Encoder::Gzip(Box::default()),
        }
    }

    /// What of it may leave now.
    pub fn push(&mut self, bytes: Vec<u8>) -> Bytes {
        match self {
            Encoder::Identity(buffers) => buffers.send(bytes),
            Encoder::Gzip(gzip) => {
                let mut out = Vec::new();
                gzip.push(&bytes, &mut out);
                out.into()
            }
        }
    }

    /// The last of it.
    pub fn finish(self, bytes: Vec<u8>) -> Bytes {
        match self {
            Encoder::Identity(buffers) => buffers.send(bytes),
            Encoder::Gzip(mut gzip) => {
                let mut out = Vec::new();
                gzip.push(&bytes, &mut out);
                gzip.finish(&mut out);
                out.into()
            }
        }
    }
}

/// Encodes a held body; says how it did. Its buffer goes back when it is sent.
pub fn whole(bytes: Vec<u8>, taken: Taken, buffers: &Buffers) -> (Bytes, Taken) {
    if taken == Taken::Identity || bytes.len() < WORTH_IT {
        return (buffers.send(bytes), Taken::Identity);
    }
    let mut gzip = Gzip::new();
    let mut packed = Vec::with_capacity(bytes.len() / 8);
    gzip.push(&bytes, &mut packed);
    gzip.finish(&mut packed);
    match packed.len() < bytes.len() {
        true => {
            buffers.give(bytes);
            (packed.into(), Taken::Gzip)
        }
        false => (buffers.send(bytes), Taken::Identity),
    }
}

/// A compressed body that leaves as it came, behind a member of what goes before it.
pub fn packed(before: &[u8], packed: Vec<u8>, buffers: &Buffers) -> [Bytes; 2] {
    let mut member = Vec::new();
    if !before.is_empty() {
        store(before, &mut member);
    }
    [member.into(), buffers.send(packed)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compresses_only_what_pays() {
        let line = b"a_metric_with_a_name{label=\"value\"} 1\n".repeat(100);
        let (packed, how) = whole(line.clone(), Taken::Gzip, &Buffers::default());
        assert!(how == Taken::Gzip && packed.len() < line.len() / 5);
        assert_eq!(whole(line.clone(), Taken::Identity, &Buffers::default()).1, Taken::Identity);
        assert_eq!(whole(line[..1000].to_vec(), Taken::Gzip, &Buffers::default()).1, Taken::Identity);
    }
}
