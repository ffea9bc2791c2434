//! Gzip as exporters write it (level 6), and what reading it takes.

use std::io::{Read, Write};

use cardinality_guard::engine::coding::{Gunzip, Pushed};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// All members, as Go's reader reads them.
pub fn gunzip(packed: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    MultiGzDecoder::new(packed).read_to_end(&mut body).unwrap();
    body
}

/// Inflates and throws away: the least that anybody does who looks at the body.
pub fn inflate(packed: &[u8]) -> usize {
    let (mut gunzip, mut piece, mut rest, mut total) = (Gunzip::new(0), Vec::new(), packed, 0);
    loop {
        let pushed = gunzip.push(rest, &mut piece).unwrap();
        total += piece.len();
        piece.clear();
        match pushed {
            Pushed::Full { consumed } => rest = &rest[consumed..],
            Pushed::All => break,
        }
    }
    gunzip.finish().unwrap();
    total
}
