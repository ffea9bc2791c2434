//! Streaming gunzip: one layer, any number of members, checksums verified, nothing behind them.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::header::{Header, Progress};

/// Output of one call, so that a small input cannot blow up memory before its size is looked at.
const CHUNK: usize = 128 << 10;

/// Input of one call: what it decodes to should still be in the processor's cache when it is read.
const MOUTHFUL: usize = 16 << 10;

/// Decodes one gzip body. After an error it is of no further use.
pub struct Gunzip {
    inflate: Decompress,
    at: At,
    crc: Crc,
    decoded: u64,
    limit: u64,
}

/// How far [`Gunzip::push`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The input is used up and so is what it stood for.
    All,
    /// A good chunk of output waits: take it and push the rest of the input, from this offset on.
    Full { consumed: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GunzipError {
    #[error("gzip: not a gzip header")]
    Header,
    #[error("gzip: corrupt data")]
    Corrupt,
    #[error("gzip: wrong checksum")]
    Checksum,
    #[error("gzip: ends in the middle")]
    Truncated,
    #[error("gzip: decodes to more than {0} bytes")]
    TooLarge(u64),
}

enum At {
    /// Before the first byte of the first member.
    Nothing,
    Header(Header),
    Body,
    Trailer {
        bytes: [u8; 8],
        have: usize,
    },
    /// Behind a complete member: the body may end here, or another member begins.
    Between,
}

impl Gunzip {
    /// `limit`: decoded bytes at most; 0 = no limit.
    pub fn new(limit: u64) -> Gunzip {
        Gunzip { inflate: Decompress::new(false), at: At::Nothing, crc: Crc::new(), decoded: 0, limit }
    }

    /// Decodes from `input`, cut anywhere, and appends to `out`.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Pushed, GunzipError> {
        let mut rest = input;
        let target = out.len() + CHUNK;
        loop {
            match &mut self.at {
                At::Body => {
                    self.body(&mut rest, out)?;
                    if matches!(self.at, At::Body) && rest.is_empty() && out.len() < target {
                        return Ok(Pushed::All);
                    }
                    if out.len() >= target {
                        return Ok(Pushed::Full { consumed: input.len() - rest.len() });
                    }
                }
                _ if rest.is_empty() => return Ok(Pushed::All),
                At::Nothing | At::Between => self.at = At::Header(Header::new()),
                At::Header(header) => {
                    let (byte, tail) = (rest[0], &rest[1..]);
                    rest = tail;
                    if let Progress::Complete = header.push(byte)? {
                        self.inflate.reset(false);
                        self.crc.reset();
                        self.at = At::Body;
                    }
                }
                At::Trailer { .. } => self.trailer(&mut rest)?,
            }
        }
    }

    /// The input is complete.
    pub fn finish(&self) -> Result<(), GunzipError> {
        match self.at {
            At::Between => Ok(()),
            _ => Err(GunzipError::Truncated),
        }
    }

    /// Inflates up to a chunk; moves on when the member's data end.
    fn body(&mut self, rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), GunzipError> {
        let from = out.len();
        // A window and not all the room there is: a few bytes of a bomb would fill megabytes at once.
        out.resize(from + CHUNK, 0);
        let (before, written) = (self.inflate.total_in(), self.inflate.total_out());
        let mouthful = &rest[..rest.len().min(MOUTHFUL)];
        let status = self.inflate.decompress(mouthful, &mut out[from..], FlushDecompress::None);
        out.truncate(from + (self.inflate.total_out() - written) as usize);
        let status = status.map_err(|_| GunzipError::Corrupt)?;
        let read = (self.inflate.total_in() - before) as usize;
        *rest = &rest[read..];
        self.crc.update(&out[from..]);
        self.decoded += (out.len() - from) as u64;
        if self.limit != 0 && self.decoded > self.limit {
            return Err(GunzipError::TooLarge(self.limit));
        }
        match status {
            Status::StreamEnd => self.at = At::Trailer { bytes: [0; 8], have: 0 },
            // No progress although there is input and room: the stream is at odds with itself.
            _ if read == 0 && out.len() == from && !rest.is_empty() => return Err(GunzipError::Corrupt),
            _ => {}
        }
        Ok(())
    }

    fn trailer(&mut self, rest: &mut &[u8]) -> Result<(), GunzipError> {
        let At::Trailer { bytes, have } = &mut self.at else { return Ok(()) };
        let take = rest.len().min(8 - *have);
        bytes[*have..*have + take].copy_from_slice(&rest[..take]);
        *have += take;
        *rest = &rest[take..];
        if *have == 8 {
            let told = u64::from_le_bytes(*bytes);
            let found = u64::from(self.crc.sum()) | u64::from(self.crc.amount()) << 32;
            if told != found {
                return Err(GunzipError::Checksum);
            }
            self.at = At::Between;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Gzip;
    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut gzip = Gzip::new();
        let mut out = Vec::new();
        gzip.push(data, &mut out);
        gzip.finish(&mut out);
        out
    }

    /// Decodes in pieces of `step` bytes.
    fn gunzip(input: &[u8], step: usize, limit: u64) -> Result<Vec<u8>, GunzipError> {
        let mut gunzip = Gunzip::new(limit);
        let mut all = Vec::new();
        for mut piece in input.chunks(step) {
            loop {
                match gunzip.push(piece, &mut all)? {
                    Pushed::All => break,
                    Pushed::Full { consumed } => piece = &piece[consumed..],
                }
            }
        }
        gunzip.finish().map(|()| all)
    }

    fn noise(n: usize) -> Vec<u8> {
        let mut x = 7u32;
        let step = |_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (x >> 24) as u8
        };
        (0..n).map(step).collect()
    }

    #[test]
    fn gives_back_what_went_in_however_it_is_cut() {
        for data in [b"".to_vec(), b"a 1\n".to_vec(), vec![b'x'; 300_000], noise(200_000)] {
            let packed = gzip(&data);
            for step in [1, 7, 4096, usize::MAX] {
                assert_eq!(gunzip(&packed, step, 0).as_ref(), Ok(&data), "{} bytes by {step}", data.len());
            }
        }
    }

    #[test]
    fn reads_member_after_member() {
        let packed = [gzip(b"a 1\n"), gzip(b""), gzip(b"b 2\n")].concat();
        for step in [1, 3, usize::MAX] {
            assert_eq!(gunzip(&packed, step, 0), Ok(b"a 1\nb 2\n".to_vec()));
        }
    }

    #[test]
    fn reads_every_optional_header_field() {
        let plain = gzip(b"a 1\n");
        let mut head = vec![0x1f, 0x8b, 8, 0b1_1110, 0, 0, 0, 0, 0, 255, 3, 0];
        head.extend(b"abcname\0comment\0");
        let mut crc = Crc::new();
        crc.update(&head);
        head.extend((crc.sum() as u16).to_le_bytes());
        let good = [&head[..], &plain[10..]].concat();
        for step in [1, usize::MAX] {
            assert_eq!(gunzip(&good, step, 0), Ok(b"a 1\n".to_vec()));
        }
        let mut bad = good;
        bad[12] ^= 1;
        assert_eq!(gunzip(&bad, 1, 0), Err(GunzipError::Header));
    }

    #[test]
    fn refuses_what_is_not_a_whole_gzip_body() {
        let packed = gzip(b"a 1\nb 2\n");
        let n = packed.len();
        let with = |tail: &[u8]| [&packed[..], tail].concat();
        let flip = |at: usize| {
            let mut bad = packed.clone();
            bad[at] ^= 0x55;
            bad
        };
        let table: &[(&str, Vec<u8>, GunzipError)] = &[
            ("nothing", vec![], GunzipError::Truncated),
            ("plain text", b"a 1\n".to_vec(), GunzipError::Header),
            ("half a header", packed[..5].to_vec(), GunzipError::Truncated),
            ("cut in the data", packed[..14].to_vec(), GunzipError::Truncated),
            ("no trailer", packed[..n - 8].to_vec(), GunzipError::Truncated),
            ("half a trailer", packed[..n - 3].to_vec(), GunzipError::Truncated),
            ("bad crc", flip(n - 8), GunzipError::Checksum),
            ("bad length", flip(n - 1), GunzipError::Checksum),
            ("trailing zeros", with(&[0; 8]), GunzipError::Header),
            ("trailing garbage", with(b"garbage"), GunzipError::Header),
            ("half a second member", with(&packed[..n - 1]), GunzipError::Truncated),
            ("reserved block type", [&packed[..10], &[0xff; 20]].concat(), GunzipError::Corrupt),
        ];
        for (name, bytes, expected) in table {
            for step in [1, usize::MAX] {
                assert_eq!(gunzip(bytes, step, 0), Err(*expected), "{name} by {step}");
            }
        }
    }

    #[test]
    fn decodes_one_layer_only() {
        let inner = gzip(b"a 1\n");
        assert_eq!(gunzip(&gzip(&inner), 64, 0), Ok(inner));
    }

    #[test]
    fn stops_a_bomb_at_its_limit_and_never_holds_more_than_a_chunk() {
        let bomb = gzip(&vec![0; 20 << 20]);
        let mut gunzip = Gunzip::new(4 << 20);
        let mut rest = &bomb[..];
        let mut out = Vec::new();
        let mut total = 0;
        let error = loop {
            match gunzip.push(rest, &mut out) {
                Ok(Pushed::Full { consumed }) => rest = &rest[consumed..],
                Ok(Pushed::All) => panic!("the bomb went off"),
                Err(error) => break error,
            }
            assert!(out.len() <= 2 * CHUNK);
            total += out.len();
            out.clear();
        };
        assert_eq!(error, GunzipError::TooLarge(4 << 20));
        assert!(total <= 4 << 20);
    }

    #[test]
    fn a_body_of_exactly_the_limit_passes() {
        assert_eq!(gunzip(&gzip(&[b'a'; 100]), 9, 100), Ok(vec![b'a'; 100]));
        assert_eq!(gunzip(&gzip(&[b'a'; 101]), 9, 100), Err(GunzipError::TooLarge(100)));
    }

    #[test]
    fn room_that_is_there_is_not_filled_at_once() {
        let mut out = Vec::with_capacity(8 << 20);
        let pushed = Gunzip::new(0).push(&gzip(&vec![b'a'; 8 << 20]), &mut out).unwrap();
        assert!(matches!(pushed, Pushed::Full { .. }) && out.len() < 2 * CHUNK, "{}", out.len());
    }
}
