//! Where a body ends on the wire: after so many bytes, behind its last chunk, or with the connection.

use super::failure::UpstreamError;

/// Bytes of chunk extensions and trailers at most; they say nothing that counts.
const TALK: usize = 16 << 10;
/// Digits of a chunk's size at most.
const DIGITS: u8 = 16;

/// How the end of a body is told, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Bytes left.
    Length(u64),
    Chunked(Chunks),
    Close,
    Over,
}

/// Reads what stands between the data of a chunked body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunks {
    at: At,
    talk: usize,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size { size: u64, digits: u8 },
    Blank(u64),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    TrailerOrEnd,
    Trailer,
    TrailerLf,
    EndLf,
    Over,
}

impl Framing {
    pub fn length(bytes: u64) -> Framing {
        match bytes {
            0 => Framing::Over,
            bytes => Framing::Length(bytes),
        }
    }

    pub fn chunked() -> Framing {
        Framing::Chunked(Chunks { at: At::Size { size: 0, digits: 0 }, talk: 0 })
    }

    /// Takes the next data off the wire's bytes; none of them hold none. What stands behind the
    /// body's end is left.
    pub fn take<'a>(&mut self, wire: &mut &'a [u8]) -> Result<&'a [u8], UpstreamError> {
        let most = match self {
            Framing::Over => 0,
            Framing::Close => u64::MAX,
            Framing::Length(left) => *left,
            Framing::Chunked(chunks) => chunks.next(wire)?,
        };
        let n = usize::try_from(most).unwrap_or(usize::MAX).min(wire.len());
        let (data, rest) = wire.split_at(n);
        *wire = rest;
        self.took(n as u64);
        Ok(data)
    }

    /// So many bytes of data were taken off the wire.
    pub fn took(&mut self, n: u64) {
        match self {
            Framing::Length(left) if *left <= n => *self = Framing::Over,
            Framing::Length(left) => *left -= n,
            Framing::Chunked(Chunks { at: At::Over, .. }) => *self = Framing::Over,
            Framing::Chunked(Chunks { at: At::Data(left), .. }) => *left -= n,
            Framing::Chunked(_) | Framing::Close | Framing::Over => {}
        }
    }

    /// Nothing more comes over the wire, which may be the body's end.
    pub fn closed(&mut self) -> Result<(), UpstreamError> {
        match self {
            Framing::Close | Framing::Over => {
                *self = Framing::Over;
                Ok(())
            }
            Framing::Length(_) | Framing::Chunked(_) => Err(UpstreamError::Cut),
        }
    }
}

impl Chunks {
    /// Goes on to the next data; says how many bytes of them follow.
    fn next(&mut self, wire: &mut &[u8]) -> Result<u64, UpstreamError> {
        loop {
            match self.at {
                At::Data(0) => self.at = At::DataCr,
                At::Data(left) => return Ok(left),
                At::Over => return Ok(0),
                _ => {}
            }
            let Some((&byte, rest)) = wire.split_first() else { return Ok(0) };
            *wire = rest;
            self.at = self.after(byte).ok_or(UpstreamError::Framing)?;
        }
    }

