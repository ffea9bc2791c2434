//! How a client ends the lines of its requests. The parser behind takes a bare LF for the end of a
//! line; a proxy before us may not, and would then have seen other requests than we do.

use memchr::memchr;

/// Watches the bytes of one client connection. A request with a body is the last one of its
/// connection, so that all of it is heads.
#[derive(Debug, Default)]
pub struct Heads {
    /// Of the line under way: bytes so far, and the last of them.
    line: usize,
    last: u8,
    content: Content,
    /// Heads that ended in CR LF CR LF.
    ended: u64,
    /// Heads that were asked about.
    asked: u64,
    /// The head in which the first bare LF stood.
    bare: Option<u64>,
}

/// Whether the head under way has a line yet: empty lines before it do not end it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Content {
    #[default]
    None,
    Lines,
}

/// What the lines of a head end in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnds {
    CrLf,
    /// At least one of them is a bare LF.
    Ambiguous,
}

impl Heads {
    pub fn read(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(at) = memchr(b'\n', rest) {
            self.extend(&rest[..at]);
            self.end_line();
            rest = &rest[at + 1..];
        }
        self.extend(rest);
    }

    /// Of the next head, which the parser took for complete.
    pub fn next(&mut self) -> LineEnds {
        let this = self.asked;
        self.asked += 1;
        match self.ended <= this || self.bare.is_some_and(|first| first <= this) {
            true => LineEnds::Ambiguous,
            false => LineEnds::CrLf,
        }
    }

    fn extend(&mut self, part: &[u8]) {
        if let Some(last) = part.last() {
            self.line += part.len();
            self.last = *last;
        }
    }

    fn end_line(&mut self) {
        if self.last != b'\r' {
            self.bare.get_or_insert(self.ended);
        }
        match (self.line, self.content) {
            (0 | 1, Content::Lines) => {
                self.ended += 1;
                self.content = Content::None;
            }
            (0 | 1, Content::None) => {}
            _ => self.content = Content::Lines,
        }
        (self.line, self.last) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of `n` heads ends in, however the bytes are cut.
    fn of(bytes: &str, n: usize) -> Vec<LineEnds> {
        let read = |size| {
            let mut heads = Heads::default();
            bytes.as_bytes().chunks(size).for_each(|piece| heads.read(piece));
            (0..n).map(|_| heads.next()).collect::<Vec<_>>()
        };
        let whole = read(bytes.len());
        assert!([1, 2, 3].into_iter().all(|size| read(size) == whole), "{bytes:?}");
        whole
    }

    #[test]
    fn a_bare_lf_spoils_its_head_and_all_behind_it() {
        use LineEnds::{Ambiguous, CrLf};
        let good = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for bad in [
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
            "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nHost: a\n\r\n",
        ] {
            assert_eq!(of(bad, 1), [Ambiguous], "{bad:?}");
            assert_eq!(of(&format!("{good}{bad}{good}"), 3), [CrLf, Ambiguous, Ambiguous], "{bad:?}");
        }
        assert_eq!(of(&good.repeat(3), 3), [CrLf; 3]);
        assert_eq!(of(&format!("\r\n\r\n{good}"), 1), [CrLf]);
    }
}
