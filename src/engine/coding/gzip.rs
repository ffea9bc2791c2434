//! Streaming gzip at the fastest level: a scrape is compressed once and read once.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Room made for each call into the compressor.
const CHUNK: usize = 32 << 10;

/// Magic, deflate, no flags, no time, fastest, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// Encodes one gzip member.
pub struct Gzip {
    deflate: Compress,
    crc: Crc,
    head: Head,
}

enum Head {
    Due,
    Written,
}

impl Default for Gzip {
    fn default() -> Self {
        Gzip::new()
    }
}

impl Gzip {
    pub fn new() -> Gzip {
        Gzip { deflate: Compress::new(Compression::fast(), false), crc: Crc::new(), head: Head::Due }
    }

    /// Compresses `input` and appends what is ready to `out`.
    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        self.begin(out);
        self.crc.update(input);
        while !input.is_empty() {
            let read = self.step(input, out, FlushCompress::None).0;
            input = &input[read..];
        }
    }

    /// Appends the rest and the trailer.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.begin(out);
        while self.step(&[], out, FlushCompress::Finish).1 != Status::StreamEnd {}
        out.extend_from_slice(&self.crc.sum().to_le_bytes());
        out.extend_from_slice(&self.crc.amount().to_le_bytes());
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if let Head::Due = self.head {
            out.extend_from_slice(&HEADER);
            self.head = Head::Written;
        }
    }

    /// How much was read, and how it went. Compressing has no way to fail: an error could only
    /// mean that the compressor was called wrongly, and then nothing more comes out of it.
    fn step(&mut self, input: &[u8], out: &mut Vec<u8>, flush: FlushCompress) -> (usize, Status) {
        out.reserve(CHUNK);
        let before = self.deflate.total_in();
        let status = self.deflate.compress_vec(input, out, flush).unwrap_or(Status::StreamEnd);
        let read = match status {
            Status::StreamEnd => input.len(),
            _ => (self.deflate.total_in() - before) as usize,
        };
        (read, status)
    }
}

/// Bytes of a stored block at most.
const STORED: usize = u16::MAX as usize;

/// Appends a whole member of few bytes, which are not worth the work of compressing them.
pub fn store(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&HEADER);
    let mut blocks = bytes.chunks(STORED).peekable();
    while let Some(block) = blocks.next() {
        let (last, length) = (u8::from(blocks.peek().is_none()), block.len() as u16);
        out.push(last);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    if bytes.is_empty() {
        out.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    }
    let mut crc = Crc::new();
    crc.update(bytes);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&crc.amount().to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// What another implementation's reader makes of it.
    fn read_back(packed: &[u8]) -> Vec<u8> {
        let mut reader = flate2::write::GzDecoder::new(Vec::new());
        reader.write_all(packed).unwrap();
        reader.finish().unwrap()
    }

    #[test]
    fn another_reader_reads_it() {
        let data: Vec<u8> = (0..400_000u32).flat_map(u32::to_le_bytes).collect();
        for step in [1000, data.len()] {
            let mut gzip = Gzip::new();
            let mut packed = Vec::new();
            data.chunks(step).for_each(|piece| gzip.push(piece, &mut packed));
            gzip.finish(&mut packed);
            assert!(read_back(&packed) == data);
        }
    }

    #[test]
    fn what_is_stored_is_a_member_too() {
        for size in [0, 1, 1000, STORED, STORED + 1, 3 * STORED] {
            let data: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let mut packed = Vec::new();
            store(&data, &mut packed);
            assert!(read_back(&packed) == data, "{size} bytes");
        }
    }

    #[test]
    fn nothing_is_a_valid_member() {
        let mut packed = Vec::new();
        Gzip::new().finish(&mut packed);
        assert_eq!(read_back(&packed), b"");
    }
}