    fn after(&mut self, byte: u8) -> Option<At> {
        Some(match (self.at, byte) {
            (At::Size { size, digits }, byte) if byte.is_ascii_hexdigit() && digits < DIGITS => {
                let digit = char::from(byte).to_digit(16)?;
                At::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (At::Size { digits: 0, .. }, _) => return None,
            (At::Size { size, .. } | At::Blank(size), b' ' | b'\t') => self.talk(At::Blank(size))?,
            (At::Size { size, .. } | At::Blank(size), b';') => At::Extension(size),
            (At::Size { size, .. } | At::Blank(size) | At::Extension(size), b'\r') => At::SizeLf(size),
            (At::Extension(size), byte) if byte != b'\n' => self.talk(At::Extension(size))?,
            (At::SizeLf(0), b'\n') | (At::TrailerLf, b'\n') => At::TrailerOrEnd,
            (At::SizeLf(size), b'\n') => At::Data(size),
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::Size { size: 0, digits: 0 },
            (At::TrailerOrEnd, b'\r') => At::EndLf,
            (At::EndLf, b'\n') => At::Over,
            (At::Trailer, b'\r') => At::TrailerLf,
            (At::TrailerOrEnd | At::Trailer, byte) if byte != b'\n' => self.talk(At::Trailer)?,
            _ => return None,
        })
    }

    /// Another byte that says nothing.
    fn talk(&mut self, at: At) -> Option<At> {
        self.talk += 1;
        (self.talk <= TALK).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body in `wire`, read in pieces of `step` bytes, and what is left of it.
    fn read(mut framing: Framing, wire: &[u8], step: usize) -> Result<(Vec<u8>, usize), UpstreamError> {
        let (mut body, mut left) = (Vec::new(), 0);
        for mut piece in wire.chunks(step) {
            loop {
                let data = framing.take(&mut piece)?;
                if data.is_empty() {
                    break;
                }
                body.extend_from_slice(data);
            }
            left += piece.len();
        }
        framing.closed().map(|()| (body, left))
    }

    fn chunked(wire: &str) -> Result<(String, usize), UpstreamError> {
        let whole = read(Framing::chunked(), wire.as_bytes(), usize::MAX);
        for step in [1, 2, 3, 7] {
            assert_eq!(read(Framing::chunked(), wire.as_bytes(), step), whole, "{wire:?} by {step}");
        }
        whole.map(|(body, left)| (String::from_utf8(body).unwrap(), left))
    }

    #[test]
    fn reads_chunks_however_they_are_cut() {
        let table = [
            ("4\r\na 1\n\r\n0\r\n\r\n", "a 1\n", 0),
            ("4\r\na 1\n\r\n04\r\nb 2\n\r\n000\r\n\r\n", "a 1\nb 2\n", 0),
            ("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", 0),
            ("4 \t;a=b;c=\"d\"\r\na 1\n\r\n0;x\r\n\r\n", "a 1\n", 0),
            ("0\r\nTrailer: x\r\nOther: y\r\n\r\n", "", 0),
            ("4\r\na 1\n\r\n0\r\n\r\nmore", "a 1\n", 4),
        ];
        for (wire, body, left) in table {
            assert_eq!(chunked(wire), Ok((body.to_owned(), left)), "{wire:?}");
        }
    }

    #[test]
    fn refuses_what_is_no_chunk_and_what_is_cut() {
        let framing = Err(UpstreamError::Framing);
        for wire in [
            "zz\r\na",
            "\r\n",
            " 4\r\na 1\n\r\n0\r\n\r\n",
            "-4\r\na 1\n",
            "0x4\r\na 1\n",
            "4\na 1\n\n0\n\n",
            "4\r\na 1\nXX0\r\n\r\n",
            "4\r\na 1\n0\r\n\r\n",
            "4;a\n\r\na 1\n",
            "4 4\r\na 1\n",
            "4\rxa 1\n",
            "fffffffffffffffff\r\na",
            "00000000000000004\r\na 1\n\r\n0\r\n\r\n",
            "0\r\nTrailer\n\r\n",
            "0\r\n\rx",
        ] {
            assert_eq!(chunked(wire), framing, "{wire:?}");
        }
        let whole = "4;x\r\na 1\n\r\n0\r\nTrailer: x\r\n\r\n";
        for end in 0..whole.len() {
            assert_eq!(chunked(&whole[..end]), Err(UpstreamError::Cut), "{:?}", &whole[..end]);
        }
    }

    #[test]
    fn listens_to_no_endless_talk() {
        let long = "x".repeat(TALK);
        assert!(chunked(&format!("0;{long}\r\n\r\n")).is_ok());
        assert_eq!(chunked(&format!("0;{long}x\r\n\r\n")), Err(UpstreamError::Framing));
        assert_eq!(chunked(&format!("0{}\r\n\r\n", " ".repeat(TALK + 1))), Err(UpstreamError::Framing));
        assert_eq!(chunked(&format!("0\r\n{long}x\r\n\r\n")), Err(UpstreamError::Framing));
        assert_eq!(chunked(&"1;xx\r\na\r\n".repeat(TALK)), Err(UpstreamError::Framing));
    }

    #[test]
    fn a_length_is_exact_and_a_connections_end_is_one() {
        let length = |n, wire: &[u8]| read(Framing::length(n), wire, 3);
        assert_eq!(length(4, b"a 1\n"), Ok((b"a 1\n".to_vec(), 0)));
        assert_eq!(length(4, b"a 1\nmore"), Ok((b"a 1\n".to_vec(), 4)));
        assert_eq!(length(5, b"a 1\n"), Err(UpstreamError::Cut));
        assert_eq!(length(0, b""), Ok((vec![], 0)));
        assert_eq!(read(Framing::Close, b"a 1\n", 3), Ok((b"a 1\n".to_vec(), 0)));
    }
}
